"""Trainings that die at the worst moments and go on: nothing is damaged, and the weights are as if they had not."""

import zipfile
from pathlib import Path

import pytest
import torch

from benchmarks.faults_training import unlike
from benchmarks.faults_trees import half_written
from lightning_modules import checkpoint_files, train
from lightning_modules.checkpoint_files import LAST, PREVIOUS, WholeCheckpoints, damage, newest, read
from segmentation.errors import NucleoscopeError
from tests.faults import children

SETTINGS = {
    "--data.source.init_args.pictures": "24",
    "--data.source.init_args.size": "48",
    "--data.source.init_args.nuclei": "4",
    "--data.crop": "32",
    "--data.batch_size": "4",
    "--data.crops_per_epoch": "16",
    "--data.workers": "1",  # ahead of the training by some batches, which a kill throws away
    "--model.network.init_args.channels": "[4,8]",
    "--model.network.init_args.dropout": "[0.2,0.2]",
    "--model.magnification": "1.0",
    "--trainer.callbacks": "lightning_modules.callbacks.AveragedWeights",
    "--trainer.max_epochs": "3",
    "--trainer.deterministic": "true",
    "--trainer.enable_progress_bar": "false",
    "--trainer.enable_model_summary": "false",
    "--trainer.accelerator": "cpu",
    "--ckpt_path": "last",
}


def arguments(project_root: Path, root: Path, **more: str) -> list[str]:
    settings = {**SETTINGS, "--trainer.default_root_dir": str(root), **more}
    config = ["fit", "--config", str(project_root / "configs" / "synthetic.yaml")]
    return [*config, *(part for item in settings.items() for part in item)]


def test_killed_at_every_kind_of_moment(project_root: Path, tmp_path: Path) -> None:
    unbroken, killed = tmp_path / "unbroken", tmp_path / "killed"
    assert children.ended(children.train, arguments(project_root, unbroken), "") == 0
    reached = []
    for step in (
        "before last.ckpt has its name",
        "in the middle of the second epoch",
        "after last.ckpt became previous.ckpt",
        "while the bundle is made",
    ):
        assert children.ended(children.train, arguments(project_root, killed), step) == children.KILLED, step
        found = sorted((killed / "checkpoints").glob("*.ckpt"))
        assert [damage(path) for path in found] == [None] * len(found)
        reached.append(read(killed / "checkpoints" / LAST)["epoch"] if (killed / "checkpoints" / LAST).exists() else -1)
    assert reached == [-1, 0, 0, 2]
    assert children.ended(children.train, arguments(project_root, killed), "") == 0
    assert unlike(killed, unbroken) == ""
    assert half_written(killed) == []


def test_a_run_that_had_stopped_early_does_not_go_on(project_root: Path, tmp_path: Path) -> None:
    """Killed while its bundle is made, it would learn for another epoch, and end with other weights."""
    more = {"--early_stopping.min_delta": "2", "--early_stopping.patience": "1", "--trainer.max_epochs": "4"}
    more |= {"--data.workers": "0", "--export.tune": "false"}
    last = tmp_path / "checkpoints" / LAST
    train.main(arguments(project_root, tmp_path, **more))
    before = read(last)
    assert before["epoch"] == 1
    train.main(arguments(project_root, tmp_path, **more))
    assert read(last)["global_step"] == before["global_step"]
    train.main(arguments(project_root, tmp_path, **{**more, "--early_stopping.patience": "2"}))
    assert read(last)["epoch"] == 2  # more patience than the run before, and it goes on


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """``last.ckpt`` of epoch 1, and ``previous.ckpt`` of epoch 0."""
    for epoch in range(2):
        WholeCheckpoints().save_checkpoint({"epoch": epoch, "state": torch.arange(999.0)}, tmp_path / LAST)
    assert (read(tmp_path / LAST)["epoch"], read(tmp_path / PREVIOUS)["epoch"]) == (1, 0)
    return tmp_path / LAST, tmp_path / PREVIOUS


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def write_others_bytes(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("harm", [flip_a_bit, cut_short, write_others_bytes])
def test_a_damaged_checkpoint_is_told_and_the_one_before_goes_on(harm, two: tuple[Path, Path]) -> None:
    last, previous = two
    assert newest(last.parent) == last
    harm(last)
    with pytest.raises(NucleoscopeError, match=rf"damaged.*go on from the one before it with --ckpt_path {previous}"):
        read(last)
    with pytest.warns(UserWarning, match=r"last\.ckpt: it is damaged.*training goes on from previous\.ckpt"):
        assert newest(last.parent) == previous
    harm(previous)
    with pytest.raises(NucleoscopeError, match=r"previous\.ckpt: .*remove what is damaged"):
        newest(last.parent)


def test_a_bit_that_changed_is_what_pytorch_does_not_notice(two: tuple[Path, Path]) -> None:
    """Why the checksums are looked at here: were PyTorch to do so itself, that could go."""
    flip_a_bit(two[0])
    assert (torch.load(two[0], weights_only=True)["state"] != torch.arange(999.0)).sum() == 1
    with zipfile.ZipFile(two[0]) as archive:
        assert archive.testzip() is not None


def test_disks_without_second_names(two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_files.os, "link", lambda *_: (_ for _ in ()).throw(OSError(1, "not permitted")))
    WholeCheckpoints().save_checkpoint({"epoch": 2}, two[0])
    assert [read(path)["epoch"] for path in two] == [2, 1]


class Spy:
    def __reduce__(self) -> tuple:
        return (print, ("code ran",))


def test_a_strangers_checkpoint_runs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"epoch": Spy()}, tmp_path / LAST)
    with pytest.raises(NucleoscopeError, match="it holds more than numbers, which could run code"):
        WholeCheckpoints().load_checkpoint(tmp_path / LAST, weights_only=False)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("command", "wanted", "says"),
    [
        ("fit", "missing.ckpt", "missing.ckpt: there is no such file"),
        ("validate", "last", "there is no checkpoint yet; train first, or name --model.bundle"),
    ],
)
def test_what_cannot_be_gone_on_from_is_one_sentence(
    command: str, wanted: str, says: str, project_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = arguments(project_root, tmp_path, **{"--ckpt_path": wanted})
    assert train.command_line([command, *words[1:]]) == 1
    assert f"{says}" in capsys.readouterr().err.strip().splitlines()[-1]
