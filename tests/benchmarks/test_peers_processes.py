"""The processes and environments in which the tools that are compared run."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import peers_environments
from benchmarks.peers import judge
from benchmarks.peers_base import Clock, Tool, peak_memory
from benchmarks.peers_environments import (
    OWN,
    PEERS,
    Peer,
    install,
    installed_bytes,
    is_installed,
    last_words,
    needed,
    python_of,
)
from benchmarks.peers_pictures import timed_picture
from benchmarks.peers_process import PeerError, Worker, environment
from benchmarks.peers_tools import TOOLS
from benchmarks.peers_worker import answer

READY = 'import json, sys, time\nprint(json.dumps({"version": "1"}), flush=True)\n'


def worker(tmp_path: Path, script: str, timeout: float = 20) -> Worker:
    return Worker([sys.executable, "-c", script], environment(1), tmp_path / "log", timeout)


# Processes


def test_worker_answers_although_it_prints(tmp_path: Path) -> None:
    script = READY + 'for line in sys.stdin: print(json.dumps({"got": json.loads(line)["picture"]}), flush=True)'
    running = worker(tmp_path, script)
    assert running.ready == {"version": "1"}
    assert running.start > 0
    assert [running.ask({"picture": name}, 20)["got"] for name in "ab"] == ["a", "b"]
    running.close()


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("time.sleep(60)", "no answer within 1 s"),
        ("sys.exit('ValueError: out of luck')", r"code 1 \(ValueError: out of luck\)"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "killed, probably for want of memory"),
        ('sys.stdin.readline(); print(json.dumps({"error": "E: a\\nb"}), flush=True); time.sleep(60)', "E: a b"),
    ],
)
def test_worker_that_fails_says_why_and_never_hangs(tmp_path: Path, script: str, says: str) -> None:
    running = worker(tmp_path, READY + script)
    with pytest.raises(PeerError, match=says):
        running.ask({"picture": "x"}, 1 if "sleep(60)" in script and "error" not in script else 20)
    running.close()
    with pytest.raises(PeerError):
        running.ask({"picture": "x"}, 5)


def test_worker_that_never_gets_ready_is_ended(tmp_path: Path) -> None:
    with pytest.raises(PeerError, match="no answer within 1 s"):
        worker(tmp_path, "import time; time.sleep(60)", timeout=1)


def test_real_worker_segments_with_the_shipped_model_and_is_judged(tmp_path: Path, project_root: Path) -> None:
    picture = timed_picture(160, tmp_path)

    def start() -> Worker:
        command = [sys.executable, "-m", "benchmarks.peers_worker", OWN, "1", str(tmp_path)]
        return Worker(command, environment(1), tmp_path / "log", 60)

    running = start()
    assert running.ready["parameters"] == 1_886_098
    told = running.ask({"picture": str(picture), "labels": None}, 60)
    running.close()
    assert 0 < told["network"] < told["seconds"]
    assert told["nuclei"] == pytest.approx(500 * 160**2 / 1024**2, abs=2)
    scores = judge(start, [picture], tmp_path, 60)
    assert scores["ap50"] > 0.8
    assert 0 < scores["ap75"] <= scores["ap50"]


def test_what_libraries_print_never_mixes_with_the_answers(tmp_path: Path) -> None:
    script = (
        "import sys, os; from benchmarks import peers_worker as w; from benchmarks.peers_base import Tool\n"
        "class Loud(Tool):\n"
        "    version = '7'\n"
        "    def __init__(self): print('loading'); os.system('echo from below')\n"
        "w.TOOLS['loud'] = lambda weights: Loud(); sys.argv = ['', 'loud', '1', '']; w.main()"
    )
    running = worker(tmp_path, script)
    running.close()
    assert running.ready["version"] == "7"
    assert "from below" in (tmp_path / "log").read_text()


def test_modules_for_other_environments_need_numpy_alone(project_root: Path) -> None:
    """They run where neither this project's packages nor those of the other tools are."""
    script = (
        "import sys, benchmarks.peers_worker, benchmarks.peers_stardist; "
        "print([n for n in ('segmentation', 'torch', 'scipy', 'cv2', 'data_modules', 'packaging') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=project_root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_otsu_is_timed_without_loading_the_training(project_root: Path) -> None:
    """Else its memory would be Lightning's."""
    script = "import sys, benchmarks.otsu; print('lightning_modules' in sys.modules or 'data_modules' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=project_root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# Environments


def test_own_tools_run_in_this_environment_and_others_in_theirs(tmp_path: Path) -> None:
    assert set(PEERS) == set(TOOLS)
    assert python_of(OWN, tmp_path) == Path(sys.executable)
    assert python_of("stardist", tmp_path).is_relative_to(tmp_path / "stardist")
    assert all("==" in pin for peer in PEERS.values() for pin in peer.pins)


def test_environment_is_kept_while_its_pins_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], **settings: object) -> SimpleNamespace:
        commands.append(command)
        return SimpleNamespace(returncode=0, stdout="")

    monkeypatch.setattr(peers_environments.subprocess, "run", run)
    assert not is_installed("cellpose", tmp_path)
    assert install("cellpose", tmp_path, 1) == ""
    assert commands[0][1:3] == ["-m", "venv"]
    assert any("torch==" in word for word in commands[1])  # alone and first
    assert not any("cellpose==" in word for word in commands[1])
    assert install("cellpose", tmp_path, 1) == ""
    assert len(commands) == 3
    monkeypatch.setitem(PEERS, "cellpose", Peer("Cellpose", ("cellpose==0",)))
    assert not is_installed("cellpose", tmp_path)


def test_environment_that_cannot_be_made_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(command: list[str], **settings: object) -> SimpleNamespace:
        return SimpleNamespace(returncode=1, stdout="ERROR: No matching distribution\n[notice] be well\n")

    monkeypatch.setattr(peers_environments.subprocess, "run", refuse)
    assert "No matching distribution" in install("stardist", tmp_path, 1)
    assert not is_installed("stardist", tmp_path)

    def dawdle(command: list[str], **settings: object) -> SimpleNamespace:
        raise subprocess.TimeoutExpired(command, 7)

    monkeypatch.setattr(peers_environments.subprocess, "run", dawdle)
    assert "within 7 s" in install("stardist", tmp_path, 7)


def test_last_words() -> None:
    assert last_words("") == "no output"
    assert last_words("a\n b \n\n") == "b"
    assert last_words("Traceback\nValueError: x\nbye") == "ValueError: x"


def test_needed_follows_requirements_through_extras() -> None:
    assert "numpy" in needed(["scipy"])
    assert "scipy" not in needed(["numpy"])
    assert "typeshed-client" in needed(["jsonargparse[signatures]"])
    assert "typeshed-client" not in needed(["jsonargparse"])
    assert needed(["there-is-no-such-package"]) == set()


def test_installed_bytes_counts_files_but_not_pip(tmp_path: Path) -> None:
    site = tmp_path / "stardist" / "lib" / "python3.11" / "site-packages"
    for name, size in (("pip/a.py", 1000), ("stardist/b.py", 20), ("stardist/sub/c.so", 3), ("six.py", 400)):
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_bytes(b"x" * size)
    assert installed_bytes("stardist", tmp_path) == 423


# What the timed process measures


def test_answer_times_tool_and_network_and_saves_labels(tmp_path: Path) -> None:
    class Half(Tool):
        version = "1"

        def __init__(self) -> None:
            self.network = Clock(lambda pixels: pixels > 100)
            self.network.seconds = 99  # of an earlier picture

        def __call__(self, pixels: np.ndarray) -> np.ndarray:
            return self.network(pixels) * 3  # type: ignore[misc]

    np.savez(tmp_path / "p.npz", pixels=np.array([[0, 200]], np.uint8), labels=np.zeros((1, 2)))
    told = answer(Half(), {"picture": str(tmp_path / "p.npz"), "labels": str(tmp_path / "l.npy")})
    assert told["nuclei"] == 1
    assert 0 < told["network"] <= told["seconds"] < 9
    np.testing.assert_array_equal(np.load(tmp_path / "l.npy"), [[0, 3]])


def test_peak_memory_rises_with_what_is_held(project_root: Path) -> None:
    before = peak_memory()
    if before is None:
        pytest.skip("this system does not tell")
    # A process of its own, since this one may have held more before.
    script = (
        "import benchmarks.peers_base as b; p = b.peak_memory(); x = bytearray(90 << 20); print(b.peak_memory() - p)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=project_root, capture_output=True, text=True, check=True)
    assert int(done.stdout) > 80 << 20
