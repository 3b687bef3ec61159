"""Finds pictures that were cut from one larger field, by looking for seams that continue, and copies of a picture."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

# Chosen on the 2018 Data Science Bowl's pictures against a table of 76 fields cut in quarters: 72 are found whole, and
# pictures wrongly joined by several links would not lay out on a grid (checked in tests/data_modules/test_groups.py).
SURE_CORRELATION = 0.97
MUTUAL_CORRELATION = 0.8  # enough when each of the two borders has no better partner
MAX_STEP = 1.5  # step across the seam, relative to the steps between neighbours inside


@dataclass(frozen=True, eq=False)
class _Borders:
    """What is kept of a picture: its outermost rows and columns, and how much neighbours inside differ."""

    first: NDArray[np.float32]
    last: NDArray[np.float32]
    step: float


class SeamFinder:
    """Collects the borders of pictures, then tells which ones adjoin or are the same.

    Two pictures of one size adjoin when the last column of one continues in the first column of the other (or rows
    likewise): the borders correlate, and differ no more than neighbouring columns inside the pictures do. Pictures with
    equal pixels belong together too.
    """

    def __init__(self) -> None:
        self._members: dict[tuple[int, ...], list[tuple[int, list[_Borders]]]] = defaultdict(list)
        self._first_copy: dict[bytes, int] = {}
        self._copies: list[tuple[int, int]] = []
        self._count = 0

    def add(self, pixels: NDArray) -> None:
        """Take note of the next picture, ``(H, W, C)``."""
        grey = pixels.astype(np.float32).mean(axis=2)
        self._members[grey.shape].append((self._count, [_borders(grey, axis) for axis in (0, 1)]))
        content = hashlib.sha256(f"{pixels.shape} {pixels.dtype}".encode() + pixels.tobytes()).digest()
        self._copies.append((self._first_copy.setdefault(content, self._count), self._count))
        self._count += 1

    def groups(self) -> list[int]:
        """A group number for each picture, in the order they were added."""
        pairs = self._copies.copy()
        for members in self._members.values():
            for axis in (0, 1):
                found = _adjoining([borders[axis] for _, borders in members])
                pairs += [(members[a][0], members[b][0]) for a, b in found]
        rows, columns = np.array(pairs, int).reshape(-1, 2).T
        graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(self._count, self._count))
        return connected_components(graph, directed=False)[1].tolist()


def find_groups(pictures: Iterable[NDArray]) -> list[int]:
    """Group numbers of pictures ``(H, W, C)``: equal for parts of one field and for copies."""
    finder = SeamFinder()
    for pixels in pictures:
        finder.add(pixels)
    return finder.groups()


def _borders(grey: NDArray[np.float32], axis: int) -> _Borders:
    last, before = np.take(grey, -1, axis), np.take(grey, max(grey.shape[axis] - 2, 0), axis)
    return _Borders(np.take(grey, 0, axis), last, float(np.abs(last - before).mean()))


def _adjoining(borders: list[_Borders]) -> list[tuple[int, int]]:
    """Index pairs (a, b) where b continues a."""
    last, first = np.stack([b.last for b in borders]), np.stack([b.first for b in borders])
    inner = [b.step for b in borders]
    z_last, z_first = _standardise(last), _standardise(first)
    correlation = z_last @ z_first.T / last.shape[1]
    np.fill_diagonal(correlation, -1)
    best_next, best_previous = correlation.argmax(axis=1), correlation.argmax(axis=0)
    pairs = []
    for a, b in np.argwhere(correlation > MUTUAL_CORRELATION):
        mutual = best_next[a] == b and best_previous[b] == a
        step = np.abs(last[a] - first[b]).mean()
        if (mutual or correlation[a, b] > SURE_CORRELATION) and step <= MAX_STEP * max(inner[a], inner[b], 1e-6):
            pairs.append((int(a), int(b)))
    return pairs


def _standardise(borders: NDArray[np.float32]) -> NDArray[np.float32]:
    centred = borders - borders.mean(axis=1, keepdims=True)
    deviation = centred.std(axis=1, keepdims=True)
    return np.where(deviation > 1e-6, centred / np.maximum(deviation, 1e-6), 0)
