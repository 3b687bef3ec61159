"""Nuclei cut along a line: which side keeps what, and that nothing is lost."""

import numpy as np
import pytest
from skimage.draw import ellipse
from skimage.measure import label as components

from segmentation.errors import ParameterError
from segmentation.examples import make_example
from segmentation.label_edits import split


def square(top: int, bottom: int, left: int, right: int) -> np.ndarray:
    """One nucleus, 1, in labels that nobody may write to."""
    labels = np.zeros((31, 47), np.uint16)
    labels[top:bottom, left:right] = 1
    labels.flags.writeable = False
    return labels


def in_one_piece(mask: np.ndarray) -> bool:
    return components(mask, connectivity=2).max() == 1


@pytest.mark.parametrize("angle", [0, 7, 20, 45, 63, 90, 120, 135, 171])
def test_a_straight_cut_parts_the_two_sides(angle: int) -> None:
    labels = np.zeros((45, 61), np.uint16)
    labels[ellipse(22, 30, 13, 19, rotation=0.4)] = 3
    labels[ellipse(4, 6, 4, 6)] = 9
    along = np.array([np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))])
    through = np.array([20.3, 27.6])
    after = split(labels, 3, [tuple(through - 40 * along), tuple(through + 40 * along)])
    np.testing.assert_array_equal(after == 9, labels == 9)
    np.testing.assert_array_equal((after == 3) | (after == 10), labels == 3)
    assert (after == 3).sum() > (after == 10).sum() > 100
    assert in_one_piece(after == 3)
    assert in_one_piece(after == 10)
    side = (np.argwhere(labels == 3) - through) @ np.array([along[1], -along[0]])
    part = after[labels == 3] == 3
    assert len(np.unique(part[side > 1.5])) == len(np.unique(part[side < -1.5])) == 1


@pytest.mark.parametrize("seed", range(25))
def test_any_cut_keeps_every_pixel_and_whole_parts(seed: int) -> None:
    generator = np.random.default_rng(seed)
    labels = make_example("tissue", seed, height=70, width=53, nuclei=12, radius=(6, 12)).labels.astype(np.uint16)
    cut = 0
    for number in range(1, labels.max() + 1):
        nucleus = labels == number
        middle = np.argwhere(nucleus).mean(axis=0)
        way = middle + generator.normal(0, 12, (generator.integers(2, 9), 2))
        try:
            after = split(labels, number, [tuple(point) for point in way])
        except ParameterError:
            continue
        cut += 1
        np.testing.assert_array_equal(after[~nucleus], labels[~nucleus])
        values, areas = np.unique(after[nucleus], return_counts=True)
        assert values.tolist() == [number, *range(labels.max() + 1, labels.max() + len(values))]
        assert (np.diff(areas) <= 0).all()  # largest first
        assert areas.min() >= 4
        assert all(in_one_piece(after == value) for value in values)
    assert cut


def test_pixels_under_a_cut_go_to_the_nearer_part() -> None:
    labels = square(4, 14, 4, 20)
    after = split(labels, 1, [(9, 0), (9, 10), (9, 30)])  # five rows above it, four below: the line's own are a draw
    assert (after[4:9, 4:20] == 1).all()
    assert (after[10:14, 4:20] == 2).all()
    steep = split(labels, 1, [(0, 10), (30, 10)])
    assert (np.count_nonzero(steep == 2, axis=1)[4:14] >= 6).all()
    after = split(labels, 1, [(0, 8), (7, 8), (7, 8), (9, 30)])  # a corner is cut off
    assert after[4, 19] == 2
    assert after[13, 19] == after[4, 4] == 1


def test_an_arm_under_the_line_stays_with_the_part_it_hangs_on() -> None:
    labels = np.zeros((16, 24), np.uint16)
    labels[0:10, 0:22] = labels[10:13, 5] = labels[12, 5:22] = 1  # it reaches below the right part, and nearer to that
    after = split(labels, 1, [(0, 10), (12, 10), (12, 21), (12, 5), (10, 5)])
    assert (after[0:10, 12:22] == 2).all()
    assert (after[0:10, 0:10] == 1).all()
    assert (after[12, 5:22] == 1).all()


def test_several_parts_are_numbered_by_size() -> None:
    labels = np.zeros((20, 40), np.uint8)
    labels[2:16, 2:8] = labels[2:10, 14:20] = labels[2:7, 26:32] = labels[2:5, 2:32] = 4  # an E of three legs
    labels[0, 39] = 6
    after = split(labels, 4, [(5, 0), (5, 39)])
    values, areas = np.unique(after[labels == 4], return_counts=True)
    assert values.tolist() == [4, 7, 8, 9]
    assert (np.diff(areas) < 0).all()
    assert [after[place] for place in ((2, 20), (15, 4), (9, 16), (6, 28))] == [4, 7, 8, 9]
    np.testing.assert_array_equal(after[labels != 4], labels[labels != 4])


def test_crumbs_go_to_their_neighbour_and_a_cut_of_crumbs_is_none() -> None:
    labels = square(4, 20, 4, 20)
    with pytest.raises(ParameterError, match="does not cut nucleus 1 into parts of 4 pixels or more"):
        split(labels, 1, [(6, 0), (0, 6)])  # cuts off less than 4 pixels of the corner
    across = [(12, 0), (12, 30), (30, 30), (24, 16), (16, 24)]  # and the corner at the lower right on its way
    after = split(labels, 1, across)
    assert np.unique(after).tolist() == [0, 1, 2]
    assert after[19, 19] == after[19, 4] != after[4, 4]


def test_a_nucleus_in_pieces_comes_apart() -> None:
    labels = np.zeros((20, 30), np.uint16)
    labels[2:8, 2:10] = labels[2:6, 16:22] = 5
    after = split(labels, 5, [(0, 13), (19, 13)])
    assert (after[2:8, 2:10] == 5).all()
    assert (after[2:6, 16:22] == 6).all()
    labels[15, 2:4] = 5  # a loose crumb belongs to the nearest
    np.testing.assert_array_equal(split(labels, 5, [(0, 13), (19, 13)])[15, 2:4], 5)


@pytest.mark.parametrize("way", [[(20, 0), (20, 12)], [(20, 12), (20, 40)], [(0, 0), (3, 40)], [(20, 8), (20, 20)]])
def test_a_line_that_does_not_run_right_across(way: list[tuple[float, float]]) -> None:
    labels = square(10, 31, 4, 25)
    with pytest.raises(ParameterError, match="draw it right across the nucleus, from the background on one side"):
        split(labels, 1, way)


def test_a_nucleus_at_the_border_is_cut_from_the_border() -> None:
    labels = square(0, 31, 0, 25)
    for way in ([(0, 12), (30, 12)], [(-5, 12), (90, 12)], [(15, 0), (15, 46)]):
        assert np.unique(split(labels, 1, way)).tolist() == [0, 1, 2]
