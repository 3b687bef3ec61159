"""A process that reads files, in which some decoders have faults: a file's name says which."""

import ctypes
import os
import re
import struct
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from segmentation import isolated_reading_worker as worker
from segmentation.image_io import MicroscopyImage, read_images


def _segfault() -> None:
    ctypes.string_at(0)


def _sleep() -> None:
    time.sleep(600)


def _hang() -> None:
    re.match("(a+)+$", "a" * 60 + "b")  # never lets another thread run


def _grow() -> None:
    kept = []
    while True:
        kept.append(np.ones(2**24, np.uint8))


def _ask_for_all() -> None:
    np.ones(2**40, np.uint8)


def _fault() -> None:
    raise ZeroDivisionError("a fault of ours\nin two lines")


def _nonsense() -> None:
    os.write(ANSWERS, struct.pack("<I", 10) + b"[1, 2, 3 ]")


def _endless() -> None:
    os.write(ANSWERS, b"\xff\xff\xff\xff")


def _lie() -> None:
    said = (
        b'{"kind": "image", "name": "x", "notes": [], "pixel_size": null, "channel_names": [], "dtype": "u1", "shape": '
    )
    said += b"[19000, 19000, 1]}"
    os.write(ANSWERS, struct.pack("<I", len(said)) + said + bytes(99))
    os._exit(3)


def _print() -> None:
    os.write(1, b"a library that prints")
    print("more of it", flush=True)


FAULTS: dict[str, Callable[[], None]] = {
    "abort": os.abort,
    "segfault": _segfault,
    "sleep": _sleep,
    "hang": _hang,
    "grow": _grow,
    "all": _ask_for_all,
    "fault": _fault,
    "nonsense": _nonsense,
    "endless": _endless,
    "lie": _lie,
    "print": _print,
}
ANSWERS = 0


def read(path: Path, **chosen: Any) -> Iterator[MicroscopyImage]:
    FAULTS.get(path.stem, lambda: None)()
    yield from read_images(path, **chosen)


if __name__ == "__main__":
    own = worker._own_output

    def kept() -> Any:
        global ANSWERS
        answers = own()
        ANSWERS = answers.fileno()
        return answers

    worker._own_output = kept
    worker.read_images = read  # type: ignore[assignment]
    worker.main(int(sys.argv[-1]))
