"""Many planes to one: their maximum or their mean, taken while they are read, so that two are held at a time."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from segmentation.errors import ParameterError
from segmentation.microscopy_image import MicroscopyImage

Projection = Literal["max", "mean"]
_WORDS = {"max": "maximum", "mean": "mean"}
_NOTES = 3  # of the planes' own notes that are handed on


def check_projection(projection: Projection | None) -> None:
    """Refuse what is no projection.

    Raises:
        ParameterError: naming the choices.
    """
    if projection is not None and projection not in _WORDS:
        raise ParameterError(f"projection={projection!r}: choose 'max' or 'mean', or None for every page by itself.")


def project(planes: Iterator[MicroscopyImage], projection: Projection) -> MicroscopyImage:
    """The first of ``planes``, with all planes' maximum, or mean, for its pixels.

    Args:
        planes: at least one, of equal shapes and dtypes.
        projection: "max" keeps the dtype; "mean" gives float32 (float64 from float64), which keeps the range.
    """
    first = next(planes)
    total: NDArray = first.pixels.astype(np.float64) if projection == "mean" else first.pixels.copy()
    notes, count = dict.fromkeys(first.notes), 1
    for plane in planes:
        combine = np.add if projection == "mean" else np.maximum
        combine(total, plane.pixels, out=total)
        notes |= dict.fromkeys(plane.notes)
        count += 1
    if projection == "mean":
        total /= count
        total = total.astype(np.float64 if first.pixels.dtype == np.float64 else np.float32)
    kept = list(notes)[:_NOTES]
    if len(notes) > _NOTES:
        kept.append(f"{len(notes) - _NOTES} more notes of this kind.")
    return replace(
        first, pixels=total, notes=(*kept, f"The {_WORDS[projection]} of {count} plane{'s' if count > 1 else ''}.")
    )
