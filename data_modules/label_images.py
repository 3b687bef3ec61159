"""Masks in the forms people keep them -> one label image, by stated rules."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from segmentation.errors import DataError


def combine_masks(masks: Iterable[tuple[str, NDArray]], shape: tuple[int, int], owner: str) -> NDArray[np.int32]:
    """One mask per nucleus -> labels ``(H, W)`` int32, numbered in the order given.

    Where masks overlap, the first one keeps the pixel. Masks left with no pixel get no number.

    Args:
        masks: (name, ``(H, W)`` array, above 0 on the nucleus), in the order that decides overlaps.
        shape: height and width of the picture.
        owner: the picture's name, for messages.

    Raises:
        DataError: a mask of another size.
    """
    labels = np.zeros(shape, np.int32)
    number = 0
    for name, mask in masks:
        if mask.shape != shape:
            raise DataError(
                f"{owner}: mask {name} is {mask.shape[1]} x {mask.shape[0]} and the picture {shape[1]} x {shape[0]}; "
                "give every mask the picture's size."
            )
        free = (mask > 0) & (labels == 0)
        if free.any():
            number += 1
            labels[free] = number
    return labels


def labels_from_mask(mask: NDArray, *, one_object: bool, owner: str) -> NDArray[np.int32]:
    """A mask picture ``(H, W)`` or ``(H, W, C)`` -> labels ``(H, W)`` int32.

    With two values at most it is a binary mask: its connected components (8-neighbours) become the nuclei, or all of it
    one object. With more values it is a label image and is kept as it is.

    Raises:
        DataError: a colour picture, values that are no whole numbers, or more than 65,535 labels.
    """
    if mask.ndim == 3:
        if not (mask == mask[..., :1]).all():
            raise DataError(f"{owner}: the mask is a colour picture; save labels as one grey number per pixel.")
        mask = mask[..., 0]
    if mask.dtype.kind == "f" and not (np.isfinite(mask).all() and (mask == np.round(mask)).all()):
        raise DataError(f"{owner}: the mask holds fractions or NaN; labels must be whole numbers.")
    values = np.unique(mask)
    if values[0] < 0 or values[-1] > np.iinfo(np.uint16).max:
        raise DataError(f"{owner}: the mask's values run from {values[0]} to {values[-1]}; they must be 0 to 65,535.")
    if one_object:
        return (mask > 0).astype(np.int32)
    if len(values) <= 2:
        return ndimage.label(mask > 0, structure=np.ones((3, 3)))[0].astype(np.int32)
    return mask.astype(np.int32)
