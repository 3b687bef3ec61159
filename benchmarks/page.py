"""How long a visitor waits: from drop to outlines, and from a moved slider to new ones, in a real browser.

A picture of 1024 x 1024 pixels with 500 nuclei. The product of two 2048 x 2048 matrices in NumPy, in the same run, says
how fast the computer is.

Run: ``python -m benchmarks.page`` (needs chromium). With ``--large`` it opens a picture of 8,000 x 8,000 pixels and
15,000 nuclei in place of that, and tells how long a step to the side takes, whole and at its own pixels.
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image
from playwright.sync_api import Page

from docs.served import chromium, served
from segmentation.examples import make_example

# Set by the page when labels have arrived and two frames have been drawn since.
PAINTED = """new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now()))))"""
PANS = """async () => {
    const canvas = document.querySelector(".nb-canvas"), times = [];
    for (let i = 0; i < 60; i++) {
        const start = performance.now(), key = i % 2 ? "ArrowLeft" : "ArrowRight";
        canvas.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
        await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
        times.push(performance.now() - start);
    }
    return times.sort((a, b) => a - b)[30];
}"""
NEW_LABELS = "old => window.nucleoscope.state.labels && window.nucleoscope.state.labels !== window.oldLabels"


def main() -> None:
    """Print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--large", action="store_true")
    options = parser.parse_args()
    if options.large:
        _large()
    else:
        _usual(options.repeats)


def _usual(repeats: int) -> None:
    example = make_example("fluorescence", 1, height=1024, width=1024, nuclei=500, radius=(8.0, 14.0))
    with tempfile.TemporaryDirectory() as folder, served() as address, chromium() as browser:
        path = Path(folder) / "cells.png"
        Image.fromarray(example.pixels.squeeze()).save(path)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        drops = []
        for _ in range(repeats):  # a new visit each time: a second drop would join the first
            page.goto(address)
            page.evaluate("sessionStorage.clear()")
            page.goto(address)
            page.wait_for_selector("#examples img")
            page.wait_for_timeout(500)
            drops.append(_timed(page, lambda: page.set_input_files("#drop input[type=file]", str(path))))
        moves = [_timed(page, lambda step=step: _set(page, 0.5 + 0.03 * step)) for step in range(repeats)]
        count = page.evaluate("window.nucleoscope.state.count")
    product = min(_product() for _ in range(5))
    print(f"{count} nuclei; drop to outlines {median(drops):.2f} s ({median(drops) / product:.1f} products), ", end="")
    print(f"threshold to outlines {median(moves):.2f} s ({median(moves) / product:.1f}); a product {product:.3f} s")


def _large() -> None:
    field = make_example("fluorescence", 2, height=500, width=500, nuclei=60, radius=(9.0, 13.0)).pixels.squeeze()
    with tempfile.TemporaryDirectory() as folder, served() as address, chromium() as browser:
        path = Path(folder) / "slide.png"
        Image.fromarray(np.tile(field, (16, 16))).save(path)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(600_000)
        page.goto(address)
        page.wait_for_selector("#examples img")
        page.locator("#network button").first.click()
        _type(page, "#magnification", "0.3")  # a viewer is measured here, not the network
        seconds = _timed(page, lambda: page.set_input_files("#drop input[type=file]", str(path)))
        whole = page.evaluate(PANS)
        page.get_by_role("button", name="1:1").click()
        start = time.perf_counter()
        page.wait_for_function("window.nucleoscope.state.closeup?.step === 1", polling="raf")
        closer = time.perf_counter() - start
        print(
            f"8,000 x 8,000 pixels, {page.evaluate('window.nucleoscope.state.count'):,} nuclei; drop to outlines "
            f"{seconds:.0f} s, a step to the side and two frames {whole:.0f} ms, own pixels after {closer:.2f} s, "
            f"a step there {page.evaluate(PANS):.0f} ms (two frames of an idle page: 33 ms)"
        )


def _timed(page: Page, act: object) -> float:
    page.evaluate("window.oldLabels = window.nucleoscope?.state?.labels ?? null")
    start = time.perf_counter()
    assert callable(act)
    act()
    page.wait_for_function(NEW_LABELS, polling="raf")
    page.evaluate(PAINTED)
    return time.perf_counter() - start


def _set(page: Page, threshold: float) -> None:
    _type(page, "#threshold", f"{threshold:.2f}")


def _type(page: Page, where: str, value: str) -> None:
    page.fill(f"{where} input[type=number]", value)
    page.press(f"{where} input[type=number]", "Enter")


def _product() -> float:
    matrix = np.ones((2048, 2048), np.float32)
    start = time.perf_counter()
    matrix @ matrix
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
