"""Results to take home, visits that last and stay apart, scores: in a real browser."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import roifile
import tifffile
from playwright.sync_api import Browser, Page, expect

from data_modules import ImageFolder
from segmentation import Segmenter
from tests.ui.browser import centre, click, give, set_number, settled, shown_count, state, whole

pytestmark = pytest.mark.browser
FORMATS = ("geojson", "coco")  # beside those that are chosen already


def take_home(page: Page, button: str, folder: Path) -> dict[str, Path]:
    """Press a button of the files panel; name -> file of what is in the zip."""
    before = page.locator("#files a[download]").count() and page.locator("#files a[download]").first.get_attribute(
        "href"
    )
    page.get_by_role("button", name=button).click()
    link = page.locator("#files a[download]").first
    if before:
        expect(link).not_to_have_attribute("href", before)
    with page.expect_download() as download:
        link.click()
    folder.mkdir()
    with zipfile.ZipFile(download.value.path()) as archive:
        archive.extractall(folder)
    return {path.name: path for path in folder.iterdir()}


def counts(files: dict[str, Path], stem: str) -> dict[str, int]:
    return {
        "labels": len(np.unique(tifffile.imread(files[f"{stem}_labels.tif"]))) - 1,
        "csv": len(pd.read_csv(files[f"{stem}_nuclei.csv"])),
        "rois": len(roifile.ImagejRoi.fromfile(files[f"{stem}_rois.zip"])),
        "geojson": len(json.loads(files[f"{stem}_nuclei.geojson"].read_text())["features"]),
        "coco": len(json.loads(files[f"{stem}_coco.json"].read_text())["annotations"]),
        "run": json.loads(files[f"{stem}_run.json"].read_text())["result"]["nuclei"],
    }


def test_every_file_agrees_with_the_page_and_follows_a_correction(
    page: Page, pictures: tuple[Path, Path], segmenter: Segmenter, tmp_path: Path
) -> None:
    give(page, pictures[0])
    for name in FORMATS:
        page.locator("#formats label", has_text=f"{name}:").click()
    files = take_home(page, "Files of this picture", tmp_path / "first")
    shown = shown_count(page)
    assert set(counts(files, "cells").values()) == {shown}
    expected = segmenter(pictures[0])
    np.testing.assert_array_equal(tifffile.imread(files["cells_labels.tif"]), expected.labels)
    page.get_by_role("button", name="Delete", exact=True).click()
    click(page, *centre(page, 4))
    expect(page.locator("#summary .count")).to_have_text(f"{shown - 1} nuclei")
    settled(page)
    files = take_home(page, "Files of this picture", tmp_path / "second")
    assert set(counts(files, "cells").values()) == {shown - 1}
    record = json.loads(files["cells_run.json"].read_text())
    assert [each["kind"] for each in record["corrections"]] == ["delete"]
    assert record["picture"]["file_name"] == "cells.tif"


def test_the_recipe_gives_the_same_nuclei(
    page: Page, pictures: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture, project_root: Path,
) -> None:  # fmt: skip
    give(page, pictures[0])
    page.fill("#threshold input[type=number]", "0.85")
    page.press("#threshold input[type=number]", "Enter")
    page.wait_for_timeout(500)
    settled(page)
    count = shown_count(page)
    take_home(page, "Files of this picture", tmp_path / "out")
    page.locator("#recipe button").first.click()
    python = page.locator("#code .cm-content").inner_text()
    command = page.locator("#command .cm-content").inner_text()
    assert "--threshold 0.85" in command
    monkeypatch.chdir(pictures[0].parent)
    exec(python.replace("\xa0", " "), {})
    assert capsys.readouterr().out.split() == ["cells", str(count)]


def test_all_pictures_and_a_training_folder(page: Page, pictures: tuple[Path, Path], tmp_path: Path) -> None:
    give(page, *pictures)
    settled(page)
    files = take_home(page, "Files of all pictures", tmp_path / "all")
    assert {"cells_labels.tif", "tissue_labels.tif", "tissue_overlay.png"} <= set(files)
    take_home(page, "Training folder of all pictures", tmp_path / "training")
    source = ImageFolder(str(tmp_path / "training"))
    source.prepare()
    source.setup()
    for index, info in enumerate(source.infos):
        expected = tifffile.imread(files[f"{info.name}_labels.tif"])
        np.testing.assert_array_equal(source.load(index).labels, expected)
    assert len(source.infos) == 2


def test_a_reload_loses_nothing_and_visitors_are_apart(
    browser: Browser, url: str, page: Page, pictures: tuple[Path, Path]
) -> None:
    give(page, pictures[0])
    set_number(page, "#threshold", "0.85")
    page.wait_for_timeout(500)
    settled(page)
    count = shown_count(page)
    other = browser.new_page()
    other.goto(url)
    expect(other.locator("#summary .detail")).to_have_text("Drop pictures on the left, or click an example.")
    give(other, pictures[1])
    page.reload()
    whole(page)
    settled(page)
    assert shown_count(page) == count
    expect(page.locator("#summary .detail")).to_contain_text("cells: 260 x 200")
    expect(page.locator("#threshold input[type=number]")).to_have_value("0.85")
    page.get_by_role("button", name="Delete", exact=True).click()
    click(page, *centre(page, 1))
    expect(page.locator("#summary .count")).to_have_text(f"{count - 1} nuclei")
    expect(other.locator("#summary .detail")).to_contain_text("tissue: 240 x 180")
    assert state(other, "S.id") == "tissue"
    other.close()


def test_score_against_a_truth(page: Page, pictures: tuple[Path, Path], segmenter: Segmenter, tmp_path: Path) -> None:
    give(page, pictures[0])
    truth = segmenter(pictures[0]).labels.copy()
    truth[truth == 2] = 0
    tifffile.imwrite(tmp_path / "truth.tif", truth)
    page.get_by_role("tab", name="Score").click()
    page.set_input_files("#truth input[type=file]", str(tmp_path / "truth.tif"))
    count = shown = len(np.unique(truth)) - 1
    expect(page.locator("#verdict .count")).to_have_text(f"{shown} of {count} nuclei found")
    expect(page.locator("#verdict .fates")).to_contain_text("1 spurious")
    expect(page.locator("#comparison img")).to_be_visible()
    tifffile.imwrite(tmp_path / "small.tif", truth[:50])
    page.get_by_role("button", name="Clear").last.click()
    page.set_input_files("#truth input[type=file]", str(tmp_path / "small.tif"))
    expect(page.locator(".toast-body")).to_contain_text("260 x 50")


SLOW_EVENTS = """() => {
  const asked = window.fetch;
  window.fetch = async (...request) => {
    if (String(request[0].url ?? request[0]).includes("queue/join")) await new Promise(go => setTimeout(go, 1500));
    return asked(...request);
  };
}"""


def test_a_truth_that_follows_a_clear_at_once(
    page: Page, pictures: tuple[Path, Path], segmenter: Segmenter, tmp_path: Path
) -> None:
    """Gradio ignores an event while the one before it is on its way, unless it is asked to keep the last."""
    give(page, pictures[0])
    truth = segmenter(pictures[0]).labels
    tifffile.imwrite(tmp_path / "truth.tif", truth)
    page.get_by_role("tab", name="Score").click()
    page.set_input_files("#truth input[type=file]", str(tmp_path / "truth.tif"))
    count = len(np.unique(truth)) - 1
    expect(page.locator("#verdict .count")).to_have_text(f"{count} of {count} nuclei found")
    page.evaluate(SLOW_EVENTS)
    page.get_by_role("button", name="Clear").last.click()
    page.set_input_files("#truth input[type=file]", str(tmp_path / "truth.tif"))
    expect(page.locator("#verdict .count")).to_be_hidden()
    expect(page.locator("#verdict .count")).to_have_text(f"{count} of {count} nuclei found")
