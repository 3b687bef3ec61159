"""Batches that are killed and resumed: whole, or one of their working processes at a time."""

import random
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import tifffile
from PIL import Image

from benchmarks.faults_processes import WorkerKiller, run
from benchmarks.faults_table import Row
from benchmarks.faults_trees import contents, difference, half_written
from segmentation.examples import make_example

ROOT = Path(__file__).resolve().parents[1]
MODEL = ROOT / "checkpoints" / "nuclei"
SIDE = 192  # pixels: a tenth of a second each


def draw(folder: Path, pictures: int) -> Path:
    """Plain pictures in two folders, a stack of three pages, a zip of two pictures, and a file that is none."""
    (folder / "deep").mkdir(parents=True)
    fields = [make_example("fluorescence", seed, height=SIDE, width=SIDE, nuclei=8).pixels[..., 0] for seed in range(5)]
    for index in range(pictures):
        place = folder / "deep" if index % 3 == 0 else folder
        turned = np.rot90(fields[index % 5], index // 5)
        Image.fromarray(np.ascontiguousarray(turned)).save(place / f"field{index:03d}.png")
    tifffile.imwrite(folder / "stack.tif", np.stack(fields[:3]), photometric="minisblack")
    with ZipFile(folder / "two.zip", "w") as archive:
        archive.write(folder / "stack.tif", "inside/again.tif")
        archive.write(folder / "field001.png", "inside/one.png")
    (folder / "broken.png").write_bytes((folder / "field001.png").read_bytes()[:99])
    return folder


def words(pictures: Path, out: Path, jobs: int) -> list[str]:
    """The command that is killed, and that goes on."""
    places = [str(pictures), "--out", str(out), "--model", str(MODEL), "--device", "cpu"]
    return ["-m", "segmentation", *places, "--jobs", str(jobs), "--format", "all", "--resume"]


def killed_batches(kills: int, pictures: int, jobs: int, seed: int, scratch: Path, tell: Callable[[str], None]) -> Row:
    """A batch killed ``kills`` times at random moments, and resumed each time.

    After each kill, every file that is there must be as in an unbroken run; in the end all of them must be there, and
    nothing else. A batch that ends before the next kill is compared, and another one begun.
    """
    drawn = random.Random(seed)
    source = draw(scratch / "in", pictures)
    unbroken = run(words(source, scratch / "unbroken" / "out", jobs))
    row = Row(f"batch, --jobs {jobs}", "batches ended")
    row.check(unbroken.fault([1]))  # of the broken file
    expected = contents(scratch / "unbroken" / "out")
    done, rounds = 0, 0
    out = scratch / "round0" / "out"
    while True:
        moment = drawn.uniform(0, unbroken.seconds) if done < kills else None
        ended = run(words(source, out, jobs), moment)
        row.check(ended.fault([1]))
        done += ended.killed
        row.check(difference(contents(out), expected, whole=not ended.killed))
        row.cases, row.ended = done, rounds
        if ended.killed:
            tell(f"killed after {ended.seconds:.1f} s; {len(contents(out))} of {len(expected)} files whole")
            continue
        rounds += 1
        row.ended = rounds
        row.check(", ".join(half_written(out)))
        tell(f"ended after {done} kills; {'as unbroken' if not row.faults else row.faults[-1]}")
        if done >= kills:
            return row
        out = scratch / f"round{rounds}" / "out"


def killed_workers(kills: int, pictures: int, seed: int, scratch: Path, tell: Callable[[str], None]) -> Row:
    """Batches whose working processes are killed: each ends by itself, tells of the files, and resume does them."""
    drawn = random.Random(seed)
    source = draw(scratch / "in", pictures)
    unbroken = run(words(source, scratch / "unbroken" / "out", 2))
    expected = contents(scratch / "unbroken" / "out")
    row = Row("a worker of --jobs 2", "batches ended")
    row.check(unbroken.fault([1]))
    while row.cases < kills:
        out = scratch / f"round{row.ended}" / "out"
        killer = WorkerKiller(drawn, min(3, kills - row.cases), unbroken.seconds / 2)
        ended = run(words(source, out, 2), killing=killer)
        row.check(ended.fault([1]))
        told = ended.said.count("was killed, most likely because memory ran out")
        # One that is killed between two files, or before its first, costs nothing and is replaced without a word.
        row.check("" if told <= killer.killed else f"{told} files lost to {killer.killed} kills")
        row.check(run(words(source, out, 1)).fault([1]))
        row.check(difference(contents(out), expected) or ", ".join(half_written(out)))
        row.cases, row.ended = row.cases + killer.killed, row.ended + 1
        tell(f"{killer.killed} workers killed, {told} files told of; {'as unbroken' if not row.faults else 'broken'}")
    return row
