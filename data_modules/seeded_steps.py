"""imgaug's augmenters one after another, each with a probability, drawn anew by a seed at every call."""

from collections.abc import Sequence

import imgaug.augmenters as iaa
import numpy as np
from imgaug.augmentables.segmaps import SegmentationMapsOnImage
from imgaug.random import RNG
from numpy.typing import NDArray

Step = tuple[float, iaa.Augmenter]


class SeededSteps:
    """The same seed does the same; no two steps draw the same numbers.

    What is left out takes no time: imgaug's ``Sometimes`` and ``seed_`` walk through every augmenter, applied or not,
    and took a good part of the time of a crop.

    Args:
        steps: how likely each is applied, and what it is, in their order.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        self._probabilities = np.array([probability for probability, _ in steps])
        self._steps = [[step, *step.get_all_children(flat=True)] for _, step in steps]
        self._chosen = iaa.Sequential([])

    def on_pixels(self, pixels: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
        """``(H, W, 3)`` to the same shape; for steps that move nothing."""
        if not self._choose(seed):
            return pixels
        return np.asarray(self._chosen(image=np.ascontiguousarray(pixels)))

    def on_both(
        self, pixels: NDArray[np.uint8], labels: NDArray[np.int32], seed: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """``(H, W, 3)`` and ``(H, W)``, moved together; labels are never interpolated."""
        if not self._choose(seed):
            return pixels, labels
        maps = SegmentationMapsOnImage(np.ascontiguousarray(labels, np.int32), shape=pixels.shape)
        moved, moved_maps = self._chosen(image=np.ascontiguousarray(pixels), segmentation_maps=maps)
        return np.ascontiguousarray(moved), np.ascontiguousarray(moved_maps.get_arr(), np.int32)

    def _choose(self, seed: int) -> bool:
        """Draw which steps are applied and seed those; whether there are any."""
        sequence = np.random.SeedSequence(seed)
        chances = np.random.Generator(np.random.SFC64(sequence)).random(len(self._steps))
        chosen = [step for step, now in zip(self._steps, chances < self._probabilities, strict=True) if now]
        augmenters = [augmenter for step in chosen for augmenter in step]
        for augmenter, own in zip(augmenters, sequence.spawn(len(augmenters)), strict=True):
            augmenter.random_state = RNG(np.random.Generator(np.random.SFC64(own)))
        self._chosen[:] = [step[0] for step in chosen]
        return bool(chosen)
