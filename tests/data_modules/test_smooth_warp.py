"""A warp must bend outlines, and leave them outlines."""

import cv2
import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import regionprops

from data_modules.augmentation import Augmenter
from data_modules.smooth_warp import REACH, displacement
from tests.data_modules.test_augmentation import only

SIDE = 192


@pytest.fixture(scope="module")
def discs():
    labels = np.zeros((400, 400), np.int32)
    for number, (y, x) in enumerate(np.ndindex(9, 9)):
        cv2.circle(labels, (30 + 42 * x, 30 + 42 * y), 14, number + 1, -1)
    return np.repeat(np.where(labels > 0, 200, 50).astype(np.uint8)[..., None], 3, axis=2), labels


@pytest.mark.parametrize("elastic", [1.0, 2.0, 4.0])
def test_discs_stay_whole_and_smooth(discs, elastic):
    """Their areas over those of their hulls: 0.96 as drawn; with noise of single pixels 0.90 and less."""
    bent = 0
    for seed in range(12):
        pixels, labels = Augmenter(only(elastic=elastic), SIDE)(*discs, seed)
        np.testing.assert_array_equal(
            ndimage.label(labels, np.ones((3, 3)))[1], len(np.unique(labels)) - 1
        )  # no crumbs
        whole = [p for p in regionprops(labels) if min(p.bbox[:2]) > 0 and max(p.bbox[2:]) < SIDE]
        assert np.mean([p.solidity for p in whole]) > 0.94
        bent += np.mean([p.eccentricity for p in whole]) > 0.2
        assert ((pixels[..., 0] > 125) == (labels > 0)).mean() > 0.97  # pixels go where labels go
    assert bent > 1


@pytest.mark.parametrize("shape", [(300, 200), (40, 40), (7, 500)])
def test_the_field(shape):
    fields = np.array([displacement(*shape, 3.0, np.random.default_rng(seed)) for seed in range(200)])
    assert fields.shape == (200, *shape)
    assert fields.std() == pytest.approx(3, rel=0.1)
    assert fields.mean() == pytest.approx(0, abs=0.3)
    assert np.abs(fields).max() <= 3 * REACH
    assert max(np.abs(np.diff(fields, axis=axis)).max() for axis in (1, 2)) < 1  # neighbours keep their order
