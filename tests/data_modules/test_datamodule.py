"""The loaders that Lightning sees, over generated pictures."""

import os
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from pytorch_lightning.accelerators import CPUAccelerator, CUDAAccelerator

from data_modules import LabelledPicture, SegmentationDataModule, SyntheticNuclei
from data_modules.splits import split_pictures
from segmentation.errors import DataError, ParameterError
from segmentation.preprocessing import Preprocessing


def module(**settings):
    settings = {"crop": 32, "batch_size": 4, "workers": 0, **settings}
    return SegmentationDataModule(SyntheticNuclei(pictures=24, size=48, nuclei=4), **settings)


def ready(**settings):
    data = module(**settings)
    data.prepare_data()
    data.setup("fit")
    return data


def test_training_batches():
    data = ready()
    batches = list(data.train_dataloader())
    assert len(batches) == len(data.split.train) // 4
    for pixels, targets, weights in batches:
        assert pixels.shape == (4, 3, 32, 32)
        assert targets.shape == weights.shape == (4, 1, 32, 32)
        assert (weights == 1).all()
    again = list(ready().train_dataloader())
    assert all(torch.equal(a[0], b[0]) for a, b in zip(batches, again, strict=True))


def test_fewer_pictures_than_a_batch_are_still_a_batch():
    data = ready(batch_size=100)
    ((pixels, _, _),) = data.train_dataloader()
    assert len(pixels) == len(data.split.train)


def test_evaluation_serves_whole_pictures_of_the_split():
    data = ready(folds=3, fold=1, seed=5, split_seed=2)
    assert data.split == split_pictures(data.source.infos, folds=3, fold=1, seed=2)
    for loader, indices in (
        (data.val_dataloader(), data.split.validation),
        (data.test_dataloader(), data.split.test),
    ):
        pictures = list(loader)
        assert all(isinstance(picture, LabelledPicture) for picture in pictures)
        assert [picture.name for picture in pictures] == [data.source.infos[index].name for index in indices]
        assert pictures[0].pixels.shape[:2] == (48, 48)
        assert isinstance(pictures[0].labels, np.ndarray)


def test_processes_share_the_pictures():
    served, trained = [], []
    for rank in range(2):
        data = ready(batch_size=1, seed=1)
        data.trainer = SimpleNamespace(
            global_rank=rank, world_size=2, predicting=False, lightning_module=None, accelerator=None
        )
        served.append([picture.name for picture in data.test_dataloader()])
        trained.append([position for _, position, _ in data.train_dataloader().sampler])
    names = [data.source.infos[index].name for index in data.split.test]
    assert sorted(served[0] + served[1]) == sorted(names)
    assert set(trained[0]) | set(trained[1]) == set(range(len(data.split.train)))
    assert len(trained[0]) == len(trained[1])


@pytest.mark.parametrize("accelerator", [CPUAccelerator(), CUDAAccelerator()])
def test_workers_give_way_where_training_needs_the_same_cores(accelerator):
    # OpenCV's threads are running when the worker starts, as they are once large pictures have been validated.
    cv2.setNumThreads(2)
    cv2.GaussianBlur(np.zeros((2000, 2000), np.float32), (0, 0), 5)
    data = ready(workers=1)
    data.trainer = SimpleNamespace(
        global_rank=0, world_size=1, predicting=False, lightning_module=None, accelerator=accelerator
    )
    batches = iter(data.train_dataloader())
    next(batches)
    (worker,) = batches._workers
    polite = os.getpriority(os.PRIO_PROCESS, worker.pid) > os.getpriority(os.PRIO_PROCESS, 0)
    assert polite == isinstance(accelerator, CPUAccelerator)


def test_published_folds(tmp_path):
    table = tmp_path / "folds.csv"
    table.write_text("name,fold\n" + "".join(f"synthetic{i:05d},{i % 2}\n" for i in range(24)))
    data = ready(fold_table=str(table), fold=1)
    assert data.split.test == list(range(1, 24, 2))
    assert data.describe()["folds"] == "a published table"


def test_describe():
    data = ready(validation_fraction=0.2)
    split = data.split
    assert data.describe() == {
        "data": "SyntheticNuclei",
        "pictures": f"{len(split.train)} train, {len(split.validation)} validation, {len(split.test)} held out",
        "folds": 4,
        "held-out fold": 0,
        "validation fraction": 0.2,
        "split seed": 0,
    }


@pytest.mark.parametrize("loader", ["train_dataloader", "val_dataloader", "test_dataloader", "describe"])
def test_not_set_up(loader):
    with pytest.raises(DataError, match=r"not split yet; call prepare_data\(\) and setup"):
        getattr(module(), loader)()


def test_predict_needs_no_training_pictures(tmp_path):
    for name in ("b.png", "sub/a.TIF", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    data = module(predict_path=str(tmp_path))
    data.setup("predict")
    assert data.split is None
    tasks = list(data.predict_dataloader())
    assert [(task.path, task.stem) for task in tasks] == [(tmp_path / "b.png", "b"), (tmp_path / "sub/a.TIF", "sub/a")]
    (task,) = module(predict_path=str(tmp_path / "b.png")).predict_dataloader()
    assert task.path == tmp_path / "b.png"


def test_predict_errors(tmp_path):
    with pytest.raises(DataError, match=r"no pictures named; give a file or folder with --data\.predict_path"):
        module().predict_dataloader()
    for path, says in ((tmp_path, "no pictures in this folder"), (tmp_path / "missing", "no such file or folder")):
        with pytest.raises(DataError, match=says):
            module(predict_path=str(path)).predict_dataloader()


def test_crops_are_of_the_module_that_learns_from_them():
    data = ready(touching_weight=2.0)
    learner = SimpleNamespace(maps=("foreground", "boundary"), preprocessing=Preprocessing(channels=3))
    data.trainer = SimpleNamespace(
        global_rank=0, world_size=1, predicting=False, lightning_module=learner, accelerator=None
    )
    batches = list(data.train_dataloader())
    for pixels, targets, weights in batches:
        assert pixels.shape == (4, 3, 32, 32)
        assert targets.shape == (4, 2, 32, 32)
        assert (targets[:, 1] <= targets[:, 0]).all()  # a boundary is part of its nucleus
        assert weights.shape == (4, 1, 32, 32)
    assert set(torch.cat([weights for *_, weights in batches]).unique().tolist()) == {1.0, 3.0}


def test_an_epoch_has_as_many_crops_as_asked_for():
    data = ready(crops_per_epoch=52)
    loader = data.train_dataloader()
    assert len(loader) == 13
    keys = list(loader.sampler)
    assert len(set(keys)) == len(keys) == 52
    count = Counter(position for _, position, _ in keys)
    assert set(count) == set(range(len(data.split.train)))
    assert max(count.values()) - min(count.values()) <= 1


def test_balance_draws_every_kind_as_often():
    def drawn(balance):
        data = ready(crops_per_epoch=60, balance=balance)
        kinds = [data.source.infos[index].kind for index in data.split.train]
        rare = [index for index, kind in zip(data.split.train, kinds, strict=True) if kind == "tissue"][:1]
        common = [index for index, kind in zip(data.split.train, kinds, strict=True) if kind == "fluorescence"]
        data.split = replace(data.split, train=[*rare, *common])
        return Counter(position == 0 for _, position, _ in data.train_dataloader().sampler), len(common)

    count, common = drawn(1.0)
    assert count == {True: 30, False: 30}
    count, common = drawn(0.0)
    assert count[True] == 60 / (common + 1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"crop": 0},
        {"batch_size": 0},
        {"seed": -1},
        {"split_seed": -1},
        {"workers": -1},
        {"crops_per_epoch": 0},
        {"balance": 1.5},
        {"balance": float("nan")},
        {"touching_weight": -1.0},
    ],
)
def test_settings_out_of_range_are_named(wrong: dict[str, int]) -> None:
    (name, value) = next(iter(wrong.items()))
    with pytest.raises(ParameterError, match=f"{name}={value}"):
        SegmentationDataModule(SyntheticNuclei(), **wrong)  # type: ignore[arg-type]
