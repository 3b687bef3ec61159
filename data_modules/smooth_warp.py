"""A smooth elastic warp, as imgaug's ``ElasticTransformation`` is meant to be.

That one blurs noise of every pixel with a kernel that it cuts off at 1.3 standard deviations, so neighbours move apart
and outlines turn ragged, by two pixels where they move by two. Here the noise is coarse, and cubic curves run between.
"""

from typing import Any

import cv2
import imgaug.augmenters as iaa
import numpy as np
from imgaug.augmentables.segmaps import SegmentationMapsOnImage
from numpy.typing import NDArray

SPACING = 32  # pixels between the places that are moved at random
REACH = 5.0  # times its standard deviation, which no displacement exceeds (cubic curves overshoot, to 4.1)
_DEVIATION = 0.493  # of cubic curves between numbers drawn evenly from -1 to 1, measured (40 x 1300 x 1300)


def smooth_warp(largest: float) -> iaa.Augmenter:
    """Pixels and labels moved by a smooth random field; what lies beyond the border is mirrored.

    Args:
        largest: standard deviation of the field in pixels, at most; it is drawn evenly.
    """

    def images(each: list[NDArray], random_state: Any, parents: Any, hooks: Any) -> list[NDArray]:
        return [
            cv2.remap(image, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
            for image, places in zip(each, _places(each, random_state), strict=True)
        ]

    def labels(
        each: list[SegmentationMapsOnImage], random_state: Any, parents: Any, hooks: Any
    ) -> list[SegmentationMapsOnImage]:
        # The same numbers: imgaug gives both functions copies of one generator.
        for maps, places in zip(each, _places([maps.arr for maps in each], random_state), strict=True):
            whole = maps.arr[..., 0].astype(np.float32)  # OpenCV moves no int32; exact up to 16 million objects
            moved = cv2.remap(whole, *places, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT_101)
            maps.arr = moved.astype(maps.arr.dtype)[..., None]
        return each

    def _places(arrays: list[NDArray], random_state: Any) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        random = np.random.default_rng(int(random_state.integers(0, 2**31 - 1)))
        return [_moved_places(array.shape[0], array.shape[1], largest, random) for array in arrays]

    return iaa.Lambda(func_images=images, func_segmentation_maps=labels)


def displacement(height: int, width: int, deviation: float, random: np.random.Generator) -> NDArray[np.float32]:
    """A smooth random field ``(height, width)`` of that standard deviation in pixels, at most ``REACH`` times it."""
    rows, columns = (
        extent // SPACING + 5 for extent in (height, width)
    )  # two more at each end: curves are flatter there
    coarse = random.uniform(-1, 1, (rows, columns)).astype(np.float32)
    field = cv2.resize(coarse, None, fx=SPACING, fy=SPACING, interpolation=cv2.INTER_CUBIC)
    top, left = (int(random.integers(3 * SPACING // 2, 5 * SPACING // 2)) for _ in range(2))
    return field[top : top + height, left : left + width] * np.float32(deviation / _DEVIATION)


def _moved_places(
    height: int, width: int, largest: float, random: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """For each pixel, the column and the row where it comes from."""
    deviation = random.uniform(0, largest)
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    return tuple(place + displacement(height, width, deviation, random) for place in (x, y))  # type: ignore[return-value]
