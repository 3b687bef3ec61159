"""Batches in several processes: the files of one, and what becomes of those that are killed or interrupted."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import segmentation.batch
import segmentation.batch_workers
from segmentation.__main__ import main
from segmentation.batch_inputs import Task
from segmentation.batch_settings import Settings
from segmentation.batch_workers import Opening, run_jobs
from segmentation.errors import NucleoscopeError
from tests.conftest import squares
from tests.segmentation.batches import contents, six_pictures, summary


def endless(path: Path) -> None:
    """A picture that is at work for long enough to be interrupted: with eight views, five seconds and more."""
    Image.fromarray(np.tile(squares(), (40, 24))).save(path)


def all_gone(group: int) -> bool:
    """Whether all processes of a group end within a while; Python's own helper of theirs is the last."""
    for _ in range(200):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


def test_two_jobs_write_what_one_does(tmp_path: Path, bundle_folder: Path) -> None:
    pictures = six_pictures(tmp_path / "in")
    for out, jobs in (("one", "1"), ("two", "2")):
        words = [str(pictures), "--out", str(tmp_path / out), "--model", str(bundle_folder), "--device", "cpu"]
        assert main([*words, "--format", "all", "--jobs", jobs]) == 1
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert summary(tmp_path / "two")["image"].tolist() == ["broken", "deep/p0", "p0", "p1", "p2", "p3", "p4"]


def test_a_killed_process_is_told_and_another_goes_on(tmp_path: Path, bundle_folder: Path, monkeypatch) -> None:
    six_pictures(tmp_path / "in")
    endless(tmp_path / "in" / "large.png")
    tasks = [
        Task(n, name, tmp_path / "in" / name, name[:-4]) for n, name in enumerate(("p0.png", "large.png", "p1.png"))
    ]
    opening = Opening(bundle_folder, "bright", "cpu", Settings(tmp_path / "out", None, ("labels",), accurate=True))
    give = segmentation.batch_workers._Worker.give
    doing: list[int] = []

    def give_and_kill(worker: Any, task: Task) -> None:
        give(worker, task)
        doing.append(worker.process.pid)
        if task.name == "large.png":
            threading.Timer(0.5, os.kill, (worker.process.pid, signal.SIGKILL)).start()

    monkeypatch.setattr(segmentation.batch_workers._Worker, "give", give_and_kill)
    before, killed, after = run_jobs(opening, tasks, 1)
    assert (before.name, before.error, before.pages[0].nuclei) == ("p0.png", "", 6)
    assert "large.png: the process that worked on it was killed, most likely because memory ran out" in killed.error
    assert (after.name, after.error, after.pages[0].nuclei) == ("p1.png", "", 6)
    assert doing[0] == doing[1] != doing[2]
    assert not multiprocessing.active_children()


def test_processes_that_cannot_begin_are_one_sentence(tmp_path: Path) -> None:
    task = Task(0, "a.png", tmp_path / "a.png", "a")
    opening = Opening(tmp_path / "nowhere", "nowhere", "cpu", Settings(tmp_path / "out"))
    with pytest.raises(NucleoscopeError, match="no such model folder"):
        list(run_jobs(opening, [task, task], 2))


@pytest.mark.parametrize("jobs", [1, 2])
def test_interrupted_and_resumed(jobs: int, tmp_path: Path, bundle_folder: Path, project_root: Path) -> None:
    """Ctrl-C in the middle: what is done is whole, told and kept, no process stays behind, and resume does the rest."""
    (tmp_path / "in").mkdir()
    for index in range(4):
        Image.fromarray(squares()).save(tmp_path / "in" / f"a{index}.png")
    endless(tmp_path / "in" / "b.png")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "segmentation", str(tmp_path / "in" / "*.png"), "--out", str(out)]
    command += ["--model", str(bundle_folder), "--device", "cpu", "--accurate", "--jobs", str(jobs)]
    running = subprocess.Popen(
        command,
        cwd=project_root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # tests in the background inherit deaf ears
    )
    deadline = time.monotonic() + 100
    while len(list(out.glob("*_run.json"))) < 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.2)
    os.killpg(running.pid, signal.SIGINT)
    said, errors = running.communicate(timeout=100)
    assert running.returncode == 130, errors
    assert "1 file not done; the same command with --resume goes on" in errors
    assert "Traceback" not in errors
    assert "24 nuclei in 4 pictures" in said
    assert len(summary(out)) == 4
    assert not list(out.rglob("*.part"))
    assert all_gone(running.pid)
    Image.fromarray(squares()).save(tmp_path / "in" / "b.png")
    assert main([*command[3:], "--resume"] if jobs == 1 else [*command[3:-2], "--resume"]) == 0
    assert summary(out)["nuclei"].tolist() == [6] * 5
