"""The page without a mouse, and the button that stops."""

import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from segmentation import Segmenter
from segmentation.examples import make_example
from tests.ui.browser import settled, shown_count, state

pytestmark = pytest.mark.browser


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until what matches has the focus."""
    for _ in range(90):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    pytest.fail(f"Tab does not reach {selector}")


def test_from_example_to_correction_without_a_mouse(page: Page) -> None:
    tab_to(page, "#examples button")
    page.keyboard.press("Enter")
    settled(page)
    count = shown_count(page)
    # Fewer, larger nuclei, then back.
    tab_to(page, "#min-area input[type=range]")
    page.keyboard.press("End")
    expect(page.locator("#summary .count")).not_to_have_text(f"{count} nuclei")
    tab_to(page, "#reset")
    page.keyboard.press("Enter")
    expect(page.locator("#summary .count")).to_have_text(f"{count} nuclei")
    settled(page)
    # Look otherwise, go from nucleus to nucleus, delete one, undo.
    tab_to(page, "[data-view=foreground]")
    page.keyboard.press("Space")
    assert state(page, "S.view") == "foreground"
    tab_to(page, ".nb-canvas")
    page.keyboard.press("n")
    page.keyboard.press("n")
    assert state(page, "[...S.selected]") == [2]
    expect(page.locator(".nb-card")).to_be_visible()
    page.keyboard.press("Delete")
    expect(page.locator("#summary .count")).to_have_text(f"{count - 1} nuclei")
    settled(page)
    page.keyboard.press("Control+z")
    expect(page.locator("#summary .count")).to_have_text(f"{count} nuclei")
    scale = state(page, "S.scale")
    page.keyboard.press("+")
    assert state(page, "S.scale") > scale


def test_every_control_has_a_name(page: Page) -> None:
    tab_to(page, "#examples button")
    page.keyboard.press("Enter")
    settled(page)
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, textarea, canvas, [tabindex='0']")]
            .filter((each) => each.offsetParent && !["file", "hidden"].includes(each.type))
            .filter((each) => !(each.getAttribute("aria-label") || each.title || each.innerText?.trim() ||
                each.labels?.length || each.placeholder || each.querySelector("img[alt]")))
            .map((each) => each.outerHTML.slice(0, 160))"""
    )
    assert nameless == []
    keys = re.compile(r"^[a-z_]+\.[a-z_]+$")  # of words that Gradio asks for and does not have
    told = page.evaluate(
        "() => [...document.querySelectorAll('[title], [aria-label]')].map(e => e.title || e.ariaLabel)"
    )
    assert [word for word in told if keys.match(word)] == []


def test_stop_keeps_what_is_done(page: Page, segmenter: Segmenter, tmp_path: Path) -> None:
    paths = []
    for number in range(8):
        picture = make_example("fluorescence", number, height=420, width=420, nuclei=24, radius=(9, 14)).pixels
        paths.append(tmp_path / f"well{number}.png")
        Image.fromarray(picture[..., 0]).save(paths[-1])
    page.set_input_files("#drop input[type=file]", [str(path) for path in paths])
    expect(page.locator("#cancel")).to_be_visible()
    expect(page.locator("#table")).to_contain_text("well1")
    page.click("#cancel button, button#cancel")
    expect(page.locator("#cancel")).to_be_hidden()
    settled(page)
    done = page.locator("#gallery button.thumbnail-item").count()
    assert 2 <= done < 8
    # What is done can be used, and another drop works.
    page.locator("#gallery button.thumbnail-item").nth(1).click()
    expect(page.locator("#summary .detail")).to_contain_text("well1: 420 x 420")
    settled(page)
    assert shown_count(page) == segmenter(paths[1]).count
    page.set_input_files("#drop input[type=file]", [str(paths[7])])
    expect(page.locator("#table")).to_contain_text("well7")
