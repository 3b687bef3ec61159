"""How scores hold on pictures as another laboratory might take them: validation pictures, each altered in nine ways.

What is chosen on plain pictures alone may suit no others. Each column is one value of ``min_probability``
(``--values``), or of the diameter that nuclei are magnified to (``--diameters``, 0 for the bundle's one magnification),
everything else as in the bundle; held-out pictures are not looked at.

Run: ``python -m benchmarks.altered [--model BUNDLE] [--diameters 0 34] [--root ARCHIVE]
[--fold-table folds.csv]`` (minutes).
"""

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.held_out import arguments, pictures
from segmentation import MicroscopyImage, Segmenter
from segmentation.command_options import DEFAULT_MODEL
from segmentation.instance_maps import decode
from segmentation.scores import kaggle_score

Pair = tuple[NDArray[np.uint8], NDArray[np.int32]]


def _bytes(values: NDArray) -> NDArray[np.uint8]:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _noisy(pixels: NDArray[np.uint8], labels: NDArray[np.int32]) -> Pair:
    deviation = 0.12 * float(np.ptp(pixels))
    return _bytes(pixels + np.random.default_rng(0).normal(0, deviation, pixels.shape)), labels


def _scaled(pixels: NDArray[np.uint8], labels: NDArray[np.int32], factor: float) -> Pair:
    height, width = labels.shape
    size = max(int(width * factor), 8), max(int(height * factor), 8)
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    resized = cv2.resize(pixels, size, interpolation=way).reshape(size[1], size[0], -1)
    # float32 holds every number up to 16 million, and OpenCV resizes no int32
    return _bytes(resized), cv2.resize(labels.astype(np.float32), size, interpolation=cv2.INTER_NEAREST).astype("i4")


ALTERATIONS: dict[str, Callable[[NDArray[np.uint8], NDArray[np.int32]], Pair]] = {
    "as they are": lambda pixels, labels: (pixels, labels),
    "blurred by 2 pixels": lambda pixels, labels: (cv2.GaussianBlur(pixels, (0, 0), 2).reshape(pixels.shape), labels),
    "noise of 12 % of the range": _noisy,
    "gamma 0.4": lambda pixels, labels: (_bytes(255 * (pixels / 255) ** 0.4), labels),
    "gamma 2": lambda pixels, labels: (_bytes(255 * (pixels / 255) ** 2), labels),
    "0.6 of the size": lambda pixels, labels: _scaled(pixels, labels, 0.6),
    "1.8 times the size": lambda pixels, labels: _scaled(pixels, labels, 1.8),
    "inverted": lambda pixels, labels: (255 - pixels, labels),
    "grey": lambda pixels, labels: (
        np.repeat(pixels.mean(axis=2, keepdims=True), pixels.shape[2], axis=2).astype(np.uint8),
        labels,
    ),
}


def main() -> None:
    """Print one column for each value."""
    parser = arguments(__doc__)
    parser.add_argument("--model", default=str(DEFAULT_MODEL))
    parser.add_argument("--values", type=float, nargs="+", default=[0.0, 0.7, 0.8, 0.85, 0.9, 0.95])
    parser.add_argument("--diameters", type=float, nargs="+", help="columns of these, in place of --values")
    options = parser.parse_args()
    bundle = Segmenter.from_pretrained(options.model).bundle
    if options.diameters:
        ways = [(Segmenter(replace(bundle, diameter=each)), [bundle.decode]) for each in options.diameters]
    else:
        ways = [(Segmenter(bundle), [replace(bundle.decode, min_probability=value) for value in options.values])]
    found = pictures(options, "validation")
    print(f"Kaggle score of {len(found)} validation pictures\n")
    columns = options.diameters or options.values
    print("| pictures | " + " | ".join(f"{value:g}" for value in columns) + " |")
    print("| --- " * (len(columns) + 1) + "|", flush=True)
    rows = []
    for name, alter in ALTERATIONS.items():
        scores = []
        for picture in tqdm(found, desc=name, leave=False):
            pixels, labels = alter(picture.pixels, picture.labels)
            image = MicroscopyImage(np.ascontiguousarray(pixels), picture.name)
            maps = ((segmenter.predict_maps(image), choices) for segmenter, choices in ways)
            scores.append(
                [kaggle_score(decode(m, params, bundle.maps), labels) for m, choices in maps for params in choices]
            )
        rows.append(np.mean(scores, axis=0))
        print(f"| {name} | " + " | ".join(f"{score:.3f}" for score in rows[-1]) + " |", flush=True)
    print("| mean | " + " | ".join(f"{score:.3f}" for score in np.mean(rows, axis=0)) + " |")


if __name__ == "__main__":
    main()
