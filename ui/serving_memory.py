"""Memory of a server that runs for weeks: given back when a picture is done, rather than kept in pieces."""

import ctypes
import sys
from contextlib import suppress

_ARENA_MAX, _MMAP_THRESHOLD = -8, -3  # of glibc's malloc.h
_ARENAS, _LARGE = 2, 2**20  # heaps; bytes from which an array gets pages of its own


def give_memory_back() -> None:
    """Have glibc keep few heaps, and give large arrays pages of their own, which go back when they are freed.

    By itself it makes up to eight heaps a core, one for each thread that waits, and after the first large array keeps
    further ones in them: a server's memory grows with every thread that has ever seen a large picture. Other
    systems' allocators do neither, and are left alone.
    """
    if not sys.platform.startswith("linux"):
        return
    with suppress(OSError, AttributeError):  # musl has no such thing
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_ARENA_MAX, _ARENAS)
        mallopt(_MMAP_THRESHOLD, _LARGE)
