"""The tab that explains, in plain words and with a drawing for each step."""

import base64
import io
from functools import cache
from typing import Literal

import gradio as gr
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segmentation.examples import make_example
from segmentation.overlay import draw_overlay

STEPS: tuple[tuple[str, Literal["picture", "outline", "fill"], str], ...] = (
    (
        "Drop",
        "picture",
        "Drop one picture or many, or a zip of them, on the left, or paste one with Ctrl+V. Under the drop zone stands "
        "what was understood of each file: size, channels, bit depth, planes, pixel size. Where a file leaves a choice "
        "(a channel, a stack), open <b>How it is read</b>.",
    ),
    (
        "Look",
        "outline",
        "Every nucleus gets an outline in its own colour. The wheel zooms, dragging moves, a double click shows all. "
        "<b>Compare</b> puts a line between picture and nuclei; <b>Probability</b> and <b>Uncertainty</b> show what "
        "the network was sure of. Brightness is for your eye alone: it changes no result.",
    ),
    (
        "Adjust",
        "fill",
        "Too much found? Raise the <b>probability threshold</b>. Neighbours in one piece? Lower the <b>separation</b>; "
        "nuclei in pieces? Raise it. Debris? Raise the <b>smallest area</b> or the <b>least mean "
        "probability</b>; faint nuclei missed? Lower that, and the threshold. These answer at once. Every "
        "picture is magnified by the size of its nuclei; if that goes wrong, set the <b>magnification</b> by hand, and "
        "the network runs again.",
    ),
    (
        "Measure",
        "outline",
        "Click a nucleus, or its row in the table. Headings sort; <i>area &gt; 200</i> in the search box filters; a "
        "bar of the histogram selects its nuclei. Lengths are in micrometres if the file states a pixel size or you "
        "enter one, else in pixels, and the heading says which.",
    ),
    (
        "Correct",
        "fill",
        "<b>Delete</b> what is no nucleus, <b>Merge</b> two parts, <b>Split</b> a clump along a line you draw, "
        "<b>Draw</b> what was missed. Undo takes any of it back. Count, table and files follow. A changed slider finds "
        "all nuclei anew, without the corrections (Undo brings them back), so adjust first.",
    ),
    (
        "Take home",
        "outline",
        "Choose the files: a label image for any program, outlines for Fiji and QuPath, measurements for Excel or R, "
        "the run's settings to make it again. The training folder holds pictures and corrected nuclei as the training "
        "command reads them.",
    ),
)
LIMITS = (
    "Nucleoscope is for research, not for diagnosis. It errs: nuclei that overlap in thick tissue come out as one, "
    "pale ones out of focus are missed, and textures of other things can pass for nuclei. Look before you count; "
    "<b>Score</b> tells how good it is on pictures of your own."
)


def build_help_tab() -> None:
    """Lay out the tab, inside an open ``gr.Tab``."""
    steps = "".join(
        f"<li><img src='{_drawing(drawn)}' alt='' width='120' height='120'><div><h3>{number}. {title}</h3><p>{text}</p>"
        "</div></li>"
        for number, (title, drawn, text) in enumerate(STEPS, start=1)
    )
    gr.HTML(f"<ol class='steps'>{steps}</ol><p class='limits'>{LIMITS}</p>", elem_id="help")


@cache
def _drawing(kind: Literal["picture", "outline", "fill"]) -> str:
    example = make_example("fluorescence", 3, height=120, width=120, nuclei=9, radius=(9.0, 14.0))
    display: NDArray[np.uint8] = (
        np.repeat(example.pixels, 3, axis=2) if example.pixels.shape[2] == 1 else example.pixels
    )
    if kind != "picture":
        display = draw_overlay(display, example.labels, style=kind, width=2 if kind == "outline" else 1)
    buffer = io.BytesIO()
    Image.fromarray(display).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
