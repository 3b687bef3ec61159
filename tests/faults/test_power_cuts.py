"""Files and folders after a power cut at every step of writing them, and what killed processes leave behind."""

import os
import time
from pathlib import Path

import pytest

from benchmarks import faults_power
from benchmarks.faults_power import power_cuts
from segmentation import atomic
from segmentation.atomic import replacing, replacing_folder, scratch_beside, temporary_folder, tidy


@pytest.fixture(scope="module")
def dead() -> int:
    """Number of a process that is no more."""
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return child


def left_by(process: int, folder: Path, machine: str | None = None) -> Path:
    return folder / f".{machine or atomic._machine()}-{process}-{'a' * 12}.part"


def test_every_point_of_every_kind_of_write(tmp_path: Path) -> None:
    rows = power_cuts(tmp_path, lambda line: None)
    assert {row.what: row.faults for row in rows} == {row.what: [] for row in rows}
    assert [row.cases > 6 for row in rows] == [True] * 4


@pytest.mark.parametrize("broken", ["_keep", "_keep_folder"])
def test_what_is_not_flushed_is_noticed(broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The study can fail: without the flush, a file has its name after the power cut, and is empty."""
    monkeypatch.setattr(atomic, broken, lambda path: None)
    write = faults_power._write_file if broken == "_keep" else faults_power._write_folder
    monkeypatch.setattr(faults_power, "_KINDS", [("it", write, True)])
    [row] = power_cuts(tmp_path, lambda line: None)
    assert any("neither the old nor the new" in fault for fault in row.faults)


def test_the_name_is_flushed_after_the_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    fsync, move = os.fsync, os.replace
    monkeypatch.setattr(
        os, "fsync", lambda handle: (steps.append(os.readlink(f"/proc/self/fd/{handle}")), fsync(handle))
    )
    monkeypatch.setattr(os, "replace", lambda *names: (steps.append("replace"), move(*names)))
    with replacing(tmp_path / "file") as scratch:
        scratch.write_bytes(b"x")
    assert steps == [str(scratch), "replace", str(tmp_path)]


def test_what_dead_processes_left_goes_and_nothing_else(tmp_path: Path, dead: int) -> None:
    half, folder = (
        left_by(dead, tmp_path),
        left_by(dead, tmp_path).with_name(f".{atomic._machine()}-{dead}-{'b' * 12}.part"),
    )
    half.write_bytes(b"half")
    (folder / "fresh").mkdir(parents=True)
    (folder / "fresh" / "half").touch()
    others = [
        scratch_beside(tmp_path / "at work"),
        left_by(dead, tmp_path, "0" * 8),  # of another computer, where that process may live
        tmp_path / ".hidden.part",
        tmp_path / "plain.part",
    ]
    for path in others:
        path.touch()
    with replacing(tmp_path / "file") as scratch:
        scratch.touch()
    assert {path.name for path in tmp_path.iterdir()} == {"file", *(path.name for path in others)}
    day_before = time.time() - atomic.UNTOUCHED_S - 60
    os.utime(others[1], (day_before, day_before))
    assert tidy(tmp_path) == [others[1]]


def test_a_folder_that_was_on_its_way_comes_back(tmp_path: Path, dead: int) -> None:
    """Where two folders cannot change places, the older one is aside for a moment, and a kill then must not cost it."""
    old = left_by(dead, tmp_path) / "old" / "bundle"
    old.mkdir(parents=True)
    (old / "weights").write_bytes(b"hours of work")
    tidy(tmp_path)
    assert (tmp_path / "bundle" / "weights").read_bytes() == b"hours of work"
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_folder_is_never_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for a moment, where the system can let two folders change places."""
    with replacing_folder(tmp_path / "bundle") as fresh:
        (fresh / "n").write_text("1")
    if not atomic._exchange(tmp_path / "bundle", tmp_path / "bundle"):
        pytest.skip("this disk cannot let two folders change places")
    monkeypatch.setattr(Path, "rename", lambda *_: pytest.fail("it was renamed in two steps"))
    with replacing_folder(tmp_path / "bundle") as fresh:
        (fresh / "n").write_text("2")
    assert (tmp_path / "bundle" / "n").read_text() == "2"
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_pictures_out_of_zips_do_not_stay(tmp_path: Path, dead: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic.tempfile, "gettempdir", lambda: str(tmp_path))
    left_by(dead, tmp_path).mkdir()
    with temporary_folder() as folder:
        assert list(tmp_path.iterdir()) == [folder]
        assert folder.stat().st_mode & 0o777 == 0o700
    assert list(tmp_path.iterdir()) == []
