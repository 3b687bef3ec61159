"""Planted faults: each must be caught by the runner, as what it is."""

import ctypes
import os
import time
from collections.abc import Callable

import numpy as np

from segmentation.errors import ImageReadError


def _raise() -> None:
    raise ValueError("a decoder's own words")


def _sleep() -> None:
    time.sleep(600)


def _slow() -> None:
    end = time.process_time() + 1.5
    while time.process_time() < end:
        pass


def _allocate() -> None:
    kept = [np.ones(2**26, np.uint8) for _ in range(100)]
    raise AssertionError(len(kept))


def _hidden() -> None:
    try:
        np.ones(2**40, np.uint8)
    except MemoryError as error:
        raise ImageReadError("a.png: the file is damaged or cut short; copy it again.") from error


def _two_lines() -> None:
    raise ImageReadError("a.png: the file is\ndamaged; copy it again.")


def _segfault() -> None:
    ctypes.string_at(0)


# Name of a fault: what does it. The outcome that it must have is in ``EXPECTED``.
FAULTS: dict[str, Callable[[], None]] = {
    "fault-raise": _raise,
    "fault-sleep": _sleep,
    "fault-slow": _slow,
    "fault-allocate": _allocate,
    "fault-hidden": _hidden,
    "fault-two-lines": _two_lines,
    "fault-segfault": _segfault,
    "fault-abort": os.abort,
}
EXPECTED = {
    "fault-raise": "fault",
    "fault-sleep": "hang",
    "fault-slow": "slow",
    "fault-allocate": "memory",
    "fault-hidden": "memory",
    "fault-two-lines": "wrong",
    "fault-segfault": "crash",
    "fault-abort": "crash",
}
