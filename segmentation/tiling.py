"""Large pictures through the network in overlapping tiles, blended linearly; memory does not depend on the network."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from segmentation.errors import ParameterError

Tile = tuple[slice, slice]


def tile_starts(length: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin along one axis; the last tile may be shorter, and every tile but the first is overlapped."""
    return list(range(0, max(length - overlap, 1), tile - overlap))


def iter_tiles(height: int, width: int, tile: int, overlap: int) -> Iterator[Tile]:
    """Row-major (rows, columns) slices that cover ``height`` x ``width``."""
    for top in tile_starts(height, tile, overlap):
        for left in tile_starts(width, tile, overlap):
            yield slice(top, min(top + tile, height)), slice(left, min(left + tile, width))


def blend_weights(length: int, tile: int, overlap: int) -> list[NDArray[np.float32]]:
    """For each tile along one axis, its weights: ramps over the overlaps that add up to 1 at every pixel."""
    starts = tile_starts(length, tile, overlap)
    weights = []
    for index, start in enumerate(starts):
        weight = np.ones(min(tile, length - start), np.float32)
        ramp = (np.arange(overlap, dtype=np.float32) + 0.5) / max(overlap, 1)
        if index > 0:
            weight[:overlap] = ramp
        if index < len(starts) - 1:
            weight[-overlap or len(weight) :] = ramp[::-1]
        weights.append(weight)
    return weights


def predict_tiled(
    predict: Callable[[Tile], NDArray[np.float32]],
    maps: int,
    height: int,
    width: int,
    *,
    tile: int = 1024,
    overlap: int = 128,
    progress: Callable[[float], None] | None = None,
) -> NDArray[np.float32]:
    """Run ``predict`` on every tile and blend: -> ``(maps, height, width)`` float32.

    Args:
        predict: (rows, columns) -> ``(maps, h, w)`` for that part of the picture.
        maps: number of maps the network predicts.
        height: of the picture, in pixels.
        width: of the picture, in pixels.
        tile: side of a tile in pixels, a multiple of the network's stride so that tiles share its pooling grid.
        overlap: pixels shared by neighbours, at most half a tile.
        progress: called with the fraction done, in (0, 1], after each tile.

    Raises:
        ParameterError: if the overlap is negative or more than half the tile.
    """
    if not 0 <= overlap <= tile // 2:
        raise ParameterError(f"overlap={overlap} with tile={tile}: it must be between 0 and half the tile.")
    rows, columns = blend_weights(height, tile, overlap), blend_weights(width, tile, overlap)
    total = len(rows) * len(columns)
    result = np.zeros((maps, height, width), np.float32)
    for index, (ys, xs) in enumerate(iter_tiles(height, width, tile, overlap)):
        part = predict((ys, xs))
        if total == 1:
            result = part
        else:
            result[:, ys, xs] += part * rows[index // len(columns)][:, None] * columns[index % len(columns)]
        if progress is not None:
            progress((index + 1) / total)
    return result
