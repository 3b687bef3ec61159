"""Splits a mask into objects along the valleys of a landscape."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import local_maxima
from skimage.segmentation import watershed

_ALL_NEIGHBOURS = np.ones((3, 3))


def split_by_landscape(mask: NDArray[np.bool_], landscape: NDArray, height: float) -> NDArray[np.int32]:
    """Watershed of ``landscape`` ``(H, W)`` inside ``mask``, from the maxima that rise by ``height`` over their saddle.

    The same objects as seeding the watershed with the h-maxima of the landscape (Soille, Morphological Image Analysis,
    2003, 6.3.4), found by merging the basins of all maxima instead: twenty times faster than grey reconstruction.
    """
    seeds, count = ndimage.label(local_maxima(landscape, connectivity=2) & mask, structure=_ALL_NEIGHBOURS)
    basins = watershed(-landscape, seeds, connectivity=2, mask=mask)
    peaks = np.zeros(count + 1)
    peaks[seeds.ravel()] = landscape.ravel()  # a seed is a plateau: any of its pixels will do
    first, second, saddles = _saddles(basins, landscape)
    parent = np.arange(count + 1)
    for index in np.argsort(-saddles, kind="stable"):  # highest saddle first, so every merge knows its true peaks
        a, b = _root(parent, first[index]), _root(parent, second[index])
        if a != b and min(peaks[a], peaks[b]) - saddles[index] < height:
            low, high = (a, b) if peaks[a] < peaks[b] else (b, a)
            parent[low] = high
    roots = np.array([_root(parent, label) for label in range(count + 1)])
    # Smoothing can move the maximum of a ring into its hole, or of a sliver over the gap to a large neighbour: such a
    # component has no seed, and is kept whole.
    seedless = ndimage.label(mask & (basins == 0), structure=_ALL_NEIGHBOURS)[0]
    return np.where(seedless > 0, seedless + count, roots[basins])


def _saddles(basins: NDArray[np.int32], landscape: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Neighbouring basins (a < b) and the highest point of the border between them."""
    height, width = basins.shape
    ends = []
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        here = (slice(0, height - dy), slice(max(-dx, 0), width - max(dx, 0)))
        there = (slice(dy, height), slice(max(dx, 0), width + min(dx, 0)))
        a, b = basins[here], basins[there]
        meet = (a != b) & (a > 0) & (b > 0)
        level = np.minimum(landscape[here][meet], landscape[there][meet])
        ends.append((np.minimum(a[meet], b[meet]), np.maximum(a[meet], b[meet]), level))
    first, second, level = (np.concatenate(parts) for parts in zip(*ends, strict=True))
    order = np.lexsort((-level, second, first))
    first, second, level = first[order], second[order], level[order]
    top = np.ones(len(first), bool)
    top[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    return first[top], second[top], level[top]


def _root(parent: NDArray, label: int) -> int:
    while parent[label] != label:
        parent[label] = parent[parent[label]]
        label = parent[label]
    return label
