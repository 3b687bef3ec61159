"""What the controls are set to: the values of a model, and those with which a visitor's pictures were segmented."""

from dataclasses import astuple
from typing import Any

import gradio as gr

from segmentation.instance_maps import DecodeParams, separation_limit
from ui.controls import understand
from ui.models import Models, shown_magnification
from ui.session import Session
from ui.show import as_messages


def defaults(models: Models, model: str | None) -> list[Any]:
    """Of ``Controls.knobs`` and of the magnification, as the model has them."""
    bundle = models.segmenter(model).bundle
    return [*_knobs(bundle.decode), shown_magnification(bundle)]


def chosen(models: Models, model: str) -> list[Any]:
    """The model's card, then :func:`defaults`, with a slider of separation that suits the model."""
    with as_messages():
        card, values = models.card_html(model), defaults(models, model)
    values[1] = _separation(models, model, values[1])
    return [card, *values]


def of_session(models: Models, session: Session) -> list[Any]:
    """All controls as they stood for these pictures.

    Model, card, knobs, magnification, accurate mode, then what :func:`ui.controls.understand` gives.
    """
    name = session.model or models.default
    values = [gr.Dropdown(models.names, value=name), *chosen(models, name), session.accurate]
    if (params := session.params) is not None:
        values[2:9] = [*_knobs(params), session.magnification or 0.0]
        values[3] = _separation(models, name, params.separation)
    return [*values, *understand(session.paths, session.reading)]


def _separation(models: Models, model: str | None, value: float) -> gr.Slider:
    bundle = models.segmenter(model).bundle
    limit = separation_limit(bundle.maps)
    return gr.Slider(
        maximum=max(limit, value), step=limit / 100, value=value, visible=bundle.decode.mode == "instances"
    )


def _knobs(params: DecodeParams) -> list[Any]:
    """As ``Controls.knobs`` take them."""
    return list(astuple(params)[1:])
