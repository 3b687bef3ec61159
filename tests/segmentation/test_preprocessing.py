"""The one formula: NumPy's percentiles are the oracle."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from segmentation import Preprocessing
from segmentation.errors import ImageShapeError, ParameterError
from segmentation.preprocessing import IntensityRange


@pytest.fixture
def colour() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)


def test_matches_the_formula(colour: np.ndarray) -> None:
    low, high = np.percentile(colour.astype(np.float64), [1, 98])
    expected = np.clip((colour.astype(np.float64) - low) / (high - low), 0, 1)
    prepared = Preprocessing(low_percentile=1, high_percentile=98)(colour)
    np.testing.assert_allclose(prepared, expected, atol=1e-6)
    assert prepared.min() == 0
    assert prepared.max() == 1
    assert 0 < prepared.mean() < 1


def test_bit_depth_does_not_matter(colour: np.ndarray) -> None:
    narrow = colour // 3 + 20  # less than the whole range, so a stretch by dtype would show
    np.testing.assert_allclose(
        Preprocessing()(narrow), Preprocessing()(narrow.astype(np.uint16) * 257), atol=1e-6, rtol=0
    )
    np.testing.assert_allclose(Preprocessing()(narrow), Preprocessing()(narrow.astype(np.float64) / 255), atol=1e-6)


def test_grey_equals_rgb_of_equal_channels(colour: np.ndarray) -> None:
    grey = colour[..., :1]
    prepared = Preprocessing()(grey)
    assert prepared.shape == (40, 50, 3)
    np.testing.assert_array_equal(prepared, Preprocessing()(np.repeat(grey, 3, axis=2)))
    assert Preprocessing(channels=1)(grey).shape == (40, 50, 1)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "uint32", "int64", "float32", "float64"])
def test_float32_in_unit_range_and_fit_for_torch(colour: np.ndarray, dtype: str) -> None:
    source = colour.astype(dtype)
    before = source.copy()
    prepared = Preprocessing()(source)
    assert prepared.dtype == np.float32
    assert prepared.min() >= 0
    assert prepared.max() <= 1
    assert torch.from_numpy(prepared).shape == (40, 50, 3)
    np.testing.assert_array_equal(source, before)


def test_range_is_of_the_whole_picture(colour: np.ndarray) -> None:
    measured = Preprocessing(low_percentile=5, high_percentile=90).measure(colour)
    assert (measured.low, measured.high) == pytest.approx(tuple(np.percentile(colour, [5, 90])))


def test_large_pictures_are_measured_in_parts() -> None:
    values = np.random.default_rng(0).normal(100, 5, (150, 130, 1)) + np.arange(130)[:, None] / 2
    rows, columns = (0, 50, 100, 150), (0, 44, 87, 130)  # three equal parts each, since 64 does not reach with two
    parts = [values[top:bottom, left:right] for top, bottom in pairwise(rows) for left, right in pairwise(columns)]
    ranges = [np.percentile(part, [1, 99]) for part in parts]
    measured = Preprocessing(low_percentile=1, high_percentile=99, block=64).measure(values)
    assert measured.low == pytest.approx(min(low for low, _ in ranges))
    assert measured.high == pytest.approx(max(high for _, high in ranges))


def test_one_nucleus_in_a_wide_empty_field_is_not_cut_off() -> None:
    field = np.random.default_rng(0).normal(100, 5, (1000, 1000)).astype(np.float32)
    field[510:530, 510:530] = 1000
    assert Preprocessing(block=2000).measure(field[..., None]).high < 200
    assert Preprocessing(block=100).measure(field[..., None]).high == 1000


def test_tile_equals_crop_of_the_whole(colour: np.ndarray) -> None:
    preprocessing = Preprocessing()
    tile = (slice(3, 20), slice(11, 50))
    intensity = preprocessing.measure(colour)
    np.testing.assert_array_equal(preprocessing.apply(colour[tile], intensity), preprocessing(colour)[tile])


@pytest.mark.parametrize("value", [0, 7, 255])
def test_constant_picture_is_zero(value: int) -> None:
    prepared = Preprocessing()(np.full((5, 6, 1), value, np.uint8))
    assert prepared.shape == (5, 6, 3)
    assert not prepared.any()


@pytest.mark.parametrize(("dtype", "offset"), [("uint32", 4_000_000_000), ("float64", 1e12), ("int32", -2_000_000_000)])
def test_large_offsets_keep_their_precision(dtype: str, offset: float) -> None:
    small = np.arange(100, dtype=np.float64).reshape(10, 10, 1)
    large = (small + offset).astype(dtype)
    exact = Preprocessing(low_percentile=0, high_percentile=100)
    np.testing.assert_allclose(exact(large), exact(small), atol=1e-6)


@pytest.mark.parametrize("channels", [2, 4])
def test_other_channels_are_refused(channels: int) -> None:
    with pytest.raises(ImageShapeError, match=f"{channels} channels.*--channel"):
        Preprocessing()(np.zeros((4, 4, channels)))


def test_rgb_is_refused_by_a_grey_model() -> None:
    with pytest.raises(ImageShapeError, match="3 channels"):
        Preprocessing(channels=1)(np.zeros((4, 4, 3)))


@pytest.mark.parametrize("shape", [(4, 4), (1, 4, 4, 1), (0, 4, 1), (4, 0, 3)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageShapeError, match="shape"):
        Preprocessing().measure(np.zeros(shape))
    with pytest.raises(ImageShapeError, match="shape"):
        Preprocessing().apply(np.zeros(shape), IntensityRange(0, 1))


@pytest.mark.parametrize(("low", "high"), [(-1, 50), (50, 50), (60, 40), (0, 101), (float("nan"), 99)])
def test_percentiles_are_checked(low: float, high: float) -> None:
    with pytest.raises(ParameterError, match="0 <= low < high <= 100"):
        Preprocessing(low_percentile=low, high_percentile=high)


@pytest.mark.parametrize("block", [63, 0, -1])
def test_parts_must_be_large_enough(block: int) -> None:
    with pytest.raises(ParameterError, match=f"block={block}"):
        Preprocessing(block=block)
