"""imgaug's augmenters one after another, drawn anew by a seed at every call."""

from collections.abc import Sequence

import imgaug.augmenters as iaa
import numpy as np
from imgaug.augmentables.segmaps import SegmentationMapsOnImage
from imgaug.random import RNG
from numpy.typing import NDArray


class SeededSteps:
    """The same seed does the same; two steps never draw the same numbers.

    imgaug's own ``seed_`` derives each step's generator from the one before by copying it, which took a fifth of the
    time of a crop.

    Args:
        steps: in the order in which they are applied.
    """

    def __init__(self, steps: Sequence[iaa.Augmenter]) -> None:
        self._all = iaa.Sequential(list(steps))
        self._each = [self._all, *self._all.get_all_children(flat=True)]

    def on_pixels(self, pixels: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
        """``(H, W, 3)`` to the same shape; for steps that move nothing."""
        self._seed(seed)
        return np.asarray(self._all(image=np.ascontiguousarray(pixels)))

    def on_both(
        self, pixels: NDArray[np.uint8], labels: NDArray[np.int32], seed: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """``(H, W, 3)`` and ``(H, W)``, moved together; labels are never interpolated."""
        self._seed(seed)
        maps = SegmentationMapsOnImage(np.ascontiguousarray(labels, np.int32), shape=pixels.shape)
        moved, moved_maps = self._all(image=np.ascontiguousarray(pixels), segmentation_maps=maps)
        return np.ascontiguousarray(moved), np.ascontiguousarray(moved_maps.get_arr(), np.int32)

    def _seed(self, seed: int) -> None:
        children = np.random.SeedSequence(seed).generate_state(len(self._each), np.uint64)
        for step, child in zip(self._each, children, strict=True):
            step.random_state = RNG(np.random.Generator(np.random.SFC64(int(child))))
