"""Appearance and scaling against formulas: what happens to the pixels, how often, and that labels stay in place."""

import io
from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from data_modules import AugmentationParams
from data_modules.augmentation import Augmenter
from segmentation.examples import make_example

OFF = {name: 0.0 for name, value in asdict(AugmentationParams()).items() if isinstance(value, float)}
OFF |= {"flip": False, "quarter_turns": False}
OFF |= dict.fromkeys(("scale", "contrast", "gamma", "saturation"), (1.0, 1.0))
SEEDS = range(12)


def only(**settings):
    return AugmentationParams(**{**OFF, **settings})


def picture(appearance, size=80):
    drawn = make_example(appearance, 3, height=size, width=size, nuclei=12)
    return np.broadcast_to(drawn.pixels, (size, size, 3)).copy(), drawn.labels


def both(appearance="tissue", **settings):
    """Crops without and with the settings, of the same place."""
    pixels, labels = picture(appearance)
    pixels[:40, :40][labels[:40, :40] == 0] = 255  # some white
    plain, changed = Augmenter(only(), 48), Augmenter(only(**settings), 48)
    for seed in SEEDS:
        (before, labels_before), (after, labels_after) = plain(pixels, labels, seed), changed(pixels, labels, seed)
        np.testing.assert_array_equal(labels_after, labels_before)
        yield before, after


def fitted(before, after):
    """The matrix that gives the channels after from those before, and by how much no matrix can."""
    before, after = before.reshape(-1, 3).astype(float), after.reshape(-1, 3).astype(float)
    matrix, *_ = np.linalg.lstsq(before, after, rcond=None)
    return matrix.T, np.abs(before @ matrix - after).max()


def test_mix_is_a_mixture_of_the_channels():
    matrices = []
    for before, after in both(mix=1.0):
        matrix, rest = fitted(before, after)
        assert rest <= 1
        np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=0.02)
        assert matrix.min() > -0.02
        assert (after[(before == 255).all(axis=2)] == 255).all()  # white stays white
        matrices.append(matrix)
    assert np.std(matrices, axis=0).min() > 0.05
    assert {int(matrix[0].argmax()) for matrix in matrices} == {0, 1, 2}  # also other channels lead


def test_grey_is_a_weighted_mean_of_the_channels():
    weights = []
    for before, after in both(grey=1.0):
        assert (after == after[..., :1]).all()
        matrix, rest = fitted(before, after)
        assert rest <= 1
        assert matrix[0].sum() == pytest.approx(1, abs=0.02)
        assert matrix.min() > -0.02
        weights.append(matrix[0])
    assert np.std(weights, axis=0).min() > 0.1


def test_tint_dims_all_channels_but_one():
    brightest = set()
    for before, after in both("fluorescence", tint=1.0):
        gains = [(after[..., c].astype(float) * before[..., c]).sum() / (before[..., c] ** 2.0).sum() for c in range(3)]
        assert max(gains) == pytest.approx(1)
        assert min(gains) >= 0
        assert np.abs(after - before * np.array(gains)).max() <= 1
        brightest.add(int(np.argmax(gains)))
    assert brightest == {0, 1, 2}


@pytest.mark.parametrize("depth", [0.3, 1.0])
def test_shading_is_a_smooth_loss_of_light(depth):
    pixels, labels = np.full((64, 64, 3), 250, np.uint8), np.zeros((64, 64), np.int32)
    augmenter = Augmenter(only(shading=depth), 64)
    fields = [augmenter(pixels, labels, seed)[0] / 250 for seed in range(60)]
    shaded = [field for field in fields if (field != 1).any()]
    assert 6 < len(shaded) < 32  # a third of the time
    for field in shaded:
        assert (field == field[..., :1]).all()
        assert 1 - depth - 0.002 <= field.min() <= field.max() <= 1
        assert max(np.abs(np.diff(field, axis=axis)).max() for axis in (0, 1)) < 6 * depth / 64 + 0.005
    assert min(field.min() for field in shaded) < 1 - depth / 2
    assert min(np.ptp(field) for field in shaded) > 0.1 * depth


def test_jpeg_is_what_pillow_makes_of_it():
    qualities = set()
    for before, after in both(jpeg=1.0):
        found = []
        for quality in range(25, 86):
            buffer = io.BytesIO()
            Image.fromarray(before).save(buffer, "JPEG", quality=quality)
            found += [quality] * bool((np.asarray(Image.open(buffer)) == after).all())
        assert found
        qualities.add(found[0])
    assert len(qualities) > 4
    assert 28 <= min(qualities) <= max(qualities) <= 82


def test_underexposed_has_few_levels_and_keeps_the_picture():
    levels, blocks = [], []
    for before, after in both("fluorescence", underexpose=1.0):
        levels.append(len(np.unique(after)))
        step = np.diff(np.unique(after).astype(int)).max()
        assert np.abs(after.astype(float) - before).mean() < 2 * step + 2  # noise of up to one level, and compression
        # Compressed: more of the change lies between blocks of 8 than inside them. The crop starts on a block.
        jumps = np.abs(np.diff((after.astype(float) - before).mean(axis=2), axis=1)).mean(axis=0)
        blocks.append(jumps[7::8].mean() > 1.3 * np.delete(jumps, np.s_[7::8]).mean())
    assert 4 < min(levels) < max(levels) <= 81
    assert 2 <= sum(blocks) < len(blocks)


@pytest.mark.parametrize("probability", [0.3, 1.0])
@pytest.mark.parametrize("name", ["mix", "grey", "tint", "jpeg", "underexpose", "invert"])
def test_as_often_as_the_setting_says(name, probability):
    pixels, labels = picture("fluorescence" if name == "tint" else "tissue")
    plain, changed = Augmenter(only(), 24), Augmenter(only(**{name: probability}), 24)
    changes = [(plain(pixels, labels, s)[0] != changed(pixels, labels, s)[0]).any() for s in range(80)]
    # A mixture may happen to be none, so always is nearly always.
    tolerance = 4 * np.sqrt(probability * (1 - probability) / 80) + (0.03 if name == "mix" else 0)
    assert np.mean(changes) == pytest.approx(probability, abs=tolerance)


@pytest.mark.parametrize("probability", [0.0, 0.2, 1.0])
def test_empty_crops_have_no_nucleus(probability):
    pixels, labels = np.full((64, 64, 3), 90, np.uint8), np.ones((64, 64), np.int32)
    augmenter = Augmenter(only(empty=probability), 32)
    empty = 0
    for seed in range(150):
        crop, crop_labels = augmenter(pixels, labels, seed)
        assert (crop_labels == 1).all() == (crop == 90).all()
        assert (crop_labels == 0).all() == (crop != 90).any()
        empty += not crop_labels.any()
    tolerance = 4 * np.sqrt(probability * (1 - probability) / 150)
    assert empty / 150 == pytest.approx(probability, abs=tolerance)


@pytest.mark.parametrize("crop", [3, 64])
@pytest.mark.parametrize("appearance", ["fluorescence", "tissue"])
def test_empty_crops_are_pictures_of_their_own_and_seeded(appearance, crop):
    pixels, labels = picture(appearance)
    augmenter, seen = Augmenter(only(empty=1.0), crop), set()
    for seed in range(24):
        drawn, _ = augmenter(pixels, labels, seed)
        assert (drawn.shape, drawn.dtype) == ((crop, crop, 3), np.uint8)
        np.testing.assert_array_equal(drawn, Augmenter(only(empty=1.0), crop)(pixels, labels, seed)[0])
        assert crop < 64 or drawn.std() > 3
        seen.add(drawn.tobytes())
    assert crop < 64 or len(seen) == 24


def discs(size=264, step=24, radius=7):
    """White discs on black, well apart, each with a number of its own."""
    places = np.arange(step // 2, size, step)
    rows, columns = np.mgrid[:size, :size]
    labels = np.zeros((size, size), np.int32)
    for number, (y, x) in enumerate(((y, x) for y in places for x in places), start=1):
        labels[np.hypot(rows - y - 0.3, columns - x + 0.2) <= radius] = number
    return np.repeat(np.where(labels > 0, 200, 0)[..., None], 3, axis=2).astype(np.uint8), labels


@pytest.mark.parametrize(
    "params",
    [only(scale=(0.5, 2.0)), only(scale=(0.7, 0.7)), only(shear=12.0), only(elastic=3.0)],
    ids=["scale", "smaller", "shear", "elastic"],
)
def test_labels_lie_on_their_pixels(params):
    """Centroids of brightness and of label agree: half a pixel between the two would blur every outline learned."""
    pixels, labels = discs()
    augmenter, away = Augmenter(params, 64), []
    for seed in range(20):
        moved, moved_labels = augmenter(pixels, labels, seed)
        margin = [moved_labels[:3], moved_labels[-3:], moved_labels[:, :3], moved_labels[:, -3:]]
        cut = set(np.concatenate([strip.ravel() for strip in margin]))
        for number in set(np.unique(moved_labels)) - cut - {0}:
            own = moved_labels == number
            around = ndimage.binary_dilation(own, np.ones((3, 3)), 3)
            away.append(np.subtract(ndimage.center_of_mass(moved[..., 0] * around), ndimage.center_of_mass(own)))
    assert len(away) > 50
    assert np.abs(np.mean(away, axis=0)).max() < 0.1
    assert np.abs(away).max() < 0.6
