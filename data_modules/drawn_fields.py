"""Drawn nuclei: flat, smooth discs and ellipses, as test pictures have them, and overexposed ones nearly."""

import cv2
import numpy as np
from numpy.typing import NDArray

_TRIES = 30  # places tried for nuclei; those that would touch another are left out


def drawn_field(side: int, random: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """``(side, side, 3)`` grey uint8 with nuclei on an even ground, and their labels ``(side, side)``.

    All of one picture are of about one size, from 4 pixels across to a third of the side.
    """
    labels = np.zeros((side, side), np.int32)
    cover = np.zeros((side, side), np.float32)
    size = float(np.exp(random.uniform(np.log(4), np.log(side / 3))))
    edge = random.uniform(0.3, 2.0)
    number = 0
    for _ in range(int(random.integers(1, _TRIES))):
        axes = size / 2 * np.exp(random.uniform(-0.2, 0.2, 2))
        y, x = random.uniform(0, side, 2)
        angle = float(random.uniform(0, 180))
        reach = round(edge) + 1  # between two nuclei
        place, window = _around(y, x, float(axes.max()) + reach + 2, side)
        nucleus = np.zeros(labels[place].shape, np.uint8)
        centre = float(x - window[1]), float(y - window[0])
        cv2.ellipse(nucleus, (centre, (float(2 * axes[0]), float(2 * axes[1])), angle), 1, -1)
        around = cv2.dilate(nucleus, np.ones((3, 3), np.uint8), iterations=reach)
        if not nucleus.any() or (labels[place][around > 0] > 0).any():
            continue
        number += 1
        labels[place][nucleus > 0] = number
        cover[place] = np.maximum(cover[place], nucleus * random.uniform(0.7, 1.0))
    cover = cv2.GaussianBlur(cover.astype(np.float32), (0, 0), edge).reshape(side, side)
    ground, height = random.uniform(0, 60), random.uniform(60, 190)
    grey = ground + height * cover + random.normal(0, random.uniform(0, 6), (side, side))
    return np.repeat(np.rint(grey.clip(0, 255)).astype(np.uint8)[..., None], 3, axis=2), labels


def _around(y: float, x: float, reach: float, side: int) -> tuple[tuple[slice, slice], tuple[int, int]]:
    """The part of a ``side`` x ``side`` picture within ``reach`` of a place, and that part's first row and column."""
    (top, bottom), (left, right) = ((max(int(at - reach), 0), min(int(at + reach) + 1, side)) for at in (y, x))
    return (slice(top, bottom), slice(left, right)), (top, left)
