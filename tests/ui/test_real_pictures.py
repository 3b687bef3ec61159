"""The page on microscopy as it comes: two held-out pictures of the 2018 Data Science Bowl and their masks."""

import csv
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from playwright.sync_api import Page, expect

from segmentation import Segmenter
from segmentation.comparison import compare
from segmentation.truth_io import read_truth
from tests.ui.browser import centre, click, give, settled, shown_count
from tests.ui.test_results import counts, take_home

pytestmark = [pytest.mark.browser, pytest.mark.real_data]


@pytest.fixture
def real(real_data: Path, tmp_path: Path) -> dict[str, tuple[Path, Path]]:
    """A dark fluorescence and a stained tissue picture, each with a zip of its masks."""
    with (real_data / "groups.csv").open() as file:
        held_out = [row for row in csv.DictReader(file) if row["fold"] == "0"]
    found = {}
    with zipfile.ZipFile(real_data / "stage1_train.zip") as archive:
        names = archive.namelist()
        for kind in ("f", "c"):
            number = next(row["ImageId"] for row in held_out if row["cluster"] == kind)
            picture = next(name for name in names if name.startswith(f"{number}/images/"))
            (tmp_path / f"{kind}.png").write_bytes(archive.read(picture))
            with zipfile.ZipFile(tmp_path / f"{kind}_masks.zip", "w") as masks:
                for name in names:
                    if name.startswith(f"{number}/masks/") and name.endswith(".png"):
                        masks.writestr(Path(name).name, archive.read(name))
            found[kind] = (tmp_path / f"{kind}.png", tmp_path / f"{kind}_masks.zip")
    return found


def test_from_drop_to_files_and_score(
    page: Page, real: dict[str, tuple[Path, Path]], segmenter: Segmenter, tmp_path: Path
) -> None:
    give(page, *(picture for picture, _ in real.values()))
    for number, (kind, (picture, masks)) in enumerate(real.items()):
        page.get_by_role("tab", name="Segment").click()
        page.locator("#gallery button.thumbnail-item").nth(number).click()
        expect(page.locator("#summary .detail")).to_contain_text(f"{kind}: ")
        settled(page)
        expected = segmenter(picture)
        assert shown_count(page) == expected.count > 0
        files = take_home(page, "Files of this picture", tmp_path / kind)
        np.testing.assert_array_equal(tifffile.imread(files[f"{kind}_labels.tif"]), expected.labels)
        page.get_by_role("tab", name="Score").click()
        if number:
            page.get_by_role("button", name="Clear").last.click()
        page.set_input_files("#truth input[type=file]", str(masks))
        compared = compare(expected.labels, read_truth([masks], expected.labels.shape).labels)
        text = f"{compared.errors.found} of {compared.errors.nuclei} nuclei found"
        expect(page.locator("#verdict .count")).to_have_text(text)
        assert compared.errors.found > 0


def test_a_correction_changes_every_file(
    page: Page, real: dict[str, tuple[Path, Path]], segmenter: Segmenter, tmp_path: Path
) -> None:
    give(page, real["c"][0])
    count = shown_count(page)
    for name in ("geojson", "coco"):
        page.locator("#formats label", has_text=f"{name}:").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    click(page, *centre(page, 3))
    expect(page.locator("#summary .count")).to_have_text(f"{count - 1} nuclei")
    settled(page)
    files = take_home(page, "Files of this picture", tmp_path / "files")
    assert set(counts(files, "c").values()) == {count - 1}
