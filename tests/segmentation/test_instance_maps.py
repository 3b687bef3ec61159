"""Decoding against SciPy and scikit-image: components, and clumps cut at h-maxima."""

import numpy as np
import pytest
from scipy import ndimage
from skimage.draw import disk
from skimage.measure import label as skimage_label
from skimage.morphology import h_maxima
from skimage.segmentation import relabel_sequential, watershed

from segmentation.errors import ParameterError
from segmentation.instance_maps import DecodeParams, decode, encode
from segmentation.scores import match

EVERYTHING = DecodeParams(min_area=0)


def maps(mask: np.ndarray) -> np.ndarray:
    return np.where(mask, 0.9, 0.1).astype(np.float32)[None]


def same_up_to_numbers(first: np.ndarray, second: np.ndarray) -> bool:
    pairs = np.unique(np.stack([first.ravel(), second.ravel()]), axis=1)
    return all(len(np.unique(side)) == pairs.shape[1] for side in pairs) and bool(((first > 0) == (second > 0)).all())


def blobs(seed: int, sigma: float = 1.2, share: float = 0.3) -> np.ndarray:
    field = ndimage.gaussian_filter(np.random.default_rng(seed).random((90, 110)), sigma)
    return field > np.quantile(field, 1 - share)


def discs(seed: int, count: int = 25, size: int = 160) -> np.ndarray:
    generator = np.random.default_rng(seed)
    mask = np.zeros((size, size), bool)
    for centre, radius in zip(generator.uniform(0, size, (count, 2)), generator.uniform(8, 15, count), strict=True):
        mask[disk(centre, radius, shape=mask.shape)] = True
    return mask


def h_maxima_watershed(mask: np.ndarray, height: float) -> np.ndarray:
    """The textbook way (Soille 2003, 6.3.4), on the same smoothed distance."""
    distance = ndimage.gaussian_filter(ndimage.distance_transform_edt(mask), 1.0)
    seeds = skimage_label(h_maxima(distance, height) * mask, connectivity=2)
    return watershed(-distance, seeds, connectivity=2, mask=mask)


def test_encode() -> None:
    labels = np.array([[0, 1, 1], [7, 0, 300]], np.uint16)
    targets = encode(labels)
    assert targets.dtype == np.float32
    np.testing.assert_array_equal(targets, [[[0, 1, 1], [1, 0, 1]]])


@pytest.mark.parametrize("seed", range(4))
def test_components_against_scipy_and_skimage(seed: int) -> None:
    mask = blobs(seed)
    labels = decode(maps(mask), EVERYTHING)
    assert labels.dtype == np.uint16
    assert labels.max() > 30
    assert same_up_to_numbers(labels, ndimage.label(mask, structure=np.ones((3, 3)))[0])
    assert same_up_to_numbers(labels, skimage_label(mask, connectivity=2))
    assert not same_up_to_numbers(labels, skimage_label(mask, connectivity=1))


@pytest.mark.parametrize("separation", [0.0, 1.0])
@pytest.mark.parametrize("min_area", [0, 1, 9, 40, 10_000])
def test_small_objects_go_and_leave_no_gaps(min_area: int, separation: float) -> None:
    mask = blobs(5)
    every = decode(maps(mask), DecodeParams(min_area=0, separation=separation))
    labels = decode(maps(mask), DecodeParams(min_area=min_area, separation=separation))
    areas = np.bincount(every.ravel())
    expected = np.where(areas[every] >= max(min_area, 1), every, 0)
    np.testing.assert_array_equal(labels, relabel_sequential(expected)[0])
    np.testing.assert_array_equal(np.unique(labels), np.arange(labels.max() + 1))


def test_threshold_is_inclusive() -> None:
    values = np.array([[[0.2, 0.5, 0.75]]], np.float32)
    assert (decode(values, DecodeParams(threshold=0.5, min_area=0)) > 0).tolist() == [[False, True, True]]
    assert (decode(values, DecodeParams(threshold=0.51, min_area=0)) > 0).tolist() == [[False, False, True]]


@pytest.mark.parametrize("height", [0.5, 1.0, 2.5])
@pytest.mark.parametrize("seed", range(5))
def test_separation_against_h_maxima(seed: int, height: float) -> None:
    mask = discs(seed)
    labels = decode(maps(mask), DecodeParams(separation=height, min_area=0))
    oracle = h_maxima_watershed(mask, height)
    np.testing.assert_array_equal(labels > 0, mask)
    count = len(np.unique(oracle)) - 1
    assert labels.max() == count
    assert count > ndimage.label(mask, structure=np.ones((3, 3)))[1] or height > 2
    # Only pixels on the line between two basins may fall to the other side.
    assert match(labels, oracle, (0.95,)).true_positives == [count]


@pytest.mark.parametrize("height", [0.3, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_separation_of_tangled_foreground_against_h_maxima(seed: int, height: float) -> None:
    mask = blobs(seed, sigma=3.0, share=0.6)
    oracle = h_maxima_watershed(mask, height)
    # Components too flat for an h-maximum have no object there; here they stay whole.
    components = ndimage.label(mask, structure=np.ones((3, 3)))[0]
    flat = len(np.unique(components[mask & (oracle == 0)]))
    count = len(np.unique(oracle[oracle > 0]))
    assert count > 10
    labels = decode(maps(mask), DecodeParams(separation=height, min_area=0))
    assert labels.max() == count + flat
    assert match(labels, oracle, (0.9,)).true_positives == [count]


def test_two_discs_are_cut_in_the_middle() -> None:
    mask = np.zeros((40, 60), bool)
    mask[disk((20, 20), 12)] = mask[disk((20, 40), 12)] = True
    assert decode(maps(mask), DecodeParams()).max() == 1
    labels = decode(maps(mask), DecodeParams(separation=1.0))
    assert labels.max() == 2
    halves = np.zeros_like(labels)
    halves[:, :30], halves[:, 30:] = 1, 2
    assert match(labels, halves * mask, (0.95,)).true_positives == [2]


@pytest.mark.parametrize("seed", range(3))
def test_more_separation_never_gives_more_objects(seed: int) -> None:
    mask = discs(seed)
    counts = [decode(maps(mask), DecodeParams(separation=s, min_area=0)).max() for s in (0.1, 0.5, 1, 2, 4, 8, 1e6, 0)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1]
    assert counts[-2] == counts[-1]  # nothing is ever deep enough, so every component stays whole


@pytest.mark.parametrize("seed", range(3))
def test_separation_loses_no_component(seed: int) -> None:
    mask = blobs(seed)
    for separation in (0.2, 1.0, 1e6):
        labels = decode(maps(mask), DecodeParams(separation=separation, min_area=0))
        np.testing.assert_array_equal(labels > 0, mask)
        parts = skimage_label(labels, connectivity=2)
        assert parts.max() == labels.max()  # every object is one piece


def test_ring_and_sliver_have_no_seed_of_their_own_and_stay() -> None:
    mask = np.zeros((60, 80), bool)
    mask[disk((30, 20), 15)] = True
    mask[15:46, 36:37] = True  # a sliver one pixel from the disc
    mask[20:24, 60:64] = True
    mask[21:23, 61:63] = False  # a ring
    labels = decode(maps(mask), DecodeParams(separation=1.0))
    assert labels.max() == 3
    np.testing.assert_array_equal(labels > 0, mask)


def test_separation_zero_keeps_components_whole() -> None:
    mask = discs(0)
    labels = decode(maps(mask), DecodeParams(separation=0, min_area=0))
    assert same_up_to_numbers(labels, ndimage.label(mask, structure=np.ones((3, 3)))[0])


def test_the_border_of_the_picture_is_no_border_of_a_nucleus() -> None:
    mask = np.zeros((40, 80), bool)
    mask[disk((0, 40), 15, shape=mask.shape)] = True
    mask[disk((39, 0), 15, shape=mask.shape)] = True
    mask[:, 78:] = True
    labels = decode(maps(mask), DecodeParams(separation=0.5))
    assert labels.max() == 3
    np.testing.assert_array_equal(labels > 0, mask)


@pytest.mark.parametrize("separation", [0.0, 1.0])
@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (30, 1), (20, 30)])
def test_all_or_nothing(shape: tuple[int, int], separation: float) -> None:
    params = DecodeParams(separation=separation, min_area=0)
    full, empty = decode(maps(np.ones(shape, bool)), params), decode(maps(np.zeros(shape, bool)), params)
    np.testing.assert_array_equal(full, np.ones(shape))
    np.testing.assert_array_equal(empty, np.zeros(shape))
    assert full.dtype == empty.dtype == np.uint16


def test_mask_mode_is_one_object() -> None:
    mask = blobs(0)
    labels = decode(maps(mask), DecodeParams(mode="mask", separation=2.0))
    assert labels.dtype == np.uint16
    np.testing.assert_array_equal(labels, mask)
    assert not decode(maps(mask), DecodeParams(mode="mask", min_area=int(mask.sum()) + 1)).any()


def test_many_objects_need_uint32() -> None:
    mask = np.zeros((514, 514), bool)
    mask[::2, ::2] = True
    labels = decode(maps(mask), EVERYTHING)
    assert labels.dtype == np.uint32
    assert labels.max() == 257**2 > 65_535
    assert len(np.unique(labels)) == 257**2 + 1
    mask[-2:] = False
    mask[:, -2:] = False
    mask[0, 1] = True  # joins two: 65,535 are left, the most that uint16 can number
    labels = decode(maps(mask), EVERYTHING)
    assert (labels.max(), labels.dtype) == (65_535, np.uint16)


@pytest.mark.parametrize(
    "setting",
    [
        {"mode": "boxes"},
        {"threshold": 0.0},
        {"threshold": 1.0},
        {"threshold": float("nan")},
        {"separation": -0.1},
        {"separation": float("inf")},
        {"separation": float("nan")},
        {"min_area": -1},
        {"min_probability": -0.1},
        {"min_probability": 1.0},
        {"min_probability": float("nan")},
        {"min_area": float("nan")},
    ],
    ids=str,
)
def test_settings_are_checked(setting: dict) -> None:
    with pytest.raises(ParameterError, match=next(iter(setting))):
        DecodeParams(**setting)
