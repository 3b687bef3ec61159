"""What is taller than any nucleus (tissue as one mask, a scratch): measured row by row, outlined on a coarser grid."""

from collections.abc import Iterable
from math import ceil, sqrt

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation.label_geometry import Runs, ellipses, intensities, scan
from segmentation.measurements import measure
from segmentation.pixel_size import PixelSize
from segmentation.polygons import Polygon, polygons
from segmentation.slide_reader import Slide

_GRID = 4_000_000  # cells of the coarser grid at most


def measure_tall(
    label: int, strips: Iterable[NDArray[np.uint32]], reach: tuple[int, int], slide: Slide, *, full: bool
) -> tuple[pd.DataFrame, list[Polygon], int]:
    """One object's row, its outline, and the step of the grid along which that runs, in pixels.

    Perimeter, hull and Feret diameter, which need all of it at once, are left empty.

    Args:
        label: its number.
        strips: labels of the whole slide from top to bottom.
        reach: its first and last row.
        slide: for intensities.
        full: whether there are columns for outlines and hulls.
    """
    first, last = reach
    top = 0
    parts: list[Runs] = []
    sums: list[list[list[NDArray]]] = [[] for _ in range(slide.channels)]
    for strip in strips:
        low, high = max(first - top, 0), min(last + 1 - top, len(strip))
        if low < high:
            own = (strip[low:high] == label).astype(np.uint8)
            runs = scan(own)
            if len(runs.labels):
                pixels = slide.read(slice(top + low, top + high))
                for channel, each in enumerate(sums):
                    each.append(intensities(own, pixels[..., channel], runs))
                parts.append(runs._replace(row=runs.row + top + low))
        top += len(strip)
    row, left, right = (np.concatenate([getattr(each, name) for each in parts]) for name in ("row", "left", "right"))
    runs = Runs(np.array([label]), np.zeros(len(row), np.int64), row, left, right)
    table = _table(runs, slide, full=full)
    names = [name for name in table.columns if "_intensity" in name]
    for channel, each in enumerate(sums):
        totals, lows, highs = (np.concatenate(column) for column in zip(*each, strict=True))
        total = totals.sum()
        values = total / runs.sums(right - left + 1)[0], lows.min(), highs.max(), total
        for name, value in zip(names[4 * channel : 4 * channel + 4], values, strict=True):
            table[name] = [value]
    step = max(ceil(sqrt((last - first + 1) * slide.shape[1] / _GRID)), 1)
    return table, _outline(runs, slide.shape, step), step


def _table(runs: Runs, slide: Slide, *, full: bool) -> pd.DataFrame:
    """Its row but for the intensities."""
    dot = np.ones((1, 1), np.uint8), np.zeros((1, 1, slide.channels), slide.dtype)
    table = measure(*dot, pixel_size=slide.pixel_size, channel_names=slide.channel_names or None, full=full)
    (unit, area_unit), spacing = (
        (("um", "um2"), slide.pixel_size) if slide.pixel_size else (("px",) * 2, PixelSize(1, 1))
    )
    count = runs.sums(runs.right - runs.left + 1)
    x, y, major, minor, orientation = ellipses(runs, count, spacing)
    area = float(count[0] * spacing.x * spacing.y)
    left, right, top, bottom = (int(n) for n in (runs.left.min(), runs.right.max(), runs.row.min(), runs.row.max()))
    ratio = float(minor[0] / major[0]) if major[0] > 0 else 1.0
    values: dict[str, float] = {
        "label": int(runs.labels[0]),
        f"centroid_x_{unit}": x[0],
        f"centroid_y_{unit}": y[0],
        "bbox_left_px": left,
        "bbox_top_px": top,
        "bbox_width_px": right - left + 1,
        "bbox_height_px": bottom - top + 1,
        f"area_{area_unit}": area,
        f"equivalent_diameter_{unit}": 2 * sqrt(area / np.pi),
        f"major_axis_{unit}": major[0],
        f"minor_axis_{unit}": minor[0],
        "orientation_deg": orientation[0],
        "eccentricity": sqrt(1 - ratio**2),
        "touches_border": top == 0 or left == 0 or bottom == slide.shape[0] - 1 or right == slide.shape[1] - 1,
    }
    for name in table.columns:
        if name in values or "_intensity" not in name:
            table[name] = [values.get(name, np.nan)]
    return table


def _outline(runs: Runs, shape: tuple[int, int], step: int) -> list[Polygon]:
    """Along the edges of the cells of ``step`` pixels that hold some of it."""
    width = -(-shape[1] // step)
    top = int(runs.row.min()) // step
    rows = int(runs.row.max()) // step - top + 1
    ends = np.zeros((rows, width + 1), np.int32)
    np.add.at(ends, (runs.row // step - top, runs.left // step), 1)
    np.add.at(ends, (runs.row // step - top, runs.right // step + 1), -1)
    cells = (np.cumsum(ends, axis=1)[:, :-1] > 0).astype(np.uint8)
    limit = np.array(shape[::-1], np.int32)

    def placed(ring: NDArray[np.int32]) -> NDArray[np.int32]:
        return np.minimum((ring + np.array([0, top], np.int32)) * step, limit).astype(np.int32)

    ((_, parts),) = polygons(cells)
    return [Polygon(placed(part.exterior), [placed(hole) for hole in part.holes]) for part in parts]
