"""Moments, outlines and hulls of all nuclei of a label image at once, without a loop over them."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from segmentation.pixel_size import PixelSize

STRIP = 2**18  # pixels, or rows of nuclei, looked at together: all at once would take many times a slide's size
_LOWEST, _HIGHEST = np.iinfo(np.int64).min, np.iinfo(np.int64).max


class Runs(NamedTuple):
    """Stretches of a row inside one nucleus, in reading order: all that geometry needs, and far fewer than pixels."""

    labels: NDArray  # of the nuclei, rising; the other four have one entry a run
    nucleus: NDArray[np.int64]  # index into labels
    row: NDArray[np.int64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]  # the last pixel

    def sums(self, weights: NDArray) -> NDArray[np.float64]:
        """Of the weights of each nucleus' runs."""
        return np.bincount(self.nucleus, weights, minlength=len(self.labels)).astype(np.float64, copy=False)

    def lowest(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Of the numbers of each nucleus' runs."""
        result = np.full(len(self.labels), _HIGHEST)
        np.minimum.at(result, self.nucleus, numbers)
        return result


def _strips(labels: NDArray) -> Iterator[slice]:
    rows = max(STRIP // labels.shape[1], 1)
    return (slice(top, min(top + rows, len(labels))) for top in range(0, len(labels), rows))


def scan(labels: NDArray) -> Runs:
    """The runs of ``(H, W)`` labels, row by row."""
    parts = []
    for strip in _strips(labels):
        part = labels[strip]
        change = np.pad(part[:, 1:] != part[:, :-1], ((0, 0), (1, 1)), constant_values=True)
        row, left = np.nonzero(change[:, :-1] & (part != 0))
        right = np.nonzero(change[:, 1:] & (part != 0))[1]
        parts.append((part[row, left], row + strip.start, left, right))
    values, row, left, right = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Runs(*np.unique(values, return_inverse=True), row, left, right)


def intensities(labels: NDArray, channel: NDArray, runs: Runs) -> list[NDArray]:
    """Sum, minimum and maximum: int64 of integers of up to 32 bits, which cannot overflow, else float64."""
    exact = channel.dtype.kind != "f" and channel.dtype.itemsize <= 4
    number: type[np.number] = np.int64 if exact else np.float64
    ends = (_HIGHEST, _LOWEST) if exact else (np.inf, -np.inf)
    result = [np.full(len(runs.labels), start, number) for start in (0, *ends)]
    for strip in _strips(labels):
        part = slice(*np.searchsorted(runs.row, (strip.start, strip.stop)))
        values = channel[strip][labels[strip] != 0].astype(number)
        length = runs.right[part] - runs.left[part] + 1
        for ufunc, column in zip((np.add, np.minimum, np.maximum), result, strict=True):
            ufunc.at(column, runs.nucleus[part], ufunc.reduceat(values, np.cumsum(length) - length))
    return result


def ellipses(runs: Runs, count: NDArray, spacing: PixelSize) -> tuple[NDArray, ...]:
    """Centroid x and y, major and minor axis, and orientation."""
    length, middle = runs.right - runs.left + 1.0, (runs.left + runs.right) / 2
    x, y = runs.sums(length * middle) / count, runs.sums(length * runs.row) / count
    # From the centroid, in a second pass: differences of the large squares from the corner would lose digits.
    dx, dy = (middle - x[runs.nucleus]) * spacing.x, (runs.row - y[runs.nucleus]) * spacing.y
    xx = runs.sums(length * (dx**2 + (length**2 - 1) / 12 * spacing.x**2)) / count
    yy, xy = runs.sums(length * dy**2) / count, runs.sums(length * dx * dy) / count
    mean, spread = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    axes = 4 * np.sqrt(mean + spread), 4 * np.sqrt(np.maximum(mean - spread, 0))
    angle = np.degrees(np.arctan2(-2 * xy, xx - yy)) / 2  # minus: y counts downwards, angles turn upwards
    angle[angle >= 90] = -90
    angle[spread <= 1e-10 * mean] = 0  # no more than rounding
    return x * spacing.x, y * spacing.y, *axes, angle


def perimeters(labels: NDArray, present: NDArray, spacing: PixelSize) -> NDArray[np.float64]:
    """Perimeters of Benkrid and Crookes (Design and FPGA Implementation of a Perimeter Estimator, 2000).

    A pixel of the outline counts as the way through it: straight, diagonal, or half of each, going by its neighbours on
    the outline. Of pixels that are not square, a straight way has the mean length of the steps to those neighbours.
    """
    beside, above, corner = np.ogrid[:3, :3, :5]
    edges = beside + above
    straight, diagonal = (beside * spacing.x + above * spacing.y) / np.maximum(edges, 1), np.hypot(*spacing)
    cases = [
        ((edges == 2) | (edges == 3)) & (corner <= 2),
        (edges == 1) & ((corner == 1) | (corner == 2)),
        ((edges == 0) & (corner == 2)) | ((edges == 1) & (corner == 3)),
    ]
    ways = np.select(cases, [straight, (straight + diagonal) / 2, diagonal], 0)
    result = np.zeros(len(present))
    for strip in _strips(labels):
        start = max(strip.start - 2, 0)  # neighbours' neighbours decide
        part = np.pad(labels[start : strip.stop + 2], 2)
        inner = np.zeros(part.shape, bool)
        inner[1:-1, 1:-1] = True
        for axis in (0, 1):
            for step in (-1, 1):
                inner &= part == np.roll(part, step, axis)
        outline, width = np.where(inner, 0, part).ravel(), part.shape[1]
        offset = (strip.start - start + 2) * width
        pixel = offset + np.flatnonzero(outline[offset : offset + (strip.stop - strip.start) * width])
        near = [
            sum((outline[pixel + sign * step] == outline[pixel]).astype(np.intp) for step in steps for sign in (-1, 1))
            for steps in ((1,), (width,), (width - 1, width + 1))
        ]
        nucleus = np.searchsorted(present, outline[pixel])
        result += np.bincount(nucleus, ways[tuple(near)], minlength=len(present))
    return result


def hulls(runs: Runs, top: NDArray, bottom: NDArray, spacing: PixelSize) -> tuple[NDArray, NDArray]:
    """Pixels in each convex hull, which is that of the midpoints of pixels' edges, and its largest diameter."""
    height = bottom - top + 1
    pixels, diameter = np.zeros(len(height), np.int64), np.zeros(len(height))
    order = np.argsort(runs.nucleus, kind="stable")
    first_run = np.searchsorted(runs.nucleus, np.arange(len(height) + 1), sorter=order)
    part = np.cumsum(height) // max(STRIP // 8, 1)  # pairs of corners are many times the rows
    for block in (slice(*np.searchsorted(part, (each, each + 1))) for each in np.unique(part)):
        own = order[first_run[block.start] : first_run[block.stop]]
        count = block.stop - block.start
        nucleus = np.repeat(np.arange(count), height[block])
        first_row = np.cumsum(height[block]) - height[block]
        # How far to the right each row of each nucleus reaches, and then the same of the mirror image.
        reach = np.full(2 * len(nucleus), _LOWEST)
        place = (first_row - top[block])[runs.nucleus[own] - block.start] + runs.row[own]
        np.maximum.at(reach, place, runs.right[own])
        np.maximum.at(reach, place + len(nucleus), -runs.left[own])
        side = np.concatenate([nucleus, nucleus + count])
        reach = _filled(side, reach)
        pixels[block] = np.add.reduceat(reach[: len(nucleus)] + reach[len(nucleus) :] + 1, first_row)
        diameter[block] = _diameters(side, reach, spacing)
    return pixels, diameter


def _corners(side: NDArray, reach: NDArray) -> NDArray[np.int64]:
    """Rows in which the convex hull of each side has its corners, the first and the last of each among them."""
    kept = np.flatnonzero(reach != _LOWEST)
    while True:
        before, at, after = kept[:-2], kept[1:-1], kept[2:]
        hidden = (reach[at] - reach[before]) * (after - before) <= (reach[after] - reach[before]) * (at - before)
        hidden &= side[before] == side[after]
        if not hidden.any():
            return kept
        kept = np.delete(kept, np.flatnonzero(hidden) + 1)


def _filled(side: NDArray, reach: NDArray) -> NDArray[np.int64]:
    """How far the pixels reach that lie in the convex hull of each side."""
    corners = _corners(side, reach)
    line = np.interp(np.arange(len(side)), corners, reach[corners])
    # Half a pixel beyond the line between centres, or as far as that line gets half a row up or down.
    far, halfway, same = line + 0.5, (line[1:] + line[:-1]) / 2, side[1:] == side[:-1]
    np.maximum(far[1:], halfway, out=far[1:], where=same)
    np.maximum(far[:-1], halfway, out=far[:-1], where=same)
    return np.floor(far + 1e-6).astype(np.int64)  # centres on the line count: rounding must not lose them


def _diameters(side: NDArray, reach: NDArray, spacing: PixelSize) -> NDArray[np.float64]:
    """Largest distance between midpoints of pixels' edges, over all pairs of corners."""
    corners, rows, count = _corners(side, reach), len(side) // 2, side[-1] // 2 + 1
    corners = corners[np.argsort(side[corners] % count, kind="stable")]
    nucleus = side[corners] % count
    y, x = corners % rows, np.where(corners < rows, reach[corners], -reach[corners])
    size = np.bincount(nucleus)
    first, partners = np.cumsum(size) - size, size[nucleus]
    first_pair = np.cumsum(partners) - partners
    one = np.repeat(np.arange(len(corners)), partners)
    other = np.arange(len(one)) + (first[nucleus] - first_pair)[one]
    dx, dy = np.abs(x[one] - x[other]), np.abs(y[one] - y[other])
    wide = np.hypot((dx + 1) * spacing.x, dy * spacing.y)
    tall = np.hypot(dx * spacing.x, (dy + 1) * spacing.y)
    return np.maximum.reduceat(np.maximum(wide, tall), first_pair[first])
