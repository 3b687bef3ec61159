"""Watches a process that reads a stranger's file: the time it takes and the memory it holds."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from segmentation.errors import ImageReadError

_EACH_S = 0.05  # seconds between two looks at a process's memory


class Watch:
    """Ends a process that takes too long or too much, while this context lasts.

    Args:
        pid: its number.
        memory: bytes that it may hold.
        seconds: that it may take.
        label: the file, for messages.
        end: ends the process; told what to say of the file.
    """

    def __init__(
        self, pid: int, memory: int, seconds: float, label: str, end: Callable[[ImageReadError], None]
    ) -> None:
        self._pid, self._memory, self._seconds, self._label, self._end = pid, memory, seconds, label, end
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        end = time.monotonic() + self._seconds
        while not self._over.wait(min(_EACH_S, max(end - time.monotonic(), 0))):
            if time.monotonic() >= end:
                self._end(_too_slow(self._label, self._seconds))
            elif resident(self._pid) > self._memory:
                self._end(too_much(self._label, self._memory))
            else:
                continue
            return


def resident(pid: int) -> int:
    """Bytes of memory that a process holds; 0 where the system does not say."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def too_much(label: str, memory: int) -> ImageReadError:
    """What people are told of a file that took more than ``memory`` bytes."""
    return ImageReadError(
        f"{label}: reading it took more than {memory / 2**30:,.3g} GiB of memory, the limit here, and was stopped; "
        "crop it, or export fewer channels or planes."
    )


def _too_slow(label: str, seconds: float) -> ImageReadError:
    return ImageReadError(
        f"{label}: reading it took longer than {seconds:,g} seconds, the limit here, and was stopped; crop it, or "
        "export it again in another format."
    )
