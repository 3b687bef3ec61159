"""Label image -> polygons along pixel edges: drawn again, they give back the very same pixels."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from segmentation.errors import ParameterError

_STRIP = (
    4_000_000  # corners are looked for in strips of about this many pixels, which bounds the memory of large objects
)


class Polygon(NamedTuple):
    """One connected part of a nucleus, outlined along the edges of its pixels.

    Every ring is ``(corners, 2)`` int32, x before y, in pixels from the picture's upper left corner: the pixel in row y
    and column x is the square from (x, y) to (x + 1, y + 1). Rings turn at every corner, are not closed (the first
    corner is not repeated) and touch themselves nowhere. The nucleus lies to their right on the screen: with y taken
    upwards, the exterior runs counter-clockwise and holes clockwise, as RFC 7946 (GeoJSON), section 3.1.6, wants it.
    """

    exterior: NDArray[np.int32]
    holes: list[NDArray[np.int32]]

    @property
    def rings(self) -> list[NDArray[np.int32]]:
        """The exterior and the holes."""
        return [self.exterior, *self.holes]

    @property
    def area(self) -> int:
        """Pixels inside."""
        return sum(_signed_area(ring) for ring in self.rings)


def polygons(labels: NDArray) -> Iterator[tuple[int, list[Polygon]]]:
    """Yield every label with its parts, in ascending order, one label at a time.

    Pixels that share an edge are one part; where two pixels of a label touch at a corner alone, their parts (or their
    holes) meet in that point. So every list is a valid polygon or multipolygon by the OGC's rules. Time grows with the
    labels' bounding boxes.

    Args:
        labels: ``(H, W)`` integers, 0 the background; gaps in the numbers are passed over.

    Raises:
        ParameterError: if these are no labels.
    """
    check_labels(labels)
    numbers, dense = None, labels
    if labels.max() > labels.size:  # SciPy makes a list as long as the largest number
        numbers, dense = np.unique(labels, return_inverse=True)
        if numbers[0] > 0:
            numbers, dense = np.append(0, numbers), dense + 1
    for index, box in enumerate(ndimage.find_objects(dense), start=1):
        if box is not None:
            label = index if numbers is None else int(numbers[index])
            yield label, _outline(labels[box], label, left=box[1].start, top=box[0].start)


def check_labels(labels: NDArray) -> None:
    """Refuse what is no label image.

    Raises:
        ParameterError: naming the shape, the type or the number.
    """
    if labels.ndim != 2 or 0 in labels.shape or labels.dtype.kind not in "iu":
        raise ParameterError(
            f"labels of shape {labels.shape} and type {labels.dtype}: give (height, width) integers, 0 the background."
        )
    if labels.dtype.kind == "i" and (lowest := labels.min()) < 0:
        raise ParameterError(f"labels down to {lowest}: nuclei are above 0; set everything else to 0, the background.")


class _Corners(NamedTuple):
    """Corners of an object's outline from top to bottom, each row from left to right, one entry each.

    Attributes:
        x, y: counted from the crop's upper left corner.
        below: whether the pixel below and to the right of the corner is inside.
        double: whether two pixels of the object meet in it diagonally.
    """

    x: NDArray[np.int64]
    y: NDArray[np.int64]
    below: NDArray[np.bool_]
    double: NDArray[np.bool_]


def _corners(crop: NDArray, label: int, top: int, bottom: int) -> _Corners:
    """Corners on the crop's horizontal pixel edges ``top`` to ``bottom - 1``."""
    height, width = crop.shape
    inside = np.zeros((bottom - top + 1, width + 2), bool)  # with a rim: the pixels around those corners
    first, last = max(top - 1, 0), min(bottom, height)
    inside[first - top + 1 : last - top + 1, 1:-1] = crop[first:last] == label
    upright, level = inside[:, :-1] ^ inside[:, 1:], inside[:-1] ^ inside[1:]  # pixel edges on the outline
    up, down, left, right = upright[:-1], upright[1:], level[:, :-1], level[:, 1:]
    where = np.flatnonzero((up | down) & (left | right))
    y, x = np.divmod(where, width + 1)
    return _Corners(x, y + top, inside[y + 1, x + 1], up[y, x] & down[y, x])


def _all_corners(crop: NDArray, label: int) -> _Corners:
    height, width = crop.shape
    step = max(_STRIP // (width + 1), 1)
    strips = [_corners(crop, label, top, min(top + step, height + 1)) for top in range(0, height + 1, step)]
    return strips[0] if len(strips) == 1 else _Corners(*map(np.concatenate, zip(*strips, strict=True)))


def _outline(crop: NDArray, label: int, *, left: int, top: int) -> list[Polygon]:
    """The parts of one label in its bounding box, whose upper left corner is ``(left, top)``."""
    x, y, below, double = _all_corners(crop, label)
    twice = bool(double.any())
    rings = _cycles(_successors(crop.shape[0], x, y, below, double))
    if twice:
        index = np.repeat(np.arange(len(x)), 1 + double)
        rings = [loop for ring in rings for loop in _simple_loops(index[ring].tolist())]
    points = np.stack([x + left, y + top], axis=1).astype(np.int32)
    # The pixel right below a ring's first corner (of the top row, the leftmost) is the nucleus in an exterior alone.
    firsts = [min(ring) for ring in rings] if twice else [ring[0] for ring in rings]
    parts = {first: Polygon(points[ring], []) for first, ring in zip(firsts, rings, strict=True) if below[first]}
    holes = {first: points[ring] for first, ring in zip(firsts, rings, strict=True) if not below[first]}
    if len(parts) == 1:
        next(iter(parts.values())).holes.extend(holes.values())
    elif holes:
        components, _ = ndimage.label(crop == label)
        owners = {components[y[first], x[first]]: part for first, part in parts.items()}
        for first, hole in holes.items():
            owners[components[y[first] - 1, x[first]]].holes.append(hole)
    return list(parts.values())


def _successors(
    height: int, x: NDArray[np.int64], y: NDArray[np.int64], below: NDArray[np.bool_], double: NDArray[np.bool_]
) -> list[int]:
    """For every corner, the next one with the object to the right; double corners count as two, one after the other.

    Along a row of corners, every second gap is outline: corners 0 and 1 are joined by an edge, 2 and 3, and so on.
    The same holds down every column. So sorting alone finds all edges, without following any.
    """
    if double.any():
        # Of a double corner, the first copy ends the edge from the left and the second begins the one to the right.
        # Each turns around its own pixel: the upper copy of the column is the first if that pixel is above it.
        copies = 1 + double
        starts = np.cumsum(copies) - copies
        second = np.zeros(copies.sum(), np.int64)
        second[starts[double] + 1] = 1
        lower = np.where(np.repeat(double & ~below, copies), 1 - second, second)
        x, y, below = np.repeat(x, copies), np.repeat(y, copies), np.repeat(below, copies)
    else:
        lower = np.zeros(len(x), np.int64)
    column = np.argsort((x * (height + 1) + y) * 2 + lower)
    following = np.empty(len(x), np.int64)
    following[column[::2]], following[column[1::2]] = column[1::2], column[::2]
    west = np.arange(0, len(x), 2)  # left ends of the edges along rows
    rightwards = below[west]
    following[west[rightwards]] = west[rightwards] + 1
    following[west[~rightwards] + 1] = west[~rightwards]
    return following.tolist()


def _cycles(following: list[int]) -> list[list[int]]:
    """The cycles of a permutation, each from its smallest member."""
    seen, cycles = bytearray(len(following)), []
    for start in range(len(following)):
        if not seen[start]:
            cycle, at = [], start
            while not seen[at]:
                seen[at] = 1
                cycle.append(at)
                at = following[at]
            cycles.append(cycle)
    return cycles


def _simple_loops(ring: list[int]) -> Iterator[list[int]]:
    """A ring cut into loops wherever it comes back to one of its corners."""
    path: list[int] = []
    position: dict[int, int] = {}
    for corner in ring:
        if corner in position:
            loop = path[position[corner] :]
            del path[position[corner] :]
            for passed in loop:
                del position[passed]
            yield loop
        position[corner] = len(path)
        path.append(corner)
    yield path


def _signed_area(ring: NDArray[np.int32]) -> int:
    """Shoelace formula; of an outline along pixel edges only the horizontal edges count, which makes it exact."""
    x, y = ring.astype(np.int64).T
    return int((y * (x - np.roll(x, -1))).sum())
