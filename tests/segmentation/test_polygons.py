"""Outlines along pixel edges: drawn again by others they are the same pixels, and shapely finds them valid."""

import numpy as np
import pytest
import shapely
from scipy import ndimage
from skimage.draw import polygon2mask

from segmentation import polygons as module
from segmentation.errors import ParameterError
from segmentation.polygons import Polygon, polygons


def blobs(seed: int, height: int = 60, width: int = 80, sigma: float = 1.5) -> np.ndarray:
    """Random labels 1..n without gaps: ragged, touching each other and the border, with holes."""
    noise = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(noise.random((height, width)), sigma)
    pieces, count = ndimage.label(smooth > np.median(smooth))
    left, _ = ndimage.label(smooth <= np.quantile(smooth, 0.3))  # a second kind, which touches the first
    both = np.where(pieces > 0, pieces, np.where(left > 0, left + count, 0))
    return np.unique(both, return_inverse=True)[1].reshape(both.shape).astype(np.uint16)


def picture(*rows: str) -> np.ndarray:
    """Digits are labels, anything else the background."""
    return np.array([[int(letter) if letter.isdigit() else 0 for letter in row] for row in rows], np.uint16)


CASES = {
    "blobs": blobs(0),
    "other blobs": blobs(1, 41, 33),
    "fine blobs": blobs(2, 50, 50, 0.7),
    "noise": np.random.default_rng(3).integers(0, 4, (40, 30)).astype(np.uint32),
    "everything": np.ones((5, 9), np.uint16),
    "one pixel of a picture": np.ones((1, 1), np.uint16),
    "one-pixel nuclei": np.arange(1, 36, dtype=np.int64).reshape(5, 7),
    "in the corners": picture("1..2", "....", "3..4"),
    "a row": picture("11.22.1"),
    "checkerboard": (np.indices((7, 8)).sum(axis=0) % 2).astype(np.uint8),
    "nested": picture("1111111", "1.....1", "1.111.1", "1.1.1.1", "1.111.1", "1.....1", "1111111"),
    "hole filled by another": picture("1111", "1221", "1211", "1111"),
    "holes that meet": picture("11111", "1.111", "11.11", "111.1", "11111"),
    "closed by a corner": picture("1111.", "1..1.", "1...1", "11111"),
    "many labels": np.pad([[0, 40_000], [70_000, 0]], 1).astype(np.uint32),
}
cases = pytest.mark.parametrize("labels", CASES.values(), ids=CASES.keys())


def fill(rings: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Pixels whose centres lie inside an odd number of rings of (x, y); no edge runs through a centre."""
    inside = np.zeros(shape, bool)
    for ring in rings:
        inside ^= polygon2mask(shape, ring[:, ::-1].astype(float) - 0.5)
    return inside


def geometry(parts: list[Polygon]) -> shapely.MultiPolygon:
    return shapely.MultiPolygon([(part.exterior, part.holes) for part in parts])


@cases
def test_polygons_are_exactly_the_pixels(labels: np.ndarray) -> None:
    drawn = np.zeros_like(labels)
    for label, parts in polygons(labels):
        drawn[fill([ring for part in parts for ring in part.rings], labels.shape)] += label
    np.testing.assert_array_equal(drawn, labels)


@cases
def test_polygons_are_what_shapely_makes_of_the_pixels(labels: np.ndarray) -> None:
    for label, parts in polygons(labels):
        y, x = np.nonzero(labels == label)
        shape = geometry(parts)
        assert shape.is_valid, shapely.is_valid_reason(shape)
        assert shape.equals(shapely.union_all(shapely.box(x, y, x + 1, y + 1)))
        assert len(parts) == ndimage.label(labels == label)[1]
        assert sum(part.area for part in parts) == len(x)


@cases
def test_rings_turn_at_every_corner_with_the_nucleus_on_one_side(labels: np.ndarray) -> None:
    for _, parts in polygons(labels):
        for part in parts:
            assert shapely.LinearRing(part.exterior).is_ccw
            assert not any(shapely.LinearRing(hole).is_ccw for hole in part.holes)
            for ring in part.rings:
                assert ring.dtype == np.int32
                steps = ring - np.roll(ring, 1, axis=0)
                level = steps[:, 1] == 0
                np.testing.assert_array_equal(steps[:, 0] == 0, ~level)
                np.testing.assert_array_equal(level, ~np.roll(level, 1))


def test_labels_come_in_order_with_gaps_passed_over() -> None:
    labels = picture("5..2", "9..2", "5..7")
    assert [label for label, _ in polygons(labels)] == [2, 5, 7, 9]
    assert [len(parts) for _, parts in polygons(labels)] == [1, 2, 1, 1]


def test_a_pixel_is_a_square_and_a_ring_has_a_hole() -> None:
    ((_, [square]), (_, [ring])) = polygons(picture("1.....", "..2222", "..2..2", "..2222"))
    assert square.exterior.tolist() == [[0, 0], [1, 0], [1, 1], [0, 1]]
    assert square.holes == []
    assert ring.exterior.tolist() == [[2, 1], [6, 1], [6, 4], [2, 4]]
    assert [hole.tolist() for hole in ring.holes] == [[[3, 2], [3, 3], [5, 3], [5, 2]]]
    assert (square.area, ring.area) == (1, 10)


@pytest.mark.parametrize(
    ("labels", "holes"),
    [
        (picture("1.", ".1"), [0, 0]),
        (picture(".1", "1."), [0, 0]),
        (CASES["closed by a corner"], [1]),
        (CASES["holes that meet"], [3]),
        (CASES["nested"], [1, 1]),
    ],
)
def test_parts_and_holes_that_meet_in_a_point_stay_apart(labels: np.ndarray, holes: list[int]) -> None:
    [(_, parts)] = polygons(labels)
    assert [len(part.holes) for part in parts] == holes


@cases
def test_strips_change_nothing(labels: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [(label, [ring.tolist() for part in parts for ring in part.rings]) for label, parts in polygons(labels)]
    for size in (1, 3 * (labels.shape[1] + 1)):
        monkeypatch.setattr(module, "_STRIP", size)
        strips = polygons(labels)
        assert [(label, [ring.tolist() for part in parts for ring in part.rings]) for label, parts in strips] == whole


def test_no_nuclei_no_polygons() -> None:
    assert list(polygons(np.zeros((4, 3), np.uint16))) == []


@pytest.mark.parametrize("dtype", ["uint32", "int64"])
@pytest.mark.parametrize("background", [True, False])
def test_numbers_far_apart_take_no_memory(dtype: str, background: bool) -> None:
    labels = np.full((6, 9), 4_000_000_000, dtype)
    labels[:2] = 0 if background else 7
    labels[2:4, 3:6] = 3_999_999_999
    found = dict(polygons(labels))
    assert list(found) == [3_999_999_999, 4_000_000_000] if background else [7, 3_999_999_999, 4_000_000_000]
    for label, parts in found.items():
        drawn = fill([ring for part in parts for ring in part.rings], labels.shape)
        np.testing.assert_array_equal(drawn, labels == label)


@pytest.mark.parametrize(
    "labels",
    [np.ones((2, 2, 1), np.uint8), np.ones((2, 2), bool), np.ones((2, 2), float), np.ones((0, 2), np.uint8)],
)
def test_what_is_no_label_image_is_refused(labels: np.ndarray) -> None:
    with pytest.raises(ParameterError, match="integers"):
        next(polygons(labels))


def test_numbers_below_the_background_are_refused() -> None:
    with pytest.raises(ParameterError, match="down to -3: nuclei are above 0"):
        next(polygons(np.array([[0, -3], [1, 2]])))
