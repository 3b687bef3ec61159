"""How long a picture takes, as a multiple of a matrix product on the same cores in the same run.

Run: ``python -m benchmarks.speed [--size 1024] [--model checkpoints/nuclei] [--threads 2] [--engine auto]``.
"""

import argparse
import io
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

from segmentation import Segmenter, read_image
from segmentation.command_options import ENGINES
from segmentation.examples import make_example
from segmentation.instance_maps import decode
from segmentation.overlay import draw_overlay, to_display

GIGAFLOP = 60  # of the yardstick


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1024, help="height and width in pixels")
    parser.add_argument("--model", type=Path, default=Path(__file__).resolve().parents[1] / "checkpoints" / "nuclei")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--engine", choices=ENGINES, default=ENGINES[0])
    parser.add_argument("--magnification", type=float, help="of the picture (default: as its nuclei need it)")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    nuclei = round(500 * (options.size / 1024) ** 2)
    pixels = make_example("fluorescence", 0, height=options.size, width=options.size, nuclei=nuclei).pixels
    segmenter = Segmenter.from_pretrained(options.model, "cpu", engine=options.engine)
    image, given = read_image(pixels), options.magnification
    factor = given or segmenter.choose_magnification(image)
    prepared = segmenter.bundle.preprocessing(pixels)
    seen = cv2.resize(prepared, None, fx=factor, fy=factor)
    result = segmenter(pixels, magnification=given)
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(file, "PNG")

    def end_to_end() -> None:
        found = segmenter(file.getvalue(), magnification=given)
        draw_overlay(to_display(found.image), found.labels)

    display = to_display(result.image)
    side = round((GIGAFLOP * 1e9 / 2) ** (1 / 3))
    matrix = torch.rand(side, side)
    steps: dict[str, Callable[[], object]] = {
        f"matrix product, {GIGAFLOP} GFLOP": lambda: matrix @ matrix,
        "network alone, magnification 1": lambda: segmenter.predict_prepared(prepared),
        f"network alone, magnification {factor:g}": lambda: segmenter.predict_prepared(seen),
        "preprocessing": lambda: segmenter.bundle.preprocessing(pixels),
        "first look": lambda: segmenter.choose_magnification(image),
        "decoding": lambda: decode(result.maps, segmenter.bundle.decode, result.names),
        "array to labels": lambda: segmenter(pixels, magnification=given),
        "overlay": lambda: draw_overlay(display, result.labels),
        "PNG to labels to overlay": end_to_end,
    }
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for repeat in range(options.repeats + 1):  # in turn, so that a slow moment of the machine meets all of them
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            if repeat:  # the first round warms up
                seconds[name].append(time.perf_counter() - start)
    yardstick = statistics.median(next(iter(seconds.values())))
    print(f"{options.size} x {options.size}, {result.count} nuclei, {options.threads} threads, {segmenter.engine}")
    print(f"{GIGAFLOP / yardstick:.0f} GFLOP/s in the matrix product\n")
    print("| step | median s | min s | x matrix product |\n| --- | --- | --- | --- |")
    for name, times in seconds.items():
        median = statistics.median(times)
        print(f"| {name} | {median:.3f} | {np.min(times):.3f} | {median / yardstick:.2f} |")


if __name__ == "__main__":
    main()
