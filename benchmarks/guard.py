"""Whether something has become much slower: a few ratios, each measured in one run, against what they were.

Each work is timed in turns with a yardstick that does the same kind of thing, and the ratio of their fastest rounds is
compared with the one kept below: computers differ by up to about 1.5 in such ratios, loads by less. Past ``LIMIT``
times the kept ratio, after a second look, the exit status is 1.

Run: ``python -m benchmarks.guard`` (half a minute); ``.ci/run`` does.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# One thread each, so that ratios do not depend on how many cores there are, nor on threads that wait for each other.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"

import cv2
import numpy as np
from scipy import ndimage

from benchmarks.decoding import NAMES, PARAMS, maps_of
from segmentation import Segmenter
from segmentation.examples import make_example
from segmentation.instance_maps import decode
from segmentation.measurements import measure
from segmentation.overlay import draw_overlay, to_display

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 2.0
SIDE = 512
Work = Callable[[], object]


@dataclass(frozen=True)
class Ratio:
    """A work, what it is compared with, and how many times as long it took when this was last looked at."""

    name: str
    work: Work
    yardstick: Work
    usual: float


def ratios() -> list[Ratio]:
    """All that is looked at."""
    pixels = make_example("fluorescence", 0, height=SIDE, width=SIDE, nuclei=125).pixels
    segmenter = Segmenter.from_pretrained(ROOT / "checkpoints" / "nuclei", "cpu")
    result, field = segmenter(pixels), make_example("fluorescence", 1, height=1024, width=1024, nuclei=640)
    maps, display = maps_of(field.labels), to_display(result.image)
    matrix = np.random.default_rng(0).random((1900, 1900), np.float32)  # 14 GFLOP

    def product() -> object:
        return matrix @ matrix

    def smoothing() -> object:
        return [ndimage.gaussian_filter(each, 2.0) for each in maps]

    def start(*words: str) -> Work:
        return lambda: subprocess.run([sys.executable, *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)

    pandas_alone = start("-c", "import numpy, scipy.ndimage, pandas")
    return [
        Ratio(
            "512 x 512 to labels, magnified 1.25, in products",
            lambda: segmenter(pixels, magnification=1.25),
            product,
            2.0,
        ),
        Ratio("512 x 512 to labels, magnified by its nuclei (2), in products", lambda: segmenter(pixels), product, 5.0),
        Ratio("1024 x 1024 decoded, in smoothings", lambda: decode(maps, PARAMS, NAMES), smoothing, 1.4),
        Ratio(
            "125 nuclei measured, in smoothings", lambda: measure(result.labels, result.image.pixels), smoothing, 0.08
        ),
        Ratio("overlay, in smoothings", lambda: draw_overlay(display, result.labels), smoothing, 0.13),
        Ratio("--help, in starts of pandas", start("-m", "segmentation", "--help"), pandas_alone, 1.3),
    ]


def fastest(ratio: Ratio, rounds: int) -> float:
    """The work's fastest round over the yardstick's, timed in turns after one of each that warms up."""
    best = [float("inf"), float("inf")]
    for turn in range(rounds + 1):
        for index, work in enumerate((ratio.work, ratio.yardstick)):
            begin = time.perf_counter()
            work()
            if turn:
                best[index] = min(best[index], time.perf_counter() - begin)
    return best[0] / best[1]


def slow(found: Ratio, rounds: int) -> bool:
    """Print a row; a ratio past the limit is looked at again, since the computer may have been busy."""
    now = fastest(found, rounds)
    if now > LIMIT * found.usual:
        now = min(now, fastest(found, 2 * rounds))
    is_slow = now > LIMIT * found.usual
    print(f"| {found.name} | {now:.2f} | {found.usual:.2f} | {'SLOW' if is_slow else 'fine'} |", flush=True)
    return is_slow


def main() -> int:
    """Print a table; returns 1 if anything takes more than ``LIMIT`` times what it did."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    cv2.setNumThreads(1)
    print("| work | ratio | usual | |\n| --- | --- | --- | --- |")
    return int(sum(slow(each, rounds) for each in ratios()) > 0)


if __name__ == "__main__":
    sys.exit(main())
