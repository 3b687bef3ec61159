"""Slides on the command line: seconds and peak memory as they grow.

Run: ``python -m benchmarks.slides [--sides 2048 8192] [--empty 0 0.9] [--kind tissue] [--plot growth.png]``, and
``python -m benchmarks.slides --sides 30000`` for a slide of 900 million pixels. Each slide is a tiled pyramid of drawn
fields, written as it is made, and is segmented by the real command in a process of its own. The memory is the most that
this process ever held (``ru_maxrss``), by which only Linux and macOS tell it. The time of a megapixel leaves out what
the command takes to start, which does not grow; the table has both. Processor seconds hardly change when other
programs run at the same time.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from segmentation.command_options import DEFAULT_MODEL
from segmentation.examples import Appearance, make_example

ROOT = Path(__file__).resolve().parents[1]
FIELD, NUCLEI, POOL = 512, 130, 12  # side of a drawn field and its nuclei (500 in a megapixel); how many are drawn
_ISLAND = 4  # fields; slides that are mostly empty have their tissue in squares of these
_HEAD = (
    "| side | megapixels | empty | nuclei | all, s | start, s | s a megapixel | processor s a megapixel | peak, MiB |"
)


@dataclass(frozen=True)
class Run:
    """One slide, segmented."""

    side: int
    empty: float
    nuclei: int
    seconds: float
    working: float
    processor: float
    peak: int

    @property
    def megapixels(self) -> float:
        """Of the slide."""
        return self.side**2 / 1e6

    def row(self) -> str:
        """For the table."""
        rate = self.working / self.megapixels
        return (
            f"| {self.side:,} | {self.megapixels:,.1f} | {self.empty:.0%} | {self.nuclei:,} | {self.seconds:,.1f} | "
            f"{self.seconds - self.working:.1f} | {rate:.3f} | {self.processor / self.megapixels:.3f} | "
            f"{self.peak / 2**20:,.0f} |"
        )


def main() -> None:
    """Print a table, and draw a plot if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="+", default=[2048, 8192])
    parser.add_argument("--empty", type=float, nargs="+", default=[0.0, 0.9], help="parts without tissue")
    parser.add_argument("--kind", choices=["fluorescence", "brightfield", "tissue"], default="tissue")
    parser.add_argument("--model", default=str(DEFAULT_MODEL))
    parser.add_argument("--folder", type=Path, help="for slides and results, which are removed; 10 GB for 30,000")
    parser.add_argument("--plot", type=Path, help="PNG to draw the growth in")
    options = parser.parse_args()
    fields = [
        make_example(options.kind, seed, height=FIELD, width=FIELD, nuclei=NUCLEI, radius=(6.0, 10.0)).pixels
        for seed in range(POOL)
    ]
    print(
        f"{options.kind}, {os.cpu_count()} cores\n\n{_HEAD}\n" + "| --- " * _HEAD.count(" | ") + "| --- |", flush=True
    )
    runs = []
    for empty in options.empty:
        for side in options.sides:
            with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
                path = write_slide(Path(scratch) / "slide.tif", (side, side), fields, empty, options.kind)
                runs.append(segment(path, side, empty, options.model))
            print(runs[-1].row(), flush=True)
    if options.plot:
        draw(runs, options.plot)


def write_slide(
    path: Path, shape: tuple[int, int], fields: list[NDArray[np.uint8]], empty: float, kind: Appearance
) -> Path:
    """A tiled pyramid of this height and width; never more than one tile of it is held."""
    channels = fields[0].shape[2]
    background = 4 if kind == "fluorescence" else 240
    levels = [1]
    while max(shape) // levels[-1] > FIELD and levels[-1] < 64:
        levels.append(2 * levels[-1])

    def field(row: int, column: int, step: int) -> NDArray[np.uint8]:
        island = np.random.default_rng([row // _ISLAND, column // _ISLAND, 1]).random()
        if island < empty:
            return np.full((FIELD // step, FIELD // step, channels), background, np.uint8)
        return fields[(row * 7 + column * 3 + row * column) % len(fields)][::step, ::step]

    def tiles(step: int) -> Iterator[NDArray[np.uint8]]:
        down, across = (-(-extent // (FIELD * step)) for extent in shape)
        for row in range(down):
            for column in range(across):
                parts = [
                    np.concatenate([field(row * step + y, column * step + x, step) for x in range(step)], axis=1)
                    for y in range(step)
                ]
                tile = np.concatenate(parts)
                yield tile if channels == 3 else tile[..., 0]

    with tifffile.TiffWriter(path, bigtiff=shape[0] * shape[1] * channels > 2**31) as tiff:
        for step in levels:
            height, width = (-(-extent // step) for extent in shape)
            tiff.write(
                tiles(step),
                shape=(height, width, 3) if channels == 3 else (height, width),
                dtype=np.uint8,
                tile=(FIELD, FIELD),
                compression="jpeg" if channels == 3 else "zlib",
                photometric="rgb" if channels == 3 else "minisblack",
                subifds=len(levels) - 1 if step == 1 else None,
                subfiletype=0 if step == 1 else 1,
                resolution=(20_000 / step, 20_000 / step),
                resolutionunit="CENTIMETER",
            )
    return path


def segment(path: Path, side: int, empty: float, model: str) -> Run:
    """Run the command, and take its results away again."""
    out = path.with_name("out")
    words = [str(path), "--out", str(out), "--model", model, "--stream", "--quiet"]
    start = time.perf_counter()
    running = subprocess.Popen([sys.executable, "-m", "segmentation", *words], cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(running.pid, 0)
    seconds = time.perf_counter() - start
    running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode:
        sys.exit(f"the command ended with code {running.returncode}")
    result = json.loads((out / "slide_run.json").read_text())["result"]
    shutil.rmtree(out)
    unit = 1 if sys.platform == "darwin" else 1024
    return Run(
        side,
        empty,
        result["nuclei"],
        seconds,
        result["seconds"],
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss * unit,
    )


def draw(runs: list[Run], path: Path) -> None:
    """Seconds a megapixel and peak memory against megapixels."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.5), constrained_layout=True)
    for empty in sorted({run.empty for run in runs}):
        own = sorted((run for run in runs if run.empty == empty), key=lambda run: run.side)
        label = "tissue everywhere" if empty == 0 else f"{empty:.0%} empty"
        sizes = [run.megapixels for run in own]
        axes[0].plot(sizes, [run.working / run.megapixels for run in own], marker="o", label=label)
        axes[1].plot(sizes, [run.peak / 2**20 for run in own], marker="o", label=label)
    for axis, name in zip(axes, ("seconds a megapixel", "peak memory, MiB"), strict=True):
        axis.set(xscale="log", xlabel="megapixels", ylabel=name, ylim=(0, None))
        axis.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
