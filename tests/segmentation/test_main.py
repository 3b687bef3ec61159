"""``python -m segmentation``: the command line, in the process and once for real."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from segmentation import Segmenter
from segmentation.__main__ import main
from segmentation.command_options import DEFAULT_MODEL
from segmentation.writers import read_labels


@pytest.fixture
def picture(tmp_path: Path, six_squares: np.ndarray) -> Path:
    path = tmp_path / "in" / "squares.png"
    path.parent.mkdir()
    Image.fromarray(six_squares).save(path)
    return path


@pytest.fixture
def run(bundle_folder: Path, tmp_path: Path):
    """Run with the tiny bundle; returns the exit status."""

    def run_main(*arguments: object) -> int:
        return main([*map(str, arguments), "--out", str(tmp_path / "out"), "--model", str(bundle_folder)])

    return run_main


def rows(tmp_path: Path) -> list[dict[str, str]]:
    with (tmp_path / "out" / "summary.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def one_line(text: str) -> str:
    """What went to standard error: one line that starts with the word error, and no traceback."""
    lines = [line for line in text.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert "Traceback" not in text
    return lines[0]


def test_one_picture(run, picture: Path, bundle_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(picture) == 0
    assert sorted(item.name for item in (tmp_path / "out").iterdir()) == [
        ".nucleoscope-results",
        "index.html",
        "squares_labels.tif",
        "squares_nuclei.csv",
        "squares_overlay.png",
        "squares_run.json",
        "summary.csv",
        "thumbnails",
    ]
    labels = read_labels(tmp_path / "out" / "squares_labels.tif")
    np.testing.assert_array_equal(labels, Segmenter.from_pretrained(bundle_folder)(picture).labels)
    assert Image.open(tmp_path / "out" / "squares_overlay.png").size == (96, 64)
    (row,) = rows(tmp_path)
    assert float(row.pop("seconds")) >= 0
    assert row == {
        "image": "squares",
        "nuclei": "6",
        "width_px": "96",
        "height_px": "64",
        "density_per_mm2": "",
        "density_per_megapixel": str(6 / (96 * 64 / 1e6)),
        "median_area_um2": "",
        "median_area_px": "100.0",
        "notes": "",
        "error": "",
        "file": str(picture),
    }
    said = capsys.readouterr().out
    assert "squares: 6 nuclei in" in said
    assert "96 x 64, grey, 8 bit" in said  # what was understood
    assert "6 nuclei in 1 picture; 1 file done" in said


def test_files_folders_and_equal_names(run, picture: Path, six_squares: np.ndarray, tmp_path: Path) -> None:
    for folder, picture_name in (("b/deep", "SQUARES.TIF"), ("c", "squares.png")):
        (tmp_path / folder).mkdir(parents=True)
        Image.fromarray(six_squares[:32]).save(tmp_path / folder / picture_name)
    (tmp_path / "b" / "readme.txt").write_text("no picture")
    assert run(picture, tmp_path / "b", tmp_path / "c", picture) == 0
    found = rows(tmp_path)
    assert [row["nuclei"] for row in found] == ["6", "3", "3"]
    assert len({row["image"].lower() for row in found}) == 3
    for row in found:
        labels = read_labels(tmp_path / "out" / f"{row['image']}_labels.tif")
        assert labels.max() == int(row["nuclei"])
        assert labels.shape == (int(row["height_px"]), int(row["width_px"]))


def test_a_bad_file_does_not_stop_the_others(run, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (picture.parent / "broken.png").write_bytes(picture.read_bytes()[:60])
    (picture.parent / "text.tif").write_text("no picture")
    assert run(picture.parent) == 1
    assert [(row["image"], row["nuclei"]) for row in rows(tmp_path)] == [("broken", ""), ("squares", "6"), ("text", "")]
    assert "broken.png: the file is damaged" in rows(tmp_path)[0]["error"]
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2
    assert "broken.png" in errors[0]
    assert "text.tif" in errors[1]


@pytest.mark.parametrize(
    ("arguments", "nuclei"),
    [
        ((), "6"),
        (("--min-area", "101"), "0"),
        (("--min-area", "0"), "6"),
        (("--max-area", "100"), "6"),
        (("--max-area", "99"), "0"),
        (("--drop-border",), "6"),
        (("--threshold", "0.99999"), "0"),
        (("--separation", "2"), "6"),
        (("--device", "cpu"), "6"),
    ],
    ids=str,
)
def test_settings_replace_the_bundles(run, picture: Path, arguments: tuple, nuclei: str, tmp_path: Path) -> None:
    assert run(picture, *arguments) == 0
    assert rows(tmp_path)[0]["nuclei"] == nuclei


def test_separation_cuts(run, tmp_path: Path) -> None:
    pixels = np.zeros((60, 90), np.uint8)
    ys, xs = np.mgrid[:60, :90]
    for centre in (30, 54):
        pixels[(ys - 30) ** 2 + (xs - centre) ** 2 < 15**2] = 200
    Image.fromarray(pixels).save(tmp_path / "pair.png")
    for separation, nuclei in (("0", "1"), ("1.5", "2")):
        assert run(tmp_path / "pair.png", "--separation", separation) == 0
        assert rows(tmp_path)[0]["nuclei"] == nuclei


def test_pages_and_channel(run, six_squares: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "stack.tif"
    planes = np.stack([np.stack([six_squares * 0, page]) for page in (six_squares, six_squares[:, ::-1] * 0)])
    tifffile.imwrite(path, planes, imagej=True, metadata={"axes": "ZCYX"})
    assert run(path) == 1
    assert "--channel" in one_line(capsys.readouterr().err)
    assert run(path, "--channel", "1") == 0
    assert [(row["image"], row["nuclei"]) for row in rows(tmp_path)] == [("stack_page1", "6"), ("stack_page2", "0")]
    assert (tmp_path / "out" / "stack_page2_labels.tif").exists()
    assert run(path, "--channel", "7") == 1
    assert "channel 7 does not exist" in one_line(capsys.readouterr().err)


def test_notes_reach_the_table(run, six_squares: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    values = six_squares.astype(np.float32)
    values[0, 0] = np.nan
    tifffile.imwrite(tmp_path / "float.tif", values)
    assert run(tmp_path / "float.tif") == 0
    assert "not finite" in rows(tmp_path)[0]["notes"]
    assert "not finite" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--threshold", "1.5"), "threshold=1.5"),
        (("--threshold", "0"), "threshold=0.0"),
        (("--separation", "-1"), "separation=-1.0"),
        (("--min-area", "-3"), "min_area=-3"),
        (("--max-area", "3"), "max_area=3"),
        (("--min-probability", "1"), "min_probability=1"),
        (("--device", "nonsense"), "device='nonsense'"),
        (("--jobs", "0"), "jobs=0"),
        (("--format", "labels,bitmap"), "format 'bitmap' does not exist"),
        (("--format", ","), "format ',' does not exist"),
        (("--revision", "v1"), "a folder has no revisions"),
    ],
    ids=str,
)
def test_bad_settings_are_one_line(
    run, picture: Path, arguments: tuple, words: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert run(picture, *arguments) == 1
    assert words in one_line(capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_paths_that_are_not_there(run, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(tmp_path / "absent.png") == 1
    assert "absent.png: no such file or folder" in one_line(capsys.readouterr().err)
    (tmp_path / "empty").mkdir()
    assert run(tmp_path / "empty") == 1
    assert "empty: no pictures in this folder" in one_line(capsys.readouterr().err)


def test_model_that_is_not_there(picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main([str(picture), "--out", str(tmp_path / "out"), "--model", str(tmp_path / "absent")]) == 1
    assert "absent: there is no such model folder" in one_line(capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_out_that_cannot_be_made(
    picture: Path, bundle_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "file").write_text("taken")
    for out in (tmp_path / "file", tmp_path / "file" / "inside"):
        assert main([str(picture), "--out", str(out), "--model", str(bundle_folder)]) == 1
        assert "cannot be written" in one_line(capsys.readouterr().err)


@pytest.mark.parametrize("name", ["summary.csv", "squares_labels.tif", "squares_overlay.png"])
def test_results_that_cannot_be_written(
    run, picture: Path, name: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "out" / name).mkdir(parents=True)
    assert run(picture) == 1
    assert name in one_line(capsys.readouterr().err)


def test_needs_images_and_out(capsys: pytest.CaptureFixture) -> None:
    for arguments in ([], ["a.png"], ["--out", "x"], ["a.png", "--out", "x", "--min-area", "many"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2
    assert "usage: python -m segmentation" in capsys.readouterr().err


def test_default_model_is_the_shipped_one(project_root: Path) -> None:
    assert project_root / "checkpoints" / "nuclei" == DEFAULT_MODEL


def test_for_real(picture: Path, bundle_folder: Path, project_root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "segmentation", str(picture), "--out", str(out), "--model", str(bundle_folder)]
    done = subprocess.run(command, cwd=project_root, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "squares: 6 nuclei" in done.stdout
    assert rows(tmp_path)[0]["nuclei"] == "6"
    bad = subprocess.run([*command, "--threshold", "3"], cwd=project_root, capture_output=True, text=True, check=False)
    assert bad.returncode == 1
    assert one_line(bad.stderr).startswith("error: threshold=3.0")


def test_results_inside_the_image_folder_are_not_segmented_again(tmp_path: Path, bundle_folder: Path) -> None:
    Image.fromarray(np.full((20, 20), 10, np.uint8)).save(tmp_path / "a.png")
    for out in ("out", "out", "another"):  # the last passes by what the others left
        command = [str(tmp_path), "--out", str(tmp_path / out), "--model", str(bundle_folder), "--device", "cpu"]
        assert main(command) == 0
        assert len(list((tmp_path / out).rglob("*_labels.tif"))) == 1
