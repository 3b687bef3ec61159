"""Causes of errors on hand-drawn pictures, and against the definitions written out as loops."""

from dataclasses import astuple
from itertools import pairwise

import numpy as np
import pytest
from skimage.measure import regionprops

from segmentation.error_analysis import SIZE_EDGES, ErrorCounts, errors_by_cause, recall_by_size
from segmentation.errors import ImageShapeError, ParameterError
from segmentation.scores import match, matched_pairs

Box = tuple[int, int, int, int]


def draw(*boxes: Box, values: tuple[int, ...] | None = None) -> np.ndarray:
    """Labels of (top, bottom, left, right) boxes; later ones lie on top."""
    labels = np.zeros((40, 60), np.uint32)
    for number, (top, bottom, left, right) in zip(values or range(1, 99), boxes, strict=False):
        labels[top:bottom, left:right] = number
    return labels


LEFT, RIGHT, WHOLE = (10, 20, 10, 20), (10, 20, 20, 30), (10, 20, 10, 30)
CASES = {
    "nothing at all": ([], [], ErrorCounts()),
    "nothing predicted": ([], [LEFT, RIGHT], ErrorCounts(missed=2)),
    "nothing there": ([LEFT, RIGHT], [], ErrorCounts(spurious=2)),
    "found": ([LEFT, RIGHT], [LEFT, RIGHT], ErrorCounts(found=2)),
    "found at exactly one half": ([(10, 15, 10, 20)], [LEFT], ErrorCounts(found=1)),
    "merged": ([(5, 25, 5, 35)], [LEFT, RIGHT], ErrorCounts(merged=2)),
    # IoU of the larger with the clump is 160/200: only the smaller was lost in it
    "merged into one that is found": ([WHOLE], [(10, 20, 10, 26), (10, 20, 26, 30)], ErrorCounts(found=1, merged=1)),
    "half of each is enough to merge": ([(10, 20, 15, 25)], [LEFT, RIGHT], ErrorCounts(merged=2)),
    "less than half of one is not": ([(10, 20, 16, 26)], [LEFT, RIGHT], ErrorCounts(outline=2)),
    "split": ([(10, 20, 10, 17), (10, 20, 17, 24), (10, 20, 24, 30)], [WHOLE], ErrorCounts(split=1)),
    "a large piece is found, not split": ([(10, 20, 10, 22), (10, 20, 22, 30)], [WHOLE], ErrorCounts(found=1)),
    "one small piece is an outline too far off": ([(10, 20, 10, 16)], [WHOLE], ErrorCounts(outline=1)),
    "too large an outline": ([(0, 30, 0, 30)], [LEFT], ErrorCounts(outline=1)),
    "a tenth is seen": ([(10, 11, 10, 20)], [LEFT], ErrorCounts(outline=1)),
    "less than a tenth is missed": ([(10, 11, 10, 19)], [LEFT], ErrorCounts(missed=1)),
    "beside": ([RIGHT], [LEFT], ErrorCounts(missed=1, spurious=1)),
    "a tenth on a nucleus is not spurious": ([(10, 20, 19, 29)], [LEFT], ErrorCounts(outline=1)),
    # merged comes before split: a large nucleus in a clump with a small one, and two crumbs on the large one
    "merged before split": (
        [(5, 32, 5, 50), (10, 11, 10, 12), (12, 13, 10, 12)],
        [WHOLE, (10, 20, 35, 40)],
        ErrorCounts(merged=2),
    ),
    # split comes before missed: two crumbs of one pixel each cover a hundredth
    "split before missed": ([(10, 11, 10, 11), (15, 16, 15, 16)], [WHOLE], ErrorCounts(split=1)),
}


@pytest.mark.parametrize("name", CASES)
def test_causes_by_hand(name: str) -> None:
    preds, target, expected = CASES[name]
    assert errors_by_cause(draw(*preds), draw(*target)) == expected


def test_what_matched_is_not_spurious() -> None:
    """Nine tenths of it lie on the background, but at so low an IoU it is the nucleus that was looked for."""
    preds, target = draw((0, 30, 0, 40)), draw(LEFT)
    assert errors_by_cause(preds, target, iou=0.05) == ErrorCounts(found=1)
    assert errors_by_cause(preds, target, iou=0.5) == ErrorCounts(outline=1, spurious=1)


def test_label_values_do_not_matter() -> None:
    preds = draw((5, 25, 5, 35), (30, 35, 1, 9), values=(4_000_000_000, 7))
    target = draw(LEFT, RIGHT, (30, 35, 1, 9), values=(900, 3, 70_000))
    assert errors_by_cause(preds, target) == ErrorCounts(found=1, merged=2)


def test_a_picture_without_background() -> None:
    assert errors_by_cause(np.ones((4, 4), int), np.ones((4, 4), int)) == ErrorCounts(found=1)
    assert errors_by_cause(np.ones((4, 4), int), np.zeros((4, 4), int)) == ErrorCounts(spurious=1)


def random_labels(seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    tops, lefts = generator.integers(0, 34, 25), generator.integers(0, 54, 25)
    heights, widths = generator.integers(1, 16, 25), generator.integers(1, 16, 25)
    return draw(*zip(tops, tops + heights, lefts, lefts + widths, strict=True))


def by_loops(preds: np.ndarray, target: np.ndarray, iou: float) -> ErrorCounts:
    """The definitions, object by object, with masks."""
    matched_preds, matched_true = (set(labels.tolist()) for labels in matched_pairs(preds, target, iou))
    predicted = {value: preds == value for value in np.unique(preds[preds > 0]).tolist()}
    true = {value: target == value for value in np.unique(target[target > 0]).tolist()}
    counts = dict.fromkeys(("found", "merged", "split", "missed", "outline", "spurious"), 0)
    for value, mask in true.items():
        holders = [p for p in predicted.values() if (p & mask).sum() >= mask.sum() / 2]
        others = [other for key, other in true.items() if key != value]
        if value in matched_true:
            counts["found"] += 1
        elif any((holder & other).sum() >= other.sum() / 2 for holder in holders for other in others):
            counts["merged"] += 1
        elif sum((p & mask).sum() >= p.sum() / 2 for p in predicted.values()) >= 2:
            counts["split"] += 1
        else:
            counts["missed" if (mask & (preds > 0)).sum() * 10 < mask.sum() else "outline"] += 1
    for value, mask in predicted.items():
        counts["spurious"] += value not in matched_preds and (mask & (target > 0)).sum() * 10 < mask.sum()
    return ErrorCounts(**counts)


@pytest.mark.parametrize("iou", [0.3, 0.5, 0.75])
def test_causes_equal_the_definitions_and_found_equals_match(iou: float) -> None:
    total = ErrorCounts()
    for seed in range(12):
        preds, target = random_labels(seed), random_labels(seed + 100)
        preds = preds if seed % 2 else np.where(np.roll(target, 1, 0) % 3, np.roll(target, 1, 0), preds)
        counts = errors_by_cause(preds, target, iou)
        assert counts == by_loops(preds, target, iou)
        found = match(preds, target, (iou,))
        assert counts.found == found.true_positives[0] == len(matched_pairs(preds, target, iou)[0])
        assert counts.nuclei == found.true_positives[0] + found.false_negatives[0]
        assert counts.spurious <= found.false_positives[0]
        total += counts
    assert min(astuple(total)) > 0  # every cause was put to the test


def test_matched_pairs_are_pairs_with_that_iou() -> None:
    target = random_labels(1)
    preds = np.roll(target, 1, 1)
    for pred, true in zip(*matched_pairs(preds, target, 0.6), strict=True):
        assert ((preds == pred) & (target == true)).sum() / ((preds == pred) | (target == true)).sum() >= 0.6


# labels up to the number of pixels, 2,400, are counted without sorting
@pytest.mark.parametrize(
    ("dtype", "offset"), [("uint8", 30), ("int32", 0), ("int64", 3000), ("uint64", 30), ("float32", 30)]
)
def test_any_type_and_values_of_labels(dtype: str, offset: int) -> None:
    target, preds = random_labels(2), np.roll(random_labels(2), 1, 1)
    moved = [np.where(labels > 0, labels + offset, 0).astype(dtype) for labels in (preds, target)]
    assert errors_by_cause(*moved) == errors_by_cause(preds, target)
    for pairs, plain in zip(matched_pairs(*moved), matched_pairs(preds, target), strict=True):
        np.testing.assert_array_equal(pairs, plain + offset)


def test_recall_by_size_against_regionprops() -> None:
    target = random_labels(3)
    target[:, 30:] = 99  # one large nucleus
    preds = np.roll(target, 1, 0)
    counts = recall_by_size(preds, target)
    found = [matched_pairs(preds, target, iou)[1] for iou in (0.5, 0.75)]
    edges = [*SIZE_EDGES, np.inf]
    for index, (low, high) in enumerate(pairwise(edges)):
        of_class = [r.label for r in regionprops(target.astype(int)) if low <= r.equivalent_diameter_area < high]
        assert counts.nuclei[index] == len(of_class)
        assert counts.found[:, index].tolist() == [np.isin(labels, of_class).sum() for labels in found]
    assert counts.found[0].sum() > counts.found[1].sum() > 0
    np.testing.assert_array_equal(np.isnan(counts.recall()[0]), counts.nuclei == 0)


def test_counts_add_up() -> None:
    assert ErrorCounts(1, 2, 3, 4, 5, 6) + ErrorCounts(found=1) == ErrorCounts(2, 2, 3, 4, 5, 6)
    one, two = (recall_by_size(random_labels(s), random_labels(s)) for s in (1, 2))
    np.testing.assert_array_equal((one + two).nuclei, one.nuclei + two.nuclei)
    np.testing.assert_array_equal((one + two).found, one.found + two.found)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ParameterError, match=r"iou=0: .* above 0"):
        errors_by_cause(draw(), draw(), iou=0)
    for function in (errors_by_cause, recall_by_size, matched_pairs):
        with pytest.raises(ImageShapeError, match="of one shape"):
            function(draw(), draw()[1:])
