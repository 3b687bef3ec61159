"""A table with one row per nucleus: where it lies, its size, shape and brightness. Definitions are scikit-image's."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation.errors import ImageShapeError, ParameterError
from segmentation.label_geometry import ellipses, hulls, intensities, perimeters, scan
from segmentation.pixel_size import PixelSize, check_pixel_size


def measure(
    labels: NDArray,
    pixels: NDArray,
    *,
    pixel_size: PixelSize | None = None,
    channel_names: Sequence[str] | None = None,
    full: bool = False,
) -> pd.DataFrame:
    """One row per nucleus, by rising label; without nuclei no rows, and the same columns.

    Units end the names: ``_um`` and ``_um2`` with a pixel size, ``_px`` (both lengths and areas) without.

    - ``label``; ``centroid_x``, ``centroid_y``: from the centre of the top left pixel, rightwards and downwards.
    - ``bbox_left_px``, ``bbox_top_px``, ``bbox_width_px``, ``bbox_height_px``: in pixels always.
    - ``area``; ``equivalent_diameter``: of the circle of that area.
    - ``major_axis``, ``minor_axis``, ``eccentricity``: of the ellipse with the same second moments; 0 for one pixel.
    - ``orientation_deg`` in [-90, 90): of the major axis from the horizontal, counter-clockwise as seen on the screen:
      0 lies flat, 45 rises to the right, -90 stands; 0 too where no direction is longest.
    - with ``full``: ``perimeter``, which is 0 for a single pixel; ``solidity``, area / area of the convex
      hull; ``circularity``, 4 pi area / perimeter^2 and at most 1; ``feret_diameter_max``, of the convex hull.
    - ``touches_border``: whether it has pixels in the picture's outermost rows or columns.
    - ``mean_intensity``, ``min_intensity``, ``max_intensity``, ``integrated_intensity`` (the sum): values as stored;
      with ``_red``, ``_green``, ``_blue`` for three channels, or ``_`` and the channel's name.

    Args:
        labels: ``(H, W)`` integers, 0 the background; label values may have gaps.
        pixels: ``(H, W, C)`` numbers as stored in the file.
        pixel_size: micrometres a pixel, down and across.
        channel_names: one for each channel.
        full: whether to measure outlines and convex hulls too.

    Raises:
        ImageShapeError: if ``labels`` or ``pixels`` are no such arrays, or differ in height or width.
        ParameterError: if there is not one name for each channel, or the pixel size is out of range.
    """
    _check(labels, pixels)
    spacing = check_pixel_size(pixel_size) if pixel_size else PixelSize(1, 1)
    unit, area_unit = ("um", "um2") if pixel_size else ("px", "px")
    suffixes = _suffixes(pixels.shape[2], channel_names)
    runs = scan(labels)

    count = runs.sums(runs.right - runs.left + 1)
    left, right = runs.lowest(runs.left), -runs.lowest(-runs.right)
    top, bottom = runs.lowest(runs.row), -runs.lowest(-runs.row)
    area = count * (spacing.x * spacing.y)
    x, y, major, minor, orientation = ellipses(runs, count, spacing)
    ratio = np.divide(minor, major, out=np.ones_like(major), where=major > 0)
    table = {
        "label": runs.labels.astype(np.int64),
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
        perimeter = perimeters(labels, runs.labels, spacing)
        hull_count, feret = hulls(runs, top, bottom, spacing)
        table[f"perimeter_{unit}"] = perimeter
        table["solidity"] = count / hull_count
        table["circularity"] = 4 * np.pi * area / np.maximum(perimeter**2, 4 * np.pi * area)
        table[f"feret_diameter_max_{unit}"] = feret
    height, width = labels.shape
    table["touches_border"] = (top == 0) | (left == 0) | (bottom == height - 1) | (right == width - 1)
    for channel, suffix in enumerate(suffixes):
        total, low, high = intensities(labels, pixels[..., channel], runs)
        names = (f"{name}_intensity{suffix}" for name in ("mean", "min", "max", "integrated"))
        table.update(zip(names, (total / count, low, high, total), strict=True))
    return pd.DataFrame(table)


def summary(table: pd.DataFrame, shape: tuple[int, int], pixel_size: PixelSize | None = None) -> dict[str, float]:
    """Sum up a picture: ``count``, density and median area, the latter NaN without nuclei.

    ``density_per_mm2`` and ``median_area_um2`` with a pixel size; without, ``median_area_px`` and
    ``density_per_megapixel``, a million pixels.

    Args:
        table: of :func:`measure`, with the same pixel size.
        shape: height and width of the picture in pixels.
        pixel_size: micrometres a pixel, down and across.

    Raises:
        ParameterError: if the table has other units, or the pixel size is out of range.
    """
    spacing = check_pixel_size(pixel_size) if pixel_size else PixelSize(1, 1)
    density, area = ("density_per_mm2", "area_um2") if pixel_size else ("density_per_megapixel", "area_px")
    if area not in table:
        raise ParameterError(f"pixel_size={pixel_size}: the table has no {area}; measure it with this pixel size.")
    millions = shape[0] * spacing.y * shape[1] * spacing.x / 1e6
    return {"count": len(table), density: len(table) / millions, f"median_{area}": float(table[area].median())}


def _suffixes(channels: int, names: Sequence[str] | None) -> list[str]:
    if names is None:
        return {1: [""], 3: ["_red", "_green", "_blue"]}.get(channels) or [f"_channel_{i + 1}" for i in range(channels)]
    if isinstance(names, str) or len(names) != channels:
        raise ParameterError(f"channel_names={names!r}: the picture has {channels} channels; give one name for each.")
    suffixes: list[str] = []
    for name in names:
        stem = "_" + (re.sub(r"\W+", "_", name.lower()).strip("_") or "channel")
        taken = (f"{stem}_{number}" for number in range(2, channels + 2))
        suffixes.append(next(free for free in (stem, *taken) if free not in suffixes))
    return suffixes


def _check(labels: NDArray, pixels: NDArray) -> None:
    if labels.ndim != 2 or 0 in labels.shape or labels.dtype.kind not in "iu":
        raise ImageShapeError(
            f"labels {labels.shape} of {labels.dtype}: they must be (H, W) integers, 0 the background and each nucleus "
            "a number of its own; give the objects of a mask numbers with scipy.ndimage.label."
        )
    if (lowest := labels.min()) < 0:
        raise ImageShapeError(f"labels down to {lowest}: nuclei are above 0; set everything else to 0, the background.")
    if pixels.ndim != 3 or pixels.shape[:2] != labels.shape or not pixels.shape[2] or pixels.dtype.kind not in "buif":
        raise ImageShapeError(
            f"pixels {pixels.shape} of {pixels.dtype}: they must be (H, W, C) real numbers with the labels' height and "
            f"width, {labels.shape}; measure labels on the picture they were found in."
        )
