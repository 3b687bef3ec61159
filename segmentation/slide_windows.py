"""Nuclei of a slide in windows of rows, each whole in one of them, measured and outlined as those of any picture."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation.label_geometry import ellipses, scan
from segmentation.measurements import measure
from segmentation.pixel_size import PixelSize
from segmentation.polygons import Polygon, polygons
from segmentation.slide_graph import Numbering

TALL = 1024  # rows; what is taller is no nucleus, and is measured and outlined apart, in memory that it does not fill

Labels = NDArray[np.uint32]


class Window(NamedTuple):
    """Some rows of a slide.

    Attributes:
        top: first row in the slide.
        labels: ``(rows, W)`` uint32: the nuclei that end in the window's last strip, less ``base``; 0 is all else.
        base: to be added to them.
    """

    top: int
    labels: Labels
    base: int


def tall_nuclei(numbering: Numbering) -> NDArray[np.intp]:
    """Numbers of those that are in no window."""
    return np.flatnonzero(numbering.reach[:, 1] - numbering.reach[:, 0] >= TALL)


def windows(strips: Iterable[Labels], numbering: Numbering) -> Iterator[Window]:
    """For each strip of labels, the window of the nuclei that end in it, which reaches up to where the first begins."""
    top, bottom = numbering.reach[:, 0], numbering.reach[:, 1]
    tall = np.zeros(len(top), bool)
    tall[tall_nuclei(numbering)] = True
    usual = ~tall
    usual[0] = False
    held: list[Labels] = []
    begin = end = 0
    for strip in strips:
        held.append(strip)
        start, end = end, end + len(strip)
        done = usual & (bottom >= start) & (bottom < end)
        if done.any():
            first = int(top[done].min())
            whole = np.concatenate(held)[first - begin :] if len(held) > 1 else strip[first - begin :]
            base = int(np.flatnonzero(done)[0]) - 1
            number = np.where(done, np.arange(len(done)) - base, 0).astype(np.uint32)
            yield Window(first, number[whole], base)
        open_ = usual & (top < end) & (bottom >= end)
        keep_from = int(top[open_].min()) if open_.any() else end
        while held and begin + len(held[0]) <= keep_from:
            begin += len(held.pop(0))


def measure_window(
    window: Window,
    pixels: NDArray,
    height: int,
    pixel_size: PixelSize | None,
    channel_names: tuple[str, ...],
    *,
    full: bool,
) -> pd.DataFrame:
    """The rows of :func:`segmentation.measurements.measure` of the whole slide that belong to a window's nuclei.

    Args:
        window: the nuclei.
        pixels: ``(rows, W, C)``, of the same rows.
        height: of the slide.
        pixel_size: see there.
        channel_names: one for each channel, or empty.
        full: see there.
    """
    table = measure(window.labels, pixels, pixel_size=pixel_size, channel_names=channel_names or None, full=full)
    unit, spacing = ("um", pixel_size) if pixel_size else ("px", PixelSize(1, 1))
    runs = scan(window.labels)
    runs = runs._replace(row=runs.row + window.top)  # where they lie in the slide, so that every digit is the same
    x, y, major, minor, orientation = ellipses(runs, runs.sums(runs.right - runs.left + 1), spacing)
    ratio = np.divide(minor, major, out=np.ones_like(major), where=major > 0)
    table["label"] += window.base
    for name, values in (
        (f"centroid_x_{unit}", x),
        (f"centroid_y_{unit}", y),
        (f"major_axis_{unit}", major),
        (f"minor_axis_{unit}", minor),
        ("orientation_deg", orientation),
        ("eccentricity", np.sqrt(1 - ratio**2)),
    ):
        table[name] = values
    table["bbox_top_px"] += window.top
    left, top = table["bbox_left_px"], table["bbox_top_px"]
    right, bottom = left + table["bbox_width_px"], top + table["bbox_height_px"]
    width = window.labels.shape[1]
    table["touches_border"] = (left == 0) | (top == 0) | (right == width) | (bottom == height)
    return table


def outline_window(window: Window) -> Iterator[tuple[int, list[Polygon]]]:
    """The nuclei of a window with their parts, in pixels of the slide; see :func:`segmentation.polygons.polygons`."""
    offset = np.array([0, window.top], np.int32)
    for label, parts in polygons(window.labels):
        yield label + window.base, [Polygon(p.exterior + offset, [hole + offset for hole in p.holes]) for p in parts]
