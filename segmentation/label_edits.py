"""Edits by hand of labels ``(H, W)``: delete, merge, split, draw. 0 is the background, every other number one nucleus.

Each function leaves its input as it is and returns a new label image. Nuclei that an edit does not touch keep their
numbers, and so their colours; new ones count on from the highest. The type stays the same, and grows (uint16 to uint32)
only where a new number needs it. Points are (y, x) in pixels, (0, 0) the centre of the top left pixel.
"""

from collections.abc import Sequence
from math import ceil

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from segmentation.errors import ImageShapeError, ParameterError

MAX_GAP = 6.0  # pixels between centres that merge bridges: five pixels of background
MIN_PART = 4  # pixels; what a line or a neighbour cuts off below this is a crumb, no nucleus
MAX_POINTS = 10_000  # of a line or an outline
_FARTHEST = 1_000_000  # pixels; larger coordinates are a mistake, and OpenCV's would overflow
_ALL_NEIGHBOURS = np.ones((3, 3))


def check_labels(labels: NDArray) -> None:
    """Raise ImageShapeError unless ``labels`` are ``(H, W)`` integers, none below 0."""
    if labels.ndim != 2 or labels.dtype.kind not in "iu" or labels.min(initial=0) < 0:
        raise ImageShapeError(
            f"Labels of shape {labels.shape} and type {labels.dtype}: they must be (H, W) integers, 0 or more."
        )


def delete(labels: NDArray, label: int) -> NDArray:
    """Without one nucleus: its pixels become background.

    Raises:
        ImageShapeError: see :func:`check_labels`.
        ParameterError: if there is no such nucleus.
    """
    result, where = labels.copy(), _find(labels, label)
    result[where] = 0
    return result


def merge(labels: NDArray, labels_to_join: Sequence[int]) -> NDArray:
    """Several nuclei as one, under the smallest of their numbers.

    A gap is closed if it is at most ``MAX_GAP`` wide, measured between the centres of the nearest pixels: with those
    background pixels whose distances to both sides add up to at most that width plus 1. That is the whole strip along
    facing borders, and the neck between round ones. Other nuclei lose nothing.

    Raises:
        ImageShapeError: see :func:`check_labels`.
        ParameterError: fewer than two nuclei, one that is not there, a wider gap, or a gap with a nucleus across it.
    """
    numbers = sorted(set(labels_to_join))
    if len(numbers) < 2:
        raise ParameterError(
            f"labels_to_join={[*map(int, labels_to_join)]}: merging takes two nuclei or more; choose another."
        )
    where = np.zeros(labels.shape, bool)
    for number in numbers:
        where |= _find(labels, number)
    box = _box(where, margin=2)
    part, waiting = labels[box], numbers[1:]
    joined = part == numbers[0]
    while waiting:  # the nearest next, so that a chain joins up in any order of its links
        away = _distance(joined)
        gap, number = min((float(away[part == number].min()), number) for number in waiting)
        if gap > MAX_GAP:
            raise ParameterError(
                f"Nucleus {number} lies {gap:.1f} pixels from the others to merge, and at most {MAX_GAP:g} can be "
                "bridged: draw what lies between first, or choose nuclei that are closer."
            )
        nucleus = part == number
        if gap > 1.5:  # else they touch, by an edge or a corner
            bridge = (part == 0) & (away + _distance(nucleus) <= gap + 1)
            pieces = ndimage.label(joined | nucleus | bridge, structure=_ALL_NEIGHBOURS)[0]
            if not np.isin(pieces[nucleus], pieces[joined]).any():
                raise ParameterError(
                    f"Between nucleus {number} and the others to merge lies another nucleus, which keeps its pixels: "
                    "merge that one as well, or delete it first."
                )
            nucleus |= bridge
        joined |= nucleus
        waiting.remove(number)
    result = labels.copy()
    result[box][joined] = numbers[0]
    return result


def split(labels: NDArray, label: int, line: Sequence[tuple[float, float]]) -> NDArray:
    """One nucleus cut along a line; all of its pixels stay in one of the parts.

    Pixels under the line go to the nearer part, as do crumbs of fewer than ``MIN_PART`` pixels. The largest part keeps
    the number. A nucleus that was in several pieces before comes apart into these, too.

    Args:
        labels: ``(H, W)`` integers.
        label: number of the nucleus.
        line: two points (y, x) or more in pixels, joined by straight lines; may leave nucleus and picture.

    Raises:
        ImageShapeError: see :func:`check_labels`.
        ParameterError: no such nucleus, no line, or one that does not run right across it.
    """
    points, where = _points(line, 2, "line"), _find(labels, label)
    box = _box(where, margin=1)
    nucleus = where[box]
    # Steps of the line share an edge: diagonal neighbours on its two sides would otherwise touch across it.
    under = _passed(points - [box[0].start, box[1].start], nucleus.shape, cv2.LINE_4, closed=False)
    pieces, _ = ndimage.label(nucleus & ~under, structure=_ALL_NEIGHBOURS)
    pieces *= np.bincount(pieces.ravel())[pieces] >= MIN_PART
    if len(np.unique(pieces[pieces > 0])) < 2:
        raise ParameterError(
            f"The line does not cut nucleus {label} into parts of {MIN_PART} pixels or more: draw it right across the "
            "nucleus, from the background on one side to the background on the other."
        )
    away, nearest = ndimage.distance_transform_edt(pieces == 0, return_indices=True)
    nearer = pieces[tuple(nearest)]
    grown = np.where(nucleus & (away < 1.5), nearer, 0)
    # Farther pixels are reached through the nucleus, so that parts stay whole; loose crumbs go to the nearest.
    grown = watershed(np.zeros(grown.shape), grown, connectivity=2, mask=nucleus)
    grown = np.where(nucleus & (grown == 0), nearer, grown)
    areas = np.bincount(grown[nucleus])
    by_size = np.argsort(-areas, kind="stable")[: np.count_nonzero(areas)]
    result = _with_room(labels, len(by_size) - 1)
    numbers = np.zeros(len(areas), result.dtype)
    numbers[by_size] = [label, *range(int(labels.max()) + 1, int(labels.max()) + len(by_size))]
    result[where] = numbers[grown[nucleus]]
    return result


def draw(labels: NDArray, outline: Sequence[tuple[float, float]]) -> NDArray:
    """One more nucleus: the background pixels that an outline goes around or passes through.

    What it goes around twice, or the other way round, is inside: lines drawn by hand overshoot and cross themselves.
    Existing nuclei keep their pixels, and crumbs of fewer than ``MIN_PART`` pixels beyond them are left out.

    Args:
        labels: ``(H, W)`` integers.
        outline: three points (y, x) or more in pixels; the last is joined to the first. May leave the picture.

    Raises:
        ImageShapeError: see :func:`check_labels`.
        ParameterError: no outline, one outside the picture, or no background inside it.
    """
    points = _points(outline, 3, "outline")
    check_labels(labels)
    top, left = np.maximum(np.rint(points.min(axis=0)), 0).astype(int).tolist()
    bottom, right = np.minimum(np.rint(points.max(axis=0)) + 1, labels.shape).astype(int).tolist()
    if top >= bottom or left >= right:
        raise ParameterError(
            f"The outline lies outside the picture of {labels.shape[1]} x {labels.shape[0]} pixels: draw it inside."
        )
    box = slice(top, bottom), slice(left, right)
    inside = _enclosed(points - [top, left], (bottom - top, right - left))
    pieces, count = ndimage.label(inside & (labels[box] == 0), structure=_ALL_NEIGHBOURS)
    if not count:
        raise ParameterError(
            "Inside the outline is no background, and existing nuclei keep their pixels: draw it elsewhere, or delete "
            "the nucleus there first."
        )
    areas = np.bincount(pieces.ravel())
    keep = areas >= min(MIN_PART, areas[1:].max())
    keep[0] = False
    result = _with_room(labels, 1)
    result[box][keep[pieces]] = int(labels.max(initial=0)) + 1
    return result


def _find(labels: NDArray, label: int) -> NDArray[np.bool_]:
    """Where a nucleus is."""
    check_labels(labels)
    where = labels == label
    if label <= 0 or not where.any():
        raise ParameterError(f"There is no nucleus {label} in these labels: choose a pixel that lies on a nucleus.")
    return where


def _points(points: Sequence[tuple[float, float]], least: int, what: str) -> NDArray[np.float64]:
    try:
        array = np.array(points, np.float64)
    except (TypeError, ValueError):  # not numbers, or not in pairs
        array = np.empty(0)
    if array.ndim != 2 or array.shape[1] != 2 or not least <= len(array) <= MAX_POINTS:
        raise ParameterError(f"The {what} must be {least} to {MAX_POINTS:,} points (y, x) in pixels: draw it again.")
    if not (np.abs(array) <= _FARTHEST).all():  # so put, NaN is refused too
        raise ParameterError(
            f"A point of the {what} is no number or lies more than {_FARTHEST:,} pixels away: draw it again."
        )
    return array


def _box(where: NDArray[np.bool_], margin: int) -> tuple[slice, slice]:
    """The smallest box around some pixels, ``margin`` wider on each side, within the picture."""
    rows, columns = np.flatnonzero(where.any(axis=1)), np.flatnonzero(where.any(axis=0))
    return (
        slice(max(int(rows[0]) - margin, 0), int(rows[-1]) + 1 + margin),
        slice(max(int(columns[0]) - margin, 0), int(columns[-1]) + 1 + margin),
    )


def _with_room(labels: NDArray, new: int) -> NDArray:
    """A copy that has room for so many numbers above the highest."""
    top = int(labels.max(initial=0)) + new
    fits = top <= np.iinfo(labels.dtype).max
    return labels.astype(labels.dtype if fits else np.result_type(labels.dtype, np.min_scalar_type(top)))


def _distance(where: NDArray[np.bool_]) -> NDArray[np.float64]:
    """From every pixel to the nearest of those, in pixels."""
    distance = cv2.distanceTransform((~where).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # OpenCV's last bits vary; squared, the true distances are whole numbers.
    return np.sqrt(np.rint(np.square(distance, dtype=np.float64)))


def _passed(points: NDArray[np.float64], shape: tuple[int, int], steps: int, *, closed: bool) -> NDArray[np.bool_]:
    """Pixels that a line passes through; its steps go to 4 or 8 neighbours."""
    canvas = np.zeros(shape, np.uint8)
    vertices = np.rint(points[:, ::-1]).astype(np.int32)
    return cv2.polylines(canvas, [vertices], closed, 1, lineType=steps) > 0


def _enclosed(outline: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels that a closed outline passes through or winds around, in whichever sense."""
    height, width = shape
    turns = np.zeros((height, width + 1), np.int32)  # the last column takes what happens right of the picture
    for (y0, x0), (y1, x1) in zip(outline.tolist(), np.roll(outline, -1, axis=0).tolist(), strict=True):
        rows = np.arange(max(ceil(min(y0, y1)), 0), min(ceil(max(y0, y1)), height))
        if len(rows):
            columns = np.ceil(x0 + (rows - y0) * ((x1 - x0) / (y1 - y0)))
            turns[rows, np.clip(columns, 0, width).astype(np.intp)] += 1 if y1 > y0 else -1
    return (np.cumsum(turns[:, :-1], axis=1) != 0) | _passed(outline, shape, cv2.LINE_8, closed=True)
