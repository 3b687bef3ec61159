"""The same crop for the same (draw, position) everywhere, and every picture once an epoch."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from data_modules import AugmentationParams, LabelledPicture, SyntheticNuclei
from data_modules.augmentation import Augmenter
from data_modules.datasets import CropDataset, EpochSampler, PictureDataset, to_bytes
from segmentation.instance_maps import MAP_NAMES, encode
from segmentation.preprocessing import Preprocessing

SOURCE = SyntheticNuclei(pictures=7, size=48, nuclei=4)


def crops(seed=0, params=AugmentationParams(), crop=32):  # noqa: B008
    return CropDataset(SOURCE, [6, 1, 2, 3, 5], Preprocessing(), Augmenter(params, crop), seed)


def test_items():
    dataset = crops()
    assert len(dataset) == 5
    for position in range(5):
        pixels, targets = dataset[0, position]
        assert (pixels.shape, pixels.dtype) == ((3, 32, 32), torch.float32)
        assert (targets.shape, targets.dtype) == ((len(MAP_NAMES), 32, 32), torch.float32)
        assert 0 <= pixels.min() < pixels.max() <= 1
        assert set(targets.unique().tolist()) <= {0.0, 1.0}


def test_without_augmentation_it_is_the_prepared_picture():
    for position, index in enumerate([6, 1, 2]):
        pixels, targets = crops(params=None, crop=48)[9, position]
        picture = SOURCE.load(index)
        expected = np.moveaxis(Preprocessing()(picture.pixels), 2, 0)
        np.testing.assert_allclose(pixels, expected, atol=0.5 / 255 + 1e-6)
        np.testing.assert_array_equal(targets, encode(picture.labels))


def test_draw_position_and_seed_decide():
    first = crops()[2, 1]
    for same in (crops()[2, 1], crops()[2, 1]):
        assert all(torch.equal(a, b) for a, b in zip(first, same, strict=True))
    for other in (crops()[3, 1], crops()[2, 2], crops(seed=1)[2, 1]):
        assert not torch.equal(first[0], other[0])


def test_workers_do_not_change_the_batches():
    def batches(workers):
        sampler = EpochSampler(5, seed=3)
        sampler.set_epoch(4)
        return list(DataLoader(crops(), batch_size=2, sampler=sampler, num_workers=workers))

    alone, shared = batches(0), batches(2)
    assert [len(pixels) for pixels, _ in alone] == [2, 2, 1]
    for a, b in zip(alone, shared, strict=True):
        assert torch.equal(a[0], b[0])
        assert torch.equal(a[1], b[1])


def test_whole_pictures():
    dataset = PictureDataset(SOURCE, [4, 0])
    assert len(dataset) == 2
    assert isinstance(dataset[0], LabelledPicture)
    np.testing.assert_array_equal(dataset[0].pixels, SOURCE.load(4).pixels)


def epoch(length, number, rank=0, world=1, seed=0):
    sampler = EpochSampler(length, seed, rank, world)
    sampler.set_epoch(number)
    keys = list(sampler)
    assert len(keys) == len(sampler)
    assert {draw for draw, _ in keys} <= {number}
    return [position for _, position in keys]


def test_each_picture_once_an_epoch_in_a_fresh_order():
    assert sorted(epoch(20, 0)) == list(range(20))
    assert epoch(20, 1) == epoch(20, 1)
    assert len({tuple(epoch(20, n)) for n in range(10)}) == 10
    assert epoch(20, 1) != epoch(20, 1, seed=1)
    assert epoch(0, 0) == []


def test_epoch_of_a_resumed_run_is_that_of_an_unbroken_one():
    unbroken = EpochSampler(9, seed=5)
    orders = []
    for number in range(4):
        unbroken.set_epoch(number)
        orders.append(list(unbroken))
    resumed = EpochSampler(9, seed=5)
    resumed.set_epoch(3)
    assert list(resumed) == orders[3]


@pytest.mark.parametrize(("length", "world"), [(10, 2), (11, 2), (1, 2), (10, 3), (2, 5)])
def test_shares_are_equal_and_cover_everything(length, world):
    shares = [epoch(length, 2, rank, world) for rank in range(world)]
    assert len({len(share) for share in shares}) == 1
    everything = [position for share in shares for position in share]
    assert set(everything) == set(range(length))
    assert len(everything) < length + world  # only padding is drawn twice


def test_to_bytes_is_within_half_a_step_of_the_one_formula():
    pixels = np.random.default_rng(0).integers(0, 65_536, (20, 30, 1)).astype(np.uint16)
    result = to_bytes(pixels, Preprocessing())
    assert (result.dtype, result.shape) == (np.uint8, (20, 30, 3))
    assert np.abs(result / 255 - Preprocessing()(pixels)).max() <= 0.5 / 255 + 1e-6
