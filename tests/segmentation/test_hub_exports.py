"""What is published for other programs, beside the bundle: it works, and pulling never fetches it."""

import io
import re
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from segmentation import Bundle, Segmenter
from segmentation.bundle import CARD, CONFIG, WEIGHTS
from segmentation.errors import BundleError
from segmentation.hub_card import EXAMPLE, ONNX, PACKAGE
from segmentation.hub_pull import pull
from segmentation.hub_push import exports, push
from segmentation.image_io import read_image
from tests.hub_fixtures import NAME
from tests.hub_server import HubServer
from tests.segmentation import exported

pytest_plugins = ("tests.hub_fixtures",)


@pytest.fixture
def packages(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> HubServer:
    """The same Hub, with packages for other programs written; the network in them is exported once for all tests."""
    monkeypatch.setattr("segmentation.hub_push.exports", exports)
    monkeypatch.setattr("segmentation.onnx_export.network_graph", exported.bright)
    return hub


def test_packages_for_other_programs(packages: HubServer, bundle_folder: Path, six_squares: np.ndarray) -> None:
    published = push(bundle_folder, NAME, license="mit")
    files = packages.model(NAME).at("main").files
    assert set(files) == {".gitattributes", CONFIG, WEIGHTS, CARD, EXAMPLE, ONNX, PACKAGE}
    maps = exported.run(files[ONNX].data, six_squares[None, None])[0]
    expected = Segmenter.from_pretrained(bundle_folder, "cpu").predict_maps(read_image(six_squares))
    np.testing.assert_allclose(maps, expected, atol=1e-4, rtol=0)
    with zipfile.ZipFile(io.BytesIO(files[PACKAGE].data)) as archive:
        assert "license: MIT" in archive.read("rdf.yaml").decode()
    text = files[CARD].data.decode()
    assert f'InferenceSession("{ONNX}")' in text
    assert PACKAGE in text
    assert "maps[0] >= 0.5" in text
    assert push(bundle_folder, NAME, license="mit").commit == published.commit  # byte for byte the same
    packages.log.clear()
    assert {path.name for path in pull(NAME).iterdir()} == {CONFIG, WEIGHTS, CARD}
    assert not any(ONNX in line or PACKAGE in line for line in packages.log)


def test_the_cards_three_lines_run(
    packages: HubServer, bundle: Bundle, six_squares: np.ndarray, tmp_path: Path
) -> None:
    push(bundle, NAME)
    text = packages.model(NAME).file("main", CARD).data.decode()
    [code] = re.findall(r"```python\n(import numpy, onnxruntime.*?)```", text, re.DOTALL)
    (tmp_path / ONNX).write_bytes(packages.model(NAME).file("main", ONNX).data)
    names = {"pixels": six_squares}
    exec(code.replace(ONNX, str(tmp_path / ONNX)), names)
    assert ndimage.label(names["foreground"])[1] == 6


def test_a_network_that_cannot_be_exported_is_published_without(
    packages: HubServer, bundle_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: object) -> None:
        raise BundleError("This network cannot be written as ONNX (no such operator); export another bundle.")

    monkeypatch.setattr("segmentation.onnx_export.network_graph", fail)
    push(bundle_folder, NAME)
    files = packages.model(NAME).at("main").files
    assert not {ONNX, PACKAGE} & set(files)
    assert "In other programs" not in files[CARD].data.decode()
    assert "are left out of what is published. This network cannot be written as ONNX" in caplog.text


def test_where_onnx_is_not_installed(
    packages: HubServer, bundle_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("segmentation.onnx_export", "segmentation.bioimageio_export", "segmentation.bioimageio_description"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "onnx", None)
    push(bundle_folder, NAME)
    assert not {ONNX, PACKAGE} & set(packages.model(NAME).at("main").files)
    assert "are left out of what is published. import of onnx halted" in caplog.text
