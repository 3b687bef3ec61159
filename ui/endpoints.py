"""Registers the page's actions for programs: what each takes and gives, in Gradio's components."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import gradio as gr

from segmentation.exports import FORMATS
from ui.api import Api
from ui.models import Models, shown_magnification
from ui.serving_work import turn_at
from ui.show import as_messages

PROJECTIONS = ["", "max", "mean"]


def _corrections() -> gr.JSON:
    """A list of corrections, with a schema that MCP clients can read; Gradio's own says nothing of what is inside.

    Its method is changed in the one component: for a class of our own Gradio would write a file beside this one.
    """
    points = {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}
    labels = {"type": "array", "items": {"type": "integer"}}
    kinds = {"type": "string", "enum": ["delete", "merge", "split", "draw"]}
    parts = {"kind": kinds, "labels": labels, "points": points}
    schema = {"type": "array", "items": {"type": "object", "properties": parts, "required": ["kind"]}}
    component = gr.JSON(label="corrections")
    component.api_info = lambda: schema  # type: ignore[method-assign]
    return component


def build_api(models: Models) -> None:
    """Register the endpoints, inside an open ``gr.Blocks``; nothing of it is seen on the page."""
    api, own = Api(models), models.segmenter().bundle
    decode = own.decode
    with gr.Column(visible=False):

        def endpoint(action: Callable[..., Any], inputs: list[Any], outputs: list[Any]) -> None:
            name = action.__name__

            @wraps(action)
            def in_turn(*values: Any) -> Any:
                with as_messages(), turn_at(models.turns):
                    return action(*values)

            gr.Button(name).click(in_turn, inputs, outputs, api_name=name, concurrency_id="model", concurrency_limit=1)

        def number(label: str, value: float | None = None) -> gr.Number:
            return gr.Number(value, label=label)

        endpoint(api.describe, [gr.File(label="picture")], [gr.JSON(label="description")])
        endpoint(
            api.segment,
            [
                gr.File(label="picture"),
                number("threshold", decode.threshold),
                number("separation", decode.separation),
                gr.Number(decode.min_area, label="min_area", precision=0),
                gr.Number(decode.max_area, label="max_area", precision=0),
                gr.Checkbox(decode.drop_border, label="drop_border"),
                number("min_probability", decode.min_probability),
                gr.Textbox("", label="channel"),
                gr.Dropdown(PROJECTIONS, value="", label="projection"),
                number("pixel_size", 0),
                gr.Checkbox(False, label="accurate"),
                number("magnification", shown_magnification(own)),
                gr.CheckboxGroup(list(FORMATS), value=["labels", "overlay", "csv", "run"], label="formats"),
                gr.Textbox("", label="model"),
            ],
            [gr.JSON(label="result"), gr.File(label="files")],
        )
        endpoint(
            api.measure,
            [gr.File(label="picture"), gr.File(label="labels"), number("pixel_size", 0)],
            [gr.File(label="measurements")],
        )
        endpoint(api.score, [gr.File(label="labels"), gr.File(label="truth")], [gr.JSON(label="scores")])
        endpoint(
            api.correct,
            [gr.File(label="labels"), _corrections()],
            [gr.Number(label="nuclei"), gr.File(label="labels")],
        )
        endpoint(
            api.look_inside,
            [gr.File(label="picture"), gr.Textbox("", label="model")],
            [gr.JSON(label="levels"), gr.File(label="maps")],
        )
        endpoint(api.model, [gr.Textbox("", label="model")], [gr.JSON(label="model")])
