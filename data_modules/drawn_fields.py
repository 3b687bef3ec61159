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
        nucleus = np.zeros((side, side), np.uint8)
        cv2.ellipse(nucleus, ((float(x), float(y)), (float(2 * axes[0]), float(2 * axes[1])), angle), 1, -1)
        around = cv2.dilate(nucleus, np.ones((3, 3), np.uint8), iterations=1 + round(edge))
        if not nucleus.any() or (labels[around > 0] > 0).any():
            continue
        number += 1
        labels[nucleus > 0] = number
        cover = np.maximum(cover, nucleus * random.uniform(0.7, 1.0))
    cover = cv2.GaussianBlur(cover.astype(np.float32), (0, 0), edge).reshape(side, side)
    ground, height = random.uniform(0, 60), random.uniform(60, 190)
    grey = ground + height * cover + random.normal(0, random.uniform(0, 6), (side, side))
    return np.repeat(np.rint(grey.clip(0, 255)).astype(np.uint8)[..., None], 3, axis=2), labels
