"""Whether a process still runs, against what the system does: zombies, and numbers that are given again."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from segmentation.atomic import scratch_beside, tidy
from segmentation.processes import began, is_gone, own_name

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells when a process began")


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def wait_for_zombie(process: subprocess.Popen[bytes]) -> None:
    """Until it has ended, without taking note of it as ``wait`` would."""
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


def test_one_that_runs(child: subprocess.Popen[bytes]) -> None:
    start = began(child.pid)
    assert start is not None
    assert start >= (began(os.getpid()) or 0)
    assert not is_gone(child.pid)
    assert not is_gone(child.pid, start)


def test_an_older_one_of_the_same_number_is_gone(child: subprocess.Popen[bytes]) -> None:
    assert is_gone(child.pid, (began(child.pid) or 0) - 1)


def test_a_zombie_is_gone(child: subprocess.Popen[bytes]) -> None:
    start = began(child.pid)
    wait_for_zombie(child)
    os.kill(child.pid, 0)  # to the system it is still there
    assert began(child.pid) is None
    assert is_gone(child.pid, start)
    assert is_gone(child.pid)


def test_one_that_was_waited_for_is_gone(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()
    assert is_gone(child.pid)


def test_a_name_with_brackets_and_spaces(tmp_path: Path) -> None:
    """Its name stands unquoted before the fields that are read."""
    program = tmp_path / "a) S (b"
    program.symlink_to(sys.executable)
    with subprocess.Popen([program, "-c", "input()"], stdin=subprocess.PIPE) as process:
        try:
            assert (began(process.pid) or 0) >= (began(os.getpid()) or 1)
        finally:
            process.kill()


def test_files_of_a_former_process_of_this_number_go(tmp_path: Path) -> None:
    mine = scratch_beside(tmp_path / "result")
    number, start = own_name().split(".")
    former = mine.with_name(mine.name.replace(own_name(), f"{number}.{int(start) - 1}"))
    for path in (mine, former):
        path.touch()
    assert tidy(tmp_path) == [former]
    assert mine.exists()
