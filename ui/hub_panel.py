"""Models from the Hugging Face Hub: what there is, and fetching one. The Hub is asked only when a button is pressed."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from ui.models import Models
from ui.show import as_messages


@dataclass(frozen=True)
class HubPanel:
    """The panel's components."""

    model_id: gr.Dropdown
    listing: gr.Button
    fetch: gr.Button


def build_hub_panel(models: Models) -> HubPanel:
    """Lay out the panel, inside an open column; it is hidden where the Hub is turned off."""
    with gr.Group(visible=models.hub):
        model_id = gr.Dropdown(
            [],
            value=None,
            label="Model on the Hugging Face Hub",
            info="OWNER/NAME, or OWNER/NAME@REVISION: a branch, tag or commit",
            allow_custom_value=True,
            interactive=True,
            elem_id="hub-id",
        )
        with gr.Row():
            listing = gr.Button("What is there?", size="sm", min_width=90, elem_id="hub-list")
            fetch = gr.Button("Fetch", size="sm", min_width=90, elem_id="hub-fetch")
    return HubPanel(model_id, listing, fetch)


def list_hub() -> gr.Dropdown:
    """Ask the Hub for models with our tag: the choices."""
    from segmentation.hub_list import models as on_the_hub  # loads the Hub's client, which most visits never need

    with as_messages():
        found = on_the_hub()
    if not found:
        gr.Info("The Hub has no models with the tag nucleoscope yet.")
    return gr.Dropdown([(_told(each), each.repo_id) for each in found])


def fetch_model(models: Models, text: str | None) -> gr.Dropdown:
    """Fetch the model that was named and choose it: the value of the list of models."""
    with as_messages():
        name = models.fetch(text or "")
        models.segmenter(name)
    return gr.Dropdown(models.names, value=name)


def _told(model: Any) -> str:
    facts = [f"{model.downloads:,} downloads"] if model.downloads is not None else []
    facts += [f"changed {model.updated:%Y-%m-%d}"] if model.updated is not None else []
    return f"{model.repo_id} ({', '.join(facts)})" if facts else model.repo_id
