"""Pieces of nuclei in all strips of a slide -> numbers over the whole slide, the very numbers that ``decode`` gives."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from segmentation.instance_maps import DecodeParams
from segmentation.slide_watershed import Strip
from segmentation.watershed import highest_saddles, join_basins

_OPEN = -1


@dataclass(frozen=True, eq=False)
class Numbering:
    """The nuclei of a slide.

    Attributes:
        tables: for each strip, uint32: the nucleus, from 1 without gaps, of each piece; 0 for those that are dropped.
        area: int64, pixels of each nucleus; entry 0 means nothing.
        reach: ``(nuclei + 1, 2)`` int32, first and last row of each.
    """

    tables: list[NDArray[np.uint32]]
    area: NDArray[np.int64]
    reach: NDArray[np.int32]

    @property
    def count(self) -> int:
        """Number of nuclei."""
        return len(self.area) - 1


def number_nuclei(strips: Iterable[Strip], params: DecodeParams) -> Numbering:
    """Join the pieces of all strips, from top to bottom, and drop nuclei by area, border and probability.

    Whatever cannot change any more is settled after each strip; what is held meanwhile are the pieces that hang
    together with the last row, and some numbers for every piece.
    """
    pool = _Pool(params)
    sizes, area, probability, reach, at_border = [], [], [], [], []
    for strip in strips:
        pool.add(strip)
        sizes.append(strip.pieces)
        area.append(strip.area[1:])
        probability.append(strip.probability[1:])
        reach.append(strip.reach[1:])
        at_border.append(strip.at_border[1:])
    root = pool.finish()
    count = len(root)
    total = np.zeros(count, np.int64)
    np.add.at(total, root, _joined(area, np.zeros(0, np.int64)))
    span = np.empty((count, 2), np.int32)
    span[:, 0], span[:, 1] = np.iinfo(np.int32).max, -1
    rows = _joined(reach, np.zeros((0, 2), np.int32))
    np.minimum.at(span[:, 0], root, rows[:, 0])
    np.maximum.at(span[:, 1], root, rows[:, 1])
    keep = total >= max(params.min_area, 1)
    if params.min_probability:
        sums = np.zeros(count, np.float64)
        np.add.at(sums, root, _joined(probability, np.zeros(0, np.float64)))
        keep &= sums >= params.min_probability * total
    if params.max_area:
        keep &= total <= params.max_area
    if params.drop_border:
        keep[root[_joined(at_border, np.zeros(0, bool))]] = False
    number = (np.cumsum(keep) * keep).astype(np.uint32)[root]
    tables = [np.concatenate([[0], part]).astype(np.uint32) for part in np.split(number, np.cumsum(sizes)[:-1])]
    first = np.zeros(1, np.int64)
    return Numbering(
        tables, np.concatenate([first, total[keep]]), np.concatenate([np.zeros((1, 2), np.int32), span[keep]])
    )


class _Pool:
    """Pieces that are not settled yet, by their numbers over the whole slide, from 0."""

    def __init__(self, params: DecodeParams) -> None:
        self._params = params
        self._known: list[NDArray[np.int64]] = []  # for each strip, the piece that each of its pieces is part of
        self._offsets = [0]
        self._below: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None  # pieces that go on below, and where
        self._nodes = np.zeros(0, np.int64)
        self._level = np.zeros(0, np.float32)
        self._same = np.zeros((0, 2), np.int64)  # (piece, the piece that it is part of)
        self._edges = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32)

    def add(self, strip: Strip) -> None:
        """Take in the next strip."""
        offset, before = self._offsets[-1], self._offsets[-2] if len(self._offsets) > 1 else 0
        self._offsets.append(offset + strip.pieces)
        own = np.arange(offset, offset + strip.pieces)
        self._known.append(np.full(strip.pieces, _OPEN, np.int64))
        self._nodes = np.concatenate([self._nodes, own])
        level = np.full(strip.pieces, np.nan, np.float32)
        level[: len(strip.peaks)] = strip.peaks
        self._level = np.concatenate([self._level, level])
        same = [self._same]
        if self._below is not None:
            pieces, columns = self._below
            same.append(np.stack([pieces, strip.ids[0][columns].astype(np.int64) - 1 + offset], axis=1))
        ups = np.arange(len(strip.peaks), len(strip.peaks) + len(strip.ups)) + offset
        same.append(np.stack([ups, strip.ups.astype(np.int64) - 1 + before], axis=1))
        first, second, saddle = strip.seam
        seam = first.astype(np.int64) - 1 + before, second.astype(np.int64) - 1 + offset, saddle
        inner = strip.inner[0].astype(np.int64) - 1 + offset, strip.inner[1].astype(np.int64) - 1 + offset
        self._edges = (
            np.concatenate([self._edges[0], inner[0], seam[0]]),
            np.concatenate([self._edges[1], inner[1], seam[1]]),
            np.concatenate([self._edges[2], strip.inner[2], seam[2]]),
        )
        self._same = np.concatenate(same)
        downs = np.arange(strip.pieces - len(strip.downs), strip.pieces) + offset
        self._below = downs, strip.downs.astype(np.int64)
        last = np.unique(strip.ids[-1])
        self._settle(last[last > 0].astype(np.int64) - 1 + offset)

    def finish(self) -> NDArray[np.int64]:
        """For each piece of the slide, the number of its nucleus's first piece or highest maximum."""
        self._settle(np.zeros(0, np.int64))
        root = _joined(self._known, np.zeros(0, np.int64))
        if self._params.mode == "mask":
            root[:] = 0
        return root

    def _settle(self, going_on: NDArray[np.int64]) -> None:
        """Join what hangs together and reaches none of the pieces that go on."""
        if not len(self._nodes):
            return
        place = self._nodes.searchsorted
        a = np.concatenate([place(self._same[:, 0]), place(self._edges[0])])
        b = np.concatenate([place(self._same[:, 1]), place(self._edges[1])])
        size = len(self._nodes)
        count, group = connected_components(
            coo_array((np.ones(len(a), bool), (a, b)), shape=(size, size)), directed=False
        )
        still = np.zeros(count, bool)
        still[group[place(going_on)]] = True
        done = ~still[group]
        if not done.any():
            return
        same, edge = done[place(self._same[:, 0])], done[place(self._edges[0])]
        nodes = self._nodes[done]
        root = self._roots(
            nodes, group[done], self._level[done], self._same[same], [each[edge] for each in self._edges]
        )
        for index in np.unique(np.searchsorted(self._offsets, nodes, side="right") - 1):
            part = (nodes >= self._offsets[index]) & (nodes < self._offsets[index + 1])
            self._known[index][nodes[part] - self._offsets[index]] = root[part]
        self._nodes, self._level = self._nodes[~done], self._level[~done]
        self._same = self._same[~same]
        self._edges = self._edges[0][~edge], self._edges[1][~edge], self._edges[2][~edge]

    def _roots(
        self, nodes: NDArray[np.int64], group: NDArray, level: NDArray, same: NDArray, edges: list[NDArray]
    ) -> NDArray[np.int64]:
        if self._params.mode == "mask" or self._params.separation <= 0:
            lowest = np.full(int(group.max()) + 1, np.iinfo(np.int64).max)
            np.minimum.at(lowest, group, nodes)
            return lowest[group]
        place = nodes.searchsorted
        whole = np.arange(len(nodes))  # the maximum that a piece belongs to, followed from strip to strip
        whole[place(same[:, 0])] = place(same[:, 1])
        while not np.array_equal(further := whole[whole], whole):
            whole = further
        peaks = np.flatnonzero(whole == np.arange(len(nodes)))  # in the order of the slide's maxima, row by row
        rank = np.zeros(len(nodes), np.int64)
        rank[peaks] = np.arange(len(peaks))
        basin = rank[whole]
        a, b = basin[place(edges[0])], basin[place(edges[1])]
        apart = a != b
        a, b, saddle = highest_saddles(np.minimum(a, b)[apart], np.maximum(a, b)[apart], edges[2][apart])
        joined = join_basins(level[peaks].astype(np.float64), a, b, saddle, self._params.separation)
        order = np.lexsort((np.arange(len(peaks)), level[peaks]))
        highest = np.zeros(int(joined.max(initial=0)) + 1, np.int64)
        highest[joined[order]] = order  # of several, the last: what join_basins lets the others join
        return nodes[peaks[highest[joined[basin]]]]


def _joined(parts: list[NDArray], empty: NDArray) -> NDArray:
    return np.concatenate(parts) if parts else empty
