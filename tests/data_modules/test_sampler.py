"""How often every picture comes in an epoch, in which order, and on which process."""

import math
from collections import Counter

import numpy as np
import pytest

from data_modules.datasets import EpochSampler, balanced_shares

UNEVEN = np.array([3.0, 1.0, 1.0, 0.5, 7.0, 0.1, 2.0])


def epoch(shares, number, draws=None, rank=0, world=1, seed=0):
    """(position, repeat) of one epoch; a number of pictures stands for equal shares."""
    shares = np.ones(shares) if isinstance(shares, int) else shares
    sampler = EpochSampler(shares, len(shares) if draws is None else draws, seed, rank, world)
    sampler.set_epoch(number)
    keys = list(sampler)
    assert len(keys) == len(sampler)
    assert {draw for draw, _, _ in keys} <= {number}
    assert all(type(value) is int for key in keys for value in key)
    return [(position, repeat) for _, position, repeat in keys]


def test_each_picture_once_an_epoch_in_a_fresh_order():
    assert sorted(epoch(20, 0)) == [(position, 0) for position in range(20)]
    assert epoch(20, 1) == epoch(20, 1)
    assert len({tuple(epoch(20, n)) for n in range(10)}) == 10
    assert epoch(20, 1) != epoch(20, 1, seed=1)
    assert epoch(0, 0) == []


@pytest.mark.parametrize("pictures", [1, 2, 3, 7, 49, 97, 670, 1009])
def test_equal_shares_come_equally_often(pictures):
    """Also where the sum of the shares is not exact: 1/49 added up 49 times is not 1."""
    for number in range(30):
        for times in (1, 3):
            drawn = epoch(pictures, number, draws=times * pictures)
            assert sorted(drawn) == [(p, repeat) for p in range(pictures) for repeat in range(times)]


@pytest.mark.parametrize("draws", [1, 5, 7, 64, 301])
def test_shares_are_kept_up_to_rounding(draws):
    """Counted one pointer at a time, as systematic resampling is defined: each count is its share, up or down."""
    expected = draws * UNEVEN / UNEVEN.sum()
    total = np.zeros(len(UNEVEN))
    epochs = 400
    for number in range(epochs):
        drawn = epoch(UNEVEN, number, draws)
        assert len(drawn) == draws
        count = Counter(position for position, _ in drawn)
        for position, share in enumerate(expected):
            assert math.floor(share) <= count[position] <= math.ceil(share)
            total[position] += count[position]
        # Draws of one picture are told apart, without gaps, so that each is another crop.
        assert sorted(drawn) == [(p, repeat) for p in range(len(UNEVEN)) for repeat in range(count[p])]
    deviation = np.sqrt((expected % 1) * (1 - expected % 1) / epochs)
    assert (np.abs(total / epochs - expected) <= 4 * deviation + 0.01).all()


def test_order_does_not_sort_by_picture():
    positions = np.array([position for position, _ in epoch(UNEVEN, 0, 500)])
    assert abs(np.corrcoef(positions, np.arange(500))[0, 1]) < 0.15


def test_epoch_of_a_resumed_run_is_that_of_an_unbroken_one():
    unbroken = EpochSampler(UNEVEN, 9, seed=5)
    orders = []
    for number in range(4):
        unbroken.set_epoch(number)
        orders.append(list(unbroken))
    assert len({tuple(order) for order in orders}) == 4
    resumed = EpochSampler(UNEVEN, 9, seed=5)
    resumed.set_epoch(3)
    assert list(resumed) == list(resumed) == orders[3]


@pytest.mark.parametrize(("length", "world"), [(10, 2), (11, 2), (1, 2), (10, 3), (2, 5)])
def test_shares_are_equal_and_cover_everything(length, world):
    parts = [epoch(length, 2, rank=rank, world=world) for rank in range(world)]
    assert len({len(part) for part in parts}) == 1
    everything = [position for part in parts for position, _ in part]
    assert set(everything) == set(range(length))
    assert len(everything) < length + world  # only padding is drawn twice


@pytest.mark.parametrize(("draws", "world"), [(40, 2), (41, 2), (41, 4), (3, 8)])
def test_processes_part_the_draws_of_one_process(draws, world):
    whole = Counter(epoch(UNEVEN, 3, draws))
    assert max(whole.values()) == 1
    parts = Counter(key for rank in range(world) for key in epoch(UNEVEN, 3, draws, rank, world))
    assert parts.keys() == whole.keys()
    assert sum(parts.values()) == -(-draws // world) * world  # only padding is drawn twice


KINDS = ["fluorescence"] * 16 + ["tissue"] * 4 + ["brightfield"] * 1


@pytest.mark.parametrize("balance", [0.0, 0.25, 0.5, 1.0])
def test_balance_moves_from_pictures_to_kinds(balance):
    shares = balanced_shares(KINDS, balance)
    share = {kind: sum(s for s, k in zip(shares, KINDS, strict=True) if k == kind) for kind in set(KINDS)}
    ratio = (16 / 4) ** (1 - balance)
    assert share["fluorescence"] / share["tissue"] == pytest.approx(ratio)
    assert share["tissue"] / share["brightfield"] == pytest.approx(ratio)
    for kind in share:  # within a kind all are equal
        assert len({s for s, k in zip(shares, KINDS, strict=True) if k == kind}) == 1


def test_balanced_epoch_draws_every_kind_as_often():
    drawn = Counter(KINDS[position] for position, _ in epoch(balanced_shares(KINDS, 1.0), 0, 60))
    assert drawn == {"fluorescence": 20, "tissue": 20, "brightfield": 20}
