"""Fates of nuclei against the counts they must add up to, and against their definitions written out as loops."""

from dataclasses import fields

import numpy as np
import pytest

from segmentation.comparison import LEGEND, PREDICTED, Fate, class_map, compare, draw_comparison
from segmentation.error_analysis import ErrorCounts, errors_by_cause
from segmentation.errors import ImageShapeError, ParameterError
from segmentation.overlay import outlines
from segmentation.scores import foreground_dice, foreground_iou, kaggle_score, match, matched_pairs

# The palette as published (Okabe & Ito, 2008), black left out.
OKABE_ITO = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")


def random_labels(seed: int, shape: tuple[int, int] = (41, 59)) -> np.ndarray:
    generator = np.random.default_rng(seed)
    labels = np.zeros(shape, np.uint32)
    for number in range(1, 26):
        (top, left), (height, width) = generator.integers(-5, shape), generator.integers(1, 16, 2)
        labels[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)] = number
    return labels


def pairs() -> list[tuple[np.ndarray, np.ndarray]]:
    """Labels with every kind of error: strangers, and copies moved and merged."""
    found = []
    for seed in range(12):
        preds, target = random_labels(seed), random_labels(seed + 100)
        moved = np.roll(target, 1, 0)
        found.append((preds if seed % 2 else np.where(moved % 3, moved, preds), target))
    return found


def counted(classes: np.ndarray, preds: np.ndarray, target: np.ndarray) -> ErrorCounts:
    """Objects of each fate, after seeing that all pixels of an object have one."""
    fates = [np.unique(classes[target == value]).tolist() for value in np.unique(target[target > 0])]
    stray = np.unique(preds[classes == Fate.SPURIOUS])
    fates += [np.unique(classes[(preds == value) & (target == 0)]).tolist() for value in stray]
    assert all(len(fate) == 1 for fate in fates)
    first = [fate[0] for fate in fates]
    assert Fate.BACKGROUND not in first
    return ErrorCounts(**{field.name: first.count(Fate[field.name.upper()]) for field in fields(ErrorCounts)})


@pytest.mark.parametrize("iou", [0.3, 0.5, 0.75])
def test_the_map_adds_up_to_the_counts(iou: float) -> None:
    total = ErrorCounts()
    for preds, target in pairs():
        counts = counted(class_map(preds, target, iou), preds, target)
        assert counts == errors_by_cause(preds, target, iou)
        total += counts
    assert min(getattr(total, field.name) for field in fields(ErrorCounts)) > 0


def by_loops(preds: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The definitions, object by object, with masks."""
    matched_preds, matched_true = (set(labels.tolist()) for labels in matched_pairs(preds, target))
    predicted = {value: preds == value for value in np.unique(preds[preds > 0]).tolist()}
    true = {value: target == value for value in np.unique(target[target > 0]).tolist()}
    classes = np.zeros(preds.shape, np.uint8)
    for value, mask in predicted.items():
        if value not in matched_preds and (mask & (target > 0)).sum() * 10 < mask.sum():
            classes[mask] = 3
    for value, mask in true.items():
        holders = [p for p in predicted.values() if (p & mask).sum() * 2 >= mask.sum()]
        others = [other for key, other in true.items() if key != value]
        if value in matched_true:
            classes[mask] = 1
        elif any((holder & other).sum() * 2 >= other.sum() for holder in holders for other in others):
            classes[mask] = 4
        elif sum((p & mask).sum() * 2 >= p.sum() for p in predicted.values()) >= 2:
            classes[mask] = 5
        else:
            classes[mask] = 2 if (mask & (preds > 0)).sum() * 10 < mask.sum() else 6
    return classes


def test_the_map_equals_the_definitions() -> None:
    seen = set[int]()
    for preds, target in pairs():
        classes = class_map(preds, target)
        np.testing.assert_array_equal(classes, by_loops(preds, target))
        assert classes.dtype == np.uint8
        seen |= set(np.unique(classes).tolist())
    assert seen == {0, 1, 2, 3, 4, 5, 6}


def test_scores_are_those_of_the_functions() -> None:
    for preds, target in pairs():
        result = compare(preds, target)
        counts = match(preds, target)
        assert result.iou == foreground_iou(preds, target)
        assert result.dice == foreground_dice(preds, target)
        np.testing.assert_array_equal(result.average_precision, counts.average_precision())
        assert result.kaggle_score == kaggle_score(preds, target)
        assert result.errors == errors_by_cause(preds, target)
        assert result.predicted == len(np.unique(preds[preds > 0]))
        np.testing.assert_array_equal(result.classes, class_map(preds, target))


@pytest.mark.parametrize(
    ("dtype", "offset"), [("uint8", 30), ("int32", 9000), ("int64", 10**15), ("uint32", 4 * 10**9), ("float32", 30)]
)
def test_any_type_and_values_of_labels(dtype: str, offset: int) -> None:
    preds, target = pairs()[0]
    moved = [np.where(labels > 0, labels + np.uint64(offset), 0).astype(dtype) for labels in (preds, target)]
    np.testing.assert_array_equal(class_map(*moved), class_map(preds, target))
    np.testing.assert_array_equal(class_map(preds, moved[1]), class_map(preds, target))


def test_what_matched_is_not_spurious() -> None:
    """Nine tenths of it lie on the background, but at so low an IoU it is the nucleus that was looked for."""
    preds, target = np.ones((30, 40), np.uint8), np.zeros((30, 40), np.uint8)
    target[10:20, 10:20] = 1
    np.testing.assert_array_equal(class_map(preds, target, iou=0.05), target * Fate.FOUND)
    np.testing.assert_array_equal(class_map(preds, target), np.where(target, Fate.OUTLINE, Fate.SPURIOUS))


def test_without_nuclei_and_without_background() -> None:
    empty, full = np.zeros((3, 5), np.uint16), np.ones((3, 5), np.uint16)
    for preds, target, fate in ((empty, empty, 0), (full, empty, 3), (empty, full, 2), (full, full, 1)):
        result = compare(preds, target)
        assert (result.classes == fate).all()
        same = fate in (0, 1)
        assert (result.iou, result.dice, result.kaggle_score) == ((1, 1, 1) if same else (0, 0, 0))
    nothing = np.zeros((0, 5), np.uint16)
    assert compare(nothing, nothing).classes.shape == (0, 5)


def test_the_legend_has_the_published_colours_and_the_counts_names() -> None:
    assert list(LEGEND)[-1] == PREDICTED
    assert set(LEGEND) - {PREDICTED} == {field.name for field in fields(ErrorCounts)}
    assert [fate.name.lower() for fate in Fate][1:] == list(LEGEND)[:-1]
    colours = ["#{:02X}{:02X}{:02X}".format(*entry.colour) for entry in LEGEND.values()]
    assert sorted(colours) == sorted(OKABE_ITO)


def test_predictions_show_on_dark_and_on_bright_pictures() -> None:
    """Contrast as the Web Content Accessibility Guidelines 2.2 define it, which ask graphics for 3:1."""
    linear = [((c / 255 + 0.055) / 1.055) ** 2.4 if c > 10 else c / 255 / 12.92 for c in LEGEND[PREDICTED].colour]
    luminance = float(np.dot(linear, [0.2126, 0.7152, 0.0722]))
    assert (luminance + 0.05) / 0.05 > 3
    assert 1.05 / (luminance + 0.05) > 3


@pytest.mark.parametrize("width", [1, 2])
def test_the_picture_has_each_fate_in_its_colour(width: int) -> None:
    preds, target = pairs()[2]
    classes = class_map(preds, target)
    display = np.random.default_rng(0).integers(0, 256, (*classes.shape, 3)).astype(np.uint8)
    before = display.copy()
    drawn = draw_comparison(display, preds, target, classes, width=width)
    assert drawn.dtype == np.uint8
    np.testing.assert_array_equal(display, before)
    true_edge, pred_edge = outlines(target, width), outlines(preds, width)
    for fate in list(Fate)[1:]:
        colour = np.array(LEGEND[fate.name.lower()].colour)
        edge = (classes == fate) & (pred_edge | true_edge if fate is Fate.SPURIOUS else true_edge)
        np.testing.assert_array_equal(drawn[edge], np.broadcast_to(colour, (edge.sum(), 3)))
        inside = (classes == fate) & ~true_edge & ~pred_edge
        np.testing.assert_allclose(drawn[inside], 0.65 * display[inside] + 0.35 * colour, atol=0.51)
    alone = pred_edge & ~true_edge & (classes != Fate.SPURIOUS)
    assert alone.any()
    assert (drawn[alone] == LEGEND[PREDICTED].colour).all()
    untouched = (classes == Fate.BACKGROUND) & ~pred_edge
    np.testing.assert_array_equal(drawn[untouched], display[untouched])


def test_wrong_arguments_are_refused() -> None:
    labels, display = random_labels(0), np.zeros((41, 59, 3), np.uint8)
    for function in (compare, class_map):
        with pytest.raises(ImageShapeError, match="of one shape"):
            function(labels, labels[1:])
    with pytest.raises(ParameterError, match=r"iou=0: .* above 0"):
        class_map(labels, labels, iou=0)
    shown = labels.astype(np.uint8)
    for wrong in (
        (display[1:], labels, labels, shown),
        (display[..., 0], labels, labels, shown),
        (display, labels[1:], labels, shown),
        (display, labels, labels[1:], shown),
    ):
        with pytest.raises(ImageShapeError, match=r"the first must be \(H, W, 3\)"):
            draw_comparison(*wrong)
