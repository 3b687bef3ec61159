"""What went wrong with each true nucleus, and how it depends on size: counts that add up over pictures."""

from dataclasses import astuple, dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from segmentation.scores import matched_pairs, overlap_pixels

# Size classes by equivalent diameter in pixels: each from its edge to just below the next, the last without an end.
SIZE_EDGES = (0, 8, 12, 20, 40, 80)
SIZE_IOUS = (0.5, 0.75)  # a nucleus counts as found at each of these
CAUSES = ("found", "merged", "split", "missed", "outline")  # the first that fits


@dataclass(frozen=True)
class ErrorCounts:
    """True nuclei by what became of them, each in exactly one of the first five; see :func:`errors_by_cause`.

    Attributes:
        found: matched one to one.
        merged: swallowed together with another nucleus.
        split: cut into pieces.
        missed: hardly touched by any predicted object.
        outline: seen, but the outline is too far off.
        spurious: predicted objects, not true nuclei, where there is hardly any nucleus.
    """

    found: int = 0
    merged: int = 0
    split: int = 0
    missed: int = 0
    outline: int = 0
    spurious: int = 0

    @property
    def nuclei(self) -> int:
        """Number of true nuclei."""
        return self.found + self.merged + self.split + self.missed + self.outline

    def __add__(self, other: "ErrorCounts") -> "ErrorCounts":
        return ErrorCounts(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True, eq=False)
class SizeCounts:
    """True nuclei by size.

    Attributes:
        nuclei: ``(6,)`` number in each class of ``SIZE_EDGES``.
        found: ``(2, 6)`` how many of them were matched at each IoU of ``SIZE_IOUS``.
    """

    nuclei: NDArray[np.int64]
    found: NDArray[np.int64]

    def __add__(self, other: "SizeCounts") -> "SizeCounts":
        return SizeCounts(self.nuclei + other.nuclei, self.found + other.found)

    def recall(self) -> NDArray[np.float64]:
        """Share found, ``(2, 6)`` in [0, 1]; NaN in a class without nuclei."""
        return np.divide(self.found, self.nuclei, out=np.full(self.found.shape, np.nan), where=self.nuclei > 0)


def errors_by_cause(preds: NDArray, target: NDArray, iou: float = 0.5) -> ErrorCounts:
    """Give every true nucleus the first cause that fits, in this order, and count.

    1. found: matched one to one at ``iou``, as :func:`segmentation.scores.match` counts.
    2. merged: half of its area or more lies in one predicted object that also holds half or more of another nucleus,
       whatever became of that one.
    3. split: two predicted objects or more have each half or more of their own area inside it.
    4. missed: less than a tenth of its area is covered, all predicted objects together.
    5. outline: the rest.

    A predicted object is spurious if it matched nothing and less than a tenth of its area lies on true nuclei, all
    together.

    Args:
        preds: ``(H, W)`` integers, 0 the background; label values may have gaps.
        target: the same of the true nuclei.
        iou: above 0, at most 1.

    Raises:
        ImageShapeError: if the two are not ``(H, W)`` of one shape.
        ParameterError: if ``iou`` is out of range.
    """
    fates = fates_of(preds, target, iou)
    counts = [*np.bincount(fates.cause, minlength=len(CAUSES)), fates.spurious.sum()]
    return ErrorCounts(*(int(count) for count in counts))


class Fates(NamedTuple):
    """What became of each object of two label images; see :func:`errors_by_cause`.

    Attributes:
        true_labels: ``(n,)`` rising, the true nuclei.
        cause: ``(n,)`` index into :data:`CAUSES` of each.
        pred_labels: ``(m,)`` rising, the predicted objects.
        spurious: ``(m,)`` whether each is.
    """

    true_labels: NDArray
    cause: NDArray[np.int64]
    pred_labels: NDArray
    spurious: NDArray[np.bool_]


def fates_of(preds: NDArray, target: NDArray, iou: float = 0.5) -> Fates:
    """The rules of :func:`errors_by_cause`, object by object; the same arguments and errors."""
    matched_preds, matched_true = matched_pairs(preds, target, iou)
    table, pred_labels, true_labels = overlap_pixels(preds, target)
    pred_area, true_area = table.sum(axis=1), table.sum(axis=0)
    rows, columns, pixels = _pairs_of_objects(table, pred_labels, true_labels)

    held = 2 * pixels >= true_area[columns]  # half of the true nucleus or more lies in the predicted object
    holders = np.bincount(rows[held], minlength=len(pred_labels)) > 1
    merged = np.isin(np.arange(len(true_labels)), columns[held & holders[rows]])
    piece = 2 * pixels >= pred_area[rows]  # half of the predicted object or more lies in the true nucleus
    split = np.bincount(columns[piece], minlength=len(true_labels)) > 1
    missed = 10 * np.bincount(columns, weights=pixels, minlength=len(true_labels)) < true_area
    causes = [np.isin(true_labels, matched_true), merged, split, missed]
    nuclei, objects = true_labels != 0, pred_labels != 0
    first = np.select(causes, list(range(len(causes))), default=len(causes))

    stray = 10 * np.bincount(rows, weights=pixels, minlength=len(pred_labels)) < pred_area
    spurious = stray & ~np.isin(pred_labels, matched_preds)
    return Fates(true_labels[nuclei], first[nuclei], pred_labels[objects], spurious[objects])


def recall_by_size(preds: NDArray, target: NDArray) -> SizeCounts:
    """Count true nuclei, and those found at each IoU of ``SIZE_IOUS``, by class of ``SIZE_EDGES``.

    The size of a nucleus is its equivalent diameter in pixels: of the circle of its area, 2 sqrt(area / pi).

    Args:
        preds: ``(H, W)`` integers, 0 the background; label values may have gaps.
        target: the same of the true nuclei.

    Raises:
        ImageShapeError: if the two are not ``(H, W)`` of one shape.
    """
    found = [matched_pairs(preds, target, iou)[1] for iou in SIZE_IOUS]
    labels, area = np.unique(target[target != 0], return_counts=True)
    size_class = np.searchsorted(SIZE_EDGES, 2 * np.sqrt(area / np.pi), side="right") - 1
    chosen = [size_class, *(size_class[np.isin(labels, true)] for true in found)]
    counts = np.array([np.bincount(classes, minlength=len(SIZE_EDGES)) for classes in chosen], np.int64)
    return SizeCounts(counts[0], counts[1:])


def _pairs_of_objects(table: csr_array, pred_labels: NDArray, true_labels: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Row, column and shared pixels of every overlapping pair, the background left out."""
    cells = table.tocoo()
    objects = (pred_labels[cells.row] != 0) & (true_labels[cells.col] != 0)
    return cells.row[objects], cells.col[objects], cells.data[objects]
