"""Edits against the definitions worked out the long way, and against scikit-image and OpenCV."""

import cv2
import numpy as np
import pytest
from scipy.spatial.distance import cdist
from skimage.draw import disk, line, polygon
from skimage.measure import label as components
from skimage.morphology import dilation

from segmentation.errors import ImageShapeError, ParameterError
from segmentation.examples import make_example
from segmentation.label_edits import MAX_POINTS, delete, draw, merge, split

Box = tuple[int, int, int, int]


def boxes(*extents: Box, shape: tuple[int, int] = (31, 47), dtype: str = "uint16") -> np.ndarray:
    """Labels of (top, bottom, left, right) boxes, which nobody may write to."""
    labels = np.zeros(shape, dtype)
    for number, (top, bottom, left, right) in enumerate(extents, 1):
        labels[top:bottom, left:right] = number
    labels.flags.writeable = False
    return labels


def in_one_piece(mask: np.ndarray) -> bool:
    return components(mask, connectivity=2).max() == 1


def test_delete_clears_one_nucleus_alone() -> None:
    labels = make_example("fluorescence", 3, height=61, width=83, nuclei=9).labels.astype(np.uint16)
    for number in range(1, labels.max() + 1):
        after = delete(labels, number)
        np.testing.assert_array_equal(after, np.where(labels == number, 0, labels))
        assert after.dtype == labels.dtype


def test_touching_nuclei_merge_without_a_bridge() -> None:
    labels = boxes((0, 9, 0, 8), (9, 12, 5, 20), (3, 9, 8, 11))
    corner = boxes((0, 5, 0, 5), (5, 9, 5, 9))
    np.testing.assert_array_equal(merge(labels, [3, 1]), np.where(labels == 3, 1, labels))
    np.testing.assert_array_equal(merge(labels, [3, 2, 1, 2]), labels > 0)
    np.testing.assert_array_equal(merge(corner, (1, 2)), corner > 0)


@pytest.mark.parametrize("shift", [(0, 3), (0, 4), (0, 6), (0, 7), (3, 3), (2, 5), (4, 4)])
@pytest.mark.parametrize("kind", ["boxes", "level", "disks"])
def test_a_gap_is_bridged_by_the_rule(kind: str, shift: tuple[int, int]) -> None:
    """Over background pixels p with |p - a| + |p - b| at most the gap and one more."""
    labels = np.zeros((40, 50), np.uint16)
    labels[0:4] = labels[13, 17:] = 7  # another nucleus, which keeps its pixels
    if kind == "boxes":
        labels[4:13, 3:14] = 5
        labels[12 + shift[0] : 25, 13 + shift[1] : 30] = 9
    elif kind == "level":  # the bridge is higher than both
        labels[6:11, 3:14], labels[6:11, 13 + shift[1] : 30] = 5, 9
    else:
        labels[disk((11, 11), 6)] = 5
        labels[disk((19 + shift[0], 19 + shift[1]), 6)] = 9
    ones, others, empty = (np.argwhere(labels == value) for value in (5, 9, 0))
    gap = cdist(ones, others).min()
    if gap > 6:
        with pytest.raises(ParameterError, match=rf"Nucleus 9 lies {gap:.1f} pixels .* at most 6 can be bridged: draw"):
            merge(labels, [5, 9])
        return
    expected = np.where(labels == 9, 5, labels)
    bridge = empty[cdist(empty, ones).min(axis=1) + cdist(empty, others).min(axis=1) <= gap + 1]
    expected[tuple(bridge.T)] = 5
    after = merge(labels, [9, 5])
    np.testing.assert_array_equal(after, expected)
    assert in_one_piece(after == 5)
    assert len(bridge) > 0


def test_merging_too_far_apart_unless_a_third_lies_between() -> None:
    labels = boxes((5, 12, 0, 6), (5, 12, 18, 24), (5, 12, 10, 14))
    with pytest.raises(ParameterError, match=r"Nucleus 2 lies 13\.0 pixels from the others"):
        merge(labels, [1, 2])
    after = merge(labels, [1, 2, 3])
    np.testing.assert_array_equal(after, boxes((5, 12, 0, 24)) | (after > 0))
    assert in_one_piece(after)


def test_no_bridge_through_another_nucleus() -> None:
    labels = boxes((5, 12, 0, 6), (5, 12, 10, 14), (0, 31, 7, 8))
    with pytest.raises(ParameterError, match="Between nucleus 2 and the others to merge lies another nucleus"):
        merge(labels, [1, 2])
    assert in_one_piece(merge(labels, [1, 2, 3]) > 0)


@pytest.mark.parametrize(
    ("dtype", "top", "wider"), [("uint8", 255, "uint16"), ("uint16", 65_535, "uint32"), ("int32", 99, "int32")]
)
def test_the_type_widens_only_for_a_new_number(dtype: str, top: int, wider: str) -> None:
    labels = boxes((2, 20, 2, 20), dtype=dtype).copy()
    labels[30, 40:47] = top
    for after in (split(labels, 1, [(10, 0), (10, 40)]), draw(labels, [(22, 22), (28, 22), (28, 30)])):
        assert after.dtype == wider
        assert after.max() == top + 1
        np.testing.assert_array_equal(after[30], labels[30])
    assert delete(labels, 1).dtype == merge(boxes((0, 4, 0, 4), (4, 8, 0, 4), dtype=dtype), [1, 2]).dtype == dtype
    labels[30, 40:47] = top - 1
    assert draw(labels, [(22, 22), (28, 22), (28, 30)]).dtype == dtype


@pytest.mark.parametrize("seed", range(10))
def test_tracing_a_nucleus_draws_it_again(seed: int) -> None:
    labels = make_example("fluorescence", seed, height=47, width=65, nuclei=6).labels
    for number in range(1, labels.max() + 1):
        mask = labels == number
        contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        outline = [(float(y), float(x)) for x, y in contours[0][:, 0]]
        if len(outline) < 3:
            continue
        np.testing.assert_array_equal(draw(np.zeros_like(labels), outline) > 0, mask)
        np.testing.assert_array_equal(draw(np.zeros_like(labels), outline[::-1]) > 0, mask)


@pytest.mark.parametrize("seed", range(10))
def test_drawn_polygons_equal_scikit_image_but_for_the_line(seed: int) -> None:
    generator = np.random.default_rng(seed)
    angles = np.sort(generator.uniform(0, 2 * np.pi, 17))
    reach = generator.uniform(8, 45, 17)  # reaches over the picture's border
    ys, xs = 25 + reach * np.sin(angles), 30 + reach * np.cos(angles)
    drawn = draw(np.zeros((50, 60), np.uint16), list(zip(ys, xs, strict=True))) > 0
    expected, under = np.zeros((2, 50, 60), bool)
    expected[polygon(ys, xs, (50, 60))] = True
    whole = np.rint(np.stack([ys, xs], 1)).astype(int) + 50
    canvas = np.zeros((200, 200), bool)
    for start, end in zip(whole, np.roll(whole, -1, 0), strict=True):
        canvas[line(*start, *end)] = True
    under = dilation(canvas, np.ones((3, 3)))[50:100, 50:110]
    np.testing.assert_array_equal(drawn[~under], expected[~under])
    assert drawn[expected].all()
    corners = whole[((whole >= 50) & (whole < (100, 110))).all(axis=1)] - 50
    assert drawn[tuple(corners.T)].all()
    assert len(corners)


def test_lines_that_cross_themselves_enclose_all_that_they_go_around() -> None:
    empty = np.zeros((30, 40), np.uint16)
    eight = draw(empty, [(5, 5), (25, 35), (5, 35), (25, 5)]) > 0
    assert eight[15, 32]
    assert eight[15, 8]
    assert not eight[6, 20]
    once = [(5.0, 5.0), (25.0, 5.0), (25.0, 35.0), (5.0, 35.0)]
    np.testing.assert_array_equal(draw(empty, once * 2), draw(empty, once))
    for first in (1, 2, 3):
        np.testing.assert_array_equal(draw(empty, once[first:] + once[:first]), draw(empty, once))
    np.testing.assert_array_equal(np.argwhere(draw(empty, once)).max(axis=0), (25, 35))
    assert draw(empty, once).sum() == 21 * 31


def test_existing_nuclei_win_and_crumbs_beyond_them_are_left_out() -> None:
    labels = boxes((0, 31, 10, 12), (0, 4, 0, 4))
    outline = [(10, 2), (20, 2), (20, 8), (15, 12.4), (10, 8)]  # just over the other side of the first
    after = draw(labels, outline)
    np.testing.assert_array_equal(after[labels > 0], labels[labels > 0])
    assert (after[10:21, 2:9] == 3).all()
    assert in_one_piece(after == 3)
    both = draw(labels, [(10, 2), (20, 2), (20, 20), (10, 20)])
    assert (both == 3).sum() == 11 * 8 + 11 * 9  # large pieces are no crumbs
    assert (draw(labels, [(5, 20), (5, 21), (5, 20)]) == 3).sum() == 2  # nor is a nucleus that small


@pytest.mark.parametrize(
    "outline", [[(-9, 3), (-1, 3), (-1, 9)], [(3, 47), (9, 47), (9, 60)], [(31, 0), (40, 0), (40, 9)]]
)
def test_outlines_outside_the_picture(outline: list[tuple[float, float]]) -> None:
    with pytest.raises(ParameterError, match="outside the picture of 47 x 31 pixels"):
        draw(boxes(), outline)


def test_no_background_is_left_inside() -> None:
    with pytest.raises(ParameterError, match="Inside the outline is no background"):
        draw(boxes((2, 20, 2, 20)), [(4, 4), (9, 4), (9, 9)])
    with pytest.raises(ParameterError, match="outside the picture of 0 x 5"):
        draw(np.zeros((5, 0), np.uint16), [(4, 4), (9, 4), (9, 9)])


@pytest.mark.parametrize(
    "points",
    [[], [(1, 2)], [1, 2, 3], [(1, 2, 3)] * 3, [(1, 2), (3,)], ["ab", "cd", "ef"], [(0, 0)] * (MAX_POINTS + 1)],
)
def test_what_is_no_line(points: list) -> None:
    labels = boxes((2, 20, 2, 20))
    with pytest.raises(ParameterError, match=r"line must be 2 to 10,000 points \(y, x\)"):
        split(labels, 1, points)
    with pytest.raises(ParameterError, match=r"outline must be 3 to 10,000 points \(y, x\)"):
        draw(labels, points)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e9])
def test_points_that_are_nowhere(value: float) -> None:
    with pytest.raises(ParameterError, match="is no number or lies more than 1,000,000 pixels away"):
        draw(boxes(), [(0, 0), (value, 4), (4, 4)])
    draw(boxes(), [(-1e6, -1e6), (1e6, 0), (0, 1e6)])  # large, but no harm


@pytest.mark.parametrize("number", [0, -1, 2, 70_000, 10**30])
def test_nuclei_that_are_not_there(number: int) -> None:
    labels = boxes((2, 20, 2, 20))
    for attempt in (lambda: delete(labels, number), lambda: split(labels, number, [(0, 0), (9, 9)])):
        with pytest.raises(ParameterError, match=f"There is no nucleus {number}"):
            attempt()
    with pytest.raises(ParameterError, match=f"There is no nucleus {number}"):
        merge(labels, [1, number])


@pytest.mark.parametrize("chosen", [[], [1], [1, 1]])
def test_merging_takes_two(chosen: list[int]) -> None:
    with pytest.raises(ParameterError, match="merging takes two nuclei or more"):
        merge(boxes((2, 20, 2, 20)), chosen)


@pytest.mark.parametrize("labels", [np.zeros((4, 4)), np.zeros((4, 4, 1), int), np.full((4, 4), -1)])
def test_what_are_no_labels(labels: np.ndarray) -> None:
    for attempt in (
        lambda: delete(labels, 1),
        lambda: merge(labels, [1, 2]),
        lambda: split(labels, 1, [(0, 0), (1, 1)]),
        lambda: draw(labels, [(0, 0), (1, 1), (0, 1)]),
    ):
        with pytest.raises(ImageShapeError, match=r"must be \(H, W\) integers"):
            attempt()
