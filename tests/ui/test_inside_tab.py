"""The tab that looks inside, alone on a page of its own, in a real browser: levels, layers, and which picture."""

from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest
from playwright.sync_api import Browser, Page, expect

from segmentation import Bundle, Preprocessing, Segmenter, UNet
from tests.ui.browser import opened
from tests.ui.inside_page import build, look, served

CHANNELS = {"Down 1": 16, "Down 2": 32, "Down 3": 64, "Down 4": 128, "Bottom": 256}


@pytest.fixture(scope="module")
def address(browser: Browser) -> Iterator[str]:
    with served() as address:
        yield address


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    with opened(browser, address) as page:
        yield page


@pytest.mark.browser
def test_levels_and_their_channels(page: Page) -> None:
    look(page, own=False)
    cards = page.locator("#inside-u button.card")
    assert cards.count() == 10
    numbers = [text.split()[-2] for text in page.locator("#inside-u .numbers").all_inner_texts()]
    assert sum(int(number.replace(",", "")) for number in numbers) == 1_941_105
    expect(page.locator("#inside-channels h3")).to_contain_text("Down 1")
    for name, channels in CHANNELS.items():
        card = page.locator("#inside-u button.card", has=page.locator("b", has_text=name))
        card.click()
        expect(page.locator("#inside-channels h3")).to_contain_text(f"{name}, ")
        expect(page.locator("#inside-channels h3")).to_contain_text(f"{channels} channels")
        expect(page.locator("#inside-channels figure img")).to_have_count(channels)
        expect(card).to_have_attribute("aria-pressed", "true")
        expect(page.locator("#inside-u [aria-pressed=true]")).to_have_count(1)
    expect(page.locator("#inside-channels h3")).to_be_in_viewport()
    widths = page.locator("#inside-channels figure img").evaluate_all("all => all.map(one => one.naturalWidth)")
    assert set(widths) == {384 // 16}


@pytest.mark.browser
def test_the_answer_has_the_maps_names(page: Page) -> None:
    look(page, own=False)
    page.locator("#inside-u button.card.output").click()
    expect(page.locator("#inside-channels figcaption")).to_have_text(["foreground"])


@pytest.mark.browser
def test_table_of_layers_adds_up(page: Page) -> None:
    look(page, own=False)
    heading = page.locator("#inside-layers button").first
    expect(heading).to_contain_text("1,941,105 in all")
    heading.click()
    expect(page.locator("table.layers tfoot")).to_contain_text("1,941,105")
    own = page.locator("table.layers tbody tr:not(.level) td:last-child").all_inner_texts()
    assert sum(int(text.replace(",", "")) for text in own) == 1_941_105
    assert len(own) == 23
    levels = page.locator("table.layers tr.level td:last-child").all_inner_texts()
    assert sum(int(text.replace(",", "")) for text in levels) == 1_941_105


@pytest.mark.browser
def test_coming_back_looks_again_only_at_another_picture(page: Page) -> None:
    look(page, own=False)
    page.locator("#inside-u button.card.bottleneck").click()
    expect(page.locator("#inside-channels h3")).to_contain_text("Bottom")
    page.get_by_role("tab", name="First").click()
    page.get_by_role("tab", name="Inside").click()
    page.wait_for_timeout(500)
    expect(page.locator("#inside-channels h3")).to_contain_text("Bottom")
    page.get_by_role("tab", name="First").click()
    look(page, own=True)
    expect(page.locator("#inside-channels h3")).to_contain_text("Down 1")
    expect(page.locator("#inside-u button.card").first).to_have_attribute("aria-pressed", "true")


@pytest.mark.browser
def test_another_magnification_looks_again(page: Page) -> None:
    look(page, own=True)
    whole = page.locator("#inside-u button.card").first.inner_text()
    expect(page.locator("#inside-note")).not_to_contain_text("magnified")
    page.get_by_role("tab", name="First").click()
    page.get_by_label("Half the size").check()
    page.get_by_role("tab", name="Inside").click()
    expect(page.locator("#inside-note")).to_contain_text("magnified 0.5 times as you asked")
    assert page.locator("#inside-u button.card").first.inner_text() != whole


@pytest.mark.browser
def test_the_button_looks_at_the_picture_at_hand(page: Page) -> None:
    look(page, own=False)
    page.get_by_role("tab", name="First").click()
    page.get_by_label("A picture is at hand").check()
    page.get_by_role("tab", name="Inside").click()
    page.click("#inside-look")
    expect(page.locator("#inside-note b")).to_have_text("slide <7>")
    expect(page.locator("#inside-note")).to_contain_text("pixels of slide <7>")


@pytest.mark.browser
def test_a_narrow_page_does_not_scroll_sideways(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    look(page, own=True)
    page.locator("#inside-layers button").first.click()
    expect(page.locator("table.layers")).to_be_visible()
    box: Any = page.locator("table.layers").bounding_box()
    assert box["x"] + box["width"] <= 390
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_picture_that_the_network_does_not_take_is_a_message() -> None:
    network = UNet(in_channels=1, channels=(2, 2), dropout=(0, 0))
    blocks = build(Segmenter(Bundle(network, preprocessing=Preprocessing(channels=1)), "cpu"))
    (event,) = [event for event in blocks.fns.values() if event.name == "look_inside"]
    with pytest.raises(gr.Error, match="The picture has 3 channels, and this model takes 1"):
        event.fn(True, False)
    words, drawn, channels, demo, *_ = event.fn(False, False)
    assert "a generated example" in words
    assert drawn.count("<button") == 4
    assert "Down 1" in channels
    assert (demo["width"], demo["height"]) == (64, 64)
