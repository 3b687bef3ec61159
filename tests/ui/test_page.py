"""The real page, served by the real entry point, in a real browser."""

import base64
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from segmentation import DecodeParams, Segmenter
from segmentation.examples import make_example

pytestmark = pytest.mark.browser
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        reason = "no chromium on this machine; on Debian: apt-get install chromium"
        if os.environ.get("REQUIRE_BROWSER"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def url(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (tmp_path_factory.mktemp("server") / "log.txt").open("w+")
    command = [sys.executable, "app.py", "--port", str(port), "--device", "cpu"]
    server = subprocess.Popen(command, cwd=project_root, stdout=log, stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(240):
            if server.poll() is not None:
                log.seek(0)
                pytest.fail(f"app.py ended with {server.returncode}:\n{log.read()}")
            try:
                urllib.request.urlopen(address, timeout=1).close()
                break
            except OSError:
                time.sleep(0.25)
        yield address
    finally:
        server.terminate()
        server.wait(20)
        log.close()


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1360, "height": 950})
    page.set_default_timeout(30_000)
    strangers: list[str] = []
    faults: list[str] = []
    page.on("request", lambda r: None if r.url.startswith((url, "data:", "blob:")) else strangers.append(r.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(url)
    expect(page.locator("#examples img").first).to_be_visible()
    yield page
    page.close()
    assert strangers == []  # labs work offline, and pictures are private
    assert faults == []


@pytest.fixture(scope="module")
def segmenter(project_root: Path) -> Segmenter:
    return Segmenter.from_pretrained(project_root / "checkpoints" / "nuclei", "cpu")


@pytest.fixture
def pictures(tmp_path: Path) -> tuple[Path, Path]:
    """A 16-bit TIFF and an RGB PNG."""
    dim = make_example("fluorescence", 2, height=200, width=260, nuclei=14, radius=(9, 14))
    tifffile.imwrite(tmp_path / "cells.tif", dim.pixels[..., 0].astype(np.uint16) * 16)
    Image.fromarray(make_example("tissue", 3, height=180, width=240, nuclei=18).pixels).save(tmp_path / "tissue.png")
    return tmp_path / "cells.tif", tmp_path / "tissue.png"


def shown_count(page: Page) -> int:
    text = page.locator("#summary .count").inner_text()
    found = re.fullmatch(r"([\d,]+) (?:nucleus|nuclei)", text)
    assert found, text
    return int(found[1].replace(",", ""))


def drop(page: Page, path: Path) -> None:
    """Let go of a file over the drop zone, as a mouse does."""
    content = base64.b64encode(path.read_bytes()).decode()
    script = """([content, name]) => {
        const bytes = Uint8Array.from(atob(content), c => c.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes], name));
        return data;
    }"""
    data = page.evaluate_handle(script, [content, path.name])
    page.dispatch_event("#drop button", "drop", {"dataTransfer": data})


def test_drop_a_16_bit_tiff(page: Page, pictures: tuple[Path, Path], segmenter: Segmenter) -> None:
    drop(page, pictures[0])
    expect(page.locator("#summary .detail")).to_contain_text("cells: 260 x 200, grey, uint16; segmented in")
    assert shown_count(page) == segmenter(pictures[0]).count > 5
    expect(page.locator("#overlay img")).to_be_visible()


def test_two_pictures_pick_table_and_download(page: Page, pictures: tuple[Path, Path], segmenter: Segmenter) -> None:
    page.set_input_files("#drop input[type=file]", [str(path) for path in pictures])
    expect(page.locator("#table")).to_be_visible()
    expected = [segmenter(path) for path in pictures]
    assert shown_count(page) == expected[0].count
    for result in expected:
        expect(page.locator("#table")).to_contain_text(result.image.name)
        expect(page.locator("#table")).to_contain_text(str(result.count))
    page.click("#picker input")
    page.get_by_role("option", name="tissue").click()
    expect(page.locator("#summary .detail")).to_contain_text("tissue: 240 x 180, RGB, uint8")
    assert shown_count(page) == expected[1].count
    with page.expect_download() as download:
        page.locator("#labels a[download]").nth(1).click()
    np.testing.assert_array_equal(tifffile.imread(download.value.path()), expected[1].labels)


def test_threshold_redraws_without_the_network(page: Page, pictures: tuple[Path, Path], segmenter: Segmenter) -> None:
    page.set_input_files("#drop input[type=file]", str(pictures[0]))
    expect(page.locator("#summary .count")).to_be_visible()
    before = page.locator("#overlay img").get_attribute("src")
    time_line = page.locator("#summary .detail").inner_text()
    default = segmenter.bundle.decode
    params = DecodeParams(default.mode, 0.95, default.separation, 400)
    expected = segmenter(pictures[0]).decode(params).count
    for knob, value in (("#min-area", "400"), ("#threshold", "0.95")):
        page.fill(f"{knob} input[type=number]", value)
        page.press(f"{knob} input[type=number]", "Enter")
    expect(page.locator("#overlay img")).not_to_have_attribute("src", before or "")
    expect(page.locator("#summary .count")).to_have_text(re.compile(rf"^{expected} nucle(us|i)$"))
    assert page.locator("#summary .detail").inner_text() == time_line  # the network's time is still the first one
    page.get_by_role("button", name="Reset to the model's values").click()
    expect(page.locator("#threshold input[type=number]")).to_have_value(str(default.threshold))
    expect(page.locator("#summary .count")).to_have_text(re.compile(rf"^{segmenter(pictures[0]).count} nuclei$"))


def test_accurate_mode_runs_the_network_again(page: Page, pictures: tuple[Path, Path], segmenter: Segmenter) -> None:
    page.set_input_files("#drop input[type=file]", str(pictures[1]))
    expect(page.locator("#summary .count")).to_be_visible()
    assert shown_count(page) == segmenter(pictures[1]).count
    time_line = page.locator("#summary .detail").inner_text()
    for ticked in (True, False):
        page.locator("#accurate input[type=checkbox]").set_checked(ticked)
        expect(page.locator("#summary .detail")).not_to_have_text(time_line)
        expected = segmenter(pictures[1], accurate=ticked)
        expect(page.locator("#summary .count")).to_have_text(re.compile(rf"^{expected.count} nucle(us|i)$"))
        with page.expect_download() as download:
            page.locator("#labels a[download]").first.click()
        np.testing.assert_array_equal(tifffile.imread(download.value.path()), expected.labels)
        time_line = page.locator("#summary .detail").inner_text()


def test_magnification_runs_the_network_again_and_reset_brings_it_back(
    page: Page, pictures: tuple[Path, Path], segmenter: Segmenter
) -> None:
    page.set_input_files("#drop input[type=file]", str(pictures[1]))
    expect(page.locator("#summary .count")).to_be_visible()
    time_line = page.locator("#summary .detail").inner_text()
    number = page.locator("#magnification input[type=number]")
    for turn in ("changed", "reset"):
        if turn == "changed":
            number.fill("0.5")
            number.press("Enter")
        else:
            page.get_by_role("button", name="Reset to the model's values").click()
        expect(page.locator("#summary .detail")).not_to_have_text(time_line)
        expected = segmenter(pictures[1], magnification=0.5 if turn == "changed" else None)
        with page.expect_download() as download:
            page.locator("#labels a[download]").first.click()
        np.testing.assert_array_equal(tifffile.imread(download.value.path()), expected.labels)
        time_line = page.locator("#summary .detail").inner_text()


def test_example_is_one_click(page: Page) -> None:
    page.locator("#examples button").first.click()
    expect(page.locator("#summary .detail")).to_contain_text("example-fluorescence: 384 x 384")
    assert shown_count(page) > 20


def test_bad_file_says_why_and_the_others_go_on(page: Page, pictures: tuple[Path, Path], tmp_path: Path) -> None:
    bad = tmp_path / "notes.png"
    bad.write_text("<b>well A1</b>")
    page.set_input_files("#drop input[type=file]", [str(bad), str(pictures[1])])
    expect(page.locator("#summary .failure")).to_contain_text("notes.png: not a picture")
    expect(page.locator("#summary .detail")).to_contain_text("tissue: 240 x 180")


def test_only_a_bad_file(page: Page, tmp_path: Path) -> None:
    (tmp_path / "empty.tif").touch()
    page.set_input_files("#drop input[type=file]", str(tmp_path / "empty.tif"))
    expect(page.locator("#summary .failure")).to_contain_text("the file is empty")
