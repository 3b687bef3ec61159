"""How well predicted labels agree with true ones: pure functions on label images ``(H, W)``, ``preds, target``."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from segmentation.errors import ImageShapeError, ParameterError

# The competition's IoU thresholds, 0.50 to 0.95 (Caicedo et al., Nature Methods 16, 2019).
THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))


@dataclass(frozen=True, eq=False)
class MatchCounts:
    """Objects found, invented and missed at each IoU threshold; three integer arrays of one length.

    Attributes:
        true_positives: predicted objects matched one to one with a true object.
        false_positives: predicted objects left over.
        false_negatives: true objects left over.
    """

    true_positives: NDArray[np.int64]
    false_positives: NDArray[np.int64]
    false_negatives: NDArray[np.int64]

    def average_precision(self) -> NDArray[np.float64]:
        """TP / (TP + FP + FN) per threshold; 1 where there was nothing to find and nothing was found."""
        return average_precision(self.true_positives, self.false_positives, self.false_negatives)


def average_precision(
    true_positives: NDArray, false_positives: NDArray, false_negatives: NDArray
) -> NDArray[np.float64]:
    """TP / (TP + FP + FN), elementwise; 1 where all three are 0."""
    total = true_positives + false_positives + false_negatives
    return np.divide(true_positives, total, out=np.ones(np.shape(total)), where=total > 0)


def overlap_pixels(preds: NDArray, target: NDArray) -> tuple[csr_array, NDArray, NDArray]:
    """Pixels that each predicted label shares with each true one: sparse (predicted, true), and both lists of labels.

    Labels are in rising order and include 0, the background, where it occurs: rows and columns add up to areas.

    Raises:
        ImageShapeError: if the two are not ``(H, W)`` of one shape.
    """
    _check_shapes(preds, target)
    pred_values, pred_index = _numbered(preds)
    true_values, true_index = _numbered(target)
    flat = pred_index * len(true_values) + true_index
    cells, flat_index = _numbered(flat)
    pixels = np.bincount(flat_index)
    rows, columns = np.divmod(cells, len(true_values))
    table = csr_array((pixels, (rows, columns)), shape=(len(pred_values), len(true_values)))
    return table, pred_values, true_values


def overlap_iou(preds: NDArray, target: NDArray) -> tuple[csr_array, int, int]:
    """IoU of every overlapping pair: sparse (predicted objects, true objects), and both numbers of objects.

    Label values may have gaps; 0 is the background.

    Raises:
        ImageShapeError: if the two are not ``(H, W)`` of one shape.
    """
    shared, pred_values, true_values = overlap_pixels(preds, target)
    return _iou(shared, pred_values, true_values), int((pred_values != 0).sum()), int((true_values != 0).sum())


def match(preds: NDArray, target: NDArray, thresholds: tuple[float, ...] = THRESHOLDS) -> MatchCounts:
    """Match objects one to one, as many as possible, among pairs with IoU at or above each threshold."""
    table, predicted, true = overlap_iou(preds, target)
    found = [int((_assign(table, threshold) >= 0).sum()) for threshold in thresholds]
    true_positives = np.array(found, np.int64)
    return MatchCounts(true_positives, predicted - true_positives, true - true_positives)


def matched_pairs(preds: NDArray, target: NDArray, iou: float = 0.5) -> tuple[NDArray, NDArray]:
    """Labels of the pairs that :func:`match` counts at one threshold: predicted and true, two arrays of one length.

    Raises:
        ImageShapeError: if the two are not ``(H, W)`` of one shape.
        ParameterError: if ``iou`` is not above 0 and at most 1.
    """
    if not 0 < iou <= 1:
        raise ParameterError(f"iou={iou}: a threshold is above 0 and at most 1; 0.5 is usual.")
    shared, pred_values, true_values = overlap_pixels(preds, target)
    columns = _assign(_iou(shared, pred_values, true_values), iou)
    rows = np.flatnonzero(columns >= 0)
    return pred_values[rows], true_values[columns[rows]]


def _numbered(labels: NDArray) -> tuple[NDArray, NDArray]:
    """Label values in rising order, and of each pixel, flattened, which of them it has."""
    flat = labels.ravel()
    if flat.dtype.kind not in "biu" or not flat.size or flat.min() < 0 or flat.max() > flat.size:
        values, index = np.unique(flat, return_inverse=True)
        return values, index
    flat = flat.astype(np.intp)  # the same as above without sorting, and many times as fast
    present = np.bincount(flat) > 0
    return np.flatnonzero(present).astype(labels.dtype), (np.cumsum(present) - 1)[flat]


def _iou(shared: csr_array, pred_values: NDArray, true_values: NDArray) -> csr_array:
    """Shared pixels -> IoU, objects alone: the background's row and column are empty."""
    cells = shared.tocoo()
    rows, columns, pixels = cells.row, cells.col, cells.data
    pred_area, true_area = shared.sum(axis=1), shared.sum(axis=0)
    objects = (pred_values[rows] != 0) & (true_values[columns] != 0)
    rows, columns, pixels = rows[objects], columns[objects], pixels[objects]
    iou = pixels / (pred_area[rows] + true_area[columns] - pixels)
    return csr_array((iou, (rows, columns)), shape=shared.shape)


def _assign(table: csr_array, threshold: float) -> NDArray[np.signedinteger]:
    """For each row of a table of IoU the column it is matched with, -1 where there is none."""
    pairs = table.copy()
    pairs.data = (pairs.data >= threshold).astype(np.int8)
    pairs.eliminate_zeros()
    return maximum_bipartite_matching(pairs, perm_type="column")


def kaggle_score(preds: NDArray, target: NDArray) -> float:
    """Mean of the average precision over the thresholds 0.50 to 0.95, for one picture."""
    return float(match(preds, target).average_precision().mean())


def foreground_iou(preds: NDArray, target: NDArray) -> float:
    """Intersection over union of the two foregrounds (label > 0); 1 if both are empty."""
    _check_shapes(preds, target)
    both, either = np.sum((preds > 0) & (target > 0)), np.sum((preds > 0) | (target > 0))
    return float(both / either) if either else 1.0


def foreground_dice(preds: NDArray, target: NDArray) -> float:
    """2 |A and B| / (|A| + |B|) of the two foregrounds (label > 0); 1 if both are empty."""
    _check_shapes(preds, target)
    both, total = np.sum((preds > 0) & (target > 0)), np.sum(preds > 0) + np.sum(target > 0)
    return float(2 * both / total) if total else 1.0


def _check_shapes(preds: NDArray, target: NDArray) -> None:
    if preds.shape != target.shape or preds.ndim != 2:
        raise ImageShapeError(f"preds {preds.shape} and target {target.shape} must be (H, W) of one shape.")
