"""Draws docs/page.png and docs/screenshots/*.png: every tab, light and dark, wide and narrow.

Run: ``make screenshots`` (needs chromium).
"""

import io
import tempfile
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image
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
                    _draw(page, HERE / "page.png")
                _draw(page, folder / f"segment-{theme}-{size}.png")
                _score(page, truth)
                _draw(page, folder / f"score-{theme}-{size}.png")
                _look_inside(page)
                _draw(page, folder / f"inside-{theme}-{size}.png")
                _open(page, "Help")
                page.wait_for_timeout(300)
                _draw(page, folder / f"help-{theme}-{size}.png")
                page.close()


def _draw(page: Page, path: Path) -> None:
    """The whole page in 256 colours, which take a third of the space."""
    shot = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
    shot.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def _open(page: Page, name: str) -> None:
    """Choose a tab; on narrow screens the last ones are in a menu."""
    tab = page.get_by_role("tab", name=name)
    if not tab.count() or not tab.first.is_visible():
        page.locator(".overflow-menu > button").click()
        tab = page.locator(".overflow-dropdown button", has_text=name)
    tab.first.click()


def _segment(page: Page) -> None:
    assert write_examples()
    page.locator("#examples button").first.click()
    expect(page.locator("#summary .count")).to_be_visible(timeout=60_000)
    page.wait_for_function("window.nucleoscope?.state?.labels")
    page.locator(".nb-row[data-label='12']").click()
    page.mouse.move(5, 5)
    page.wait_for_timeout(700)


def _score(page: Page, truth: Path) -> None:
    _open(page, "Score")
    page.set_input_files("#truth input[type=file]", str(truth))
    expect(page.locator("#comparison img")).to_be_visible(timeout=30_000)
    page.wait_for_timeout(700)


def _look_inside(page: Page) -> None:
    _open(page, "Look inside")
    expect(page.locator("button[data-level]").first).to_be_visible(timeout=60_000)
    page.wait_for_timeout(1500)


if __name__ == "__main__":
    main()
