"""The page that segments inside the browser: its labels are Python's, its files hold, and it says what is wrong."""

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from segmentation import Bundle, Segmenter
from segmentation import segmenter as segmenter_module
from segmentation.examples import make_example
from segmentation.measurements import measure
from segmentation.overlay import draw_overlay, to_display
from segmentation.scores import match
from segmentation.web_export import export_web
from tests.conftest import bright_is_nucleus
from tests.ui.static_site import ISOLATED, decoded, give, saved, serve_folder, shown, static_page

pytestmark = pytest.mark.browser
TILE, OVERLAP = 128, 32  # so that small pictures have seams


@pytest.fixture(scope="module")
def folder(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped model as a page."""
    return export_web(Bundle.load(project_root / "checkpoints" / "nuclei"), tmp_path_factory.mktemp("web") / "page")


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with serve_folder(folder) as address:
        yield address


@pytest.fixture(scope="module")
def page(browser: Browser, address: str) -> Iterator[Page]:
    with static_page(browser, address) as page:
        yield page


def cells(height: int, width: int, seed: int = 2) -> NDArray[np.uint16]:
    nuclei = max(height * width // 1500, 2)
    pixels = make_example("fluorescence", seed, height=height, width=width, nuclei=nuclei, radius=(8, 13)).pixels
    return pixels[..., 0].astype(np.uint16) * 16


def agree(found: NDArray, expected: NDArray) -> None:
    """Equal counts, and all but every hundredth nucleus the same to nine tenths of its pixels."""
    assert found.shape == expected.shape
    assert found.max() == expected.max()
    assert match(found, expected, (0.9,)).average_precision()[0] >= 0.99


def test_labels_are_pythons(page: Page, segmenter: Segmenter, tmp_path: Path) -> None:
    """Kinds of pictures, numbers and sizes, with the shipped model."""
    tifffile.imwrite(tmp_path / "cells.tif", cells(200, 260))
    Image.fromarray(make_example("tissue", 3, height=180, width=241, nuclei=18).pixels).save(tmp_path / "tissue.png")
    Image.fromarray(make_example("brightfield", 8, height=37, width=53, nuclei=3).pixels[..., 0]).save(
        tmp_path / "odd.png"
    )
    Image.fromarray(np.array([[77]], np.uint8)).save(tmp_path / "one.png")
    floats = cells(96, 120, 5).astype(np.float32) / 1000 - 1
    floats[40:42, 50] = np.nan
    tifffile.imwrite(tmp_path / "floats.tif", floats, compression="zlib", predictor=True)
    ours, theirs = [], []
    for name in ("cells.tif", "tissue.png", "odd.png", "one.png", "floats.tif"):
        give(page, tmp_path / name)
        found = tifffile.imread(saved(page, "labels", tmp_path)).reshape(-1)  # TIFFs of one pixel lose their axes
        expected = segmenter(tmp_path / name).labels
        expect(page.locator("#count")).to_have_text(re.compile(rf"^{expected.max()} nucle(us|i)$"))
        ours.append(found.reshape(expected.shape))
        theirs.append(expected)
        agree(ours[-1], expected)
    assert sum(labels.max() for labels in theirs) > 30


def test_seams_are_pythons(
    browser: Browser, address: str, segmenter: Segmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segmenter_module, "TILE", TILE)
    monkeypatch.setattr(segmenter_module, "OVERLAP", OVERLAP)
    tifffile.imwrite(tmp_path / "wide.tif", cells(150, 330, 4))
    with static_page(browser, address, tile=TILE, overlap=OVERLAP) as page:
        give(page, tmp_path / "wide.tif")
        agree(tifffile.imread(saved(page, "labels", tmp_path)), segmenter(tmp_path / "wide.tif").labels)


def test_other_networks_and_magnifications(browser: Browser, tmp_path: Path) -> None:
    """A U-Net with foreground alone, which decoding cuts by distance, on a picture that is shrunk."""
    bundle = replace(bright_is_nucleus(separation=1.0, min_area=4), magnification=0.5)
    tifffile.imwrite(tmp_path / "cells.tif", cells(121, 150))
    with serve_folder(export_web(bundle, tmp_path / "page")) as address, static_page(browser, address) as page:
        give(page, tmp_path / "cells.tif")
        expected = Segmenter(bundle, "cpu")(tmp_path / "cells.tif").labels
        assert expected.max() > 3
        agree(tifffile.imread(saved(page, "labels", tmp_path)), expected)


@pytest.mark.parametrize("size", [0.6, 1, 2.2])
def test_magnification_by_the_size_of_the_nuclei(browser: Browser, tmp_path: Path, size: float) -> None:
    bundle = replace(bright_is_nucleus(min_area=4), diameter=24.0)
    picture = (
        cells(round(300 * size), round(380 * size)) if size < 2 else np.kron(cells(300, 380), np.ones((3, 3), "u2"))
    )
    tifffile.imwrite(tmp_path / "cells.tif", picture)
    with serve_folder(export_web(bundle, tmp_path / "page")) as address, static_page(browser, address) as page:
        give(page, tmp_path / "cells.tif")
        result = Segmenter(bundle, "cpu")(tmp_path / "cells.tif")
        assert result.count > 3
        agree(tifffile.imread(saved(page, "labels", tmp_path)), result.labels)
        expect(page.locator("body")).to_contain_text("by the size of the nuclei")


def test_several_threads_where_the_server_isolates_the_page(
    browser: Browser, folder: Path, segmenter: Segmenter, tmp_path: Path
) -> None:
    tifffile.imwrite(tmp_path / "cells.tif", cells(90, 100))
    with serve_folder(folder, ISOLATED) as address, static_page(browser, address) as page:
        assert page.evaluate("crossOriginIsolated")
        give(page, tmp_path / "cells.tif")
        agree(tifffile.imread(saved(page, "labels", tmp_path)), segmenter(tmp_path / "cells.tif").labels)


def test_sliders_decode_anew_and_files_follow(page: Page, segmenter: Segmenter, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "cells.tif", cells(160, 200))
    give(page, tmp_path / "cells.tif")
    result = segmenter(tmp_path / "cells.tif")
    before = decoded(page)
    page.locator("#threshold").fill("0.85")
    shown(page, before)
    page.locator("#min_area").fill("260")
    shown(page, before + 1)
    page.locator("#min_probability").fill("0.9")
    shown(page, before + 2)
    params = replace(segmenter.bundle.decode, threshold=0.85, min_area=260, min_probability=0.9)
    labels = tifffile.imread(saved(page, "labels", tmp_path))
    agree(labels, result.decode(params).labels)
    assert labels.max() != result.count
    overlay = np.asarray(Image.open(saved(page, "overlay", tmp_path)))
    np.testing.assert_array_equal(overlay, draw_overlay(to_display(result.image), labels))
    table, expected = pd.read_csv(saved(page, "table", tmp_path)), measure(labels, result.image.pixels)
    pd.testing.assert_frame_equal(table, expected[list(table.columns)], check_dtype=False)
    page.get_by_role("button", name="Back to the model").click()
    shown(page, before + 3)
    expect(page.locator("#count")).to_have_text(f"{result.count} nuclei")


def test_parameters_between_a_sliders_steps_hold(browser: Browser, address: str, tmp_path: Path) -> None:
    decode = {"mode": "instances", "threshold": 0.6153, "separation": 0.1234, "min_area": 700, "min_probability": 0.3}
    with static_page(browser, address, decode={**decode, "max_area": 0, "drop_border": False}) as page:
        tifffile.imwrite(tmp_path / "cells.tif", cells(64, 64))
        give(page, tmp_path / "cells.tif")
        told = page.evaluate("nucleoscope.state.found.params")
        assert {key: told[key] for key in decode} == decode


def test_by_keyboard_and_mouse(page: Page, tmp_path: Path) -> None:
    """The example is opened by Enter; keys and wheel move the picture, and a nucleus says its area."""
    page.locator("#examples button").first.focus()
    before = decoded(page)
    page.keyboard.press("Enter")
    shown(page, before)
    page.locator("#canvas").focus()
    scale = page.locator("#scale")
    whole = scale.inner_text()
    page.keyboard.press("1")
    expect(scale).to_have_text("100 %")
    page.keyboard.press("+")
    expect(scale).to_have_text("150 %")
    page.keyboard.press("0")
    expect(scale).to_have_text(whole)
    table = page.evaluate("Object.entries(nucleoscope.state.found.table).map(([key, all]) => [key, Array.from(all)])")
    area, x_centre, y_centre = (dict(table)[key] for key in ("area", "x", "y"))
    largest = int(np.argmax(area))
    left, top, place, x, y = page.evaluate(
        """() => {
            const box = canvas.getBoundingClientRect(), { scale, x, y } = nucleoscope.viewer;
            return [box.left, box.top, scale, x, y];
        }"""
    )
    page.mouse.move(left + x + (x_centre[largest] + 0.5) * place, top + y + (y_centre[largest] + 0.5) * place)
    expect(page.locator("#tip")).to_contain_text(f"Nucleus {largest + 1}:")


def test_stop_and_go_on(page: Page, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "large.tif", np.tile(cells(100, 100), (14, 14)))
    before = decoded(page)
    page.set_input_files("#file", str(tmp_path / "large.tif"))
    expect(page.locator("#step")).to_have_text("Finding nuclei")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#busy")).to_be_hidden()
    expect(page.locator("#again")).to_be_visible()
    assert decoded(page) == before
    tifffile.imwrite(tmp_path / "small.tif", cells(64, 64))
    give(page, tmp_path / "small.tif")
    expect(page.locator("#again")).to_be_hidden()


def test_pages_and_channels_are_chosen(page: Page, segmenter: Segmenter, tmp_path: Path) -> None:
    stack = np.stack([cells(64, 80, seed) for seed in (1, 2)])
    tifffile.imwrite(tmp_path / "stack.tif", stack)
    give(page, tmp_path / "stack.tif")
    before = decoded(page)
    page.locator("#page").fill("2")
    page.locator("#page").press("Enter")
    shown(page, before)
    agree(tifffile.imread(saved(page, "labels", tmp_path)), segmenter(stack[1]).labels)
    stains = np.stack([np.zeros_like(stack[0]), stack[0]], -1)
    tifffile.imwrite(tmp_path / "stains.tif", stains, photometric="minisblack", planarconfig="contig")
    page.set_input_files("#file", str(tmp_path / "stains.tif"))
    expect(page.locator("#problem")).to_contain_text("2 channels: choose the one that shows the nuclei")
    page.locator("#channel").select_option("1")
    shown(page, before + 1)
    expect(page.locator("#problem")).to_be_hidden()
    agree(tifffile.imread(saved(page, "labels", tmp_path)), segmenter(stack[0]).labels)


def header_of_png(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("notes.txt", b"Dear diary", r"not a picture that the browser can read"),
        ("empty.png", b"", r"The file is empty"),
        ("huge.png", header_of_png(9000, 5000), r"9,000 x 5,000 pixels, 45 million; this page takes up to 40 million"),
        ("cut.tif", b"II*\x00\x08\x00\x00\x00\x01", r"The TIFF file cannot be read here"),
        ("cut.png", header_of_png(20, 20), r"damaged or cut short"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    page: Page, name: str, content: bytes, sentence: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    page.set_input_files("#file", str(tmp_path / name))
    expect(page.locator("#problem")).to_contain_text(re.compile(sentence))
    expect(page.locator("#busy")).to_be_hidden()


def test_a_missing_part_is_named(browser: Browser, address: str) -> None:
    page = browser.new_page()
    page.route("**/model.onnx", lambda route: route.fulfill(status=404))
    page.goto(address)
    expect(page.locator("#problem")).to_have_text(
        re.compile(r"model\.onnx cannot be fetched \(404\): it belongs beside")
    )
    page.close()


def test_works_on_a_phone(browser: Browser, address: str) -> None:
    """Nothing is wider than the screen, in either look, and the picture is not below the fold."""
    for scheme in ("light", "dark"):
        page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme=scheme)  # type: ignore[arg-type]
        page.goto(address)
        page.locator("#examples button").first.click()
        shown(page, 0)
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        stage = page.locator("#stage").bounding_box()
        assert stage is not None
        assert stage["y"] + stage["height"] < 844
        page.close()
