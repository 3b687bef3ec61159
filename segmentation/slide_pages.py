"""Which pages of a TIFF make a slide, and whether they can be read by region."""

from math import prod

import numpy as np
import tifffile

from segmentation.errors import ImageReadError, ImageShapeError
from segmentation.layout import PLANE_AXES
from segmentation.tiff_metadata import check_metadata

MAX_SLIDE_PIXELS = 20_000_000_000
MAX_SLIDE_WIDTH = 200_000  # in pixels: the memory that streaming takes grows with it
_MAX_SEGMENT = 2**28  # bytes of one row of tiles, or of one strip, decoded
CURE = "export it as a tiled TIFF, with QuPath (Export images, OME-TIFF), Bio-Formats or vips"

Page = tifffile.TiffPage | tifffile.TiffFrame


def first_series(tiff: tifffile.TiffFile, label: str) -> tifffile.TiffPageSeries:
    """The pictures that are segmented: the file's first series, as everywhere.

    Raises:
        ImageReadError: if the file holds none, or it is too large even for streaming.
    """
    check_metadata(tiff, label)
    if not tiff.series or not tiff.series[0].shape:
        raise ImageReadError(f"{label}: the TIFF file holds no picture; export it again.")
    series = tiff.series[0]
    height, width = series.keyframe.imagelength, series.keyframe.imagewidth
    if 0 in (height, width):
        raise ImageShapeError(f"{label}: the picture is {width} x {height} and has no pixels; export it again.")
    if height * width > MAX_SLIDE_PIXELS or width > MAX_SLIDE_WIDTH:
        raise ImageReadError(
            f"{label}: {width:,} x {height:,} is {height * width / 1e6:,.0f} million pixels; slides may have "
            f"{MAX_SLIDE_PIXELS / 1e6:,.0f} million and be {MAX_SLIDE_WIDTH:,} wide: crop it, or export it at a lower "
            "resolution."
        )
    return series


def pages_of(series: tifffile.TiffPageSeries, page: int | None, label: str) -> list[Page]:
    """The pages that make one plane: one, or one for each channel where these are pages of their own.

    Args:
        series: of an open file.
        page: the plane, counted from 1; None if there is but one.
        label: the file, for messages.

    Raises:
        ImageReadError: if planes do not consist of whole pages, or one is missing.
        ImageShapeError: if there are several planes and none is chosen, or not so many.
    """
    shape, inner = series.shape, series.keyframe.shape
    first = len(shape) - len(inner)
    leading = series.axes[: max(first, 0)]
    loops = [index for index, axis in enumerate(leading) if axis not in PLANE_AXES]
    whole = first >= 0 and shape[first:] == inner and all(axis in PLANE_AXES for axis in series.axes[first:])
    if not whole or len(series) != prod(shape[:first]) or {"Y", "X"} & set(leading):
        raise ImageReadError(f"{label}: a plane of it is no page of its own and cannot be read by region; {CURE}.")
    numbers = np.moveaxis(np.arange(prod(shape[:first])).reshape(shape[:first]), loops, range(len(loops)))
    planes = numbers.reshape(prod(shape[index] for index in loops), -1)
    if page is None and len(planes) > 1:
        raise ImageShapeError(
            f"{label}: it has {len(planes):,} planes and one is segmented at a time when it is this large: choose it "
            "(--page N, or page=N in Python, counted from 1)."
        )
    if page is not None and not 1 <= page <= len(planes):
        has = "1 page" if len(planes) == 1 else f"pages 1 to {len(planes):,}"
        verb = "is" if len(planes) == 1 else "are"
        raise ImageShapeError(f"{label}: page {page} does not exist; there {verb} {has}.")
    chosen = [series[int(number)] for number in planes[(page or 1) - 1]]
    if any(each is None for each in chosen):
        raise ImageReadError(f"{label}: the file is damaged: a page of it is missing; export it again.")
    return [each for each in chosen if each is not None]


def is_plain(key: tifffile.TiffPage) -> bool:
    """Whether rows lie one after another as numbers, so that any of them can be read by themselves."""
    return (
        bool(key.is_contiguous)
        and not key.is_tiled
        and int(key.compression) == 1
        and int(key.predictor) == 1
        and key.dtype is not None
        and key.bitspersample == 8 * key.dtype.itemsize
        and (int(key.planarconfig) == 1 or key.samplesperpixel == 1)
    )


def check_regions(key: tifffile.TiffPage, label: str) -> None:
    """Refuse pages of which a part can only be had with too much else.

    Raises:
        ImageReadError: naming what it is and the cure.
    """
    if key.imagedepth > 1:
        raise ImageReadError(f"{label}: its pages are volumes and cannot be read by region; {CURE}.")
    if is_plain(key):
        return
    rows = key.tilelength if key.is_tiled else min(key.rowsperstrip, key.imagelength)
    width = -(-key.imagewidth // key.tilewidth) * key.tilewidth if key.is_tiled else key.imagewidth
    size = rows * width * key.samplesperpixel * (key.dtype.itemsize if key.dtype else 8)
    if size > max(_MAX_SEGMENT, 2048 * width * 3):
        kind = "a row of its tiles" if key.is_tiled else "one of its strips"
        raise ImageReadError(
            f"{label}: {kind} takes {size / 2**20:,.0f} MiB and can only be read whole, so it cannot be read by "
            f"region; {CURE}."
        )


def notes_of(tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> list[str]:
    """What was decided about a file, in the words of :mod:`segmentation.tiff_io`."""
    notes = []
    if len(series.levels) > 1:
        notes.append(f"It is a pyramid of {len(series.levels)} sizes; the full one is read.")
    if series.keyframe.tags.valueof(274, 1) in range(2, 9):
        notes.append(
            "It is marked as turned or mirrored (orientation tag) and is read as stored, as ImageJ and QuPath read it."
        )
    if len(tiff.series) > 1:
        notes.append(f"The file holds {len(tiff.series)} separate pictures; the first is used.")
    return notes
