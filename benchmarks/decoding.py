"""How the time from maps to labels grows with the picture and with its nuclei, step by step.

Run: ``python -m benchmarks.decoding [--sides 1024 2048 4096] [--repeats 3]``. The maps are those of drawn nuclei,
smoothed and with noise, so that no network is needed. The product of two 2048 x 2048 matrices in NumPy, in the same
run, says how fast the computer is.
"""

import argparse
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.timing import timed
from segmentation.examples import make_example
from segmentation.instance_maps import DecodeParams, MapName, decode, encode
from segmentation.watershed import split_by_landscape

NAMES: tuple[MapName, ...] = ("foreground", "distance")
PARAMS = DecodeParams(threshold=0.6, separation=0.2, min_area=18)
TILE = 1024


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="+", default=[1024, 2048, 4096])
    parser.add_argument("--nuclei", type=int, nargs="+", default=[160, 640], help="in each megapixel or so")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    matrix = np.ones((2048, 2048), np.float32)
    product = timed(lambda: matrix @ matrix, 5)
    print("| side | nuclei | smooth, s | part, s | all of decode, s | products | ns a pixel |")
    print("| --- " * 7 + "|")
    for nuclei in options.nuclei:
        field = maps_of(make_example("fluorescence", 1, height=TILE, width=TILE, nuclei=nuclei, radius=(8, 14)).labels)
        for side in options.sides:
            times = -(-side // TILE)
            maps = np.tile(field, (1, times, times))[:, :side, :side].copy()
            mask = maps[0] >= PARAMS.threshold
            landscape = ndimage.gaussian_filter(maps[1], 1.0)
            smooth = timed(partial(ndimage.gaussian_filter, maps[1], 1.0), options.repeats)
            part = timed(partial(split_by_landscape, mask, landscape, PARAMS.separation), options.repeats)
            whole = timed(partial(decode, maps, PARAMS, NAMES), options.repeats)
            count = int(decode(maps, PARAMS, NAMES).max())
            print(
                f"| {side} | {count:,} | {smooth:.3f} | {part:.3f} | {whole:.3f} | {whole / product:.1f} | "
                f"{whole / side**2 * 1e9:.0f} |",
                flush=True,
            )


def maps_of(labels: NDArray) -> NDArray[np.float32]:
    """What a network might answer to a picture of these labels ``(H, W)``: ``(2, H, W)`` in [0, 1]."""
    smooth = np.stack([cv2.GaussianBlur(each, (0, 0), 1.0) for each in encode(labels, NAMES)])
    noise = np.random.default_rng(0).normal(0, 0.01, smooth.shape)
    return np.clip(smooth + noise, 0, 1).astype(np.float32)


if __name__ == "__main__":
    main()
