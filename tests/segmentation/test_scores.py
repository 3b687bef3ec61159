"""Scores against StarDist's matching, the field's reference, and against formulas."""

import numpy as np
import pytest
import torch
from stardist.matching import matching
from torchmetrics.functional.classification import binary_f1_score, binary_jaccard_index

from segmentation.errors import ImageShapeError
from segmentation.scores import THRESHOLDS, foreground_dice, foreground_iou, kaggle_score, match, overlap_iou


def rectangles(shape: tuple[int, int], *boxes: tuple[int, int, int, int], dtype: str = "uint16") -> np.ndarray:
    """Labels 1, 2, ... of (top, bottom, left, right) boxes; later ones lie on top."""
    labels = np.zeros(shape, dtype)
    for number, (top, bottom, left, right) in enumerate(boxes, 1):
        labels[top:bottom, left:right] = number
    return labels


def random_labels(seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    corners = generator.integers(0, 50, (30, 2))
    sizes = generator.integers(2, 14, (30, 2))
    return rectangles((60, 60), *[(y, y + h, x, x + w) for (y, x), (h, w) in zip(corners, sizes, strict=True)])


def shaken(labels: np.ndarray, seed: int) -> np.ndarray:
    """Each object moved by up to two pixels, some lost."""
    generator = np.random.default_rng(seed)
    result = np.zeros_like(labels)
    for value in np.unique(labels[labels > 0])[: -3 or None]:
        result[np.roll(labels == value, generator.integers(-2, 3, 2), (0, 1))] = value
    return result


EMPTY = np.zeros((20, 20), np.uint16)
ONE = rectangles((20, 20), (2, 10, 2, 10))
TOUCHING = rectangles((20, 20), (2, 10, 2, 10), (2, 10, 10, 18), (10, 18, 2, 18))
PAIRS = {
    "no prediction": (EMPTY, TOUCHING),
    "no truth": (TOUCHING, EMPTY),
    "identical": (TOUCHING, TOUCHING),
    "permuted": (np.array([0, 3, 1, 2], np.uint16)[TOUCHING], TOUCHING),
    "gaps": (np.array([0, 9, 70, 4000], np.uint16)[TOUCHING], TOUCHING),
    "uint32": (np.array([0, 70_000, 5, 4_000_000_000], np.uint32)[TOUCHING], TOUCHING),
    "half": (rectangles((20, 20), (2, 6, 2, 10)), ONE),
    "two halves of one": (rectangles((20, 20), (2, 6, 2, 10), (6, 10, 2, 10)), ONE),
    "one over two halves": (ONE, rectangles((20, 20), (2, 6, 2, 10), (6, 10, 2, 10))),
    "ties in a chain": (  # IoU is 1/2 for three pairs: the middle prediction could take either truth
        rectangles((6, 40), (0, 2, 0, 8), (0, 2, 8, 12)),
        rectangles((6, 40), (0, 2, 0, 4), (0, 2, 4, 12)),
    ),
    "nested": (rectangles((20, 20), (2, 18, 2, 18), (6, 12, 6, 12)), rectangles((20, 20), (6, 12, 6, 12))),
    "one pixel": (rectangles((20, 20), (3, 4, 3, 4), (9, 10, 9, 10)), rectangles((20, 20), (3, 4, 3, 4))),
    "one pixel beside": (rectangles((20, 20), (3, 4, 3, 4)), rectangles((20, 20), (3, 4, 4, 5))),
    "all foreground": (np.ones((20, 20), np.uint16), TOUCHING),
    **{f"random {seed}": (random_labels(seed), random_labels(seed + 100)) for seed in range(2)},
    **{f"shaken {seed}": (shaken(random_labels(seed), seed), random_labels(seed)) for seed in range(6)},
}


@pytest.mark.parametrize("name", PAIRS)
def test_matches_stardist(name: str) -> None:
    preds, target = PAIRS[name]
    # StarDist rounds IoU to float32, so that 13/20 misses its threshold 0.65; these thresholds lie between fractions.
    thresholds = (0.1234567, 0.3141593, 0.5, 0.5432101, 0.6123457, 0.7234569, 0.8765433, 0.95000001)
    ours = match(preds, target, thresholds)
    theirs = matching(target, preds, thresh=list(thresholds), criterion="iou")
    np.testing.assert_array_equal(ours.true_positives, [item.tp for item in theirs])
    np.testing.assert_array_equal(ours.false_positives, [item.fp for item in theirs])
    np.testing.assert_array_equal(ours.false_negatives, [item.fn for item in theirs])
    np.testing.assert_allclose(ours.average_precision(), [item.accuracy for item in theirs])


def test_the_shaken_pictures_are_a_real_test() -> None:
    counts = match(*PAIRS["shaken 0"])
    assert counts.true_positives[0] > counts.true_positives[-1]
    assert counts.false_positives[0] > 0
    assert counts.false_negatives[0] > 0


def test_both_empty_is_perfect_here_and_zero_in_stardist() -> None:
    """The one convention that differs: nothing to find and nothing found scores 1, as in Kaggle's notebooks."""
    np.testing.assert_array_equal(match(EMPTY, EMPTY).average_precision(), np.ones(10))
    assert kaggle_score(EMPTY, EMPTY) == 1
    assert foreground_iou(EMPTY, EMPTY) == foreground_dice(EMPTY, EMPTY) == 1
    assert matching(EMPTY, EMPTY, thresh=0.5).accuracy == 0


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_iou_exactly_at_a_threshold_matches(threshold: float) -> None:
    pixels = round(threshold * 20)
    preds, target = rectangles((3, 20), (1, 2, 0, pixels)), rectangles((3, 20), (1, 2, 0, 20))
    assert match(preds, target, (threshold,)).true_positives == [1]
    assert match(preds, target, (threshold + 1e-6,)).true_positives == [0]


def test_kaggle_score_by_hand() -> None:
    assert THRESHOLDS == (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
    preds = rectangles((20, 20), (2, 9, 2, 10), (12, 14, 12, 14))  # IoU 7/8 with ONE: found at 8 thresholds of 10
    assert kaggle_score(preds, ONE) == pytest.approx(0.8 * 1 / 2)


def test_overlap_table() -> None:
    table, predicted, true = overlap_iou(TOUCHING, ONE)
    assert (predicted, true) == (3, 1)
    np.testing.assert_array_equal(table.toarray().max(axis=0), [0, 1])


@pytest.mark.parametrize("name", PAIRS)
def test_foreground_against_torchmetrics(name: str) -> None:
    preds, target = (torch.from_numpy(labels > 0) for labels in PAIRS[name])
    assert foreground_iou(*PAIRS[name]) == pytest.approx(binary_jaccard_index(preds, target).item())
    assert foreground_dice(*PAIRS[name]) == pytest.approx(binary_f1_score(preds, target).item())


@pytest.mark.parametrize("score", [match, overlap_iou, kaggle_score, foreground_iou, foreground_dice])
@pytest.mark.parametrize("shape", [(20, 21), (1, 20), (20, 20, 1)])
def test_shapes_that_differ_are_refused(score, shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageShapeError, match="of one shape"):
        score(np.zeros(shape, np.uint16), EMPTY)
