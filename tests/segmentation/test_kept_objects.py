"""Which objects decoding keeps, against scikit-image's own ways to say it."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import regionprops
from skimage.morphology import remove_small_objects
from skimage.segmentation import clear_border

from segmentation.errors import ParameterError
from segmentation.instance_maps import DecodeParams, decode


def test_too_large_and_cut_by_the_border() -> None:
    generator = np.random.default_rng(5)
    foreground = ndimage.gaussian_filter(generator.random((1, 70, 90)), (0, 2, 2))
    params = DecodeParams(threshold=float(np.quantile(foreground, 0.7)), separation=0, min_area=0)
    everything = decode(foreground, params)
    small = decode(foreground, replace(params, max_area=60))
    np.testing.assert_array_equal(
        small > 0, (everything > 0) & ~remove_small_objects(everything > 0, max_size=60, connectivity=2)
    )
    inner = decode(foreground, replace(params, drop_border=True))
    np.testing.assert_array_equal(inner > 0, clear_border(everything) > 0)
    for labels in (everything, small, inner):
        assert 3 < labels.max() == len(np.unique(labels)) - 1
    assert small.max() < everything.max() > inner.max()
    with pytest.raises(ParameterError, match=r"max_area=5: an area in pixels, at least min_area \(9\)"):
        DecodeParams(min_area=9, max_area=5)


def test_less_probable_on_average() -> None:
    foreground = ndimage.gaussian_filter(np.random.default_rng(6).random((1, 70, 90)), (0, 2, 2)).astype(np.float32)
    foreground = (foreground - foreground.min()) / np.ptp(foreground)
    params = DecodeParams(threshold=0.6, separation=0, min_area=0)
    everything = decode(foreground, params)
    sure = decode(foreground, replace(params, min_probability=0.7))
    means = {region.label: region.intensity_mean for region in regionprops(everything, foreground[0])}
    expected = [label for label, mean in means.items() if mean >= 0.7]
    assert 3 < len(expected) < len(means)
    np.testing.assert_array_equal(sure > 0, np.isin(everything, expected))
    assert sure.max() == len(expected)


def test_all_of_it_as_probable_as_asked_for() -> None:
    """The mean of equal values is that value; a sum that rounds would fall below it."""
    assert decode(np.full((1, 30, 30), 0.625, np.float32), DecodeParams(min_probability=0.625)).all()


def test_a_mask_that_is_too_large_or_at_the_border_is_none() -> None:
    foreground = np.zeros((1, 20, 20))
    foreground[0, :5, 3:9] = 1
    assert decode(foreground, DecodeParams(mode="mask", min_area=30)).sum() == 30
    assert not decode(foreground, DecodeParams(mode="mask", min_area=31)).any()
    assert not decode(foreground, DecodeParams(mode="mask", max_area=29)).any()
    assert decode(0.8 * foreground, DecodeParams(mode="mask", min_probability=0.79)).sum() == 30
    assert not decode(0.8 * foreground, DecodeParams(mode="mask", min_probability=0.81)).any()
    assert not decode(foreground, DecodeParams(mode="mask", drop_border=True)).any()
