"""A disk that is full after so many bytes: what is told, what is left, and whether it can go on."""

import os
import random
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import faults_batch, faults_training
from benchmarks.faults_processes import run
from benchmarks.faults_table import Row
from benchmarks.faults_trees import contents, difference, half_written
from lightning_modules.checkpoint_files import LAST, WholeCheckpoints
from segmentation import Bundle
from segmentation.atomic import FULL
from segmentation.errors import NucleoscopeError
from segmentation.examples import make_example
from segmentation.exports import FORMATS, run_record, write_all
from segmentation.measurements import measure
from segmentation.model_export import write
from segmentation.segmenter import Segmenter

MIB = 2**20
SIZE = 64 * MIB  # of the disk; what leaves less room is a file on it


@contextmanager
def small_disk(place: Path) -> Iterator[Path | None]:
    """A disk of 64 MiB in memory; None where this process may not have one (mounting is for root on Linux)."""
    place.mkdir(parents=True)
    try:
        command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(place)]
        mounted = subprocess.run(command, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    try:
        yield place if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", str(place)], check=True)


@contextmanager
def room_for(disk: Path, free: int) -> Iterator[None]:
    """Inside, so many bytes are free on the disk, rounded down to its blocks."""
    ballast = disk / "ballast"
    status = os.statvfs(disk)
    blocks = max(status.f_bavail - free // status.f_bsize, 0)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(blocks * status.f_bsize, 1))
    try:
        yield
    finally:
        ballast.unlink()


def full_disks(count: int, seed: int, scratch: Path, tell: Callable[[str], None]) -> list[Row]:
    """Each kind of file written over an older one, ``count`` times, with room for a random part of it."""
    with small_disk(scratch / "disk") as disk:
        if disk is None:
            return [Row("full disk", "", note="left out: no disk can be mounted here (root on Linux can)")]
        rows = []
        for what, write_it in _writers().items():
            rows.append(_one_kind(what, write_it, count, random.Random(seed), disk))
            tell(f"{what}: {rows[-1].cases} times full")
        return rows


def _writers() -> dict[str, Callable[[Path, int], object]]:
    """What writes into a folder, by its name; the number makes it differ."""
    bundle = Bundle.load(faults_batch.MODEL)
    drawn = [make_example("fluorescence", n, height=300, width=300, nuclei=20).pixels for n in range(2)]
    results = [Segmenter(bundle, "cpu")(pixels) for pixels in drawn]
    weights = bundle.network.state_dict()

    def formats(key: str, folder: Path, number: int) -> None:
        result = results[number]
        table = measure(result.labels, result.image.pixels)
        write_all(folder, "picture", result, table, run_record(result, bundle, model="nuclei"), [key])

    return {
        "checkpoint": lambda folder, n: WholeCheckpoints().save_checkpoint({"n": n, **weights}, folder / LAST),
        "bundle": lambda folder, n: replace(bundle, scores={"n": n}).save(folder / "bundle"),
        "model export": lambda folder, n: write(np.full(2 * MIB, n, np.uint8).tobytes(), folder / "model.onnx"),
        **{f"{key} of a picture": partial(formats, key) for key in FORMATS},
    }


def _one_kind(what: str, write_it: Callable[[Path, int], object], count: int, drawn: random.Random, disk: Path) -> Row:
    row = Row(f"full disk: {what}", "second tries")
    folder = disk / "results"
    folder.mkdir()
    write_it(folder, 0)
    old, need = contents(folder), sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    for _ in range(count):
        before = sorted(path.name for path in folder.rglob("*"))
        fault = "a full disk was not noticed"
        with room_for(disk, int(drawn.uniform(0, 0.9) * need)):
            try:
                write_it(folder, 1)
            except NucleoscopeError as error:
                fault = "" if "No space left" in str(error) else f"it says: {error}"
            except OSError as error:
                named = error.filename is not None and Path(error.filename).parent == folder
                fault = "" if error.errno in FULL and named else f"it says: {error!r}"
        row.cases += 1
        row.check(fault)
        row.check(difference(contents(folder), old))
        row.check("" if sorted(path.name for path in folder.rglob("*")) == before else "something is left behind")
        write_it(folder, 1)
        row.ended += contents(folder) != old
        write_it(folder, 0)
        old = contents(folder)
    row.check("" if row.ended == row.cases else "a second try wrote nothing")
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()
    return row


def full_commands(
    count: int, pictures: int, epochs: int, seed: int, scratch: Path, tell: Callable[[str], None]
) -> list[Row]:
    """The batch and the training, on a disk that is full at a random moment, and again with room."""
    drawn = random.Random(seed)
    source = faults_batch.draw(scratch / "in", pictures)
    unbroken = scratch / "unbroken"
    run(faults_batch.words(source, unbroken / "out", 1))
    run(faults_training.words(unbroken / "run", epochs))
    expected = contents(unbroken / "out")
    need = {name: _size(unbroken / name) for name in ("out", "run")}
    batch, training = Row("full disk: batch", "batches ended"), Row("full disk: training", "runs ended")
    for number in range(count):
        with small_disk(scratch / f"disk{number}") as disk:
            if disk is None:
                batch.note = training.note = "left out: no disk can be mounted here (root on Linux can)"
                return [batch, training]
            for row, words in (
                (batch, faults_batch.words(source, disk / "out", 1 + number % 2)),
                (training, faults_training.words(disk / "run", epochs)),
            ):
                with room_for(disk, int(drawn.uniform(0.05, 0.8) * need["out" if row is batch else "run"])):
                    ended = run(words)
                row.cases += 1
                row.check(ended.fault([1]))
                lines = [line for line in ended.said.splitlines() if "No space left on device" in line]
                row.check("" if len(lines) == 1 else f"told in {len(lines)} sentences")
                row.check(run(words).fault([0] if row is training else [1]))
                row.ended += 1
            batch.check(difference(contents(disk / "out"), expected) or ", ".join(half_written(disk)))
            training.check(faults_training.unlike(disk / "run", unbroken / "run"))
            tell(f"{number + 1} of {count}: batch and training")
    return [batch, training]


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
