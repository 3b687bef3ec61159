"""The network's maps of a slide, a row of tiles at a time: the very numbers of ``predict_tiled``, few held."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from segmentation.preprocessing import IntensityRange, Preprocessing
from segmentation.segmenter import TileNetwork
from segmentation.slide_reader import Slide
from segmentation.tiling import Tile, blend_weights, tile_starts

_REMEMBERED = 8  # answers to flat tiles: four shapes (inner, right, bottom, corner) of two colours


class Band(NamedTuple):
    """Rows of the maps that are final.

    Attributes:
        top: first row of ``maps`` in the slide.
        start: first row that no earlier band held; from ``top`` to here, they are what the rows below may need.
        maps: ``(maps, rows, W)``, overwritten when the next band is asked for.
    """

    top: int
    start: int
    maps: NDArray[np.float32]


def measure_rows(slide: Slide, preprocessing: Preprocessing, rows: slice) -> tuple[float, float]:
    """The lowest and the highest end of the ranges of one row of blocks; see :func:`block_rows`."""
    pixels = slide.read(rows)
    columns = -(-pixels.shape[1] // preprocessing.block)
    # Each is one block of its own, so that this is what measuring all of the slide does to it.
    parts = [preprocessing.measure(part) for part in np.array_split(pixels, columns, axis=1)]
    return min(part.low for part in parts), max(part.high for part in parts)


def block_rows(height: int, block: int) -> list[slice]:
    """The rows of blocks in which :meth:`segmentation.Preprocessing.measure` cuts a picture, as np.array_split does."""
    count = -(-height // block)
    sizes = [height // count + (index < height % count) for index in range(count)]
    edges = np.cumsum([0, *sizes]).tolist()
    return [slice(*each) for each in pairwise(edges)]


def measure_slide(slide: Slide, preprocessing: Preprocessing) -> IntensityRange:
    """``preprocessing.measure`` of the whole slide, one row of blocks after another."""
    ends = [measure_rows(slide, preprocessing, rows) for rows in block_rows(slide.shape[0], preprocessing.block)]
    return IntensityRange(min(low for low, _ in ends), max(high for _, high in ends))


class TileReader:
    """Tiles of a slide through the network; of flat ones, the answer is remembered.

    A tile is flat if, prepared, it has one colour: the network sees the very same numbers in every such tile of one
    size, so that its answer is the same, and it need not run again. With a ``contrast`` above 0, tiles whose prepared
    values span no more than that are taken for flat ones of their middle colour, if the network finds nothing there.

    Args:
        slide: to read.
        network: for the tiles.
        contrast: that is taken for none, in parts of the range from black to white.
        threshold: of the foreground, below half of which nothing is found in a flat tile.
        foreground: which of the maps it is.
        skip: whether answers are remembered at all.
    """

    def __init__(
        self,
        slide: Slide,
        network: TileNetwork,
        *,
        contrast: float = 0.0,
        threshold: float = 0.5,
        foreground: int = 0,
        skip: bool = True,
    ) -> None:
        self._slide, self._network, self._skip = slide, network, skip
        self._contrast, self._threshold, self._foreground = contrast, threshold, foreground
        self._known: dict[tuple[object, ...], NDArray[np.float32]] = {}
        self.run = self.skipped = 0

    def __call__(self, tile: Tile) -> NDArray[np.float32]:
        """Maps ``(maps, h, w)`` of one tile."""
        prepared = self._network.prepare(self._slide.read(*tile))
        if self._skip:
            low, high = prepared.min(axis=(0, 1)), prepared.max(axis=(0, 1))
            span = float((high - low).max())
            if span <= self._contrast:
                colour = low if span == 0 else np.round((low + high) / 2, 2).astype(np.float32)
                answer = self._flat(colour, prepared)
                if span == 0 or answer[self._foreground].max() < self._threshold / 2:
                    self.skipped += 1
                    return answer
        self.run += 1
        return self._network.predict(prepared)

    def _flat(self, colour: NDArray[np.float32], like: NDArray[np.float32]) -> NDArray[np.float32]:
        key = like.shape, colour.tobytes()
        if key not in self._known:
            if len(self._known) == _REMEMBERED:
                del self._known[next(iter(self._known))]
            self._known[key] = self._network.predict(np.broadcast_to(colour, like.shape).copy())
        return self._known[key]


def stream_maps(
    predict: Callable[[Tile], NDArray[np.float32]],
    maps: int,
    height: int,
    width: int,
    *,
    tile: int,
    overlap: int,
    context: int,
    first: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Band]:
    """What :func:`segmentation.tiling.predict_tiled` returns, number for number, in bands from top to bottom.

    Args:
        predict: see there.
        maps: see there.
        height: of the slide.
        width: of the slide.
        tile: see there.
        overlap: see there.
        context: rows above its own that a band comes with.
        first: row from which maps are needed; tiles that end above it are passed by.
        progress: called after each tile with its number and how many there are.
    """
    starts = tile_starts(height, tile, overlap)
    lefts = tile_starts(width, tile, overlap)
    rows, columns = blend_weights(height, tile, overlap), blend_weights(width, tile, overlap)
    begin = next(index for index, start in enumerate(starts) if min(start + tile, height) > first)
    held = np.zeros((maps, context + min(tile, height), width), np.float32)
    done = first
    for index in range(begin, len(starts)):
        start, stop = starts[index], min(starts[index] + tile, height)
        part = held[:, context : context + stop - start]
        for number, left in enumerate(lefts):
            ys, xs = slice(start, stop), slice(left, min(left + tile, width))
            part[:, :, xs] += predict((ys, xs)) * rows[index][:, None] * columns[number]
            if progress is not None:
                progress(index * len(lefts) + number + 1, len(starts) * len(lefts))
        final = starts[index + 1] if index + 1 < len(starts) else height
        top = max(start - context, 0)
        if final > done:
            yield Band(top, max(start, done), held[:, context - (start - top) : context + final - start])
            done = final
        step = final - start
        kept = context + (stop - final)
        for each in held:  # rows of the next tiles move to the front, and below them begins nothing
            each[:kept] = each[step : step + kept].copy()
            each[kept:] = 0
