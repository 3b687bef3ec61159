"""A power cut at every step of a write: what is on the disk then, and what the next write makes of it."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.faults_table import Row
from benchmarks.faults_trees import half_written
from lightning_modules.checkpoint_files import LAST, WholeCheckpoints, newest, read
from segmentation import atomic

OLD, NEW = b"old" * 1000, b"new" * 1001
DEAD = 9  # exit code of a process that the power left
_STEPS = ("fsync", "replace", "rename", "link", "mkdir", "rmdir", "unlink")  # of the module os


class PowerCut:
    """Ends the process at a chosen point between two steps of writing, as if the power had gone.

    What is not on the disk then is lost: every file that was not there before, and that nobody flushed to the disk,
    is empty afterwards, under whatever name it has by then.

    Args:
        place: folder where all is written.
        at: the point, counted from 0; None for no cut at all, to count the points.
    """

    def __init__(self, place: Path, at: int | None) -> None:
        self._place, self._at, self.points = place, at, 0
        self._kept = {path.stat().st_ino for path in place.rglob("*")}

    def point(self) -> None:
        """A point at which the power can go."""
        if self.points == self._at:
            for path in self._place.rglob("*"):
                if path.is_file() and path.stat().st_ino not in self._kept:
                    os.truncate(path, 0)
            os._exit(DEAD)
        self.points += 1

    @contextmanager
    def armed(self) -> Iterator[None]:
        """Inside, every step of writing is a point before and one after it."""
        before = {name: getattr(os, name) for name in _STEPS}
        exchange, write = atomic._exchange, Path.write_bytes

        def stepped(call: Callable[..., Any]) -> Callable[..., Any]:
            def step(*arguments: Any, **more: Any) -> Any:
                self.point()
                answer = call(*arguments, **more)
                if call is before["fsync"]:
                    self._kept.add(os.fstat(arguments[0]).st_ino)
                self.point()
                return answer

            return step

        def write_in_halves(path: Path, data: Any) -> int:
            with open(path, "wb") as file:
                file.write(data[: len(data) // 2])
                file.flush()
                self.point()
                return len(data) // 2 + file.write(data[len(data) // 2 :])

        try:
            for name in _STEPS:
                setattr(os, name, stepped(before[name]))
            atomic._exchange = stepped(exchange)
            Path.write_bytes = write_in_halves  # type: ignore[assignment, method-assign]
            yield
        finally:
            for name in _STEPS:
                setattr(os, name, before[name])
            atomic._exchange = exchange
            Path.write_bytes = write  # type: ignore[method-assign]


def die_at(place: Path, at: int | None, write: Callable[[], object]) -> int:
    """Write in a process of its own, which the power leaves at a point; returns how many points it passed.

    Raises:
        RuntimeError: if the process ends otherwise than by the power, or by itself.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            cut = PowerCut(place, at)
            with cut.armed():
                write()
            os.write(writer, str(cut.points).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader) as told:
        points = told.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code not in (0, DEAD):
        raise RuntimeError(f"point {at}: the writing process ended with code {code}")
    return int(points or 0)


def power_cuts(scratch: Path, tell: Callable[[str], None]) -> list[Row]:
    """The power cut at every point of writing a file, a folder and a checkpoint over older ones."""
    rows = []
    for what, write, at_once in _KINDS:
        found = _READ[write]
        row = Row(f"power: {what}", "writes ended")
        place = Path(tempfile.mkdtemp(dir=scratch))
        points = die_at(_prepared(place / "counted", write), None, partial(write, place / "counted", NEW))
        for at in range(points):
            here = _prepared(place / str(at), write)
            die_at(here, at, partial(write, here, NEW))
            state = found(here)
            if state is None and not at_once:
                atomic.tidy(here)
                state = found(here)
            row.check("" if state in (OLD, NEW) else f"point {at}: neither the old nor the new is there")
            atomic._tidy_once.cache_clear()  # the next process looks through the folder anew
            write(here, NEW)
            row.check("" if found(here) == NEW else f"point {at}: the next write did not come through")
            row.check(", ".join(half_written(here)))
            row.cases, row.ended = row.cases + 1, row.ended + 1
        tell(f"{row.what}: {points} points")
        rows.append(row)
    return rows


def _prepared(place: Path, write: Callable[[Path, bytes], None]) -> Path:
    place.mkdir(parents=True)
    write(place, OLD)
    return place


def _write_file(place: Path, data: bytes) -> None:
    with atomic.replacing(place / "file") as scratch:
        scratch.write_bytes(data)


def _read_file(place: Path) -> bytes | None:
    return (place / "file").read_bytes() if (place / "file").exists() else None


def _write_folder(place: Path, data: bytes) -> None:
    with atomic.replacing_folder(place / "folder") as fresh:
        (fresh / "inside").mkdir()
        (fresh / "one").write_bytes(data)
        (fresh / "inside" / "two").write_bytes(data)


def _write_folder_in_two_steps(place: Path, data: bytes) -> None:
    exchange = atomic._exchange
    atomic._exchange = lambda first, second: False
    try:
        _write_folder(place, data)
    finally:
        atomic._exchange = exchange


def _read_folder(place: Path) -> bytes | None:
    folder = place / "folder"
    if not folder.exists():
        return None
    one, two = (folder / "one").read_bytes(), (folder / "inside" / "two").read_bytes()
    return one if one == two else b"half of each"


def _write_checkpoint(place: Path, data: bytes) -> None:
    WholeCheckpoints().save_checkpoint({"state": torch.frombuffer(bytearray(data), dtype=torch.uint8)}, place / LAST)


def _read_checkpoint(place: Path) -> bytes | None:
    path = newest(place)
    return None if path is None else bytes(read(path)["state"].numpy().tobytes())


_READ: dict[Callable[[Path, bytes], None], Callable[[Path], bytes | None]] = {
    _write_file: _read_file,
    _write_folder: _read_folder,
    _write_folder_in_two_steps: _read_folder,
    _write_checkpoint: _read_checkpoint,
}
# What it is called, what writes it, and whether the old one is there until the new one is.
_KINDS: list[tuple[str, Callable[[Path, bytes], None], bool]] = [
    ("a file", _write_file, True),
    ("a folder", _write_folder, True),
    ("a folder, where two cannot change places", _write_folder_in_two_steps, False),
    ("a checkpoint", _write_checkpoint, True),
]
