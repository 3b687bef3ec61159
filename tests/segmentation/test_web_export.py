"""The folder that segments in the browser: what is in it, and what it leaves alone. Its page: tests/ui."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segmentation import Bundle, web_export
from segmentation.errors import BundleError
from segmentation.overlay import PALETTE
from segmentation.segmenter import OVERLAP, TILE
from segmentation.web_export import WEB, export_web, vendored


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network in a moment; tests/segmentation/test_onnx_export.py looks at real ones."""
    monkeypatch.setattr("segmentation.onnx_export.onnx_bytes", lambda bundle: b"network")


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_vendored_files_are_those_of_their_packages() -> None:
    held = {path.name.removesuffix(".gz") for path in (WEB / "vendor").iterdir()}
    assert held == {each.file for each in vendored()} | {"manifest.json", "LICENSES.txt"}
    licences = (WEB / "vendor" / "LICENSES.txt").read_text(encoding="utf-8")
    for each in vendored():
        each.read()  # checks the hash
        assert each.licence == "MIT"
        if each.package != "onnxruntime (PyPI)":
            assert f"{each.package} {each.version} (" in licences


def test_a_changed_vendored_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / vendored()[0].file).write_bytes(b"something else")
    first = vendored()[0]
    monkeypatch.setattr(web_export, "WEB", tmp_path)
    with pytest.raises(BundleError, match=r"not the file of onnxruntime-web 1\.30\.0; install Nucleoscope again"):
        first.read()


def test_the_folder_holds_all_that_the_page_asks_for(bundle_folder: Path, tmp_path: Path) -> None:
    bundle = Bundle.load(bundle_folder)
    folder = export_web(bundle, tmp_path / "deep" / "page")
    files = tree(folder)
    model = json.loads(files["model.json"])
    assert files["model.onnx"] == b"network"
    assert (model["tile"], model["overlap"], model["maps"]) == (TILE, OVERLAP, ["foreground"])
    assert (model["revision"], model["decode"]["threshold"]) == (bundle.revision, bundle.decode.threshold)
    assert model["palette"] == PALETTE.tolist()
    for example in model["examples"]:
        assert np.asarray(Image.open(folder / example["file"])).shape[:2] == (320, 384)
    # Every address in the page, its style and its modules is that of a file in the folder.
    page = files["index.html"].decode()
    for name in re.findall(r'(?:href|src)="([^"#]+)"', page):
        assert name in files or name == "http://localhost:8000/"
    for name, data in files.items():
        if name.startswith("js/"):
            for asked in re.findall(r'(?:from|import\() ?"([^"]+)"', data.decode()):
                assert (folder / "js" / asked).resolve().relative_to(folder).as_posix() in files
    wasm = files["vendor/ort-wasm-simd-threaded.wasm"]
    assert wasm.startswith(b"\0asm")
    assert not [name for name in files if name.endswith(".gz")]


def test_the_page_is_one_that_keeps_to_itself(bundle: Bundle, tmp_path: Path) -> None:
    files = tree(export_web(bundle, tmp_path / "page"))
    page = files["index.html"].decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert "connect-src 'self'" in policy[1]
    assert "unsafe-inline" not in policy[1]
    assert "'unsafe-eval'" not in policy[1]
    assert not re.search(r"\s(style|on\w+)=", page)
    own = b"".join(data for name, data in files.items() if name.startswith("js/") or name == "style.css")
    assert b"http://" not in own
    assert b"https://" not in own


def test_it_is_a_static_space(bundle: Bundle, tmp_path: Path) -> None:
    card = (export_web(bundle, tmp_path / "page") / "README.md").read_text(encoding="utf-8")
    front = dict(re.findall(r"^([\w-]+): *(.+)$", card.split("---")[1], re.MULTILINE))
    assert (front["sdk"], front["app_file"], front["license"]) == ("static", "index.html", "apache-2.0")
    assert len(front["short_description"]) <= 60


def test_an_older_export_is_replaced_whole(bundle: Bundle, tmp_path: Path) -> None:
    folder = export_web(bundle, tmp_path / "page")
    (folder / "js" / "left_over.js").write_text("old")
    export_web(bundle, folder)
    assert not (folder / "js" / "left_over.js").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["page"]


@pytest.mark.parametrize("held", ["thesis.docx", "index.html", "model.json"])
def test_a_folder_with_other_files_is_left_alone(bundle: Bundle, tmp_path: Path, held: str) -> None:
    (tmp_path / held).write_text("{}")
    with pytest.raises(BundleError, match=rf"holds other files \({held}\); name an empty or new folder"):
        export_web(bundle, tmp_path)
    assert tree(tmp_path) == {held: b"{}"}


def test_a_file_of_that_name_is_left_alone(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "page").write_text("mine")
    with pytest.raises(BundleError, match="there is a file of that name"):
        export_web(bundle, tmp_path / "page")


def test_a_failure_leaves_the_older_export(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = export_web(bundle, tmp_path / "page")
    before = tree(folder)

    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(BundleError, match=r"cannot be written \(No space left on device\); free the disk"):
        export_web(bundle, folder)
    monkeypatch.undo()
    assert tree(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["page"]
