"""The real data, read once: what is known of it, and that it splits evenly."""

import csv
from collections import Counter

import pytest

from data_modules.splits import read_fold_table, split_pictures
from tests.data_modules.test_splits import kinds


@pytest.mark.real_data
@pytest.mark.timeout(600)
def test_the_real_archive(real_source, real_data):
    infos = real_source.infos
    assert Counter(info.kind for info in infos) == {"fluorescence": 541, "brightfield": 16, "tissue": 107}
    with (real_data / "groups.csv").open() as file:
        clusters = {row["ImageId"]: row["cluster"] for row in csv.DictReader(file)}
    kind_of = dict(zip("afdbce", ["fluorescence"] * 2 + ["brightfield"] + ["tissue"] * 3, strict=True))
    assert [info.kind for info in infos] == [kind_of[clusters[info.name]] for info in infos]
    nuclei = [real_source.load(index).labels.max() for index in range(len(infos))]
    assert len(nuclei) == 664
    assert sum(map(int, nuclei)) == 28_986


@pytest.mark.real_data
@pytest.mark.timeout(600)
def test_real_archive_splits_evenly(real_source, real_data):
    infos = real_source.infos
    for fold in range(4):
        split = split_pictures(infos, fold=fold)
        assert abs(len(split.test) - 166) <= 4
        for kind, count in kinds(infos, range(len(infos))).items():
            assert abs(kinds(infos, split.test)[kind] - count / 4) <= 2
            assert abs(kinds(infos, split.validation)[kind] - 0.1 * 0.75 * count) <= 2
    table = read_fold_table(real_data / "groups.csv")
    split = split_pictures(infos, table=table)
    assert len(split.test) == sum(fold == 0 for fold in table.values())
    held = {infos[index].group for index in split.test}
    assert held.isdisjoint(infos[index].group for index in split.train + split.validation)
