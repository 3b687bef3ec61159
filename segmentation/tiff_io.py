"""TIFF pages to ``(H, W, C)`` arrays through tifffile, with the photometric interpretations it leaves to its caller."""

import io
from collections.abc import Iterator
from math import prod

import numpy as np
import tifffile
from numpy.typing import NDArray

from segmentation.errors import ImageReadError
from segmentation.limits import check_size

TiffPage = tuple[NDArray, bool, tuple[str, ...], int]


def iter_tiff_pages(data: bytes, label: str) -> Iterator[TiffPage]:
    """Yield (pixels ``(H, W, C)``, last channel is alpha, notes, number of pages) for each plane of the first series.

    Every axis other than height, width, samples and channels counts pages, in the order in which they are stored.

    Raises:
        ImageReadError: no pictures inside, or a plane over the limit.
    """
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        if not tiff.series or not tiff.series[0].shape:
            raise ImageReadError(f"{label}: the TIFF file holds no picture; export it again.")
        series = tiff.series[0]
        axes, shape, notes = series.axes, series.shape, []
        if len(tiff.series) > 1:
            notes.append(f"The file holds {len(tiff.series)} separate pictures; the first is used.")
        if "Y" not in axes or "X" not in axes:
            raise ImageReadError(f"{label}: its axes {axes} name no height and width; export it as a plain picture.")
        sizes = dict(zip(axes, shape, strict=True))
        check_size(sizes["Y"], sizes["X"], label)
        channel_axes = [axis for axis in axes if axis in "CS"]
        if prod(sizes[axis] for axis in channel_axes) == 3 and "C" in channel_axes and sizes["C"] == 3:
            notes.append("Its 3 channels are read as red, green and blue.")
        loops = [index for index, axis in enumerate(axes) if axis not in "YXCS"]  # numbers: a letter may occur twice
        count = prod(shape[index] for index in loops)
        page = tiff.pages[0] if series.keyframe is None else series.keyframe
        order = "".join(axis for axis in axes if axis in "YXCS")
        target = [order.index(axis) for axis in ("Y", "X", *channel_axes)]
        for stored in _iter_planes(series, loops, page.shape):
            plane = np.transpose(stored, target)
            pixels, has_alpha = _interpret(plane.reshape(*plane.shape[:2], -1), page)
            yield pixels, has_alpha, tuple(notes), count


def _iter_planes(series: tifffile.TiffPageSeries, loops: list[int], page_shape: tuple[int, ...]) -> Iterator[NDArray]:
    """Each plane with its axes as stored; pages are read when due, so that a long stack is never held whole."""
    shape, frames = series.shape, series.shape[: -len(page_shape)]
    count = prod(shape[index] for index in loops)
    kept = [size for index, size in enumerate(shape) if index not in loops]
    alone = shape[len(frames) :] == page_shape and all(index < len(frames) for index in loops)
    if alone and len(series.pages) == prod(frames) and all(page is not None for page in series.pages):
        numbers = np.moveaxis(np.arange(prod(frames)).reshape(frames), loops, range(len(loops)))
        for row in numbers.reshape(count, -1):
            yield np.stack([series.pages[int(number)].asarray() for number in row]).reshape(kept)  # type: ignore[union-attr]
    else:
        yield from np.moveaxis(series.asarray().reshape(shape), loops, range(len(loops))).reshape(count, *kept)


def _interpret(pixels: NDArray, page: tifffile.TiffPage) -> tuple[NDArray, bool]:
    """Apply what the photometric tag says: palettes to RGB, white-is-zero inverted, CMYK to RGB; find the alpha."""
    photometric, samples = int(page.photometric), pixels.shape[2]
    if photometric == tifffile.PHOTOMETRIC.PALETTE and page.colormap is not None and samples == 1:
        return np.moveaxis(page.colormap[:, pixels[..., 0]], 0, -1), False
    if photometric == tifffile.PHOTOMETRIC.MINISWHITE and pixels.dtype.kind in "bu":
        return (~pixels if pixels.dtype == bool else np.iinfo(pixels.dtype).max - pixels), False
    if photometric == tifffile.PHOTOMETRIC.SEPARATED and samples == 4 and pixels.dtype.kind == "u":
        full = np.iinfo(pixels.dtype).max
        ink = pixels.astype(np.float32) / full
        return np.rint((1 - ink[..., :3]) * (1 - ink[..., 3:]) * full).astype(pixels.dtype), False
    if photometric == tifffile.PHOTOMETRIC.RGB:
        return pixels, "S" in page.axes and samples == 4
    alpha = (tifffile.EXTRASAMPLE.ASSOCALPHA, tifffile.EXTRASAMPLE.UNASSALPHA)  # else it is a channel like the first
    return pixels, "S" in page.axes and samples == 2 and page.extrasamples[:1] in [(kind,) for kind in alpha]
