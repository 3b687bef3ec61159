"""docs/formats.md says of every file that is written what is so."""

import inspect
import re
from pathlib import Path

import pytest

from segmentation import svg_overlay
from segmentation.exports import DEFAULT_FORMATS, FORMATS
from segmentation.writers import OWN_COLOURS
from tests.segmentation import test_round_trips
from tests.segmentation.test_round_trips import READERS

COLUMNS = ["key", "file", "what it holds", "read by", "compared with the labels", "limits"]
# What the round trips read with, and what reads no labels.
LIBRARIES = {
    "labels": "tifffile",
    "npy": "numpy",
    "png": "Pillow",
    "overlay": "Pillow",
    "svg": "ElementTree",
    "csv": "pandas",
    "rois": "roifile",
    "geojson": "shapely",
    "coco": "pycocotools",
    "run": "json",
}
IMPORTS = {"numpy": "import numpy as np", "Pillow": "from PIL import Image", "ElementTree": "import ElementTree"}


@pytest.fixture(scope="module")
def section(project_root: Path) -> str:
    text = (project_root / "docs" / "formats.md").read_text(encoding="utf-8")
    [_, written] = text.split("\n## Written\n")
    return re.split(r"\n## ", written)[0]


@pytest.fixture(scope="module")
def table(section: str) -> dict[str, dict[str, str]]:
    """Rows of the first table, by their keys."""
    lines = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)[0].splitlines()
    head, _, *rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    assert head == COLUMNS
    assert all(len(row) == len(head) for row in rows)
    return {row[0].strip("`"): dict(zip(head, row, strict=True)) for row in rows}


def test_every_format_has_its_row_and_no_other(table: dict[str, dict[str, str]]) -> None:
    assert list(table) == list(FORMATS)
    assert {key: row["file"] for key, row in table.items()} == {
        key: f"`NAME{entry.suffix}`" for key, entry in FORMATS.items()
    }
    assert all(all(row.values()) for row in table.values())


def test_readers_are_the_ones_that_the_round_trips_use(table: dict[str, dict[str, str]]) -> None:
    source = inspect.getsource(test_round_trips)
    assert LIBRARIES.keys() == FORMATS.keys()
    for key, library in LIBRARIES.items():
        assert library in table[key]["read by"], key
        assert re.search(IMPORTS.get(library, rf"(import|from) {library}"), source), key


def test_identical_are_those_that_the_round_trips_find_so(table: dict[str, dict[str, str]]) -> None:
    assert {key for key, row in table.items() if row["compared with the labels"].startswith("identical")} == {
        *READERS,
        "png",
    }


def test_limits_are_the_codes(table: dict[str, dict[str, str]], section: str) -> None:
    assert f"to {OWN_COLOURS} nuclei" in table["png"]["compared with the labels"]
    assert f"{svg_overlay.MOST_PIXELS // 1_000_000} million pixels" in table["svg"]["limits"]
    ticked = re.search(r"The page ticks (.*?) at first", section, re.DOTALL)[1]
    assert re.findall(r"`(\w+)`", ticked) == list(DEFAULT_FORMATS)
