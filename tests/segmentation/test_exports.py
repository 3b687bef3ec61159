"""Files to take home, read back by the libraries of those who will read them."""

import csv
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import roifile
from PIL import Image

from segmentation import Bundle, Segmentation, Segmenter, exports, read_image
from segmentation.errors import ParameterError
from segmentation.exports import (
    DEFAULT_FORMATS,
    FORMATS,
    run_record,
    spreadsheet_safe,
    write_all,
    write_table,
    zip_folder,
)
from segmentation.pixel_size import PixelSize
from segmentation.writers import read_labels


def table_of(labels: np.ndarray) -> pd.DataFrame:
    """A row for each nucleus."""
    numbers, areas = np.unique(labels[labels > 0], return_counts=True)
    return pd.DataFrame({"label": numbers, "area_px": areas, "mean": numbers / 3})


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture
def result(bundle: Bundle, six_squares: np.ndarray) -> Segmentation:
    return Segmenter(bundle)(six_squares)


@pytest.fixture
def record(result: Segmentation, bundle: Bundle) -> dict[str, Any]:
    return run_record(result, bundle, model="bright")


@pytest.mark.parametrize("column", ["mean", "mean (µm²)"])
def test_table_round_trip(column: str, tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "label": [1, 2, 70_000],
            column: [1 / 3, np.nan, 1e-300],
            "single": np.array([0.1, 2.5, 3], np.float32),
            "touches_border": [True, False, True],
            "kind": ['with, comma and "quotes"', "two\nlines", "plain"],
        }
    )
    path = write_table(tmp_path / "t.csv", table)
    again = pd.read_csv(path)
    pd.testing.assert_frame_equal(again.astype({"single": np.float32}), table, check_exact=True, check_dtype=False)
    data = path.read_bytes()
    assert data.startswith(b"\xef\xbb\xbf") == (not column.isascii())  # Excel needs it, for such columns alone
    with path.open(encoding="utf-8-sig", newline="") as file:
        assert next(csv.reader(file)) == ["label", column, "single", "touches_border", "kind"]


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=cmd|"/c calc"!A0', "=", "-nan"]


def test_text_is_never_a_formula(tmp_path: Path) -> None:
    table = pd.DataFrame({"label": range(len(FORMULAS)), "file": FORMULAS, "=HYPERLINK(1)": -1.5})
    path = write_table(tmp_path / "t.csv", table)
    with path.open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["label", "file", "'=HYPERLINK(1)"]
    assert [row[1] for row in rows] == [f"'{text}" for text in FORMULAS]
    assert {row[2] for row in rows} == {"-1.5"}  # a number is none
    assert table["file"].tolist() == FORMULAS
    assert [spreadsheet_safe(value) for value in ("a=1", "", -1.5, None)] == ["a=1", "", -1.5, None]


def test_other_text_comes_back_as_it_was(tmp_path: Path) -> None:
    texts = [
        "a,b",
        'say "x"',
        "two\nlines",
        "two\r\nlines",
        "old\rlines",
        "<b>&amp;</b>",
        "'quoted'",
        " = 1",
        "細胞;核",
        "1e5",
        "a\tb",
    ]
    twice = pd.DataFrame([[1, 2]], columns=[5, 5])  # columns of one name
    for table in (pd.DataFrame({"text": texts}), pd.DataFrame([texts], columns=texts), twice):
        path = write_table(tmp_path / "t.csv", table)
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
        assert rows[0] == list(map(str, table.columns))
        assert rows[1:] == [[str(value) for value in row] for row in table.itertuples(index=False)]


def test_names_that_are_no_text_can_be_written(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.csv", pd.DataFrame({"file": [b"caf\xe9".decode("utf-8", "surrogateescape")]}))
    assert pd.read_csv(path)["file"].tolist() == [r"caf\udce9"]


def test_large_tables_are_written_in_pieces(tmp_path: Path) -> None:
    table = pd.DataFrame({"label": np.arange(1, 25_001), "mean": np.random.default_rng(0).normal(size=25_000)})
    pd.testing.assert_frame_equal(pd.read_csv(write_table(tmp_path / "t.csv", table)), table, check_exact=True)


def test_an_empty_table_keeps_its_columns(tmp_path: Path) -> None:
    again = pd.read_csv(write_table(tmp_path / "t.csv", table_of(np.zeros((3, 3), np.uint16))))
    assert list(again.columns) == ["label", "area_px", "mean"]
    assert len(again) == 0


def test_write_all(result: Segmentation, record: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    paths = write_all(folder, "six", result, table_of(result.labels), record)
    assert [path.name for path in paths] == [f"six{suffix}" for suffix, _ in FORMATS.values()]
    assert sorted(folder.iterdir()) == sorted(paths)  # and no temporary file
    found = dict(zip(FORMATS, paths, strict=True))
    np.testing.assert_array_equal(read_labels(found["labels"]), result.labels)
    with Image.open(found["overlay"]) as overlay:
        assert overlay.size == (96, 64)
    assert len(roifile.roiread(found["rois"])) == 6
    assert len(read_json(found["geojson"])["features"]) == 6
    coco = read_json(found["coco"])
    assert len(coco["annotations"]) == 6
    assert coco["images"][0]["file_name"] == record["picture"]["file_name"]
    assert len(pd.read_csv(found["csv"])) == 6
    assert read_json(found["run"]) == record


def test_write_all_hands_on_the_pixel_size(
    result: Segmentation, record: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record["picture"]["pixel_size_um"] = {"y": 0.5, "x": 0.25}
    labels, svg = write_all(tmp_path, "six", result, table_of(result.labels), record, ["labels", "svg"])
    assert read_image(labels).pixel_size == PixelSize(0.5, 0.25)
    assert "Nucleus 1: 12.5 µm²" in svg.read_text(encoding="utf-8")


def test_default_formats_are_formats() -> None:
    assert set(DEFAULT_FORMATS) < set(FORMATS)
    assert list(DEFAULT_FORMATS) == [key for key in FORMATS if key in DEFAULT_FORMATS]


def test_write_all_of_nothing_found(bundle: Bundle, tmp_path: Path) -> None:
    result = Segmenter(bundle)(np.zeros((32, 40), np.uint8))
    record = run_record(result, bundle, model="bright")
    for path in write_all(tmp_path, "dark", result, table_of(result.labels), record):
        assert path.stat().st_size > 0


def test_write_all_writes_what_was_asked(result: Segmentation, record: dict[str, Any], tmp_path: Path) -> None:
    paths = write_all(tmp_path, "six", result, table_of(result.labels), record, ["run", "csv"])
    assert paths == [tmp_path / "six_run.json", tmp_path / "six_nuclei.csv"]
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    with pytest.raises(ParameterError, match="'xls' does not exist; choose from labels, npy, png, overlay"):
        write_all(tmp_path, "seven", result, table_of(result.labels), record, ["csv", "xls"])
    assert sorted(tmp_path.iterdir()) == sorted(paths)


def test_a_file_that_fails_half_way_leaves_the_old_one(
    result: Segmentation, record: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [path] = write_all(tmp_path, "six", result, table_of(result.labels), record, ["labels"])
    before = path.read_bytes()

    def fail(path: Path, labels: np.ndarray, pixel_size: PixelSize | None) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exports, "write_labels", fail)
    with pytest.raises(OSError, match="No space"):
        write_all(tmp_path, "six", result, table_of(result.labels), record, ["labels"])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_files_are_readable_by_others(result: Segmentation, record: dict[str, Any], tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    for path in write_all(tmp_path, "six", result, table_of(result.labels), record):
        assert path.stat().st_mode == plain.stat().st_mode


def test_zip_folder_is_flat_and_loses_nothing(tmp_path: Path) -> None:
    sources = []
    for folder, name in [("a", "x.csv"), ("b", "x.csv"), ("b", "X.CSV"), ("b", "x.png"), ("c", "細胞_labels.tif")]:
        path = tmp_path / folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{folder} {name}")
        sources.append(path)
    written = zip_folder(sources, tmp_path / "all.zip")
    assert written == tmp_path / "all.zip"
    with zipfile.ZipFile(written) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["x.csv", "x_2.csv", "X_3.csv", "x.png", "細胞_labels.tif"]
        assert [archive.read(name) for name in archive.namelist()] == [path.read_bytes() for path in sources]
    with pytest.raises(FileNotFoundError):
        zip_folder([*sources, tmp_path / "gone"], written)
    with zipfile.ZipFile(written) as archive:
        assert len(archive.namelist()) == 5
    assert not list(tmp_path.glob(".*"))
