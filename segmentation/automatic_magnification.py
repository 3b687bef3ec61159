"""How much a picture is magnified before the network, by the size of its nuclei.

A network finds nuclei best of the sizes that it saw most in training. So a picture is looked at twice: once small and
fast, to see how large its nuclei are, and then so that they have the size that suits the network (``Bundle.diameter``).
Cellpose does the same with a network of its own for the size (Stringer et al. 2021, doi:10.1038/s41592-020-01018-x).
"""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from segmentation.preprocessing import IntensityRange
from segmentation.tiling import Tile

# The only factors that are chosen: pictures of one kind should get the same, and engines know few sizes of tiles.
FACTORS = (0.25, 0.35, 0.5, 0.7, 1.0, 1.25, 1.5, 1.75, 2.0)
LARGE = 1.5  # the largest for pictures that take long, but in accurate mode; 2 takes 1.8 times as long as this
LOOK = 0.5  # magnification of the first look: large nuclei are whole to the network, and it takes a tenth of the time
_WHOLE = 2**19  # pixels of a picture that takes a moment and is looked at whole; of a larger one, some windows
_SIDE, _WINDOWS = 256, 4  # pixels, and how many of them
_MOST = 8  # candidates down and across


class TileNetwork(NamedTuple):
    """What a tile goes through, and how many pixels of the picture its side and its overlaps have."""

    prepare: Callable[[NDArray], NDArray[np.float32]]  # (h, w, C) pixels -> (h, w, channels) that the network sees
    predict: Callable[[NDArray[np.float32]], NDArray[np.float32]]  # these -> (maps, h, w) in [0, 1]
    side: int
    overlap: int


class Measured(NamedTuple):
    """A picture that need not be in memory: its height and width, what reads windows ``(h, w, C)``, its intensities."""

    shape: tuple[int, int]
    read: Callable[[Tile], NDArray]
    intensity: IntensityRange


def first_look(
    looks: Iterable[TileNetwork],
    decode: Callable[[NDArray[np.float32]], NDArray],
    shape: tuple[int, int],
    read: Callable[[Tile], NDArray],
) -> float:
    """The nuclei's median diameter in pixels, as the first of the looks sees it that sees any; 0 if none does.

    Args:
        looks: the network at several magnifications.
        decode: its maps -> labels.
        shape: height and width of the picture in pixels.
        read: gives the pixels ``(h, w, C)`` of a window.
    """
    windows: list[NDArray] | None = None
    for look in looks:
        if windows is None:
            windows = [look.prepare(read(tile)) for tile in windows_to_look_at(*shape, partial(_contrast, look, read))]
        if found := typical_diameter([decode(look.predict(window)) for window in windows]):
            return found
    return 0.0


def _contrast(look: TileNetwork, read: Callable[[Tile], NDArray], tile: Tile) -> float:
    return float(look.prepare(read(tile)).std())


def typical_diameter(labels: Sequence[NDArray]) -> float:
    """Median diameter of the nuclei in some label images, in pixels, as of discs of their areas; 0 without nuclei."""
    areas = np.concatenate([np.bincount(each.ravel())[1:] for each in labels])
    areas = areas[areas > 0]
    return float(np.median(2 * np.sqrt(areas / np.pi))) if len(areas) else 0.0


def suited_factor(suited: float, diameter: float, largest: float = FACTORS[-1]) -> float:
    """The one of ``FACTORS`` that makes nuclei of ``diameter`` pixels ``suited`` pixels wide most nearly."""
    wanted = math.log(suited / diameter)
    return min((each for each in FACTORS if each <= largest), key=lambda factor: abs(math.log(factor) - wanted))


def largest_factor(height: int, width: int, *, accurate: bool = False) -> float:
    """The most that a picture is magnified by itself: ``LARGE`` if that of ``FACTORS`` would take long."""
    return FACTORS[-1] if accurate or height * width <= _WHOLE else LARGE


def windows_to_look_at(height: int, width: int, contrast: Callable[[Tile], float]) -> list[Tile]:
    """All of a small picture; of a large one, the windows of most contrast of some that are spread evenly.

    Args:
        height: of the picture in pixels.
        width: likewise.
        contrast: of a window's pixels; asked only of large pictures.
    """
    if height * width <= _WHOLE:
        return [(slice(0, height), slice(0, width))]
    rows, columns = (_spread(extent) for extent in (height, width))
    candidates = [(row, column) for row in rows for column in columns]
    if len(candidates) <= _WINDOWS:
        return candidates
    order = np.argsort([-contrast(tile) for tile in candidates], kind="stable")
    return [candidates[index] for index in sorted(order[:_WINDOWS])]


def _spread(extent: int) -> list[slice]:
    side = min(_SIDE, extent)
    number = min(max(round(extent / 512), 1), _MOST)
    middles = (np.arange(number) + 0.5) / number * extent
    starts = np.clip(np.rint(middles - side / 2).astype(int), 0, extent - side)
    return [slice(int(start), int(start) + side) for start in starts]
