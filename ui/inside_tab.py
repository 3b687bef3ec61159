"""The tab that looks inside: what each level of the network sees, its layers, and its steps to try by hand."""

import base64
import html
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.components import Component

from segmentation.bundle import Bundle
from segmentation.examples import make_example
from segmentation.image_io import MicroscopyImage
from segmentation.inspection import Part, busiest_window, choose_part, inspect_part, layer_table
from segmentation.segmenter import Segmenter
from ui.segment_tab import MODEL
from ui.show import as_messages
from ui.unet_drawing import LevelView, draw_channels, draw_table, draw_u, view_level

DEMO_SIDE = 64  # pixels of the demo's picture: few enough to see each of them
_INTRO = """
A U-Net looks at a picture in steps. On the **way down** it halves the picture again and again, so that each level sees
more of the surroundings and less of the detail. On the **way up** it doubles the size again, and copies of the finer
levels are handed across, so that outlines end up where they belong. Each level has many **channels**: each of them
is the answer of one learned filter to your picture, bright where the filter finds what it looks for.
"""
_HAND = """
### One step by hand

All of that is made of three simple steps. Here they are on a small grey cut of the same picture: each pixel is a number
from 0 (black) to 255 (white). Press **Play**, or click on the picture to put the window somewhere.
"""
_LAYERS = """
A parameter is one number that training has set. Steps without any (pooling, copying, and the bend after each sum) are
not listed. A layer has one kernel for each pair of a channel that comes in and a channel that goes out.
"""
_CLICK = """
element.addEventListener("click", (event) => {
  const card = event.target.closest("button[data-level]");
  if (!card) return;
  for (const each of element.querySelectorAll("button[data-level]")) each.setAttribute("aria-pressed", each === card);
  trigger("level", { index: Number(card.dataset.level) });
});
"""
_SCROLL = """
const still = matchMedia("(prefers-reduced-motion: reduce)");
watch("value", () => {
  const channels = element.querySelector("[data-asked='1']");
  if (channels) channels.scrollIntoView({ block: "nearest", behavior: still.matches ? "auto" : "smooth" });
});
"""


@dataclass(frozen=True, eq=False)
class _Seen:
    """What was looked into last; the picture itself belongs to another tab, which may forget it."""

    image: weakref.ref[MicroscopyImage]
    revision: str
    magnification: float | None  # None: chosen by the model
    views: list[LevelView]


def build_inside_tab(
    segmenter_of: Callable[..., Segmenter],
    current: Component | Sequence[Component],
    picture_of: Callable[..., MicroscopyImage | None],
    magnification_of: Callable[..., float | None],
    tab: gr.Tab | None = None,
) -> None:
    """Lay out the tab and wire its events, inside an open ``gr.Blocks`` or ``gr.Tab``.

    Args:
        segmenter_of: from the values of ``current`` to the model whose network is looked into, and without values to
            the one that the page starts with.
        current: one or several components that know the visitor's picture and model at hand.
        picture_of: from their values to that picture; None if there is none, and a generated one takes its place.
        magnification_of: likewise, to the one that the visitor chose; None for the model's own.
        tab: looks by itself when this tab is chosen and the picture at hand is another one than before.
    """
    rows, title = _layers(segmenter_of())
    seen = gr.State(None, time_to_live=3600)
    known = [current] if isinstance(current, Component) else list(current)
    gr.Markdown(_INTRO, elem_id="inside-intro")
    with gr.Row():
        look = gr.Button(
            "Look inside this picture", variant="primary", size="md", scale=0, min_width=260, elem_id="inside-look"
        )
    note = gr.HTML(
        "", css_template=_static("unet_channels.css"), js_on_load=None, apply_default_css=False, elem_id="inside-note"
    )
    drawing = gr.HTML(
        "",
        css_template=_static("unet_drawing.css"),
        js_on_load=_CLICK,
        apply_default_css=False,
        elem_id="inside-u",
    )
    channels = gr.HTML(
        "",
        css_template=_static("unet_channels.css"),
        js_on_load=_SCROLL,
        apply_default_css=False,
        elem_id="inside-channels",
    )
    with gr.Accordion(title, open=False, elem_id="inside-layers") as layers:
        gr.Markdown(_LAYERS)
        table = gr.HTML(rows, css_template=_static("unet_channels.css"), js_on_load=None, apply_default_css=False)
    gr.Markdown(_HAND)
    demo = gr.HTML(
        demo_picture(choose_part(segmenter_of().bundle, _example())),
        html_template=_static("convolution_demo.html"),
        css_template=_static("convolution_demo.css"),
        js_on_load=_static("convolution_steps.js") + _static("convolution_demo.js"),
        apply_default_css=False,
        elem_id="inside-demo",
    )

    def look_inside(*values: Any) -> tuple[Any, ...]:
        """Run the network on the picture at hand, or on a generated one, and draw what each of its levels sees.

        Values of the note, the drawn U, the channels of its first level, the demo's picture, the layers and their
        title, and what was seen.
        """
        given = picture_of(*values)
        image = given or _example()
        with as_messages():
            segmenter = segmenter_of(*values)
            asked = magnification_of(*values)
            part = choose_part(segmenter.bundle, image, asked or segmenter.choose_magnification(image))
            levels = inspect_part(segmenter.bundle, part, segmenter.device)
        views = [view_level(level, segmenter.bundle.maps if level.side == "output" else ()) for level in levels]
        words = _note(image, part, segmenter.bundle, generated=given is None, asked=asked is not None)
        joined = "copied and put beside" if segmenter.bundle.stored.name == "unet" else "copied and added"
        drawn = draw_u(part.pixels, views, joined)
        rows, title = _layers(segmenter)
        told = words, drawn, draw_channels(views[0], asked=False), demo_picture(part), rows, gr.Accordion(label=title)
        return *told, _Seen(weakref.ref(image), segmenter.bundle.revision, asked, views)

    def arrive(last: _Seen | None, *values: Any) -> Any:
        with as_messages():
            bundle = segmenter_of(*values).bundle
        asked = bundle.revision, magnification_of(*values)
        same = last is not None and (last.revision, last.magnification) == asked
        if last is not None and same and last.image() is (picture_of(*values) or _example()):
            return gr.skip()
        return look_inside(*values)

    def open_level(last: _Seen | None, event: gr.EventData) -> str:
        if last is None:  # forgotten after an hour
            raise gr.Error("This picture was looked into too long ago. Press “Look inside this picture” again.")
        return draw_channels(last.views[int(event.index)], asked=True)

    results = [note, drawing, channels, demo, table, layers, seen]
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress_on": [drawing], **MODEL}
    look.click(look_inside, known, results, api_name="look_at_hand", **quiet)
    drawing.level(open_level, seen, channels, api_visibility="private", show_progress="hidden")
    if tab is not None:
        tab.select(arrive, [seen, *known], results, **quiet)


def _layers(segmenter: Segmenter) -> tuple[str, str]:
    """The table of a network's layers as HTML, and its title."""
    rows = layer_table(segmenter.bundle.stored)
    return draw_table(rows), f"Every layer and its parameters: {sum(row.parameters for row in rows):,} in all"


def demo_picture(part: Part) -> dict[str, Any]:
    """A small grey cut of the part where most happens: its width and height, both even, and base64 of its bytes."""
    grey = part.pixels.mean(axis=2)
    grey = np.pad(grey, [(0, extent == 1) for extent in grey.shape], "edge")
    height, width = (min(DEMO_SIDE, extent) // 2 * 2 for extent in grey.shape)
    cut = np.rint(grey[busiest_window(grey, height, width)] * 255).astype(np.uint8)
    return {"width": width, "height": height, "pixels": base64.b64encode(cut.tobytes()).decode()}


def _note(image: MicroscopyImage, part: Part, bundle: Bundle, *, generated: bool, asked: bool) -> str:
    """What was looked into, in a sentence or two of HTML."""
    height, width = part.pixels.shape[:2]
    name = "a generated example" if generated else html.escape(image.name)
    pixels = f"{width} &times; {height} pixels of <b>{name}</b>"
    if (height, width) == image.shape:
        what = f"What the network saw: all {pixels}"
    else:
        place = f"from column {part.columns.start}, row {part.rows.start}"
        what = f"What the network saw: the {pixels} where most happens ({place})"
    factor = part.magnification
    if asked and factor != bundle.magnification:
        who = "you asked"
    else:
        who = "suits the size of its nuclei" if bundle.diameter and not asked else "this model asks"
    scaled = "" if factor == 1 else f", magnified {factor:g} times as {who}"
    hint = " No picture was at hand; open one of your own in the first tab, then come back." if generated else ""
    return f"<p>{what}{scaled}.{hint}</p>"


@cache
def _example() -> MicroscopyImage:
    pixels = make_example("fluorescence", 3, height=384, width=384, nuclei=68, radius=(9.0, 16.0)).pixels
    return MicroscopyImage(pixels, "generated example")


def _static(name: str) -> str:
    return (Path(__file__).with_name("static") / name).read_text(encoding="utf-8")
