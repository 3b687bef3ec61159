"""How many nuclei are found where there are none: noise at several levels, textures, photographs.

The noise lies on an even grey, alone in the picture;
``one disc`` is noise with one bright disc in it, so that the true count is 1.

Run: ``python -m benchmarks.false_nuclei [--model checkpoints/nuclei]``.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage import data
from skimage.draw import disk

from segmentation import Segmenter

PHOTOGRAPHS = ("camera", "astronaut", "coffee", "chelsea", "text", "page", "moon", "brick", "grass", "rocket")


def noise_pictures(size: int = 512, seed: int = 0) -> dict[str, NDArray]:
    """Named pictures ``(size, size)`` without nuclei."""
    random = np.random.default_rng(seed)
    normal = random.standard_normal((size, size))
    found: dict[str, NDArray] = {"blank": np.zeros((size, size), np.uint8)}
    for level in (1, 5, 20, 60):
        found[f"Gaussian noise, deviation {level}"] = np.clip(128 + level * normal, 0, 255).astype(np.uint8)
    for photons in (1, 5, 50):
        found[f"shot noise, {photons} photons a pixel"] = random.poisson(photons, (size, size)).astype(np.uint16)
    for sigma in (1, 2, 4, 8):  # from 4 up these are blobs the size of nuclei
        found[f"Gaussian noise, blurred by {sigma} pixels"] = ndimage.gaussian_filter(normal, sigma).astype(np.float32)
    return found


def one_nucleus(level: float, size: int = 512, seed: int = 0) -> NDArray[np.uint8]:
    """A disc of 30 pixels across, 100 brighter than a ground with Gaussian noise of deviation ``level``."""
    picture = np.full((size, size), 60.0)
    picture[disk((size // 2, size // 2), 15)] += 100
    picture += level * np.random.default_rng(seed).standard_normal(picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)


def photographs() -> dict[str, NDArray]:
    """Photographs that come with scikit-image, without any download."""
    return {name: getattr(data, name)() for name in PHOTOGRAPHS}


def main() -> None:
    """Print one row for each picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path(__file__).resolve().parents[1] / "checkpoints" / "nuclei")
    options = parser.parse_args()
    segmenter = Segmenter.from_pretrained(options.model)
    print("| picture | size | nuclei found | share of the picture, % |\n| --- | --- | --- | --- |")
    pictures = noise_pictures()
    pictures |= {f"one disc, noise of deviation {level}": one_nucleus(level) for level in (0, 5, 20, 60)}
    pictures |= {f"photograph: {name}": pixels for name, pixels in photographs().items()}
    for name, pixels in pictures.items():
        result = segmenter(pixels)
        height, width = result.labels.shape
        print(f"| {name} | {width} x {height} | {result.count} | {100 * (result.labels > 0).mean():.2f} |")


if __name__ == "__main__":
    main()
