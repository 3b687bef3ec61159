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
        loops = [axis for axis in axes if axis not in "YXCS"]
        count = prod(sizes[axis] for axis in loops)
        page = tiff.pages[0] if series.keyframe is None else series.keyframe
        for index in range(count):
            plane = _read_plane(series, axes, loops, index, count)
            order = "".join(axis for axis in axes if axis in "YXCS")
            target = "YX" + "".join(channel_axes)
            plane = np.transpose(plane, [order.index(axis) for axis in target])
            pixels, has_alpha = _interpret(plane.reshape(*plane.shape[:2], -1), page)
            yield pixels, has_alpha, tuple(notes), count


def _read_plane(series: tifffile.TiffPageSeries, axes: str, loops: list[str], index: int, count: int) -> NDArray:
    """One plane, read alone where the file stores it alone, so that a long stack never sits in memory whole."""
    if count == 1:
        return series.asarray().reshape([size for axis, size in zip(axes, series.shape, strict=True) if axis in "YXCS"])
    leading = axes[: len(loops)] == "".join(loops)
    if leading and len(series.pages) == count:
        page = series.pages[index]
        if page is not None:
            return page.asarray().reshape(series.shape[len(loops) :])
    stack = np.moveaxis(series.asarray(), [axes.index(axis) for axis in loops], range(len(loops)))
    return stack.reshape(count, *stack.shape[len(loops) :])[index]


def _interpret(pixels: NDArray, page: tifffile.TiffPage) -> tuple[NDArray, bool]:
    """Apply what the photometric tag says: palettes to RGB, white-is-zero inverted, CMYK to RGB; find the alpha."""
    photometric, samples = int(page.photometric), pixels.shape[2]
    if photometric == tifffile.PHOTOMETRIC.PALETTE and page.colormap is not None and samples == 1:
        return np.moveaxis(page.colormap[:, pixels[..., 0]], 0, -1), False
    if photometric == tifffile.PHOTOMETRIC.MINISWHITE and pixels.dtype.kind == "u":
        return np.iinfo(pixels.dtype).max - pixels, False
    if photometric == tifffile.PHOTOMETRIC.SEPARATED and samples == 4 and pixels.dtype.kind == "u":
        full = np.iinfo(pixels.dtype).max
        ink = pixels.astype(np.float32) / full
        return np.rint((1 - ink[..., :3]) * (1 - ink[..., 3:]) * full).astype(pixels.dtype), False
    has_alpha = "S" in page.axes and samples == (4 if photometric == tifffile.PHOTOMETRIC.RGB else 2)
    return pixels, has_alpha
