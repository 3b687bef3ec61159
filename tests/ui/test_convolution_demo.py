"""The three steps to try by hand, in a real browser; what they draw against NumPy, pixel for pixel."""

import base64
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from segmentation import Bundle, MicroscopyImage, UNet
from segmentation.inspection import choose_part, convolve3x3, max_pool2x2, transposed_convolution2x2
from tests.ui.browser import opened
from tests.ui.inside_page import PICTURE, look, served
from ui.inside_tab import demo_picture

PRESETS = {
    "identity": [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
    "blur": np.outer([1, 2, 1], [1, 2, 1]) / 16,
    "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    "edges left-right": np.outer([1, 2, 1], [-1, 0, 1]),
    "edges up-down": np.outer([-1, 0, 1], [1, 2, 1]),
    "outline": [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]],
    "emboss": [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]],
}


@pytest.fixture(scope="module")
def address(browser: Browser) -> Iterator[str]:
    with served() as address:
        yield address


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    with opened(browser, address) as page:
        look(page, own=True)  # its cut is less high than that of the example which is there before
        page.wait_for_function(
            "text => document.querySelector('#inside-demo [data-part=from]').innerText === text",
            arg="Picture: 64\u00a0\u00d7\u00a060",
        )
        np.testing.assert_array_equal(pixels(page, "input")[..., 0], demo_values())
        yield page


def demo_values() -> np.ndarray:
    value = demo_picture(choose_part(Bundle(UNet(channels=(2, 2), dropout=(0, 0))), PICTURE))
    return np.frombuffer(base64.b64decode(value["pixels"]), np.uint8).reshape(value["height"], value["width"])


def pixels(page: Page, canvas: str) -> np.ndarray:
    """``(H, W, 4)`` uint8 of one of the demo's two canvases."""
    script = """canvas => [canvas.height, canvas.width,
        ...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data]"""
    height, width, *values = page.locator(f"#inside-demo [data-part={canvas}]").evaluate(script)
    return np.array(values, np.uint8).reshape(height, width, 4)


def press(page: Page, name: str) -> None:
    page.locator(f"#inside-demo [data-part={name}]").click()


def assert_drawn(page: Page, expected: np.ndarray) -> None:
    """The result is filled, grey, and equal to the numbers rounded and kept to 0..255."""
    drawn = pixels(page, "output")
    assert (drawn[..., 3] == 255).all()
    for channel in range(3):
        np.testing.assert_array_equal(drawn[..., channel], np.clip(np.rint(expected), 0, 255))


def filled(page: Page) -> int:
    return int((pixels(page, "output")[..., 3] == 255).sum())


@pytest.mark.browser
def test_convolution_with_every_kernel(page: Page) -> None:
    for name, kernel in PRESETS.items():
        page.get_by_role("button", name=name, exact=True).click()
        press(page, "finish")
        assert_drawn(page, convolve3x3(demo_values(), np.array(kernel)))


@pytest.mark.browser
def test_convolution_with_numbers_of_ones_own(page: Page) -> None:
    kernel = np.array([[1, -2, 0.5], [1 / 4, 0, -0.25], [0, 2, -1]])
    for index, text in enumerate(
        ["1", "-2", ".5", "1/4", "0", "-0.25", "0", "2", "\u22121"]
    ):  # a minus sign, as pasted
        page.locator("#inside-demo [data-part=kernel] input").nth(index).fill(text)
    press(page, "finish")
    assert_drawn(page, convolve3x3(demo_values(), kernel))
    last = page.get_by_label("Kernel, row 3, column 3")
    last.fill("much")
    expect(last).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#inside-demo [data-part=meaning]")).to_contain_text("anything else counts as 0")
    kernel[2, 2] = 0
    assert_drawn(page, convolve3x3(demo_values(), kernel))  # what was finished is finished again


@pytest.mark.browser
def test_pooling_and_the_way_back(page: Page) -> None:
    pooled = max_pool2x2(demo_values())
    page.locator("#inside-demo input[value=pooling]").focus()
    page.keyboard.press("Space")
    press(page, "finish")
    assert_drawn(page, pooled)
    page.keyboard.press("Shift+Tab")  # the buttons come after the picture, and that after the radios
    page.locator("#inside-demo input[value=pooling]").focus()
    page.keyboard.press("ArrowRight")
    np.testing.assert_array_equal(pixels(page, "input")[..., 0], pooled)
    for name, kernel in {"repeat": [[1, 1], [1, 1]], "diagonal": [[1, 0.5], [0.5, 1]]}.items():
        page.get_by_role("button", name=name, exact=True).click()
        press(page, "finish")
        assert_drawn(page, transposed_convolution2x2(pooled, np.array(kernel)))


@pytest.mark.browser
def test_step_keys_and_clicks_show_the_sum(page: Page) -> None:
    values, kernel = demo_values(), np.array(PRESETS["edges left-right"])
    expected = convolve3x3(values, kernel)
    for _ in range(3):
        press(page, "step")
    assert filled(page) == 4  # the first is there from the start
    picture = page.locator("#inside-demo [data-part=input]")
    box: Any = picture.bounding_box()
    height, width = values.shape
    picture.click(position={"x": (20 + 0.5) * box["width"] / width, "y": (30 + 0.5) * box["height"] / height})
    for key in ("ArrowLeft", "ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
    assert filled(page) == 4 + 4
    shown = page.locator("#inside-demo [data-part=patch] span").all_inner_texts()
    assert [int(text) for text in shown] == values[31:34, 18:21].ravel().tolist()
    total = page.locator("#inside-demo [data-part=total]").inner_text()
    assert f"sum is {int(expected[32, 19])}".replace("-", "\u2212") in total
    assert pixels(page, "output")[32, 19, 0] == np.clip(expected[32, 19], 0, 255)
    press(page, "again")
    assert filled(page) == 1


@pytest.mark.browser
def test_play_fills_all_and_can_be_paused(page: Page) -> None:
    play = page.locator("#inside-demo [data-part=play]")
    play.click()
    expect(play).to_have_text("Pause")
    page.wait_for_function("() => !/^[1-9] of/.test(document.querySelector('[data-part=progress]').textContent)")
    play.click()
    expect(play).to_have_text("Play")
    count = filled(page)
    assert 1 < count < demo_values().size
    page.wait_for_timeout(300)
    assert filled(page) == count
    page.locator("#inside-demo [data-part=speed]").fill("11")
    expect(page.locator("#inside-demo [data-part=rate]")).to_have_text("2,048 a second")
    play.click()
    expect(page.locator("#inside-demo [data-part=progress]")).to_contain_text("All 3,840 places done")
    expect(play).to_have_text("Play")
    assert_drawn(page, convolve3x3(demo_values(), np.array(PRESETS["edges left-right"])))


@pytest.mark.browser
def test_less_motion_plays_row_by_row(page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    press(page, "play")
    page.wait_for_function("() => /^1[0-9][0-9] of/.test(document.querySelector('[data-part=progress]').textContent)")
    press(page, "play")
    assert filled(page) % 64 == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (7, 200)])
def test_the_demos_picture_has_even_sides(shape: tuple[int, int]) -> None:
    image = MicroscopyImage(np.arange(np.prod(shape), dtype=np.uint16).reshape(*shape, 1), "small")
    value = demo_picture(choose_part(Bundle(UNet(channels=(2, 2), dropout=(0, 0))), image))
    assert len(base64.b64decode(value["pixels"])) == value["width"] * value["height"]
    assert value["width"] % 2 == value["height"] % 2 == 0
    assert 2 <= value["width"] <= 64
