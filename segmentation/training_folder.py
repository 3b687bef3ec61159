"""Pictures with labels -> a zip to train on."""

import io
import os
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from segmentation.corrections import renumbered
from segmentation.errors import ImageShapeError, ParameterError
from segmentation.image_io import from_array
from segmentation.writers import free_name


def training_folder(destination: str | Path, items: Iterable[tuple[str, NDArray, NDArray]]) -> Path:
    """Write a zip that, unpacked, is a folder for ``data_modules.ImageFolder``: ``images/`` and ``masks/``.

    Args:
        destination: the zip to write; one that is there is replaced when the new one is whole.
        items: for each picture its name, its pixels ``(H, W)`` or ``(H, W, C)`` as stored, and its labels ``(H, W)``,
            which are numbered 1..n anew. Equal names are told apart by a number.

    Raises:
        ImageShapeError: labels that are no ``(H, W)`` integers or not of their picture's size, more than 65,535 nuclei
            in one, or pixels that are no picture.
        ParameterError: if there is no picture.
    """
    destination = Path(destination)
    part = destination.with_name(destination.name + ".part")
    taken: set[str] = set()
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, pixels, labels in items:
                # Masks are NAME_labels: then no picture may be called so, or it would be taken for the mask of NAME.
                stem = free_name(re.sub("_labels$", "-labels", free_name(name, set())), taken)
                for member, data in _members(stem, from_array(pixels, name).pixels, labels):
                    archive.writestr(member, data)
        if not taken:
            raise ParameterError("There is no picture to write: give at least one with its labels.")
        os.replace(part, destination)
    finally:
        part.unlink(missing_ok=True)
    return destination


def _members(stem: str, pixels: NDArray, labels: NDArray) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the files of one picture."""
    numbered = renumbered(labels)
    count = int(numbered.max(initial=0))
    if numbered.shape != pixels.shape[:2] or count > np.iinfo(np.uint16).max:
        raise ImageShapeError(
            f"{stem}: labels of shape {labels.shape} with {count:,} nuclei for a picture of shape {pixels.shape[:2]}: "
            "both must have one shape, and at most 65,535 nuclei."
        )
    plane = pixels[..., 0] if pixels.shape[2] == 1 else pixels
    if pixels.dtype == np.uint8:
        yield f"images/{stem}.png", _png(plane)
    else:  # PNG has neither floats nor, through Pillow, colours of 16 bits
        buffer = io.BytesIO()
        kind = "minisblack" if plane.ndim == 2 else "rgb"
        tifffile.imwrite(buffer, plane, compression="zlib", photometric=kind)
        yield f"images/{stem}.tif", buffer.getvalue()
    if count and len(np.unique(numbered)) <= 2:  # in one file it would pass for a binary mask, and come apart
        for number in range(1, count + 1):
            yield f"masks/{stem}_labels/{number}.png", _png((numbered == number).astype(np.uint8) * 255)
    else:
        yield f"masks/{stem}_labels.png", _png(numbered)


def _png(pixels: NDArray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()
