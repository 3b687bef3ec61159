"""Quarters of one field belong together, strangers do not."""

import csv
from collections import Counter, defaultdict

import numpy as np
import pytest

from data_modules.groups import find_groups
from segmentation.examples import make_example


def quarters(field):
    height, width = field.shape[0] // 2, field.shape[1] // 2
    return [field[y : y + height, x : x + width] for y in (0, height) for x in (0, width)]


@pytest.mark.parametrize("appearance", ["fluorescence", "brightfield", "tissue"])
def test_exactly_the_four_quarters_share_a_group(appearance):
    parts = quarters(make_example(appearance, 0, height=512, width=512, nuclei=120).pixels)
    others = [make_example(appearance, seed).pixels for seed in range(1, 6)]
    others.append(parts[0][:-1])  # of another size
    order = np.random.default_rng(0).permutation(len(parts) + len(others))
    groups = find_groups([[*parts, *others][i] for i in order])
    group_of = dict(zip(order.tolist(), groups, strict=True))
    assert len({group_of[i] for i in range(4)}) == 1
    assert len(set(groups)) == 1 + len(others)


def test_unrelated_pictures_of_one_size_stay_apart():
    kinds = ("fluorescence", "brightfield", "tissue")
    pictures = [make_example(kinds[seed % 3], seed, nuclei=40).pixels for seed in range(30)]
    assert len(set(find_groups(pictures))) == 30


def test_empty_borders_say_nothing():
    pictures = np.zeros((4, 32, 32, 1), np.uint8)
    pictures[:, 10:20, 10:20, 0] = np.arange(1, 5)[:, None, None]
    assert len(set(find_groups(pictures))) == 4


def test_copies_belong_together_wherever_they_are():
    a, b = (make_example("tissue", seed, height=32, width=32).pixels for seed in (1, 2))
    first, other, copy, turned, third = find_groups([a, b, a.copy(), np.rot90(a), a.astype(np.uint16)])
    assert first == copy
    assert len({first, other, turned, third}) == 4


def test_no_picture_one_picture_one_pixel():
    assert find_groups([]) == []
    assert find_groups([np.zeros((1, 1, 1), np.uint8)]) == [0]
    assert len(set(find_groups([np.full((1, 1, 3), value, np.uint16) for value in (1, 2)]))) == 2


@pytest.mark.real_data
@pytest.mark.timeout(600)
def test_real_fields_are_found(real_source, real_data):
    with (real_data / "groups.csv").open() as file:
        field_of = {row["ImageId"]: row["group"] for row in csv.DictReader(file)}
    found = defaultdict(list)
    for info in real_source.infos:
        found[field_of[info.name]].append(info.group)
    fields = [groups for groups in found.values() if len(groups) == 4]
    assert len(fields) == 76
    assert sum(len(set(groups)) == 1 for groups in fields) >= 72
    assert max(Counter(info.group for info in real_source.infos).values()) <= 12
