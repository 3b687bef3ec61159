"""docs/formats.md says of every file that is read what is so; the tests of what is written are beside it."""

import re
from pathlib import Path

import pytest

from segmentation import limits, tiff_segments
from segmentation.dicom_frames import CODECS
from segmentation.image_info import describe
from segmentation.picture_file import FORMATS, SUFFIXES
from tests.segmentation.corpus import CASES

SYNTAX = "1.2.840.10008.1.2"


@pytest.fixture(scope="module")
def tables(project_root: Path) -> list[list[list[str]]]:
    """Cells of each table under "Read", row by row, heads first."""
    text = (project_root / "docs" / "formats.md").read_text(encoding="utf-8")
    section = text.split("\n## Read\n")[1].split("\n## ")[0]
    found = []
    for block in re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE):
        rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in block.splitlines()]
        assert len({len(row) for row in rows}) == 1
        found.append([rows[0], *rows[2:]])
    assert [table[0][0] for table in found] == ["format", "TIFF compression", "DICOM transfer syntax", "limit"]
    return found


def test_formats(tables: list[list[list[str]]], tmp_path: Path) -> None:
    rows = {row[0]: row for row in tables[0][1:]}
    assert set(rows) == {case.form for case in CASES} - {"any"}
    for form in rows:
        readable = next(case for case in CASES if case.form == form and not case.says)
        path = tmp_path / readable.name
        path.write_bytes(readable.data())
        assert describe(path).format == form
        assert form in FORMATS or form.endswith("TIFF")
        if rows[form][-1]:
            assert any(case.says for case in CASES if case.form == form)


def test_suffixes(tables: list[list[list[str]]]) -> None:
    named = {row[0]: set(re.findall(r"`(\.\w+)`", row[1])) for row in tables[0][1:]}
    assert set.union(*named.values()) == SUFFIXES
    for case in CASES:
        suffix = Path(case.name).suffix
        if not case.says and suffix in SUFFIXES and case.name != "really_a_png.tif":
            assert suffix in named[case.form]
        elif not case.says:
            assert case.name in ("really_a_png.tif", "no_suffix")


def test_compressions(tables: list[list[list[str]]]) -> None:
    listed = [int(number) for row in tables[1][1:] for number in row[1].split(",")]
    read = (*tiff_segments._JPEG, *tiff_segments._PIXEL_CODECS, *tiff_segments._BYTE_CODECS)
    assert sorted(listed) == sorted(read)


def test_transfer_syntaxes(tables: list[list[list[str]]]) -> None:
    listed = {
        SYNTAX + ("" if tail.strip() == "(nothing)" else tail.strip()): "" if row[0] == "native" else row[0]
        for row in tables[2][1:]
        for tail in row[1].split(",")
    }
    assert listed == CODECS


def test_limits(tables: list[list[list[str]]]) -> None:
    rows = {row[2].strip("`"): int(row[1].replace(",", "")) for row in tables[3][1:]}
    assert rows.pop("4 * MAX_PIXELS") == 4 * limits.MAX_PIXELS
    assert rows == {name: getattr(limits, name) for name in vars(limits) if name.startswith("MAX_")}
