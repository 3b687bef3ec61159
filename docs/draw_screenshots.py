"""Draws docs/page.png and docs/screenshots/*.png: every tab, light and dark, wide and narrow.

Run: ``make screenshots`` (needs chromium).
"""

import tempfile
from pathlib import Path

import numpy as np
import tifffile
from playwright.sync_api import Page, expect

from docs.served import chromium, served
from segmentation.examples import make_example
from ui.examples import write_examples

HERE = Path(__file__).resolve().parent
SIZES = {"wide": (1280, 900), "narrow": (390, 844)}


def main() -> None:
    """Serve the page, use every tab, and take the pictures."""
    folder = HERE / "screenshots"
    folder.mkdir(exist_ok=True)
    with served() as address, chromium() as browser, tempfile.TemporaryDirectory() as scratch:
        truth = Path(scratch) / "truth.tif"
        example = make_example("fluorescence", 3, height=384, width=384, nuclei=68, radius=(9.0, 16.0))
        tifffile.imwrite(truth, example.labels.astype(np.uint16))
        for theme in ("light", "dark"):
            for size, (width, height) in SIZES.items():
                page = browser.new_page(viewport={"width": width, "height": height})
                page.goto(f"{address}?__theme={theme}")
                _segment(page)
                if (theme, size) == ("light", "wide"):
                    page.screenshot(path=HERE / "page.png", full_page=True)
                page.screenshot(path=folder / f"segment-{theme}-{size}.png", full_page=True)
                _score(page, truth)
                page.screenshot(path=folder / f"score-{theme}-{size}.png", full_page=True)
                _look_inside(page)
                page.screenshot(path=folder / f"inside-{theme}-{size}.png", full_page=True)
                page.get_by_role("tab", name="Help").click()
                page.wait_for_timeout(300)
                page.screenshot(path=folder / f"help-{theme}-{size}.png", full_page=True)
                page.close()


def _segment(page: Page) -> None:
    assert write_examples()
    page.locator("#examples button").first.click()
    expect(page.locator("#summary .count")).to_be_visible(timeout=60_000)
    page.wait_for_function("window.nucleoscope?.state?.labels")
    page.locator(".nb-row[data-label='12']").click()
    page.mouse.move(5, 5)
    page.wait_for_timeout(700)


def _score(page: Page, truth: Path) -> None:
    page.get_by_role("tab", name="Compare with the truth").click()
    page.set_input_files("#truth input[type=file]", str(truth))
    expect(page.locator("#comparison img")).to_be_visible(timeout=30_000)
    page.wait_for_timeout(700)


def _look_inside(page: Page) -> None:
    page.get_by_role("tab", name="Look inside").click()
    expect(page.locator("button[data-level]").first).to_be_visible(timeout=60_000)
    page.wait_for_timeout(1500)


if __name__ == "__main__":
    main()
