"""Batches in one process: resuming, faults, zips, physical sizes."""

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

import segmentation.batch
import segmentation.batch_command
import segmentation.batch_workers
from segmentation import Bundle, Segmenter
from segmentation.__main__ import main
from segmentation.batch import Batch
from segmentation.batch_inputs import Task
from segmentation.batch_settings import Settings, parse_formats
from segmentation.batch_workers import run_here
from segmentation.errors import ParameterError
from tests.conftest import squares
from tests.segmentation.batches import contents, modified, six_pictures, summary


@pytest.fixture
def run(bundle_folder: Path, tmp_path: Path):
    """Segment ``tmp_path / "in"`` with the tiny bundle into ``tmp_path / out``; returns the exit status."""

    def run_main(*arguments: object, out: str = "out", model: Path = bundle_folder, more: tuple[Path, ...] = ()) -> int:
        words = [
            str(tmp_path / "in"),
            *map(str, more),
            "--out",
            str(tmp_path / out),
            "--model",
            str(model),
            "--device",
            "cpu",
        ]
        return main([*words, *map(str, arguments)])

    return run_main


def done_again(before: dict[str, int], out: Path) -> set[str]:
    """Stems of the label images that were written anew."""
    now = modified(out)
    return {Path(p).name[: -len("_labels.tif")] for p in now if p.endswith("_labels.tif") and now[p] != before.get(p)}


def test_resume_does_what_changed_or_failed_and_nothing_else(run, tmp_path: Path, bundle: Bundle) -> None:
    pictures, out = six_pictures(tmp_path / "in"), tmp_path / "out"
    assert run() == 1
    first, before = contents(out), modified(out)
    assert run("--resume") == 1
    assert modified(out) == before
    assert contents(out) == first

    Image.fromarray(squares()[:50]).save(pictures / "p1.png")  # another picture by the same name
    (out / "p2_overlay.png").unlink()
    (out / "p3_run.json").write_text("{")
    (out / "thumbnails" / "p4.jpg").unlink()
    Image.fromarray(squares()).save(pictures / "broken.png")  # mended
    assert run("--resume") == 0
    assert done_again(before, out) == {"p1", "p2", "p3", "p4", "broken"}
    assert summary(out)["nuclei"].tolist() == [6] * 7


@pytest.mark.parametrize(
    "changed",
    [
        ("--min-area", "30"),
        ("--magnification", "1.2"),
        ("--accurate",),
        ("--full",),
        ("--channel", "0"),
        ("--page", "1"),
    ],
    ids=str,
)
def test_resume_with_another_setting_does_all_again(run, tmp_path: Path, changed: tuple[str, ...]) -> None:
    (tmp_path / "in").mkdir()
    Image.fromarray(squares()).save(tmp_path / "in" / "a.png")
    assert run() == 0
    before = modified(tmp_path / "out")
    assert run("--resume", *changed) == 0
    assert done_again(before, tmp_path / "out") == {"a"}
    before = modified(tmp_path / "out")
    assert run("--resume", *changed) == 0
    assert modified(tmp_path / "out") == before


def test_resume_with_another_model_or_format_does_all_again(
    run, tmp_path: Path, bundle_folder: Path, bundle: Bundle
) -> None:
    (tmp_path / "in").mkdir()
    Image.fromarray(squares()).save(tmp_path / "in" / "a.png")
    assert run("--format", "labels") == 0
    before = modified(tmp_path / "out")
    copy = bundle.save(tmp_path / "copy")
    assert run("--resume", "--format", "labels", model=copy) == 0  # the same weights by another name
    assert modified(tmp_path / "out") == before
    assert run("--resume", "--format", "labels,roi") == 0
    assert done_again(before, tmp_path / "out") == {"a"}
    before = modified(tmp_path / "out")
    bundle.network.head.bias.data[0] += 0.125
    try:
        other = bundle.save(tmp_path / "other")
    finally:
        bundle.network.head.bias.data[0] -= 0.125
    assert run("--resume", "--format", "labels", model=other) == 0
    assert done_again(before, tmp_path / "out") == {"a"}


def test_pages_that_are_gone_leave_nothing_and_half_a_stack_is_not_done(run, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "in").mkdir()
    out, path = tmp_path / "out", tmp_path / "in" / "stack.tif"
    tifffile.imwrite(path, np.stack([squares()] * 3), photometric="minisblack")
    assert run() == 0
    assert summary(out)["image"].tolist() == ["stack_page1", "stack_page2", "stack_page3"]
    before = modified(out)
    assert run("--resume") == 0
    assert modified(out) == before
    (out / "stack_page3_run.json").unlink()  # as if killed before the last page
    assert run("--resume") == 0
    assert done_again(before, out) == {"stack_page1", "stack_page2", "stack_page3"}
    tifffile.imwrite(path, np.stack([squares()] * 2), photometric="minisblack")
    assert run("--resume") == 0
    assert not list(out.rglob("stack_page3*"))
    tifffile.imwrite(path, squares(), photometric="minisblack")
    assert run() == 0
    assert not list(out.rglob("*_page*"))


def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the test has changed what fails."""
    monkeypatch.setattr(
        segmentation.batch_command, "run_jobs", lambda opening, tasks, jobs: run_here(opening.open(), tasks)
    )


def test_a_full_disk_stops_everything_and_tells_what_is_done(run, tmp_path: Path, monkeypatch, capsys) -> None:
    six_pictures(tmp_path / "in")
    write, calls = segmentation.batch.write_all, []

    def fails_later(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 3:
            raise OSError(28, "No space left on device", str(arguments[0]))
        return write(*arguments)

    monkeypatch.setattr(segmentation.batch, "write_all", fails_later)
    in_this_process(monkeypatch)
    assert run() == 1
    assert len(calls) == 3
    assert "No space left on device" in capsys.readouterr().err


def test_a_fault_of_ours_does_not_stop_the_others(run, tmp_path: Path, monkeypatch, capsys) -> None:
    six_pictures(tmp_path / "in")
    measure, calls = segmentation.batch.measure, []

    def fails_once(*arguments: Any, **more: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 1:
            raise ZeroDivisionError("division\nby zero")
        return measure(*arguments, **more)

    monkeypatch.setattr(segmentation.batch, "measure", fails_once)
    in_this_process(monkeypatch)
    assert run() == 1
    assert "p0.tif: an unexpected fault (ZeroDivisionError: division by zero)" in capsys.readouterr().err
    assert len(calls) == 6


def test_too_little_memory_is_one_sentence(tmp_path: Path, bundle_folder: Path) -> None:
    six_pictures(tmp_path / "in")

    def greedy(image: object) -> Any:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    bundle = Segmenter.from_pretrained(bundle_folder, "cpu").bundle
    batch = Batch(Settings(tmp_path / "out"), bundle, "bright", greedy)
    outcome = batch.process(Task(0, "p0.png", tmp_path / "in" / "p0.png", "p0"))
    assert outcome.error == "p0.png: too large for the memory that is left; crop it, or use fewer --jobs."


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_a_pipe_is_not_waited_for(run, tmp_path: Path, capsys) -> None:
    six_pictures(tmp_path / "in")
    os.mkfifo(tmp_path / "in" / "pipe.png")
    assert run() == 1
    assert "pipe.png: a folder, pipe or device is no picture" in capsys.readouterr().err
    assert len(summary(tmp_path / "out")) == 8


def test_zips_and_their_notes(run, tmp_path: Path, capsys) -> None:
    six_pictures(tmp_path / "in")
    with zipfile.ZipFile(tmp_path / "plate.zip", "w") as archive:
        archive.write(tmp_path / "in" / "p0.png", "well/p0.png")
        archive.writestr("readme.txt", "hello")
    assert run(more=(tmp_path / "plate.zip",)) == 1
    assert summary(tmp_path / "out")["image"].tolist()[-1] == "plate/well/p0"
    assert "note: plate.zip: files that are no pictures were left out: readme.txt" in capsys.readouterr().out
    assert (tmp_path / "out" / "plate" / "well" / "p0_labels.tif").exists()


def test_physical_sizes_in_the_table(run, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    metadata = {"axes": "YX", "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.5}
    metadata |= {"PhysicalSizeXUnit": "µm", "PhysicalSizeYUnit": "µm"}
    tifffile.imwrite(tmp_path / "in" / "a.ome.tif", squares(), metadata=metadata)
    assert run() == 0
    (row,) = summary(tmp_path / "out").to_dict("records")
    assert row["median_area_um2"] == 100 * 0.125
    assert row["density_per_mm2"] == pytest.approx(6 / (96 * 64 * 0.125e-6))
    record = json.loads((tmp_path / "out" / "a.ome_run.json").read_text())
    assert record["settings"]["projection"] is None
    assert record["batch"]["row"]["nuclei"] == record["result"]["nuclei"] == 6


def test_formats_have_short_names() -> None:
    assert parse_formats("roi, TIFF,csv") == ("labels", "csv", "rois")
    assert "geojson" in parse_formats("all")
    with pytest.raises(ParameterError, match="'bmp'"):
        parse_formats("csv,bmp")
