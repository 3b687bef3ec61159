"""Pickles, checkpoints and archives from strangers: refused on the page, from the Hub and on the command line."""

import io
import os
import pickle
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from segmentation.bundle import CONFIG, WEIGHTS
from segmentation.errors import HubError, ImageReadError, NucleoscopeError
from segmentation.hub_pull import pull
from segmentation.model_source import is_hub_id, resolve
from segmentation.picture_sources import expand
from tests.hub_fixtures import hub, published, server, waits  # noqa: F401  (fixtures)
from tests.hub_server import HubServer
from tests.security.visitor import Visitor, png, sent


class Trap:
    """What creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self._path),)


def pickled(path: Path) -> bytes:
    return pickle.dumps(Trap(path))


def checkpoint(path: Path, folder: Path) -> bytes:
    file = folder / "made.ckpt"
    torch.save({"state_dict": {}, "hyper_parameters": Trap(path)}, file)
    return file.read_bytes()


def object_array(path: Path) -> bytes:
    array = np.empty((4, 4), object)
    array[...] = Trap(path)
    return _npy(array)


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """The file that appears if anything is unpickled; the traps do work."""
    other = tmp_path / "works"
    pickle.loads(pickled(other))
    assert other.exists()
    return tmp_path / "unpickled"


@pytest.fixture
def kinds(trap: Path, tmp_path: Path) -> dict[str, bytes]:
    """Traps by the names that they come under."""
    plain, saved, array = pickled(trap), checkpoint(trap, tmp_path), object_array(trap)
    return {
        "model.pkl": plain,
        "model.ckpt": saved,
        "model.pt": saved,
        "weights.safetensors": saved,
        "picture.npy": array,
        "picture.npz": plain,
        "picture.png": plain,
        "picture.tif": plain,
        "pictures.zip": saved,  # PyTorch's checkpoints are zips
    }


def test_on_the_page(visitor: Visitor, kinds: dict[str, bytes], trap: Path) -> None:
    for name, content in kinds.items():
        file = sent(visitor.upload(name, content))
        for endpoint, values in (("describe", [file]), ("correct", [file, []]), ("score", [file, file])):
            event, data = visitor.call(endpoint, *values)
            assert event == "error", (name, endpoint, data)
            assert "Traceback" not in str(data)
    for name in (str(trap.parent), "../../etc", "checkpoints/../../x", "/tmp", "nuclei\0", "lab/nuclei"):
        assert visitor.call("model", name)[0] == "error"  # models are chosen by name, never by path
    assert not trap.exists()


def test_on_the_command_line(
    kinds: dict[str, bytes], trap: Path, bundle_folder: Path, tmp_path: Path, project_root: Path
) -> None:
    pictures, model = tmp_path / "in", tmp_path / "model"
    pictures.mkdir()
    model.mkdir()
    for name, content in kinds.items():
        (pictures / name).write_bytes(content)
    (model / CONFIG).write_bytes((bundle_folder / CONFIG).read_bytes())
    (model / WEIGHTS).write_bytes(kinds["model.ckpt"])
    checkpoints = tmp_path / "checkpoints"
    checkpoints.mkdir()
    (checkpoints / "model.ckpt").write_bytes(kinds["model.ckpt"])

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", *arguments]
        return subprocess.run(command, cwd=project_root, capture_output=True, text=True, timeout=120)

    out = str(tmp_path / "out")
    files = [str(path) for path in sorted(pictures.iterdir())]
    done = run("segmentation", *files, "--out", out, "--model", str(bundle_folder), "--device", "cpu")
    assert done.returncode == 1
    for source in (model, checkpoints, checkpoints / "model.ckpt"):
        done = run("segmentation", files[0], "--out", out, "--model", str(source), "--device", "cpu")
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert "error: " in done.stderr
    assert not trap.exists()


def test_from_the_hub(hub: HubServer, kinds: dict[str, bytes], trap: Path, bundle_folder: Path) -> None:  # noqa: F811
    config = (bundle_folder / CONFIG).read_bytes()
    hub.hub.add("lab/pickle", {"model.ckpt": kinds["model.ckpt"], CONFIG: config})
    hub.hub.add("lab/disguised", {WEIGHTS: kinds["model.ckpt"], CONFIG: config})
    hub.hub.add("lab/odd", {WEIGHTS: kinds["model.pkl"], CONFIG: kinds["model.pkl"]})
    for name in ("lab/pickle", "lab/disguised", "lab/odd"):
        with pytest.raises(NucleoscopeError):
            pull(name)
    assert not trap.exists()


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "lab/../../etc", "lab/..", "/etc/passwd", "lab/nuclei/../../x", "lab/nu clei", "lab/nuclei\n",
     "..%2f..%2fetc", "lab\\..\\x", "file:///etc/passwd", "http://127.0.0.1/x", "lab/nuclei?x=1", "lab/nuclei#x", "/"],
)  # fmt: skip
def test_names_on_the_hub_lead_nowhere_else(name: str, published: HubServer) -> None:  # noqa: F811
    with pytest.raises(HubError):
        pull(name)
    assert published.log == []
    assert not is_hub_id(name)


@pytest.mark.parametrize("revision", ["../../x", "..", "a/../../../b", "refs/../../..", "%2e%2e/x", "main?x=1", "a\nb"])
def test_revisions_lead_nowhere_else(revision: str, published: HubServer, tmp_path: Path) -> None:  # noqa: F811
    before = sorted(path for path in tmp_path.rglob("*") if "models--" not in str(path))
    with pytest.raises(NucleoscopeError):
        resolve("lab/nuclei", revision)
    after = sorted(path for path in tmp_path.rglob("*") if "models--" not in str(path))
    assert [path for path in after if path not in before and path.is_file() and ".locks" not in str(path)] == []
    assert not any("resolve/../" in line for line in published.log)


def link(name: str, target: str) -> Callable[[zipfile.ZipFile], None]:
    def add(archive: zipfile.ZipFile) -> None:
        info = zipfile.ZipInfo(name)
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, target)

    return add


def member(name: str) -> Callable[[zipfile.ZipFile], None]:
    return lambda archive: archive.writestr(zipfile.ZipInfo(name), png())


@pytest.mark.parametrize(
    "add",
    [
        member("../evil.png"),
        member("a/../../evil.png"),
        member("/tmp/evil.png"),
        member("..\\evil.png"),
        member("C:\\evil.png"),
        member("C:evil.png"),
        member("\\\\server\\share\\evil.png"),
        link("evil.png", "/etc/passwd"),
        link("folder", "/etc"),
    ],
)
def test_zips_lead_nowhere_else(add: Callable[[zipfile.ZipFile], None], tmp_path: Path, visitor: Visitor) -> None:
    path, folder = tmp_path / "a" / "pictures.zip", tmp_path / "a" / "b" / "c"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as archive:
        member("good.png")(archive)
        add(archive)
    with pytest.raises(ImageReadError, match=r"which leads out of it|a link or device"):
        expand([path], folder)
    assert sorted(item.name for item in tmp_path.rglob("*")) == ["a", "b", "c", "pictures.zip"]


@pytest.mark.parametrize(
    "name", ["a.png\0/../../evil.png", "con.png", "a" * 300 + ".png", "./good.png", "\u2024\u2024/x.png"]
)
def test_odd_names_in_zips_stay_inside(name: str, tmp_path: Path) -> None:
    path, folder = tmp_path / "pictures.zip", tmp_path / "inside"
    with zipfile.ZipFile(path, "w") as archive:
        member(name)(archive)
    found = expand([path], folder)
    assert len(found) == 1
    assert found[0][1].resolve().is_relative_to(folder.resolve())
    assert {item.relative_to(tmp_path).parts[0] for item in tmp_path.rglob("*")} == {"pictures.zip", "inside"}
