"""A disk that is full in the middle of a write: one sentence, older files as they were, and nothing half written."""

import errno
import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from benchmarks.faults_disk import room_for, small_disk
from benchmarks.faults_processes import run
from benchmarks.faults_trees import contents, difference, half_written
from lightning_modules import train
from lightning_modules.checkpoint_files import LAST, WholeCheckpoints, read
from segmentation import Bundle
from segmentation.__main__ import main
from segmentation.atomic import replacing
from segmentation.errors import NucleoscopeError
from segmentation.exports import FORMATS, run_record, write_all
from segmentation.measurements import measure
from segmentation.segmenter import Segmenter
from tests.conftest import squares
from tests.faults.test_killed_batch import words
from tests.faults.test_killed_training import arguments

PAGE = 4096


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk") as place:
        if place is None:
            pytest.skip("no disk can be mounted here, which root on Linux can")
        yield place


@pytest.fixture(scope="module")
def write_format(bundle: Bundle):
    """Writes one format of a picture with noise, which takes more than a page in each of them."""
    noise = np.random.default_rng(0).integers(0, 60, (300, 300), np.uint8)
    pixels = noise + np.tile(squares(), (5, 4))[:300, :300] // 2
    result = Segmenter(bundle, "cpu")(np.where(pixels > 90, 220, pixels))
    assert result.count > 20
    table = measure(result.labels, result.image.pixels)
    record = run_record(result, bundle, model="bright")
    record["result"]["filler"] = "x" * 2 * PAGE
    return lambda folder, key: write_all(folder, "picture", result, table, record, [key])


@pytest.mark.parametrize("key", FORMATS)
def test_every_format(key: str, disk: Path, write_format) -> None:
    [path] = write_format(disk, key)
    path.write_bytes(b"older")
    with room_for(disk, 0), pytest.raises(OSError, match="No space left") as caught:
        write_format(disk, key)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))
    assert {each.name: each.read_bytes() for each in disk.iterdir()} == {path.name: b"older"}


def test_checkpoint_and_bundle(disk: Path, bundle: Bundle) -> None:
    WholeCheckpoints().save_checkpoint({"epoch": 0}, disk / LAST)
    bundle.save(disk / "bundle")
    before = contents(disk)
    for write in (
        lambda: WholeCheckpoints().save_checkpoint({"epoch": 1, "more": np.zeros(9999).tolist()}, disk / LAST),
        lambda: Bundle(bundle.network, scores={"more": "x" * 99999}).save(disk / "bundle"),
    ):
        with (
            room_for(disk, 2 * PAGE),
            pytest.raises(NucleoscopeError, match=r"No space left on device\).*free the disk"),
        ):
            write()
        assert contents(disk) == before
        assert half_written(disk) == []
    assert read(disk / LAST)["epoch"] == 0
    assert Bundle.load(disk / "bundle").scores == bundle.scores


def test_a_library_that_does_not_say_so(disk: Path) -> None:
    """NumPy, and so tifffile, raises an OSError without a number when the disk is full."""
    noise = np.random.default_rng(0).integers(0, 255, (300, 300), np.uint8)
    with room_for(disk, PAGE):
        with pytest.raises(OSError, match="requested and") as caught:
            tifffile.imwrite(disk / "alone.tif", noise)
        assert caught.value.errno is None
        (disk / "alone.tif").unlink()
        with pytest.raises(OSError, match="No space left on device"), replacing(disk / "a.tif") as scratch:
            tifffile.imwrite(scratch, noise)


def test_other_faults_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"^odd$") as caught, replacing(tmp_path / "file"):
        raise OSError("odd")
    assert caught.value.errno is None
    assert list(tmp_path.iterdir()) == []


def test_a_batch_stops_and_goes_on(
    disk: Path, tmp_path: Path, bundle_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    for index in range(4):
        Image.fromarray(np.tile(squares(), (3, 3))).save(tmp_path / "in" / f"{index}.png")
    out = disk / "out"
    (tmp_path / "unbroken").mkdir()
    assert main(words(tmp_path / "in", tmp_path / "unbroken" / "out", bundle_folder)) == 0
    expected = contents(tmp_path / "unbroken" / "out")
    capsys.readouterr()
    with room_for(disk, 16 * PAGE):
        assert main(words(tmp_path / "in", out, bundle_folder)) == 1
    [line] = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(f"error: {out}")
    assert "cannot be written (No space left on device)" in line
    assert len(contents(out)) > 0
    assert difference(contents(out), expected, whole=False) == ""
    assert half_written(out) == []
    assert main(words(tmp_path / "in", out, bundle_folder)) == 0
    assert difference(contents(out), expected) == ""


def test_a_training_stops_in_one_sentence(
    project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where no disk can be mounted: the second ``last.ckpt`` is refused after half of it."""
    write, saved = Path.write_bytes, [0]

    def half(path: Path, data: memoryview) -> int:
        saved[0] += path.parent.name == "checkpoints"
        if saved[0] < 3 or path.parent.name != "checkpoints":
            return write(path, data)
        write(path, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    more = {"--data.workers": "0", "--export.tune": "false", "--trainer.max_epochs": "2"}
    with monkeypatch.context() as full:
        full.setattr(Path, "write_bytes", half)
        assert train.command_line(arguments(project_root, tmp_path, **more)) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith(f"error: {tmp_path / 'checkpoints'}")
    assert "cannot be written (No space left on device); free the disk, and --ckpt_path last goes on" in last
    assert half_written(tmp_path) == []
    assert read(tmp_path / "checkpoints" / LAST)["epoch"] == 0


def test_a_training_that_cannot_begin_its_logs(disk: Path, project_root: Path) -> None:
    """TensorBoard writes in a thread of its own, whose traceback would stand above the sentence."""
    words = arguments(project_root, disk, **{"--data.workers": "0", "--export.tune": "false"})
    with room_for(disk, 3 * PAGE):  # pytest sees to the faults of threads itself, hence a process
        ended = run(["-m", "lightning_modules.train", *words])
    assert ended.code == 1
    assert "Traceback" not in ended.said
    assert "No space left on device" in ended.said.strip().splitlines()[-1]


def test_a_limit_on_the_size_of_files(tmp_path: Path, write_format) -> None:
    """As clusters set them (``ulimit -f``); needs no rights, so this runs everywhere."""
    [path] = write_format(tmp_path, "svg")
    older = path.read_bytes()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (PAGE, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_format(tmp_path, "svg")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {path.name: older}
