"""Names of files and channels, and whatever else strangers write, do nothing where they are shown."""

import csv
import json
import os
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from playwright.sync_api import Browser, expect

from lightning_modules.report_page import WorstPicture, page_link, write_page
from lightning_modules.report_tables import judge_picture, summarise, write_tables
from segmentation import Segmenter
from segmentation.__main__ import main
from segmentation.exports import run_record, write_all
from segmentation.measurements import measure
from segmentation.microscopy_image import MicroscopyImage
from segmentation.spreadsheet import spreadsheet_safe
from tests.conftest import squares
from tests.security.conftest import Site
from tests.security.test_headers import watch
from tests.security.visitor import png
from tests.ui.browser import settled, whole

MARKUP = "<img src=x onerror=alert(1)><script>alert(2)</script>\"'&]]>--></title></svg>${lead}"
FORMULA = "=cmd|'/C calc'!A0"
# As a spreadsheet sees a cell, whatever it takes for the end of one.
CELL = re.compile(r"^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]|(?<!^)[;\r\n][=+\-@\uff1d\uff0b\uff0d\uff20]")


class Tags(HTMLParser):
    """The elements and attributes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {tag, *(name for name, _ in attrs)}
        assert not any(name.startswith("on") for name, _ in attrs if (tag, name) != ("form", "onsubmit"))
        assert not any(re.match(r"[a-z]+:|//", value or "") for name, value in attrs if name in ("href", "src"))


@pytest.fixture(scope="module")
def segmenter(bundle_folder: Path) -> Segmenter:
    return Segmenter.from_pretrained(bundle_folder, "cpu")


@pytest.mark.parametrize(
    "text",
    [
        *(f"{sign}1+1" for sign in "=+-@\uff1d\uff0b\uff0d\uff20"),
        FORMULA,
        "\t=1",
        "\r=1",
        "\n=1",
        "cells;=1+1",  # a semicolon ends a cell where commas are for decimals, and quotes within a line are letters
        "cells\n=1+1",
        "cells\r\n@SUM(A1)",
        ";=1",
    ],
)
def test_no_text_begins_a_formula(text: str) -> None:
    safe = spreadsheet_safe(text)
    assert not CELL.search(safe) or safe[:2] in ("'\t", "'\r", "'\n")
    assert safe.replace("'", "") == text.replace("'", "")


@pytest.mark.parametrize("text", ["a=1", "DAPI; GFP", "x-1", "1e-5", "a,b", "caf\u00e9", "", 'say "x"', "a\nb"])
def test_other_text_stays(text: str) -> None:
    assert spreadsheet_safe(text) == text
    assert spreadsheet_safe(-1.5) == -1.5


def test_everything_to_take_home(segmenter: Segmenter, bundle_folder: Path, tmp_path: Path) -> None:
    pixels = np.repeat(squares()[..., None], 3, axis=2)
    channels = (FORMULA, MARKUP, "x;=1+1")
    result = segmenter(MicroscopyImage(pixels, MARKUP, (MARKUP,), None, channels))
    table = measure(result.labels, pixels, channel_names=channels, full=True)
    record = run_record(result, segmenter.bundle, model=MARKUP, source=None)
    files = {path.name: path for path in write_all(tmp_path, "x", result, table, record)}
    with files["x_nuclei.csv"].open(encoding="utf-8-sig", newline="") as file:
        head, *rows = csv.reader(file)
    assert any("calc" in name for name in head)
    assert not [cell for cell in head if CELL.search(cell)]
    assert len(rows) == 6
    for name in ("x_run.json", "x_coco.json", "x_nuclei.geojson"):
        json.loads(files[name].read_text())
    root = ElementTree.parse(files["x_overlay.svg"]).getroot()  # the title is text
    kinds = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert kinds == {"svg", "title", "image", "g", "path"}
    assert root[0].text == MARKUP
    described = tifffile.TiffFile(files["x_labels.tif"]).ome_metadata
    assert described
    ElementTree.fromstring(described)


AWKWARD = [
    f"{MARKUP.replace('/', '')}.png",
    "=HYPERLINK(1).png",
    "\x1b]0;owned\x07\x1b[2J.png",  # which a terminal would obey
    "\u202egnp.exe.png",
    "a;=1+1.png",
    os.fsdecode(b"no\xfftext.png"),
]


def test_a_folder_of_awkward_names(bundle_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures, out = tmp_path / "in", tmp_path / "out"
    pictures.mkdir()
    for name in AWKWARD:
        (pictures / name).write_bytes(png())
        (pictures / f"bad {name}").write_bytes(b"no picture")
    main(
        [str(pictures), "--out", str(out), "--model", str(bundle_folder), "--format", "csv,svg,run", "--device", "cpu"]
    )
    told = capsys.readouterr()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", told.out + told.err.replace("\r", ""))
    for path in out.rglob("*"):
        assert re.fullmatch(r"[\w ().\-]+", path.name), path.name
    Tags((out / "index.html").read_text(encoding="utf-8"))
    with (out / "summary.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert len(rows) == 1 + 2 * len(AWKWARD)
    assert not [cell for row in rows for cell in row if CELL.search(cell)]


def test_the_test_report(tmp_path: Path) -> None:
    labels = np.zeros((20, 20), np.uint16)
    labels[5:10, 5:10] = 1
    names = [FORMULA, MARKUP, "x;=1", os.fsdecode(b"no\xfftext")]
    pictures = [judge_picture(labels, labels, name, "fluorescence") for name in names]
    summaries = summarise(pictures)
    write_tables(tmp_path, pictures, summaries)
    found = pd.read_csv(tmp_path / "pictures.csv")["name"].tolist()
    assert found[0] == f"'{FORMULA}"
    assert not [name for name in found if CELL.search(name)]
    worst = [WorstPicture(picture, page_link(Path("worst") / f"{picture.name}.png")) for picture in pictures]
    write_page(tmp_path / "report.html", summaries, worst, {"model": MARKUP, MARKUP: 1}, published=False)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "script" not in Tags(page).found


@pytest.mark.browser
def test_the_page(browser: Browser, open_site: Site, tmp_path: Path) -> None:
    for number in range(2):
        pixels = np.stack([squares()] * 4)
        names = [f"{MARKUP} {channel}" for channel in range(4)]
        path = tmp_path / f"{number} {MARKUP.replace('/', '')}.ome.tif"
        tifffile.imwrite(path, pixels, ome=True, metadata={"axes": "CYX", "Channel": {"Name": names}})
    (tmp_path / f"bad {MARKUP.replace('/', '')}.png").write_bytes(b"no picture")
    page = browser.new_page()
    page.set_default_timeout(60_000)
    violations = watch(page)
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message) or dialog.dismiss())
    page.goto(open_site.address)
    whole(page)
    page.set_input_files("#drop input[type=file]", [str(path) for path in sorted(tmp_path.iterdir())])
    settled(page)
    expect(page.locator("#problems .failure")).to_have_count(1)
    assert "alert" in page.locator("#channel input").input_value()
    page.locator("#channel input").click()
    expect(page.get_by_role("option").nth(1)).to_contain_text("<script>")
    page.keyboard.press("Escape")
    page.click("#files-all")
    expect(page.locator("#files a").first).to_be_visible()
    assert page.evaluate("() => document.querySelectorAll('img[onerror], img[src=x]').length") == 0
    assert dialogs == []
    assert violations == []
    page.close()
