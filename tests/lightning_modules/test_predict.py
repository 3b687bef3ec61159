"""``predict`` in several processes: the command line's files, each picture once, also after a process was killed."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from pytorch_lightning import Callback, LightningModule, Trainer

from data_modules import SegmentationDataModule, SyntheticNuclei
from lightning_modules.predictions import WritePredictions, _Post, _wait
from lightning_modules.segmentation_module import SegmentationModule
from segmentation.__main__ import main as command_line
from segmentation.batch_inputs import find_files
from segmentation.errors import DataError, ParameterError
from tests.segmentation.batches import contents, modified, six_pictures, summary


class KillSecond(Callback):
    """Kills the second process, as a machine that loses power does, after its second picture."""

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if trainer.global_rank == 1 and batch_idx == 1:
            os.kill(os.getpid(), signal.SIGKILL)


def predict(pictures: Path, bundle: Path, **settings: Any) -> list[Any]:
    trainer = Trainer(
        accelerator="cpu",
        logger=False,
        callbacks=[WritePredictions(**settings)],
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    data = SegmentationDataModule(SyntheticNuclei(), predict_path=str(pictures))
    return trainer.predict(SegmentationModule(bundle=str(bundle)), data) or []


@pytest.fixture
def by_command_line(tmp_path: Path, bundle_folder: Path) -> dict[str, Any]:
    pictures = six_pictures(tmp_path / "in")
    arguments = [str(pictures), "--out", str(tmp_path / "expected"), "--model", str(bundle_folder), "--device", "cpu"]
    assert command_line(arguments) == 1  # one is broken
    return contents(tmp_path / "expected")


def test_one_process_writes_what_the_command_line_does(
    by_command_line: dict[str, Any], tmp_path: Path, bundle_folder: Path
) -> None:
    with pytest.raises(DataError, match=r"1 file failed; .*summary\.csv says why"):
        predict(tmp_path / "in", bundle_folder, folder=str(tmp_path / "got"))
    assert contents(tmp_path / "got") == by_command_line


@pytest.mark.timeout(600)
def test_two_processes_of_which_one_is_killed_and_then_two_again(
    by_command_line: dict[str, Any], tmp_path: Path, bundle_folder: Path, project_root: Path
) -> None:
    out = tmp_path / "got"
    command = [sys.executable, "-m", "lightning_modules.train", "predict"]
    command += ["--model.bundle", str(bundle_folder), "--data.predict_path", str(tmp_path / "in")]
    command += ["--predictions.folder", str(out), "--trainer.default_root_dir", str(tmp_path / "run")]
    command += ["--trainer.accelerator", "cpu", "--trainer.devices", "2", "--trainer.strategy", "ddp"]
    command += ["--trainer.enable_progress_bar", "false", "--trainer.logger", "false"]

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        # In a session of its own, so that no process stays behind if this takes too long.
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen([*command, *more], cwd=project_root, start_new_session=True, **pipes) as running:
            try:
                said, errors = running.communicate(timeout=240)
            except subprocess.TimeoutExpired:
                os.killpg(running.pid, signal.SIGKILL)
                raise
        return subprocess.CompletedProcess(command, running.returncode, said, errors)

    kill = ["--trainer.callbacks+=tests.lightning_modules.test_predict.KillSecond", "--predictions.patience", "2"]
    killed = run(*kill)
    if killed.returncode == -9:  # on a busy machine Lightning's own watchman comes first, and ends all of them
        assert "Forcefully terminating all other processes" in killed.stderr
    else:
        assert killed.returncode == 1
        assert "2 files not done: process 1 ended too early" in killed.stderr, killed.stderr[-3000:]
        assert "resume" in killed.stderr
        assert len(summary(out)) == 5
    assert (out / "p1_run.json").exists()  # the picture after which it was killed, before it could be told
    before = modified(out)
    again = run("--predictions.resume", "true")
    assert again.returncode == 1
    assert "1 file failed" in again.stderr, again.stderr[-3000:]
    assert contents(out) == by_command_line
    assert {path: time for path, time in modified(out).items() if path in before} == before  # nothing is done twice


def test_more_processes_than_pictures_have_nothing_to_do(tmp_path: Path) -> None:
    six_pictures(tmp_path / "in")
    data = SegmentationDataModule(SyntheticNuclei(), predict_path=str(tmp_path / "in"))
    assert data.allow_zero_length_dataloader_with_multiple_devices
    shares = []
    for rank in range(9):
        data.trainer = FakeTrainer(rank, 9)  # type: ignore[assignment]
        FakeTrainer.said = FakeTrainer.said or find_files([tmp_path / "in"])
        shares += [[task.index for task in data.predict_dataloader()]]
    assert sorted(index for share in shares for index in share) == list(range(7))
    assert max(map(len, shares)) == 1


class FakeTrainer:
    def __init__(self, rank: int, world: int) -> None:
        self.global_rank, self.world_size, self.strategy = rank, world, self

    def broadcast(self, value: Any) -> Any:
        """What the first process found: here it finds the same."""
        return value if self.global_rank == 0 else FakeTrainer.said

    said: Any = None


def test_an_answer_without_pictures_reaches_every_process(tmp_path: Path) -> None:
    data = SegmentationDataModule(SyntheticNuclei(), predict_path=str(tmp_path))
    data.trainer = FakeTrainer(0, 2)  # type: ignore[assignment]
    with pytest.raises(DataError, match="no pictures in this folder") as caught:
        data.predict_dataloader()
    FakeTrainer.said = str(caught.value)
    data.trainer = FakeTrainer(1, 2)  # type: ignore[assignment]
    with pytest.raises(DataError, match="no pictures in this folder"):
        data.predict_dataloader()


def test_a_process_that_gives_no_sign_is_given_up_and_a_slow_one_is_not(tmp_path: Path) -> None:
    done, slow, silent = (_Post(tmp_path, rank) for rank in range(3))
    for post in (done, slow):
        post.begin(0.05)
    done.end()
    threading.Timer(1.0, slow.end).start()
    assert _wait([done, slow, silent], patience=0.5) == [2]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"format": "labels,nonsense"}, "'nonsense' does not exist"),
        ({"patience": 0.0}, "patience=0.0"),
        ({"projection": "sum"}, "sum"),
    ],
    ids=str,
)
def test_wrong_settings(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ParameterError, match=says):
        WritePredictions(**settings)


def test_predict_without_a_place_for_results(tmp_path: Path, bundle_folder: Path) -> None:
    six_pictures(tmp_path / "in")
    trainer = Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False)
    data = SegmentationDataModule(SyntheticNuclei(), predict_path=str(tmp_path / "in"))
    with pytest.raises(ParameterError, match="WritePredictions"):
        trainer.predict(SegmentationModule(bundle=str(bundle_folder)), data)
