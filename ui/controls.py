"""The left column: what to segment, how it is read, and how nuclei are told apart."""

import html
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from segmentation.errors import NucleoscopeError
from segmentation.image_info import describe
from segmentation.instance_maps import separation_limit
from segmentation.projection import Projection
from ui.examples import write_examples
from ui.hub_panel import HubPanel, build_hub_panel
from ui.models import Models, shown_magnification
from ui.session import Reading

WHOLE = "As it is"
DESCRIBED = 20  # files; more would push the page away
PROJECTIONS: dict[str, Projection | None] = {
    "Each plane by itself": None,
    "Brightest of all planes": "max",
    "Mean of all planes": "mean",
}


@dataclass(frozen=True)
class Controls:
    """The column's components."""

    drop: gr.File
    examples: gr.Gallery
    understood: gr.HTML
    reading: gr.Accordion
    channel: gr.Dropdown
    projection: gr.Dropdown
    pixel_size: gr.Number
    threshold: gr.Slider
    separation: gr.Slider
    min_area: gr.Slider
    max_area: gr.Number
    drop_border: gr.Checkbox
    min_probability: gr.Slider
    model: gr.Dropdown
    card: gr.HTML
    hub: HubPanel
    accurate: gr.Checkbox
    magnification: gr.Slider
    reset: gr.Button

    @property
    def knobs(self) -> list[Any]:
        """What decoding takes, in the order of :class:`segmentation.DecodeParams`."""
        return [self.threshold, self.separation, self.min_area, self.max_area, self.drop_border, self.min_probability]


def build_controls(models: Models) -> Controls:
    """Lay out the column, inside an open ``gr.Column``."""
    bundle = models.segmenter().bundle
    default = bundle.decode
    limit = separation_limit(bundle.maps)
    drop = gr.File(
        label="Pictures, or a zip of them",
        file_count="multiple",
        height=150,
        elem_id="drop",
    )
    gr.Markdown(
        "PNG, JPEG, TIFF, OME-TIFF, BMP, GIF, DICOM or NumPy (.npy); Ctrl+V pastes. No picture at hand? Click a "
        "generated one:",
        elem_id="hint",
    )
    examples = gr.Gallery(
        value=[path for path, _ in write_examples()],
        show_label=False,
        columns=3,
        height=104,
        allow_preview=False,
        object_fit="cover",
        interactive=False,
        buttons=[],
        elem_id="examples",
    )
    understood = gr.HTML("", elem_id="understood")
    with gr.Accordion("How it is read", open=False, visible=False, elem_id="reading") as reading:
        channel = gr.Dropdown([WHOLE], value=WHOLE, label="Channel", interactive=True, elem_id="channel")
        projection = gr.Dropdown(
            list(PROJECTIONS),
            value=next(iter(PROJECTIONS)),
            label="Stack",
            interactive=True,
            visible=False,
            elem_id="projection",
        )
        pixel_size = gr.Number(
            0,
            minimum=0,
            maximum=10_000,
            label="Micrometres a pixel",
            info="0 takes the file's word; without one, lengths are in pixels",
            elem_id="pixel-size",
        )
    # Sliders have no arrow that resets: it would bring the first model's value, whichever is chosen.
    with gr.Group():
        threshold = gr.Slider(
            0.05,
            0.95,
            default.threshold,
            step=0.01,
            label="Probability threshold",
            info="Higher: only what the network is surer of",
            buttons=[],
            elem_id="threshold",
        )
        separation = gr.Slider(
            0,
            max(limit, default.separation),
            default.separation,
            step=limit / 100,
            label="Separation",
            info="0 leaves clumps whole; above 0, lower values cut more",
            visible=default.mode == "instances",
            buttons=[],
            elem_id="separation",
        )
        min_probability = gr.Slider(
            0,
            0.99,
            default.min_probability,
            step=0.01,
            label="Least mean probability",
            info="Of a nucleus; lower also keeps what the network is less sure of",
            buttons=[],
            elem_id="min-probability",
        )
        min_area = gr.Slider(
            0,
            500,
            default.min_area,
            step=1,
            label="Smallest area",
            info="In pixels; smaller objects are dropped",
            buttons=[],
            elem_id="min-area",
        )
        max_area = gr.Number(
            default.max_area,
            minimum=0,
            precision=0,
            label="Largest area",
            info="In pixels; 0 keeps all",
            elem_id="max-area",
        )
        drop_border = gr.Checkbox(default.drop_border, label="Drop nuclei that the border cuts", elem_id="drop-border")
    reset = gr.Button("Reset to the model's values", size="sm", elem_id="reset")
    with gr.Accordion("Run the network otherwise", open=False, elem_id="network"):
        model = gr.Dropdown(models.names, value=models.default, label="Model", interactive=True, elem_id="model")
        card = gr.HTML(models.card_html(models.default), elem_id="card")
        hub = build_hub_panel(models)
        accurate = gr.Checkbox(
            False,
            label="Accurate mode",
            info="Averages eight turned and mirrored views; takes eight times as long or more",
            elem_id="accurate",
        )
        magnification = gr.Slider(
            0,
            4,
            shown_magnification(bundle),
            step=0.05,
            label="Magnification",
            info="0 chooses by the size of the nuclei; lower for larger ones, higher for smaller",
            buttons=[],
            elem_id="magnification",
        )
    return Controls(
        drop,
        examples,
        understood,
        reading,
        channel,
        projection,
        pixel_size,
        threshold,
        separation,
        min_area,
        max_area,
        drop_border,
        min_probability,
        model,
        card,
        hub,
        accurate,
        magnification,
        reset,
    )


def understand(paths: list[str] | None, chosen: Reading | None = None) -> tuple[Any, ...]:
    """Say what files are before anything is done with them. Text, accordion, channel, projection, pixel size.

    Args:
        paths: of the files.
        chosen: how they are read; by default as is likely meant.
    """
    lines, channels, stacks, whole = [], [WHOLE], False, True
    for path in [Path(path) for path in paths or []][:DESCRIBED]:
        try:
            info = describe(path)
        except (NucleoscopeError, FileNotFoundError):
            continue  # a zip, or no picture, or gone: the run that follows says so, file by file
        lines.append(f"<div><b>{html.escape(path.name)}</b> {html.escape(info.sentence())}</div>")
        stacks |= info.projected_pages < info.pages
        whole &= info.channels in (1, 3)
        if info.channels > 1 and info.channels >= len(channels):
            names = info.channel_names or tuple(f"channel {index}" for index in range(info.channels))
            channels = [WHOLE, *(f"{index}: {name}" for index, name in enumerate(names))]
    # Channels that are no colours must be chosen from; the first is a start, and it shows that it is one.
    channel = WHOLE if whole or len(channels) < 2 else channels[1]
    if chosen is not None:
        channel = WHOLE
        if (number := chosen.channel) is not None:
            known = (text for text in channels if text.startswith(f"{number}:"))
            channel = next(known, f"{number}: channel {number}")  # the file that has it may be gone
            channels += [] if channel in channels else [channel]
    projection = chosen.projection if chosen else None
    return (
        "".join(lines),
        gr.Accordion(visible=bool(paths), open=stacks or not whole),
        gr.Dropdown(channels, value=channel),
        gr.Dropdown(
            list(PROJECTIONS), visible=stacks, value=next(key for key in PROJECTIONS if PROJECTIONS[key] == projection)
        ),
        chosen.pixel_size if chosen else 0,
    )


def reading_of(channel: str, projection: str, pixel_size: float | None) -> Reading:
    """The column's choices as a :class:`Reading`."""
    number = None if channel == WHOLE else int(channel.split(":")[0])
    return Reading(number, PROJECTIONS[projection], float(pixel_size or 0))
