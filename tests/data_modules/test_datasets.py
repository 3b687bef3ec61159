"""The same crop for the same (epoch, position, repeat) everywhere, with its targets and weights."""

from collections import Counter

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from data_modules import AugmentationParams, LabelledPicture, SyntheticNuclei, datasets
from data_modules.augmentation import Augmenter
from data_modules.datasets import CropDataset, EpochSampler, PictureDataset, to_bytes
from segmentation.instance_maps import encode, touching
from segmentation.preprocessing import Preprocessing

SOURCE = SyntheticNuclei(pictures=7, size=48, nuclei=4)


def crops(seed=0, params=AugmentationParams(), crop=32, **more):  # noqa: B008
    return CropDataset(SOURCE, [6, 1, 2, 3, 5], Preprocessing(), Augmenter(params, crop), seed, **more)


def test_items():
    dataset = crops()
    assert len(dataset) == 5
    for position in range(5):
        pixels, targets, weights = dataset[0, position, 0]
        assert (pixels.shape, pixels.dtype) == ((3, 32, 32), torch.float32)
        assert (targets.shape, targets.dtype) == ((1, 32, 32), torch.float32)
        assert (weights.shape, weights.dtype) == ((1, 32, 32), torch.float32)
        assert 0 <= pixels.min() <= pixels.max() <= 1
        blank = np.ptp(to_bytes(SOURCE.load([6, 1, 2, 3, 5][position]).pixels, Preprocessing())) == 0
        assert blank == (position == 0)  # picture 6 alone is of one value
        assert blank or pixels.min() < pixels.max()
        assert set(targets.unique().tolist()) <= {0.0, 1.0}
        assert (weights == 1).all()


def test_without_augmentation_it_is_the_prepared_picture():
    for position, index in enumerate([6, 1, 2]):
        names = ("foreground", "distance")
        pixels, targets, weights = crops(params=None, crop=48, maps=names, touching_weight=2.5)[9, position, 0]
        picture = SOURCE.load(index)
        expected = np.moveaxis(Preprocessing()(picture.pixels), 2, 0)
        np.testing.assert_allclose(pixels, expected, atol=0.5 / 255 + 1e-6)
        np.testing.assert_array_equal(targets, encode(picture.labels, names))
        np.testing.assert_array_equal(weights[0], np.where(touching(picture.labels), 3.5, 1.0))


def test_pixels_where_nuclei_touch_count_more():
    seen = [crops(touching_weight=2.5)[0, position, repeat][2] for position in range(5) for repeat in range(4)]
    assert set(torch.stack(seen).unique().tolist()) == {1.0, 3.5}


def test_epoch_position_repeat_and_seed_decide():
    first = crops()[2, 1, 0]
    for same in (crops()[2, 1, 0], crops()[2, 1, 0]):
        assert all(torch.equal(a, b) for a, b in zip(first, same, strict=True))
    for other in (crops()[3, 1, 0], crops()[2, 2, 0], crops()[2, 1, 1], crops(seed=1)[2, 1, 0]):
        assert not torch.equal(first[0], other[0])


KEYS = [(epoch, position, repeat) for epoch in range(2) for position in range(5) for repeat in range(2)]


@pytest.mark.parametrize("crop", [32, 48, 64])  # inside the picture, all of it, and mirrored beyond it
@pytest.mark.parametrize("params", [None, AugmentationParams()], ids=["plain", "augmented"])
def test_kept_pictures_are_opened_once_and_never_changed(params, crop, monkeypatch):
    opened = Counter()
    load = SyntheticNuclei.load
    monkeypatch.setattr(SyntheticNuclei, "load", lambda self, index: opened.update([index]) or load(self, index))
    kept = crops(params=params, crop=crop)
    seen = [kept[key] for key in KEYS]
    assert opened == dict.fromkeys([6, 1, 2, 3, 5], 1)
    for key, crop_seen in zip(KEYS, seen, strict=True):
        fresh = crops(params=params, crop=crop)[key]
        assert all(torch.equal(a, b) for a, b in zip(crop_seen, fresh, strict=True))


def test_no_more_is_kept_than_there_is_room_for(monkeypatch):
    opened = Counter()
    load = SyntheticNuclei.load
    monkeypatch.setattr(SyntheticNuclei, "load", lambda self, index: opened.update([index]) or load(self, index))
    monkeypatch.setattr(datasets, "KEPT_BYTES", 2 * (48 * 48 * 3 + 48 * 48 * 4))  # two pictures and their int32 labels
    dataset = crops()
    first = [dataset[key] for key in KEYS]
    assert sorted(opened.values()) == [1, 1, 4, 4, 4]
    assert all(torch.equal(a[0], crops()[key][0]) for a, key in zip(first, KEYS, strict=True))


def test_workers_do_not_change_the_batches():
    def batches(workers):
        sampler = EpochSampler(np.array([1, 1, 4, 1, 1.0]), draws=7, seed=3)
        sampler.set_epoch(4)
        return list(DataLoader(crops(), batch_size=2, sampler=sampler, num_workers=workers))

    alone, shared = batches(0), batches(2)
    assert [len(pixels) for pixels, _, _ in alone] == [2, 2, 2, 1]
    for a, b in zip(alone, shared, strict=True):
        assert all(torch.equal(one, other) for one, other in zip(a, b, strict=True))


def test_whole_pictures():
    dataset = PictureDataset(SOURCE, [4, 0])
    assert len(dataset) == 2
    assert isinstance(dataset[0], LabelledPicture)
    np.testing.assert_array_equal(dataset[0].pixels, SOURCE.load(4).pixels)


def test_to_bytes_is_within_half_a_step_of_the_one_formula():
    pixels = np.random.default_rng(0).integers(0, 65_536, (20, 30, 1)).astype(np.uint16)
    result = to_bytes(pixels, Preprocessing())
    assert (result.dtype, result.shape) == (np.uint8, (20, 30, 3))
    assert np.abs(result / 255 - Preprocessing()(pixels)).max() <= 0.5 / 255 + 1e-6
