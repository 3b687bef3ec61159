"""Nuclei of a slide, strip by strip: what each strip knows of them, so that all together give ``decode``'s labels.

A pixel's basin depends on the way up from it alone (see :mod:`segmentation.watershed`), and that way can be followed a
strip at a time: where it leaves the strip, the strip notes the pixel of the next one that it leads to. So do the
saddles between basins on either side of the seam. :mod:`segmentation.slide_graph` then joins them all over the slide.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from segmentation.instance_maps import DecodeParams, MapName, total_probability
from segmentation.watershed import highest_saddles, saddles_between

_SMOOTH = 4  # rows that a Gaussian of sigma 1 reaches, as SciPy cuts it off
EDT_REACH = 128  # pixels: without a map of distances, nuclei of twice that thickness are cut as if they were no thicker
Rows = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Strip:
    """Pieces of nuclei in some rows of a slide.

    Attributes:
        top: first row.
        ids: ``(rows, W)`` int32, 0 the background, else the number of a piece, from 1. The first ``len(peaks)`` of
            them hold a maximum, in the order of these, row by row; of the next ``len(ups)`` the maximum lies above the
            strip, of the last ``len(downs)`` below it.
        peaks: float32, the heights of the maxima.
        ups: int32, numbers of pieces of the strip above, which these pieces are parts of.
        downs: int32, columns of the strip below's first row, whose pieces these are parts of.
        inner: neighbouring pieces (a, b) and the highest point of the border between them: int32, int32, float32.
        seam: the same, where a is a piece of the strip above.
        area: int64, pixels of each piece; entry 0 is the background.
        probability: float64, sum of the foreground's probability over each.
        reach: ``(pieces + 1, 2)`` int32, first and last row of each, counted in the slide.
        at_border: bool, whether the slide's border cuts the piece.
        levels: ``(2, W)`` float32, the landscape in the strip's last row and in the row below; -inf outside the mask.
    """

    top: int
    ids: NDArray[np.int32]
    peaks: Rows
    ups: NDArray[np.int32]
    downs: NDArray[np.int32]
    inner: tuple[NDArray, NDArray, NDArray]
    seam: tuple[NDArray, NDArray, NDArray]
    area: NDArray[np.int64]
    probability: NDArray[np.float64]
    reach: NDArray[np.int32]
    at_border: NDArray[np.bool_]
    levels: Rows

    @property
    def bottom(self) -> int:
        """The first row below."""
        return self.top + len(self.ids)

    @property
    def pieces(self) -> int:
        """How many there are."""
        return len(self.area) - 1


def margin_of(params: DecodeParams, names: Sequence[MapName]) -> int:
    """Rows beyond a strip, on either side, that its decoding looks at."""
    if params.mode == "mask" or params.separation <= 0:
        return 1
    return 1 + _SMOOTH + (0 if "distance" in names else EDT_REACH + 1)


def split_strip(
    maps: NDArray[np.float32],
    first: int,
    rows: slice,
    height: int,
    params: DecodeParams,
    names: Sequence[MapName],
    above: Strip | None,
) -> Strip:
    """Divide the rows of a strip into pieces of nuclei.

    Args:
        maps: ``(maps, rows, W)`` of more rows than the strip's: :func:`margin_of` on either side, as far as there are.
        first: the row in the slide of the first of them.
        rows: of the strip.
        height: of the slide.
        params: how nuclei are told apart.
        names: of the maps.
        above: the strip above this one.
    """
    named = dict(zip(names, maps, strict=True))
    low, high = max(rows.start - 1, 0), min(rows.stop + 1, height)
    mask = named["foreground"][low - first : high - first] >= params.threshold
    levels = np.full((rows.stop - rows.start + 2, maps.shape[2]), -np.inf, np.float32)
    inside = levels[low - rows.start + 1 : high - rows.start + 1]
    cutting = params.mode != "mask" and params.separation > 0
    inside[mask] = _landscape(named, params, first, low, high)[mask] if cutting else 0
    if above is not None:
        levels[:2] = above.levels  # the same but where the landscape is not exact: one strip has to decide
    if cutting:
        ids, peaks, ups, downs = _pieces(levels, above)
        flat, width = _flat(levels), levels.shape[1] + 2
        flat[:width] = flat[-width:] = -np.inf
        here = np.flatnonzero(flat > -np.inf).astype(np.int32)
        numbers = _flat(np.pad(ids, ((1, 1), (0, 0))), 0)
        inner = saddles_between(here, flat, numbers, width)
    else:
        middle = levels[1:-1] > -np.inf
        if params.mode == "mask":
            ids, count = middle.astype(np.int32), int(middle.any())
        else:
            labelled, count = ndimage.label(middle, structure=np.ones((3, 3)))
            ids = labelled.astype(np.int32, copy=False)
        peaks, ups, downs = np.zeros(count, np.float32), np.zeros(0, np.int32), np.zeros(0, np.int32)
        inner = np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.float32)
    pieces = len(peaks) + len(ups) + len(downs)
    return Strip(
        rows.start, ids, peaks, ups, downs, inner, _seam(levels, ids, above),
        *_facts(ids, named["foreground"][rows.start - first : rows.stop - first], pieces, rows, height),
        levels[-2:].copy(),
    )  # fmt: skip


def _landscape(
    named: dict[MapName, NDArray], params: DecodeParams, first: int, low: int, high: int
) -> NDArray[np.floating]:
    """Rows ``low`` to ``high`` of what nuclei are parted by, as :func:`segmentation.instance_maps.decode` makes it."""
    source = named.get("distance")
    if source is None:
        mask = named["foreground"] >= params.threshold
        depth = ndimage.distance_transform_edt(mask) if not mask.all() else np.full(mask.shape, np.inf)
        source = np.minimum(depth, EDT_REACH)
    start, stop = max(low - _SMOOTH - first, 0), high + _SMOOTH - first
    return ndimage.gaussian_filter(source[start:stop], 1.0)[low - first - start :][: high - low]


def _flat(array: NDArray, outside: float = -np.inf) -> NDArray:
    """With a column of ``outside`` on either side, as one line: every pixel's neighbours are at fixed steps."""
    return np.pad(array, ((0, 0), (1, 1)), constant_values=outside).ravel()


def _pieces(levels: Rows, above: Strip | None) -> tuple[NDArray[np.int32], Rows, NDArray[np.int32], NDArray[np.int32]]:
    """Each pixel's piece, by the steepest way up from it, which ends at a maximum or in a row beside the strip.

    ``levels`` has one row above the strip and one below it. Ties are broken as in ``segmentation.watershed._basins``.
    """
    level, width = _flat(levels), levels.shape[1] + 2
    rows = levels.shape[0] - 2
    beyond = level.size - width
    here = np.flatnonzero(level[width:beyond] > -np.inf).astype(np.int32) + np.int32(width)
    best, target = level[here], here.copy()
    for step in (-1, -width + 1, -width, -width - 1, 1, width - 1, width, width + 1):
        other = level[here + step]
        better = other >= best if step > 0 else other > best  # in this order, so that the latest of equals wins
        best = np.where(better, other, best)
        target = np.where(better, here + np.int32(step), target)
    way = np.arange(level.size, dtype=np.int32)
    way[here] = target
    while True:
        further = way[target]
        if np.array_equal(further, target):
            break
        way[here] = target = further
    ends = np.zeros(level.size, bool)
    ends[target] = True
    upper, peaks, lower = (
        np.flatnonzero(ends[part]) + part.start
        for part in (slice(0, width), slice(width, beyond), slice(beyond, level.size))
    )
    number = np.zeros(level.size, np.int32)
    for offset, part in ((0, peaks), (len(peaks), upper), (len(peaks) + len(upper), lower)):
        number[part] = np.arange(offset + 1, offset + len(part) + 1)
    flat = np.zeros(level.size, np.int32)
    flat[here] = number[target]
    ids = flat.reshape(rows + 2, width)[1:-1, 1:-1].copy()
    ups = np.zeros(0, np.int32) if above is None else above.ids[-1][upper - 1]
    return ids, level[peaks], ups, (lower - beyond - 1).astype(np.int32)


def _seam(levels: Rows, ids: NDArray[np.int32], above: Strip | None) -> tuple[NDArray, NDArray, NDArray]:
    """Pieces of the strip above that pieces of this one touch, and the highest point between them."""
    ends: list[tuple[NDArray, NDArray, NDArray]] = []
    for step in (-1, 0, 1) if above is not None else ():
        assert above is not None
        width = ids.shape[1]
        upper, lower = slice(max(-step, 0), width - max(step, 0)), slice(max(step, 0), width + min(step, 0))
        a, b = above.ids[-1][upper], ids[0][lower]
        meet = (a > 0) & (b > 0)
        ends.append((a[meet], b[meet], np.minimum(levels[0][upper], levels[1][lower])[meet]))
    if not ends:
        return np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.float32)
    return highest_saddles(*(np.concatenate(parts) for parts in zip(*ends, strict=True)))


def _facts(
    ids: NDArray[np.int32], foreground: Rows, pieces: int, rows: slice, height: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int32], NDArray[np.bool_]]:
    area = np.bincount(ids.ravel(), minlength=pieces + 1)
    probability = total_probability(ids, foreground, pieces + 1)
    y, x = np.nonzero(ids)
    own = ids[y, x]
    reach = np.zeros((pieces + 1, 2), np.int32)
    reach[own[::-1], 0] = y[::-1] + rows.start  # of several values for one place, the last one stays
    reach[own, 1] = y + rows.start
    at_border = np.zeros(pieces + 1, bool)
    at_border[ids[:, 0]] = at_border[ids[:, -1]] = True
    if rows.start == 0:
        at_border[ids[0]] = True
    if rows.stop == height:
        at_border[ids[-1]] = True
    return area, probability, reach, at_border
