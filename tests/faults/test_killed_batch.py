"""Batches that die before one of their files has its name, and go on: the results of an unbroken one."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from benchmarks.faults_processes import _command_line, _members
from benchmarks.faults_trees import contents, difference, half_written
from segmentation import atomic
from segmentation.__main__ import main
from tests.conftest import squares
from tests.faults import children


def words(source: Path, out: Path, bundle: Path, *more: str) -> list[str]:
    return [str(source), "--out", str(out), "--model", str(bundle), "--device", "cpu", "--resume", "--quiet", *more]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two pictures, one of them in a folder, and a stack of three pages."""
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    Image.fromarray(squares()).save(folder / "deep" / "a.png")
    Image.fromarray(squares()[:50]).save(folder / "b.png")
    tifffile.imwrite(folder / "stack.tif", np.stack([squares()] * 3), photometric="minisblack")
    return folder


def test_killed_before_chosen_files(pictures: Path, tmp_path: Path, bundle_folder: Path) -> None:
    unbroken, out = tmp_path / "unbroken" / "out", tmp_path / "killed" / "out"
    assert main(words(pictures, unbroken, bundle_folder)) == 0
    expected = contents(unbroken)
    whole = []
    for replaced in (2, 5, 7, 12, 4):  # in a picture, in its record, in a page of the stack, in the summary
        assert children.ended(children.batch, words(pictures, out, bundle_folder), replaced) == children.KILLED
        found = contents(out)
        assert difference(found, expected, whole=False) == ""
        whole.append(len(found))
    assert whole == sorted(whole)  # nothing that was done is lost
    assert children.ended(children.batch, words(pictures, out, bundle_folder), 1000) == 0
    assert difference(contents(out), expected) == ""
    assert half_written(out) == []


def test_pages_that_went_leave_nothing_even_after_a_kill(
    pictures: Path, tmp_path: Path, bundle_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the pages that are left were done: those of the pages that are gone were never looked for again."""
    out = tmp_path / "out"
    assert main(words(pictures, out, bundle_folder)) == 0
    tifffile.imwrite(pictures / "stack.tif", np.stack([squares()] * 2), photometric="minisblack")
    for left in (2, 4, 8, 10, 11):  # in what is removed: of a page done anew, of the page that is gone, its record
        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", _dying_unlink(left, out))
            assert main(words(pictures, out, bundle_folder)) in (0, 130)
    assert main(words(pictures, out, bundle_folder)) == 0
    assert not list(out.rglob("*page3*"))
    assert difference(contents(out), _anew(pictures, tmp_path, bundle_folder)) == ""


def _dying_unlink(left: int, out: Path) -> Callable[..., None]:
    """``Path.unlink`` that dies before it removes the so-manyeth of the results."""
    unlink, calls = Path.unlink, count(1)

    def dying(path: Path, missing_ok: bool = False) -> None:
        if path.parent in (out, out / "thumbnails") and path.suffix != ".part" and next(calls) == left:
            raise KeyboardInterrupt
        unlink(path, missing_ok)

    return dying


def _anew(pictures: Path, tmp_path: Path, bundle_folder: Path) -> dict[str, bytes]:
    out = tmp_path / "anew" / "out"
    assert main(words(pictures, out, bundle_folder)) == 0
    return contents(out)


def test_no_process_outlives_a_killed_batch(tmp_path: Path, bundle_folder: Path, project_root: Path) -> None:
    """Not even for the rest of its picture, here of many seconds: the batch that goes on could be at the same one."""
    (tmp_path / "in").mkdir()
    for index in range(2):
        Image.fromarray(squares()).save(tmp_path / "in" / f"a{index}.png")
        Image.fromarray(np.tile(squares(), (40, 24))).save(tmp_path / "in" / f"large{index}.png")
    out = tmp_path / "out"
    command = words(tmp_path / "in", out, bundle_folder, "--jobs", "2", "--accurate")
    running = subprocess.Popen(
        [sys.executable, "-m", "segmentation", *command],
        cwd=project_root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 100
        while len(list(out.glob("a*_run.json"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
        assert len(list(_members(running.pid))) > 2
        running.kill()
        running.wait()
        deadline = time.monotonic() + 3
        while (left := [pid for pid in _members(running.pid) if _command_line(pid)]) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert left == []
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)


def test_the_journal_of_a_killed_batch_goes(pictures: Path, tmp_path: Path, bundle_folder: Path) -> None:
    out = tmp_path / "out"
    assert children.ended(children.batch, words(pictures, out, bundle_folder), 3) == children.KILLED
    assert len(half_written(out)) == 2  # the journal, and the file that did not get its name
    atomic._tidy_once.cache_clear()
    assert main(words(pictures, out, bundle_folder)) == 0
    assert half_written(out) == []
    assert not multiprocessing.active_children()
