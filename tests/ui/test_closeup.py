"""Large pictures: a reduced copy, and the part in sight as fine as the screen shows it."""

import base64
import gzip
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from playwright.sync_api import Page, expect

from segmentation import Segmenter
from segmentation.examples import make_example
from tests.ui.browser import centre, click, give, on_canvas, settled, shown_count, state
from ui import workbench
from ui.workbench import closeup_payload


def unpack(packed: str, dtype: Any, shape: tuple[int, int]) -> np.ndarray:
    return np.frombuffer(gzip.decompress(base64.b64decode(packed)), dtype).reshape(shape)


@pytest.mark.parametrize(
    ("asked", "rows", "columns", "step"),
    [
        ((10, 20, 30, 40, 1), slice(20, 60), slice(10, 40), 1),
        ((-5, -7, 30, 40, 2), slice(0, 40), slice(0, 30), 2),
        ((90, 70, 5000, 5000, 3), slice(70, 80), slice(90, 100), 3),
        ((99, 79, 0, 0, 0), slice(79, 80), slice(99, 100), 1),
        ((1e9, -1e9, 7, 7, 99), slice(0, 7), slice(99, 100), 4),
    ],
)
def test_any_part_that_is_asked_for(
    asked: tuple[float, ...], rows: slice, columns: slice, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbench, "MAX_SIDE", 25)  # so that 100 x 80 comes as a copy of a fourth
    random = np.random.default_rng(4)
    display = random.integers(0, 255, (80, 100, 3), np.uint8)
    labels = random.integers(0, 9, (80, 100)).astype(np.uint16)
    foreground = random.random((80, 100), np.float32)
    keys = ("left", "top", "width", "height", "step")
    told = closeup_payload(display, labels, foreground, dict(zip(keys, asked, strict=True)))
    assert (told["left"], told["top"], told["step"]) == (columns.start, rows.start, step)
    shape = (told["height"], told["width"])
    start = tuple(min(step // 2, extent - 1) for extent in labels[rows, columns].shape) if step > 1 else (0, 0)
    cut = (slice(start[0], None, step), slice(start[1], None, step))
    np.testing.assert_array_equal(unpack(told["labels"]["packed"], "<u2", shape), labels[rows, columns][cut])
    expected = np.rint(foreground[rows, columns][cut] * 255)
    np.testing.assert_array_equal(unpack(told["foreground"]["packed"], np.uint8, shape), expected)
    png = cv2.imdecode(np.frombuffer(base64.b64decode(told["source"].split(",")[1]), np.uint8), cv2.IMREAD_COLOR)
    assert png is not None
    assert png.shape == (*shape, 3)
    if step == 1:
        np.testing.assert_array_equal(png[..., ::-1], display[rows, columns])


@pytest.mark.browser
def test_zooming_into_a_large_picture(page: Page, tmp_path: Path, segmenter: Segmenter) -> None:
    """Wide rather than square, so that the network is done soon."""
    cells = make_example("fluorescence", 2, height=96, width=180, nuclei=9, radius=(9, 13)).pixels[..., 0]
    wide = np.tile(cells, (1, 30))  # 5,400 pixels: three of them are one of the copy
    tifffile.imwrite(tmp_path / "wide.tif", wide)
    give(page, tmp_path / "wide.tif")
    count = shown_count(page)
    assert state(page, "[S.factor, S.width, S.closeup]") == [3, 1800, None]
    page.get_by_role("button", name="1:1").click()
    page.wait_for_function("window.nucleoscope.state.closeup?.step === 1")
    left, top, width, height = state(page, "[S.closeup.left, S.closeup.top, S.closeup.width, S.closeup.height]")
    expected = segmenter(wide).labels[top : top + height, left : left + width]
    shown = np.array(state(page, "Array.from(S.closeup.labels)")).reshape(height, width)
    np.testing.assert_array_equal(shown, expected)
    # A nucleus is found by its own pixels, and a correction outdates the part.
    label = next(iter(set(np.unique(expected[20:-20, width // 3 : -width // 3])) - {0}))
    click(page, *centre(page, int(label)))
    page.wait_for_function(f"[...window.nucleoscope.state.selected].join() === '{label}'")
    page.locator(".nb-canvas").press("Delete")
    expect(page.locator("#summary .count")).to_have_text(f"{count - 1} nuclei")
    settled(page)
    page.wait_for_function(
        f"window.nucleoscope.state.closeup && !window.nucleoscope.state.closeup.labels.includes({label})"
    )
    # Moved away, another part comes; seen as a whole, the copy does.
    before = state(page, "S.closeup.left")
    x, y = on_canvas(page, *state(page, "[S.height / 2, -S.x / S.scale + 100]"))
    for _ in range(3):
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + (250 if before > 900 else -250), y, steps=3)
        page.mouse.up()
    page.wait_for_function(f"window.nucleoscope.state.closeup.left !== {before}")
    assert page.locator(".nb-scale").inner_text() == "100 %"
