"""BioImage.IO packages pass that project's own checks, which know nothing of this one, and need no network for it."""

import hashlib
import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import yaml
from bioimageio.core.__main__ import main
from bioimageio.spec import load_description, save_bioimageio_package_as_folder
from bioimageio.spec._internal._settings import settings
from bioimageio.spec.model.v0_5 import ModelDescr
from PIL import Image

from segmentation import Bundle, Preprocessing, Segmenter, UNet
from segmentation.bioimageio_export import package_bytes
from segmentation.image_io import read_image
from tests.segmentation import exported

Run = Callable[..., tuple[int, str]]
NOWHERE = "http://127.0.0.1:9"  # where nobody answers


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("package") / "nuclei.zip"
    path.write_bytes(package_bytes(exported.bundle(magnification=1.5), network=exported.graph()))
    return path


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def description(data: bytes) -> dict[str, Any]:
    return yaml.safe_load(members(data)["rdf.yaml"])


@pytest.fixture
def bioimageio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Their command line, without a network and with an empty cache: exit code, and what it prints."""
    monkeypatch.setenv("HTTP_PROXY", NOWHERE)
    monkeypatch.setenv("HTTPS_PROXY", NOWHERE)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(settings, "cache_path", tmp_path / "cache")

    def run(command: str, path: Path) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["bioimageio", command, str(path)])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), capsys.readouterr().out

    return run


def test_bioimageio_test(package: Path, bioimageio: Run) -> None:
    """It compares with what the Segmenter found, and runs other sizes and batches of two."""
    code, text = bioimageio("test", package)
    assert code == 0, text
    assert re.search(r"status +passed", text)
    assert text.count("Run onnx inference for inputs with batch_size: 2") == 3


def test_bioimageio_validate_format(package: Path, bioimageio: Run) -> None:
    code, text = bioimageio("validate-format", package)
    assert code == 0, text
    assert re.search(r"status +valid-format", text)
    found = load_description(package, format_version="discover")
    assert isinstance(found, ModelDescr)
    # Nobody's account is named as the maintainer's, since the project has none; all else is there.
    assert [warning.msg for detail in found.validation_summary.details for warning in detail.warnings] == [
        "Missing `maintainers` or any author in `authors` with a specified `github_user` name."
    ]


def test_what_others_read_from_it(package: Path) -> None:
    model = description(package.read_bytes())
    assert model["format_version"].startswith("0.5.")
    [takes], [gives] = model["inputs"], model["outputs"]
    assert [axis["type"] for axis in takes["axes"]] == ["batch", "channel", "space", "space"]
    # deepImageJ reads channels by the number of their names, and fails on a description without an id.
    assert takes["axes"][1]["channel_names"] == ["red", "green", "blue"]
    assert gives["axes"][1]["channel_names"] == ["foreground", "distance"]
    assert model["id"] == "nucleoscope-abc123"
    assert [axis["size"] for axis in takes["axes"][2:]] == [{"min": 128, "step": 4}] * 2
    assert [axis["size"]["axis_id"] for axis in gives["axes"][2:]] == ["y", "x"]
    steps = {step["id"]: step["kwargs"] for step in takes["preprocessing"]}
    assert list(steps) == ["ensure_dtype", "scale_range", "clip"]
    assert (steps["scale_range"]["min_percentile"], steps["scale_range"]["max_percentile"]) == (0.05, 99.95)
    assert steps["scale_range"]["axes"] == ["channel", "y", "x"]  # each picture of a batch by itself
    assert model["weights"]["onnx"]["opset_version"] == 17
    assert model["license"] == "Apache-2.0"
    assert {cite.get("doi", cite.get("url")) for cite in model["cite"]} == {
        "10.1038/s41592-019-0612-7",
        "https://arxiv.org/abs/1505.04597",
    }
    assert model["config"]["nucleoscope"]["decode"]["threshold"] == exported.bundle().decode.threshold


def test_files_are_whole_and_can_be_looked_at(package: Path) -> None:
    files = members(package.read_bytes())
    model = yaml.safe_load(files["rdf.yaml"])
    entries = [model["weights"]["onnx"]]
    entries += [model[side][0][kind] for side in ("inputs", "outputs") for kind in ("test_tensor", "sample_tensor")]
    for entry in entries:
        assert hashlib.sha256(files[entry["source"]]).hexdigest() == entry["sha256"]
    with Image.open(io.BytesIO(files["cover.png"])) as cover:
        assert cover.size == (384, 192)
    picture = tifffile.imread(io.BytesIO(files["sample_input.tif"]))
    assert (picture.dtype, picture.shape) == (np.uint8, (3, 128, 132))
    np.testing.assert_array_equal(np.load(io.BytesIO(files["test_input.npy"]))[0], picture)
    maps = np.load(io.BytesIO(files["test_output.npy"]))[0]
    np.testing.assert_array_equal(tifffile.imread(io.BytesIO(files["sample_output.tif"])), maps)
    segmenter = Segmenter(exported.bundle(magnification=1.5), "cpu", engine="pytorch")
    found = segmenter.predict_maps(read_image(picture.transpose(1, 2, 0)))
    np.testing.assert_array_equal(maps, found)
    assert maps.std() > 0.02
    readme = files["README.md"].decode()
    assert "## Validation" in readme
    assert "not for diagnosis" in readme


def test_the_same_bundle_gives_the_same_bytes(package: Path) -> None:
    assert package_bytes(exported.bundle(magnification=1.5), network=exported.graph()) == package.read_bytes()
    with zipfile.ZipFile(package) as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert "timestamp" not in description(package.read_bytes())


def test_for_grey_pictures(tmp_path: Path, bioimageio: Run) -> None:
    path = tmp_path / "grey.zip"
    path.write_bytes(package_bytes(exported.bundle(), grey=True, network=exported.graph()))
    assert description(path.read_bytes())["inputs"][0]["axes"][1]["channel_names"] == ["grey"]
    code, text = bioimageio("test", path)
    assert code == 0, text


def test_for_five_channels_and_a_licence_without_a_common_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segmentation.bioimageio_export.onnx_bytes", lambda *_, **__: b"")
    network = UNet(in_channels=5, channels=(2, 2), dropout=(0.0, 0.0)).eval()
    model = description(package_bytes(Bundle(network, Preprocessing(channels=5)), license="openrail"))
    assert len(model["inputs"][0]["axes"][1]["channel_names"]) == 5
    assert "license" not in model


@pytest.mark.parametrize("name", ["weights.onnx", "test_output.npy"])
def test_their_check_sees_what_is_wrong(name: str, package: Path, tmp_path: Path, bioimageio: Run) -> None:
    """A check of the check: a package whose answer is another is not passed."""
    folder = save_bioimageio_package_as_folder(package, output_path=tmp_path / "folder")
    data = bytearray((folder / name).read_bytes())
    data[-40_000:] = bytes(40_000) if name.endswith("npy") else data[-40_000:]
    (folder / name).write_bytes(data[:-1] if name.endswith("onnx") else data)
    assert bioimageio("test", folder)[0] != 0
