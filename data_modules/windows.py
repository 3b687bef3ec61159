"""Windows of labelled pictures: cut at random, mirrored where the picture ends, brought to a size."""

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.measure import label as connected_components


def resize(
    pixels: NDArray[np.uint8], labels: NDArray[np.int32], side: int
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """A square picture and its labels at another size; labels are never interpolated."""
    if labels.shape == (side, side):
        return pixels, labels
    smooth = cv2.INTER_AREA if side < len(labels) else cv2.INTER_LINEAR
    # Exact: OpenCV's plain nearest neighbour is half a pixel off from its other methods.
    nearest = cv2.resize(labels, (side, side), interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(cv2.resize(pixels, (side, side), interpolation=smooth), np.uint8), np.asarray(nearest, np.int32)


def random_window(
    pixels: NDArray[np.uint8], labels: NDArray[np.int32], side: int, generator: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """A random ``side`` x ``side`` window; a smaller picture is mirrored at its borders first."""
    height, width = labels.shape
    short_y, short_x = max(side - height, 0), max(side - width, 0)
    if short_y or short_x:
        above, left = int(generator.integers(short_y + 1)), int(generator.integers(short_x + 1))
        pad = ((above, short_y - above), (left, short_x - left))
        pixels = np.pad(pixels, (*pad, (0, 0)), mode="symmetric")
        labels = _pad_labels(labels, pad)
    top = int(generator.integers(labels.shape[0] - side + 1))
    left = int(generator.integers(labels.shape[1] - side + 1))
    return pixels[top : top + side, left : left + side], labels[top : top + side, left : left + side]


def _pad_labels(labels: NDArray[np.int32], pad: tuple[tuple[int, int], tuple[int, int]]) -> NDArray[np.int32]:
    padded = np.pad(labels, pad, mode="symmetric")
    parts = connected_components(padded, background=0, connectivity=2)
    (above, _), (left, _) = pad
    inside = parts[above : above + labels.shape[0], left : left + labels.shape[1]]
    original = np.zeros(parts.max() + 1, bool)
    original[inside.ravel()] = True
    copies = ~original[parts] & (padded > 0)
    return np.where(copies, parts + int(padded.max()), padded).astype(np.int32)
