"""``python -m segmentation.model_export``: files that appear whole, and one line when something is wrong."""

import errno
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from segmentation import Bundle, Segmenter
from segmentation.hub_push import push
from segmentation.image_io import read_image
from segmentation.model_export import main
from tests.hub_fixtures import NAME
from tests.hub_server import HubServer, Run
from tests.segmentation import exported

pytest_plugins = ("tests.hub_fixtures",)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network is exported once for all tests."""
    monkeypatch.setattr("segmentation.onnx_export.network_graph", exported.bright)


@pytest.mark.usefixtures("quick")
def test_onnx(
    bundle: Bundle, bundle_folder: Path, six_squares: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "model.onnx"
    assert main(["onnx", str(bundle_folder), "--with-preprocessing", "--out", str(out)]) == 0
    assert capsys.readouterr() == (f"{out}\n", "")
    maps = exported.run(out.read_bytes(), six_squares[None, None])[0]
    expected = Segmenter(bundle, "cpu").predict_maps(read_image(six_squares))
    np.testing.assert_allclose(maps, expected, atol=1e-4, rtol=0)
    assert maps.max() > 0.9


@pytest.mark.usefixtures("quick")
def test_onnx_for_prepared_pixels_replaces_an_older_file(bundle_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.onnx"
    out.write_text("old")
    assert main(["onnx", str(bundle_folder), "--out", str(out)]) == 0
    assert exported.run(out.read_bytes(), np.zeros((2, 3, 5, 7))).shape == (2, 1, 5, 7)
    assert os.listdir(tmp_path) == ["model.onnx"]


@pytest.mark.usefixtures("quick")
def test_bioimageio(bundle_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.zip"
    assert main(["bioimageio", str(bundle_folder), "--grey", "--license", "mit", "--out", str(out)]) == 0
    with zipfile.ZipFile(out) as archive:
        text = archive.read("rdf.yaml").decode()
    assert "license: MIT" in text
    assert "- grey" in text


def test_web(bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr("segmentation.web_export.export_web", lambda *given: seen.append(given))
    assert main(["web", str(bundle_folder), "--out", str(tmp_path / "page")]) == 0
    [(bundle, folder)] = seen
    assert folder == tmp_path / "page"
    assert bundle.revision == Bundle.load(bundle_folder).revision


@pytest.mark.usefixtures("quick")
def test_a_model_on_the_hub(hub: HubServer, bundle_folder: Path, tmp_path: Path) -> None:
    commit = push(bundle_folder, NAME).commit
    out = tmp_path / "model.onnx"
    assert main(["onnx", NAME, "--revision", commit, "--out", str(out)]) == 0
    assert out.stat().st_size > 1000


def test_what_is_refused(bundle_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["onnx", str(tmp_path / "none"), "--out", str(tmp_path / "a.onnx")]) == 1
    assert "there is no such model folder" in capsys.readouterr().err
    assert main(["onnx", str(bundle_folder), "--revision", "main", "--out", str(tmp_path / "a.onnx")]) == 1
    assert "a folder has no revisions" in capsys.readouterr().err
    assert os.listdir(tmp_path) == []


@pytest.mark.usefixtures("quick")
def test_where_nothing_can_be_written(bundle_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["onnx", str(bundle_folder), "--out", str(tmp_path)]) == 1
    assert "there is a folder of that name" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main(["onnx", str(bundle_folder), "--out", str(tmp_path / "file" / "model.onnx")]) == 1
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert "cannot be written" in message
    assert message.count("\n") == 1


def test_help_does_not_wait_for_onnx(python: Run) -> None:
    code = (
        "import sys\n"
        "from segmentation.model_export import build_parser\n"
        "build_parser().parse_args(['onnx', 'model', '--out', 'file'])\n"
        "print(any(name in sys.modules for name in ('onnx', 'onnxscript', 'bioimageio', 'huggingface_hub')))"
    )
    answer = python("-c", code)
    assert (answer.stdout, answer.stderr) == ("False\n", "")


@pytest.mark.usefixtures("quick")
def test_a_full_disk_leaves_the_older_file(
    bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fill(path: Path, data: bytes) -> None:
        with path.open("wb") as file:
            file.write(data[:100])
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    out = tmp_path / "model.onnx"
    out.write_text("old")
    monkeypatch.setattr(Path, "write_bytes", fill)
    assert main(["onnx", str(bundle_folder), "--out", str(out)]) == 1
    assert capsys.readouterr().err == (
        f"error: {out}: cannot be written (No space left on device); name another file with --out.\n"
    )
    assert os.listdir(tmp_path) == ["model.onnx"]
    assert out.read_text() == "old"
