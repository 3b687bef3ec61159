"""Train, validation and test: seeded, every kind of image in equal shares, and no group on two sides."""

import csv
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_modules.pictures import PictureInfo
from segmentation.errors import DataError, ParameterError


@dataclass(frozen=True)
class Split:
    """Indices of pictures.

    Attributes:
        train: the network learns from these.
        validation: choose the checkpoint and the decode parameters.
        test: the held-out fold that reports use; nothing is chosen on it.
        left_out: used nowhere, since a picture of their group is in the test fold of a given table.
    """

    train: list[int]
    validation: list[int]
    test: list[int]
    left_out: list[int]


def split_pictures(
    infos: list[PictureInfo],
    *,
    folds: int = 4,
    fold: int = 0,
    validation_fraction: float = 0.1,
    seed: int = 0,
    table: dict[str, int] | None = None,
) -> Split:
    """Hold out one fold for testing, and a part of the rest for validation; whole groups always.

    Args:
        infos: name, kind and group of every picture.
        folds: number of folds, used without a table.
        fold: the one held out.
        validation_fraction: of the pictures outside the held-out fold, in (0, 1).
        seed: another seed gives other folds and another validation part.
        table: picture name -> fold, to use folds that others published. Pictures outside the fold whose group reaches
            into it are left out of training.

    Raises:
        ParameterError: for values out of range.
        DataError: if a part would be empty, or the table misses a picture.
    """
    if folds < 2 or not 0 < validation_fraction < 1 or fold < 0 or (table is None and fold >= folds):
        raise ParameterError(
            f"folds={folds}, fold={fold}, validation_fraction={validation_fraction}: give at least 2 folds, a fold "
            "below that number, and a fraction strictly between 0 and 1."
        )
    groups: dict[str, list[int]] = defaultdict(list)
    for index, info in enumerate(infos):
        groups[info.group].append(index)
    kind_of_group = {group: infos[members[0]].kind for group, members in groups.items()}
    left_out: list[int] = []
    if table is None:
        assigned = _deal(groups, kind_of_group, [1.0] * folds, seed)
        test = [index for group in groups if assigned[group] == fold for index in groups[group]]
        rest = {group: members for group, members in groups.items() if assigned[group] != fold}
    else:
        if missing := [info.name for info in infos if info.name not in table]:
            raise DataError(f"The fold table has no line for {len(missing)} pictures, e.g. {missing[0]}; add them.")
        test = [index for index, info in enumerate(infos) if table[info.name] == fold]
        held = {infos[index].group for index in test}
        left_out = [i for group in held for i in groups[group] if table[infos[i].name] != fold]
        rest = {group: members for group, members in groups.items() if group not in held}
    sides = _deal(rest, kind_of_group, [1 - validation_fraction, validation_fraction], seed + 1)
    train = [index for group, members in rest.items() if sides[group] == 0 for index in members]
    validation = [index for group, members in rest.items() if sides[group] == 1 for index in members]
    if not (train and validation and test):
        raise DataError(
            f"{len(infos)} pictures in {len(groups)} groups leave {len(train)} for training, {len(validation)} for "
            f"validation and {len(test)} for testing, and each needs one: add pictures, lower folds ({folds}), raise "
            f"validation_fraction ({validation_fraction}), or say what belongs together (group_pattern)."
        )
    return Split(sorted(train), sorted(validation), sorted(test), sorted(left_out))


def _deal(
    groups: dict[str, list[int]], kind_of_group: Mapping[str, str], shares: list[float], seed: int
) -> dict[str, int]:
    """Give each group to the part that lacks the largest share of its kind, largest groups first.

    Near ties go to the part that lacks most of all kinds together.
    """
    generator = np.random.default_rng(seed)
    names = sorted(groups)
    order = [names[i] for i in generator.permutation(len(names))]
    order.sort(key=lambda group: -len(groups[group]))  # stable: equal sizes stay shuffled
    total_of_kind: dict[str, int] = defaultdict(int)
    for group in order:
        total_of_kind[kind_of_group[group]] += len(groups[group])
    total = sum(total_of_kind.values())
    want = np.array(shares) / sum(shares)
    dealt_kind: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(len(shares)))
    dealt = np.zeros(len(shares))
    result = {}
    for group in order:
        kind, size = kind_of_group[group], len(groups[group])
        lack_of_kind = want * total_of_kind[kind] - dealt_kind[kind]
        lack = (want * total - dealt) / max(total, 1)
        part = int(np.argmax(lack_of_kind / (want * total_of_kind[kind]) + 1e-3 * lack))
        dealt_kind[kind][part] += size
        dealt[part] += size
        result[group] = part
    return result


def read_fold_table(path: str | Path) -> dict[str, int]:
    """Read picture name -> fold from a CSV file with columns ImageId (or name) and fold.

    Raises:
        DataError: if the file cannot be read, or lacks a column.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:  # Excel writes a mark
            rows = list(csv.DictReader(file))
        column = "ImageId" if rows and "ImageId" in rows[0] else "name"
        return {row[column]: int(row["fold"]) for row in rows}
    except (OSError, KeyError, ValueError, TypeError, csv.Error) as error:
        raise DataError(
            f"{path}: not readable as a fold table ({type(error).__name__}: {error}); give a CSV file with the columns "
            "ImageId (or name) and fold."
        ) from error
