"""``python -m segmentation`` with slides among the pictures: what is streamed, what is told, and what is left alone."""

import signal
import subprocess
import sys
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

import segmentation.segmenter
from segmentation import Preprocessing, Segmenter
from segmentation.__main__ import main
from segmentation.batch_settings import Settings
from segmentation.slide_batch import time_left
from segmentation.slide_segment import segment_slide
from tests.conftest import ROOT, bright_is_nucleus
from tests.segmentation.batches import summary
from tests.segmentation.slides import contents, drawn, write_slide


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segmentation.slide_batch.STREAM_PIXELS", 20_000)


@pytest.fixture
def run(bundle_folder: Path, tmp_path: Path):
    def run_main(*arguments: object) -> int:
        return main([*map(str, arguments), "--out", str(tmp_path / "out"), "--model", str(bundle_folder)])

    return run_main


def written(tmp_path: Path, stem: str) -> list[str]:
    return sorted(path.name[len(stem) + 1 :] for path in (tmp_path / "out").glob(f"{stem}_*"))


def test_a_slide_among_pictures(run, six_squares: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    pictures = tmp_path / "in"
    pictures.mkdir()
    slide = write_slide(pictures / "a.tif", drawn())
    Image.fromarray(six_squares).save(pictures / "b.png")
    Image.fromarray(drawn()).save(pictures / "c.png")  # as large, and no TIFF
    assert run(pictures) == 0
    assert written(tmp_path, "a") == ["labels.tif", "nuclei.csv", "nuclei.geojson", "overlay.png", "run.json"]
    assert written(tmp_path, "b") == written(tmp_path, "c") == ["labels.tif", "nuclei.csv", "overlay.png", "run.json"]
    with tifffile.TiffFile(tmp_path / "out" / "a_labels.tif") as tiff:
        assert tiff.pages.first.is_tiled
        truth = Segmenter(bright_is_nucleus(), "cpu")(slide).labels
        np.testing.assert_array_equal(tiff.asarray(), truth)
    assert summary(tmp_path / "out")["nuclei"].tolist() == [truth.max(), 6, truth.max()]
    said = capsys.readouterr().out
    assert "a: " in said
    assert "190 x 150, grey, 8 bit, read by region" in said
    assert "a_overlay.png" in (tmp_path / "out" / "index.html").read_text()
    before = contents(tmp_path / "out")
    assert run(pictures, "--resume") == 0
    assert "a: done before" in capsys.readouterr().out
    assert contents(tmp_path / "out")["a_labels.tif"] == before["a_labels.tif"]
    assert run(pictures, "--resume", "--threshold", "0.4") == 0
    assert "a: done before" not in capsys.readouterr().out


def test_what_is_streamed_is_chosen(
    run, six_squares: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = write_slide(tmp_path / "a.tif", drawn())
    assert run(path, "--no-stream") == 0
    assert "read by region" not in capsys.readouterr().out
    tifffile.imwrite(tmp_path / "b.tif", six_squares)
    assert run(tmp_path / "b.tif", "--stream", "--format", "labels,rois") == 0
    said = capsys.readouterr().out
    assert "read by region" in said
    assert "rois: not written for files that are read by region" in said
    assert written(tmp_path, "b") == ["labels.tif", "run.json"]
    Image.fromarray(six_squares).save(tmp_path / "c.png")
    assert run(tmp_path / "c.png", "--stream") == 1
    assert "c.png: only TIFF files can be read by region" in capsys.readouterr().err
    assert run(path, "--stream", "--projection", "max") == 1
    assert "leave out --projection" in capsys.readouterr().err
    assert run(path, "--stream", "--empty-contrast", "2") == 1
    assert "empty_contrast=2.0" in capsys.readouterr().err
    assert run(tmp_path, "--stream", "--quiet") == 1
    assert "c.png" in capsys.readouterr().err


def test_several_jobs(run, six_squares: np.ndarray, tmp_path: Path) -> None:
    for name in "ab":
        Image.fromarray(six_squares).save(tmp_path / f"{name}.png")
    write_slide(tmp_path / "s.tif", drawn())
    assert run(tmp_path / "a.png", tmp_path / "s.tif", tmp_path / "b.png", "--jobs", "2") == 0
    assert summary(tmp_path / "out")["image"].tolist() == ["a", "s", "b"]
    assert "nuclei.geojson" in written(tmp_path, "s")


def test_what_cannot_be_streamed_is_read_whole_while_it_fits(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr("segmentation.slide_pages._MAX_SEGMENT", 1)
    path = tmp_path / "strip.tif"
    tifffile.imwrite(path, np.zeros((7000, 20), np.uint8), rowsperstrip=7000, compression="zlib")
    assert run(path) == 0
    assert "read by region" not in capsys.readouterr().out
    monkeypatch.setattr("segmentation.limits.MAX_PIXELS", 100_000)
    assert run(path) == 1
    assert "export it as a tiled TIFF" in capsys.readouterr().err


def test_damage_does_not_stop_the_others(
    run, six_squares: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = write_slide(tmp_path / "a.tif", drawn("tissue"))
    with tifffile.TiffFile(path) as tiff:
        offset, count = tiff.pages[0].dataoffsets[7], tiff.pages[0].databytecounts[7]
    data = path.read_bytes()
    path.write_bytes(data[: offset + 2] + bytes(count - 2) + data[offset + count :])
    write_slide(tmp_path / "b.tif", drawn())
    assert run(tmp_path / "a.tif", tmp_path / "b.tif") == 1
    assert capsys.readouterr().err.startswith("error: a.tif: the file is damaged or cut short")
    assert summary(tmp_path / "out")["nuclei"].notna().tolist() == [False, True]


def test_a_killed_process_goes_on(bundle_folder: Path, tmp_path: Path) -> None:
    """For real: SIGKILL in the middle, then the same command with --resume."""
    path = write_slide(tmp_path / "slide.tif", np.tile(drawn("tissue"), (14, 6, 1)), tile=(256, 256))
    words = [sys.executable, "-m", "segmentation", str(path), "--model", str(bundle_folder), "--stream", "--out"]
    running = subprocess.Popen([*words, str(tmp_path / "killed")], cwd=ROOT, stdout=subprocess.DEVNULL)
    hidden = tmp_path / "killed" / ".slide.slide"
    deadline = time.monotonic() + 120
    while running.poll() is None and not list(hidden.glob("strip_*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert list(hidden.glob("strip_*"))
    ended = subprocess.run([*words, str(tmp_path / "killed"), "--resume"], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0
    assert "rows were done before" in ended.stdout
    subprocess.run([*words, str(tmp_path / "unbroken")], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    got, true = contents(tmp_path / "killed"), contents(tmp_path / "unbroken")
    names = [name for name in true if name.startswith("slide_")]
    assert len(names) == 5
    assert {name: got[name] for name in names} == {name: true[name] for name in names}
    assert not list((tmp_path / "killed").glob(".*slide"))


def test_memory_does_not_grow_with_the_height(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segmentation.segmenter, "TILE", 64)
    monkeypatch.setattr(segmentation.segmenter, "OVERLAP", 16)
    monkeypatch.setattr("segmentation.slide_segment.STRIP", 190 * 64)
    monkeypatch.setattr("segmentation.slide_pyramid.TILE", 64)
    monkeypatch.setattr("segmentation.slide_pyramid._BUFFER", 64 * 64 * 4)
    monkeypatch.setattr("segmentation.slide_overview.SIDE", 64)
    bundle = replace(bright_is_nucleus(threshold=0.3, separation=0.7), preprocessing=Preprocessing(block=64))
    segmenter = Segmenter(bundle, "cpu", "pytorch")
    peaks = []
    for times in (4, 16):
        path = write_slide(tmp_path / f"{times}.tif", np.tile(drawn()[:128], (times, 1)))
        settings = Settings(tmp_path / "out", formats=("labels", "csv", "geojson"))
        tracemalloc.start()
        segment_slide(path, settings, segmenter)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.25 * peaks[0]


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.2, "about 5 s left"), (63, "about 65 s left"), (1500, "about 25 min left"), (12_600, "about 3.5 h left")],
)
def test_time_left(seconds: float, told: str) -> None:
    assert time_left(seconds) == told
