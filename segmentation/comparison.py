"""Predicted labels beside true ones: scores, causes of errors, and a picture of what became of each nucleus."""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from segmentation.error_analysis import CAUSES, ErrorCounts, errors_by_cause, fates_of
from segmentation.errors import ImageShapeError
from segmentation.overlay import outlines
from segmentation.scores import foreground_dice, foreground_iou, match

_TINT = 0.35  # share of the colour inside an object, so that the picture still shows


class Fate(IntEnum):
    """What became of a nucleus, as in :class:`segmentation.error_analysis.ErrorCounts`."""

    BACKGROUND = 0
    FOUND = 1
    MISSED = 2
    SPURIOUS = 3
    MERGED = 4
    SPLIT = 5
    OUTLINE = 6


class LegendEntry(NamedTuple):
    """A colour of :func:`draw_comparison`: RGB, 0 to 255, and what it says."""

    colour: tuple[int, int, int]
    meaning: str


PREDICTED = "predicted outline"
# From the eight colours that people with any colour vision tell apart (Okabe & Ito, Color Universal Design, 2008). The
# blue has a contrast above 3:1 with black and with white: pictures are dark or bright.
LEGEND = {
    "found": LegendEntry((0, 158, 115), "a true nucleus with a prediction that fits"),
    "missed": LegendEntry((213, 94, 0), "a true nucleus that hardly any prediction touches"),
    "spurious": LegendEntry((204, 121, 167), "a prediction where there is hardly any true nucleus"),
    "merged": LegendEntry((230, 159, 0), "a true nucleus that one prediction holds together with another"),
    "split": LegendEntry((86, 180, 233), "a true nucleus that predictions cut into pieces"),
    "outline": LegendEntry((240, 228, 66), "a true nucleus that is seen, but its outline is too far off"),
    PREDICTED: LegendEntry((0, 114, 178), "where a prediction ends and no true nucleus does"),
}


@dataclass(frozen=True, eq=False)
class Comparison:
    """How well predicted labels agree with true ones.

    Attributes:
        iou: of the two foregrounds, in [0, 1].
        dice: of the two foregrounds, in [0, 1].
        average_precision: ``(10,)`` in [0, 1], at each IoU of :data:`segmentation.scores.THRESHOLDS`.
        errors: true nuclei by what became of them, and spurious predictions, at IoU 0.5.
        predicted: number of predicted nuclei; ``errors.nuclei`` is that of the true ones.
        classes: ``(H, W)`` uint8, the :class:`Fate` at each pixel; see :func:`class_map`.
    """

    iou: float
    dice: float
    average_precision: NDArray[np.float64]
    errors: ErrorCounts
    predicted: int
    classes: NDArray[np.uint8]

    @property
    def kaggle_score(self) -> float:
        """Mean of the average precision over all thresholds; as :func:`segmentation.scores.kaggle_score`."""
        return float(self.average_precision.mean())


def compare(preds: NDArray, target: NDArray) -> Comparison:
    """Compare predicted with true labels, ``(H, W)`` integers each, 0 the background, gaps in the numbers allowed.

    Raises:
        ImageShapeError: if the two are not ``(H, W)`` of one shape.
    """
    counts = match(preds, target)
    return Comparison(
        iou=foreground_iou(preds, target),
        dice=foreground_dice(preds, target),
        average_precision=counts.average_precision(),
        errors=errors_by_cause(preds, target),
        predicted=int(counts.true_positives[0] + counts.false_positives[0]),
        classes=class_map(preds, target),
    )


def class_map(preds: NDArray, target: NDArray, iou: float = 0.5) -> NDArray[np.uint8]:
    """The :class:`Fate` of the nucleus at each pixel, ``(H, W)`` uint8.

    Every true nucleus has the fate that :func:`segmentation.error_analysis.errors_by_cause` counts it under, on all of
    its pixels; of the others, those of spurious predictions are marked.

    Args:
        preds: ``(H, W)`` integers, 0 the background; label values may have gaps.
        target: the same of the true nuclei.
        iou: what counts as found, above 0 and at most 1.

    Raises:
        ImageShapeError: if the two are not ``(H, W)`` of one shape.
        ParameterError: if ``iou`` is out of range.
    """
    fates = fates_of(preds, target, iou)
    of_cause = np.array([Fate[cause.upper()] for cause in CAUSES])
    true_labels, of_true = _with_background(fates.true_labels, of_cause[fates.cause])
    spurious = np.where(fates.spurious, Fate.SPURIOUS, Fate.BACKGROUND)
    pred_labels, of_pred = _with_background(fates.pred_labels, spurious)
    return np.where(target != 0, _looked_up(target, true_labels, of_true), _looked_up(preds, pred_labels, of_pred))


def draw_comparison(
    display: NDArray[np.uint8], preds: NDArray, target: NDArray, classes: NDArray[np.uint8], *, width: int = 1
) -> NDArray[np.uint8]:
    """The picture with each nucleus tinted and outlined in the colour of its fate; :data:`LEGEND` says which is which.

    Outlines of predictions that are not spurious lie under those of true nuclei, so they show where the two part.

    Args:
        display: ``(H, W, 3)`` uint8; see :func:`segmentation.overlay.to_display`.
        preds: ``(H, W)`` integers, 0 the background.
        target: the same of the true nuclei.
        classes: ``(H, W)`` :class:`Fate`; see :func:`class_map`.
        width: of the outlines, in pixels.

    Returns:
        ``(H, W, 3)`` uint8.

    Raises:
        ImageShapeError: if they are not of one size.
    """
    if display.shape != (*classes.shape, 3) or not preds.shape == target.shape == classes.shape:
        raise ImageShapeError(
            f"display {display.shape}, preds {preds.shape}, target {target.shape} and classes {classes.shape}: the "
            "first must be (H, W, 3) and the others (H, W) of the same size."
        )
    colours = np.zeros((len(Fate), 3), np.uint8)
    for fate in list(Fate)[1:]:
        colours[fate] = LEGEND[fate.name.lower()].colour
    result = display.copy()
    inside = classes != Fate.BACKGROUND
    mixed = (1 - _TINT) * display[inside].astype(np.float32) + _TINT * colours[classes[inside]]
    result[inside] = np.rint(mixed).astype(np.uint8)
    predicted = outlines(preds, width)
    result[predicted] = LEGEND[PREDICTED].colour
    edge = outlines(target, width) | (predicted & (classes == Fate.SPURIOUS))
    result[edge] = colours[classes[edge]]
    return result


def _with_background(labels: NDArray, fates: NDArray) -> tuple[NDArray, NDArray]:
    place = np.searchsorted(labels, 0)  # some may be negative
    return np.insert(labels, place, 0), np.insert(fates, place, Fate.BACKGROUND)


def _looked_up(labels: NDArray, values: NDArray, fates: NDArray) -> NDArray[np.uint8]:
    """``fates`` of ``values``, which rise and are all that occur, at each pixel."""
    fates = fates.astype(np.uint8)
    if not len(values) or values[0] < 0 or values[-1] > labels.size:  # too high to index with
        return fates[np.searchsorted(values, labels)]
    table = np.zeros(int(values[-1]) + 1, np.uint8)
    table[values.astype(np.intp)] = fates
    return table[labels.astype(np.intp, copy=False)]
