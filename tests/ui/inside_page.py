"""A page with the tab that looks inside alone, and what the tests do on it."""

from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr
import torch
from playwright.sync_api import Page, expect

from segmentation import Bundle, MicroscopyImage, Segmenter, UNet
from segmentation.examples import make_example
from ui.inside_tab import build_inside_tab

PICTURE = MicroscopyImage(make_example("tissue", 4, height=60, width=110, nuclei=12).pixels, "slide <7>")


def build(segmenter: Segmenter) -> gr.Blocks:
    with gr.Blocks(analytics_enabled=False) as blocks, gr.Tabs():
        with gr.Tab("First"):
            at_hand = gr.Checkbox(label="A picture is at hand")
            halved = gr.Checkbox(label="Half the size")
        with gr.Tab("Inside") as tab:
            build_inside_tab(
                lambda *_: segmenter,
                [at_hand, halved],
                lambda ticked, _: PICTURE if ticked else None,
                lambda _, ticked: 0.5 if ticked else None,
                tab,
            )
    return blocks


@contextmanager
def served() -> Iterator[str]:
    """The address of a page whose network is the talk's, untrained."""
    torch.manual_seed(3)
    blocks = build(Segmenter(Bundle(UNet().eval()), "cpu"))
    _, address, _ = blocks.launch(quiet=True, prevent_thread_lock=True, ssr_mode=False, footer_links=[])
    yield address
    blocks.close(verbose=False)


def look(page: Page, *, own: bool) -> None:
    """Open the tab, with the picture at hand or without one."""
    if own:
        page.get_by_label("A picture is at hand").check()
    page.get_by_role("tab", name="Inside").click()
    expect(page.locator("#inside-note")).to_contain_text("slide <7>" if own else "a generated example")
