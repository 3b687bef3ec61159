"""The check-up: what is there is told, what is missing comes with its cure, and nothing stops it."""

import builtins
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

import segmentation.doctor
from segmentation.__main__ import main
from segmentation.doctor import NEEDED, Finding, examine


def found(findings: list[Finding], topic: str) -> Finding:
    (finding,) = [each for each in findings if each.topic == topic]
    return finding


def test_all_is_well(bundle_folder: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["doctor", "--model", str(bundle_folder), "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    for word in (*NEEDED.values(), "python", "threads", "cache", "disk here", "revision", "GiB free", "deflate"):
        assert word in said
    assert "Everything that segmenting needs is here." in said


def test_a_missing_model_is_told_with_its_cure(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["doctor", "--model", str(tmp_path / "nowhere")]) == 1
    said = capsys.readouterr().out
    assert "! model" in said
    assert "no such model folder; give a folder" in said
    assert "1 thing to mend" in said


def test_a_package_that_is_missing_or_broken(monkeypatch: pytest.MonkeyPatch, bundle_folder: Path) -> None:
    load = segmentation.doctor.importlib.import_module

    def import_module(name: str) -> Any:
        if name == "roifile":
            raise ModuleNotFoundError("No module named 'roifile'")
        if name == "cv2":
            raise OSError("libGL.so.1: cannot open shared object file")
        return load(name)

    monkeypatch.setattr(segmentation.doctor.importlib, "import_module", import_module)
    findings = examine(bundle_folder)
    assert found(findings, "roifile").state == "missing"
    assert "pip install roifile==" in found(findings, "roifile").text
    assert "libGL" in found(findings, "opencv-python-headless").text
    assert found(findings, "numpy").state == "ok"


def test_without_pytorch_the_rest_is_still_looked_at(monkeypatch: pytest.MonkeyPatch, bundle_folder: Path) -> None:
    load = builtins.__import__

    def no_torch(name: str, *arguments: Any, **more: Any) -> Any:
        if name == "torch":
            raise ImportError("libtorch is not here")
        return load(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", no_torch)
    findings = examine(bundle_folder)
    assert found(findings, "threads").state == "missing"
    assert found(findings, "disk here").state == "ok"


def test_another_version_and_a_missing_codec_are_notes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, bundle_folder: Path
) -> None:
    (tmp_path / "requirements.txt").write_text("numpy==1.0.0   # arrays\n")
    monkeypatch.setattr(segmentation.doctor, "REQUIREMENTS", tmp_path / "requirements.txt")
    monkeypatch.setattr(segmentation.doctor, "CODECS", ("deflate", "punchcard"))
    findings = examine(bundle_folder)
    assert found(findings, "numpy").state == "note"
    assert "tested with 1.0.0" in found(findings, "numpy").text
    assert "no punchcard" in found(findings, "codecs").text


def test_a_device_that_is_not_there(bundle_folder: Path) -> None:
    finding = found(examine(bundle_folder, "nonsense"), "device")
    assert finding.state == "missing"
    assert "choose auto or cpu" in finding.text


def test_a_full_disk_and_too_many_threads_are_notes(monkeypatch: pytest.MonkeyPatch, bundle_folder: Path) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(2**40, 2**40, 2**20))
    monkeypatch.setattr("torch.get_num_threads", lambda: 999)
    findings = examine(bundle_folder)
    assert found(findings, "disk here").state == "note"
    assert "OMP_NUM_THREADS=" in found(findings, "threads").text
