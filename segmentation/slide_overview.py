"""A slide at a glance: the picture at 2,048 pixels, and how dense its nuclei are as a veil of colour."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segmentation.atomic import replacing
from segmentation.preprocessing import IntensityRange, Preprocessing
from segmentation.thumbnails import THUMBNAIL

SIDE = 2048  # pixels, of the longer side at most
_REACH = 9  # pixels over which the density is taken
_ROWS = 64  # drawn together
_VEIL = 0.6  # of the colour where nuclei are densest


class Overview:
    """Collects every so many pixels of a slide, and of its labels.

    Args:
        shape: height and width of the slide.
        intensity: of the slide, for the eye.
    """

    def __init__(self, shape: tuple[int, int], intensity: IntensityRange) -> None:
        self.step = max(-(-max(shape) // SIDE), 1)
        self._intensity = intensity
        size = tuple(len(range(self.step // 2, extent, self.step)) or 1 for extent in shape)
        self._picture = np.zeros((*size, 3), np.uint8)
        self._covered = np.zeros(size, np.float32)

    def rows(self, top: int, bottom: int) -> slice:
        """Which rows of the overview lie in these rows of the slide."""
        first = -(-(top - self.step // 2) // self.step) if top > self.step // 2 else 0
        last = -(-(bottom - self.step // 2) // self.step) if bottom > self.step // 2 else 0
        return slice(first, min(last, len(self._picture)))

    def add(self, top: int, labels: NDArray, pixels: NDArray) -> None:
        """Take rows of the slide: ``(rows, W)`` and ``(rows, W, C)``."""
        own = self.rows(top, top + len(labels))
        first = own.start * self.step + self.step // 2 - top
        sparse = pixels[first :: self.step, self.step // 2 :: self.step][: own.stop - own.start]
        prepared = Preprocessing(channels=3).apply(sparse, self._intensity) if sparse.size else sparse
        self._picture[own] = np.rint(prepared * 255).astype(np.uint8)
        covered = labels[first :: self.step, self.step // 2 :: self.step][: own.stop - own.start] > 0
        self._covered[own] = covered

    def drawn(self) -> NDArray[np.uint8]:
        """``(h, w, 3)`` uint8: the denser the nuclei, the stronger the colour, from blue to yellow."""
        reach = min(_REACH, *self._covered.shape) if self.step > 1 else 1
        density = cv2.blur(self._covered, (reach, reach)).reshape(self._covered.shape)
        result = self._picture.copy()
        for top in range(0, len(result), _ROWS):
            rows = slice(top, top + _ROWS)
            colours = cv2.applyColorMap(np.rint(density[rows] * 255).astype(np.uint8), cv2.COLORMAP_VIRIDIS)
            veil = (_VEIL * np.clip(2 * density[rows], 0, 1))[..., None]
            result[rows] = np.rint(result[rows] * (1 - veil) + colours[..., ::-1] * veil).astype(np.uint8)
        return result

    def write(self, path: Path, thumbnail: Path) -> None:
        """As PNG, and as the JPEG of 320 pixels for the contact sheet.

        Raises:
            OSError: if they cannot be written.
        """
        drawn = self.drawn()
        with replacing(path) as scratch:
            Image.fromarray(drawn).save(scratch, format="PNG")
        factor = min(THUMBNAIL / max(drawn.shape[:2]), 1)
        size = max(round(drawn.shape[1] * factor), 1), max(round(drawn.shape[0] * factor), 1)
        thumbnail.parent.mkdir(parents=True, exist_ok=True)
        with replacing(thumbnail) as scratch:
            Image.fromarray(cv2.resize(drawn, size, interpolation=cv2.INTER_AREA)).save(
                scratch, format="JPEG", quality=85
            )
