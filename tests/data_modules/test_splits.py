"""No group on two sides, every kind in equal shares, and the same split from the same seed."""

from collections import Counter

import numpy as np
import pytest

from data_modules.pictures import PictureInfo
from data_modules.splits import read_fold_table, split_pictures
from segmentation.errors import DataError, ParameterError


def pictures(sizes):
    """``sizes``: for every kind, the sizes of its groups."""
    return [
        PictureInfo(f"{kind}{group}-{i}", kind, f"{kind}{group}")
        for kind, groups in sizes.items()
        for group, size in enumerate(groups)
        for i in range(size)
    ]


SINGLES = pictures({"fluorescence": [1] * 54, "brightfield": [1] * 16, "tissue": [1] * 11})
GROUPED = pictures({"fluorescence": [4] * 9 + [1] * 30, "brightfield": [2] * 8, "tissue": [12, 8, 8] + [4] * 16})


def kinds(infos, indices):
    return Counter(infos[index].kind for index in indices)


@pytest.mark.parametrize("infos", [SINGLES, GROUPED], ids=["singles", "grouped"])
@pytest.mark.parametrize("seed", [0, 1, 7])
def test_folds_and_parts(infos, seed):
    splits = [split_pictures(infos, folds=4, fold=fold, seed=seed) for fold in range(4)]
    assert sorted(index for split in splits for index in split.test) == list(range(len(infos)))
    total, largest = kinds(infos, range(len(infos))), max(Counter(info.group for info in infos).values())
    rounding = 1 if largest == 1 else largest
    for split in splits:
        assert sorted(split.train + split.validation + split.test) == list(range(len(infos)))
        assert split.left_out == []
        sides = [{infos[index].group for index in part} for part in (split.train, split.validation, split.test)]
        assert sum(map(len, sides)) == len(set.union(*sides)), "a group straddles"
        for kind, count in total.items():
            assert abs(kinds(infos, split.test)[kind] - count / 4) <= rounding
            rest = count - kinds(infos, split.test)[kind]
            assert abs(kinds(infos, split.validation)[kind] - 0.1 * rest) <= rounding
    sizes = [len(split.test) for split in splits]
    assert max(sizes) - min(sizes) <= rounding + 1


def test_seed_decides_and_order_of_pictures_does_not():
    assert split_pictures(GROUPED, seed=3) == split_pictures(GROUPED, seed=3)
    assert split_pictures(GROUPED, seed=3).test != split_pictures(GROUPED, seed=4).test
    order = np.random.default_rng(0).permutation(len(GROUPED))
    shuffled = [GROUPED[i] for i in order]
    names = {shuffled[i].name for i in split_pictures(shuffled, seed=3).train}
    assert names == {GROUPED[i].name for i in split_pictures(GROUPED, seed=3).train}


def test_validation_fraction():
    for fraction in (0.1, 0.3, 0.5):
        split = split_pictures(SINGLES, validation_fraction=fraction)
        assert abs(len(split.validation) / (len(split.train) + len(split.validation)) - fraction) < 0.05


def test_table_decides_and_what_shares_a_group_is_left_out():
    table = {info.name: index % 3 for index, info in enumerate(GROUPED)}  # tears the groups apart
    split = split_pictures(GROUPED, fold=2, table=table)
    assert split.test == [index for index, info in enumerate(GROUPED) if table[info.name] == 2]
    held = {GROUPED[index].group for index in split.test}
    assert split.left_out
    assert {GROUPED[index].group for index in split.left_out} <= held
    assert held.isdisjoint(GROUPED[index].group for index in split.train + split.validation)
    parts = split.train + split.validation + split.test + split.left_out
    assert sorted(parts) == list(range(len(GROUPED)))


def test_table_must_name_every_picture():
    with pytest.raises(DataError, match=r"no line for 1 pictures, e\.g\. tissue10-0"):
        split_pictures(SINGLES, table={info.name: 0 for info in SINGLES[:-1]})
    with pytest.raises(DataError, match="0 for testing"):
        split_pictures(SINGLES, fold=5, table={info.name: 0 for info in SINGLES})


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_pictures(count):
    with pytest.raises(DataError, match=f"{count} pictures in {count} groups.*add pictures"):
        split_pictures(SINGLES[:count], folds=2)


def test_three_pictures_are_enough():
    split = split_pictures(SINGLES[:3], folds=2, fold=1)
    assert (len(split.train), len(split.validation), len(split.test)) == (1, 1, 1)


def test_one_group_is_too_few_however_many_pictures():
    with pytest.raises(DataError, match="say what belongs together"):
        split_pictures(pictures({"tissue": [50]}))


@pytest.mark.parametrize(
    "bad",
    [{"folds": 1}, {"fold": -1}, {"fold": 4}, {"validation_fraction": 0.0}, {"validation_fraction": 1.0}],
)
def test_parameters_out_of_range(bad):
    with pytest.raises(ParameterError, match=f"{next(iter(bad))}={next(iter(bad.values()))}"):
        split_pictures(SINGLES, **bad)


@pytest.mark.parametrize(
    "text",
    ["ImageId,group,fold\na,x,0\nb,y,3\n", "name,fold\r\na,0\r\nb,3\r\n", "\ufeffImageId,fold\na,0\nb,3\n"],
    ids=["ImageId", "name", "from Excel"],
)
def test_fold_table(tmp_path, text):
    (tmp_path / "folds.csv").write_text(text, encoding="utf-8", newline="")
    assert read_fold_table(tmp_path / "folds.csv") == {"a": 0, "b": 3}


@pytest.mark.parametrize(
    "data",
    [None, b"id,fold\na,0\n", b"name\na\n", b"name,fold\na,x\n", b"name,fold\na\n", b"\x89PNG\r\n", b"a" * 200_000],
    ids=["missing", "no name", "no fold", "no number", "short line", "binary", "endless"],
)
def test_fold_table_that_is_none(tmp_path, data):
    path = tmp_path / "folds.csv"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(DataError, match=r"folds\.csv: not readable as a fold table.*columns ImageId \(or name\)"):
        read_fold_table(path)
