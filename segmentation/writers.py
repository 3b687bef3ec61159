"""Results to files, each whole or not at all: label images in three forms, and the overlay."""

import hashlib
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

import segmentation
from segmentation.atomic import replacing
from segmentation.errors import ParameterError
from segmentation.overlay import PALETTE, overlay_strips
from segmentation.pixel_size import PixelSize, check_pixel_size
from segmentation.png_stream import Plan, write_png
from segmentation.polygons import check_labels
from segmentation.segmenter import Segmentation

# Labels that have a colour number of their own in the indexed PNG. Whole rounds of the palette, so that the numbers
# that come again have the colours that the overlay gives them.
OWN_COLOURS = 255 // len(PALETTE) * len(PALETTE)
_ROWS = 512  # of the indexed PNG made together


def free_name(name: str, taken: set[str]) -> str:
    """A name for a file that is safe on every system and not yet in ``taken``, where it is then noted.

    Pictures from different folders share names; a number tells them apart, so that no result overwrites another.
    """
    kept = "".join(letter if letter.isalnum() or letter in " -_.()" else "_" for letter in name)
    stem = kept[:150].strip(" .") or "picture"
    candidate, number = stem, 2
    while candidate.lower() in taken:  # some file systems ignore case
        candidate, number = f"{stem}_{number}", number + 1
    taken.add(candidate.lower())
    return candidate


def save(path: str | Path, write: Callable[[Path], object]) -> Path:
    """Let ``write`` make a file beside ``path`` and put it in its place, whole or not at all.

    Raises:
        OSError: if that fails; it names ``path`` and not the file beside it, which users never see.
    """
    path = Path(path)
    with replacing(path) as scratch:
        write(scratch)
    return path


def label_dtype(labels: NDArray) -> type[np.uint16] | type[np.uint32]:
    """What a label image is stored as: its own type if that is uint16 or uint32, else the first that holds it.

    Raises:
        ParameterError: if these are no labels, or some are below 0 or above 4,294,967,295.
    """
    check_labels(labels)
    highest = int(labels.max(initial=0))
    if highest > np.iinfo(np.uint32).max:
        raise ParameterError(f"a label of {highest}: the largest that fits is 4,294,967,295; number the nuclei anew.")
    if labels.dtype == np.uint32 or highest > np.iinfo(np.uint16).max:
        return np.uint32
    return np.uint16


def write_labels(path: str | Path, labels: NDArray, pixel_size: PixelSize | None = None) -> Path:
    """Label image as a deflated OME-TIFF of uint16 or uint32, which Fiji, QuPath and napari open with its pixel size.

    The size stands in the OME-XML and, for programs that do not read that, in the resolution tags. The same labels
    are the same bytes.

    Args:
        path: of the file; any name will do, ``.ome.tif`` or ``.tif``.
        labels: ``(H, W)`` integers, 0 the background.
        pixel_size: micrometres a pixel, down and across; None if not known.

    Raises:
        ParameterError: if these are no labels (see :func:`label_dtype`), or the pixel size is out of range.
        OSError: if the file cannot be written.
    """
    stored = np.ascontiguousarray(labels, label_dtype(labels))
    # A UUID belongs into OME-XML, and tifffile's own is another one each time.
    digest = hashlib.blake2b(repr((stored.shape, stored.dtype.str, pixel_size)).encode(), digest_size=16)
    digest.update(stored.data)
    metadata = {"axes": "YX", "Name": "labels", "Creator": f"Nucleoscope {segmentation.__version__}"}
    metadata["UUID"] = str(uuid.UUID(bytes=digest.digest(), version=5))
    resolution = None
    if pixel_size is not None:
        check_pixel_size(pixel_size)
        for axis, size in (("X", pixel_size.x), ("Y", pixel_size.y)):
            metadata |= {f"PhysicalSize{axis}": repr(float(size)), f"PhysicalSize{axis}Unit": "\N{MICRO SIGN}m"}
        resolution = (1e4 / pixel_size.x, 1e4 / pixel_size.y)
    return save(
        path,
        lambda scratch: tifffile.imwrite(
            scratch,
            stored,
            ome=True,  # whatever the file is called
            compression="zlib",
            photometric="minisblack",
            software=metadata["Creator"],
            resolution=resolution,
            resolutionunit=None if resolution is None else "CENTIMETER",
            metadata=metadata,
        ),
    )


def write_labels_npy(path: str | Path, labels: NDArray) -> Path:
    """Label image for ``numpy.load``: ``(H, W)`` uint16 or uint32, never pickled.

    Raises:
        ParameterError: if these are no labels; see :func:`label_dtype`.
        OSError: if the file cannot be written.
    """
    stored = np.ascontiguousarray(labels, label_dtype(labels))

    def write(scratch: Path) -> None:
        with scratch.open("wb") as file:  # of a name, NumPy would make one that ends in .npy
            np.save(file, stored, allow_pickle=False)

    return save(path, write)


def write_labels_png(path: str | Path, labels: NDArray) -> Path:
    """Label image for the eye: an indexed PNG in the overlay's colours on black.

    Up to 252 nuclei, the number of a pixel's colour is the number of its nucleus. Beyond, the numbers 1 to 252 come
    again and again, each with the colour that it has in the overlay: use the TIFF for work.

    Raises:
        ParameterError: if these are no labels; see :func:`label_dtype`.
        OSError: if the file cannot be written.
    """
    label_dtype(labels)
    palette = np.concatenate([np.zeros((1, 3), np.uint8), PALETTE[np.arange(1, OWN_COLOURS + 1) % len(PALETTE)]])

    def write(scratch: Path) -> None:
        with scratch.open("wb") as file:
            parts = (labels[top : top + _ROWS] for top in range(0, len(labels), _ROWS))
            strips = (np.where(part > 0, (part - 1) % OWN_COLOURS + 1, 0).astype(np.uint8) for part in parts)
            write_png(file, Plan(labels.shape[0], labels.shape[1], 1, palette), strips)

    return save(path, write)


def write_overlay(path: str | Path, result: Segmentation) -> Path:
    """The picture with its outlines as an RGB PNG, at the picture's own size."""

    def write(scratch: Path) -> None:
        with scratch.open("wb") as file:
            write_png(file, Plan(*result.image.shape, 3), overlay_strips(result.image, result.labels))

    return save(path, write)


def read_labels(path: str | Path) -> NDArray[np.uint16] | NDArray[np.uint32]:
    """Read back what :func:`write_labels` wrote."""
    return tifffile.imread(path)
