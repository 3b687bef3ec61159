"""The device by its name, and when PyTorch is asked for it."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from segmentation import devices
from segmentation.errors import ParameterError


def test_auto_without_a_gpu_is_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert devices.choose_device("auto") == devices.choose_device("cpu") == "cpu"


def test_auto_takes_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "empty", lambda *_, device: None)
    assert devices.choose_device("auto") == "cuda"
    assert devices.choose_device("cuda:3") == "cuda:3"


@pytest.mark.parametrize("name", ["cuda:99", "tpu", ""])
def test_devices_that_are_not_there(name: str) -> None:
    with pytest.raises(ParameterError, match=r"not usable here .*; choose 'auto' or 'cpu'\."):
        devices.choose_device(name)


LOOKED_FOR = """
import sys
from pathlib import Path
from segmentation import devices
devices._GPU_FILES = (sys.argv[1],)
sys.platform = "linux"
print(devices.may_have_gpu(), devices.cuda_count(), "torch" in sys.modules)
"""


@pytest.mark.parametrize(("pattern", "answer"), [("nul[l]", "True 0 True"), ("no such driver", "False 0 False")])
def test_pytorch_is_asked_only_where_a_driver_is(pattern: str, answer: str, project_root: Path) -> None:
    if torch.cuda.device_count():
        pytest.skip("there is a GPU")
    command = [sys.executable, "-c", LOOKED_FOR, pattern]
    assert subprocess.check_output(command, cwd=project_root, text=True).strip() == answer


THREADS = """
import os
from segmentation import devices
assert devices.given_threads() is None
devices.set_threads(1)
assert devices.given_threads() == 1
import torch
assert torch.get_num_threads() == devices.given_threads() == 1
devices.set_threads(2)
assert torch.get_num_threads() == devices.given_threads() == 2
"""


def test_threads_hold_whenever_pytorch_is_loaded(project_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    subprocess.run([sys.executable, "-c", THREADS], cwd=project_root, check=True)
