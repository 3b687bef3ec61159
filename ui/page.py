"""The whole page."""

import gradio as gr

from segmentation.microscopy_image import MicroscopyImage
from segmentation.segmenter import Segmenter
from ui.endpoints import build_api
from ui.help_tab import build_help_tab
from ui.inside_tab import build_inside_tab
from ui.models import Models
from ui.score_tab import build_score_tab
from ui.segment_tab import build_segment_tab
from ui.serving_blocks import ServedBlocks
from ui.store import Store

FOOTNOTE = "For research, not for diagnosis. Pictures never leave the computer that serves this page."


def build_page(models: Models, store: Store | None = None) -> ServedBlocks:
    """The page; nothing on it is fetched from another host.

    Args:
        models: to choose from.
        store: what is kept of visitors; by default a new one.
    """
    store = store or Store()
    name, segmenter = models.default, models.segmenter()

    def picture_of(key: str | None, chosen: str | None, _model: str | None = None) -> MicroscopyImage | None:
        session = store.find(key)
        found = session.of(chosen) if session else None
        return found.result.image if found else None

    def magnification_of(key: str | None, *_others: str | None) -> float | None:
        session = store.find(key)
        return session.magnification if session else None

    def segmenter_of(_key: str | None = None, _chosen: str | None = None, model: str | None = None) -> Segmenter:
        return models.segmenter(model)

    with ServedBlocks(title="Nucleoscope", analytics_enabled=False) as page:
        gr.Markdown(
            "# Nucleoscope\nFinds every nucleus in microscopy pictures: drop them, look, adjust, correct, measure, "
            "take the results home.",
            elem_id="title",
        )
        with gr.Tabs():
            with gr.Tab("Segment", id="segment"):
                visit, picker, model = build_segment_tab(models, store, page)
            with gr.Tab("Score", id="score"):
                build_score_tab(store, visit, picker)
            with gr.Tab("Look inside", id="inside") as inside:
                build_inside_tab(segmenter_of, [visit, picker, model], picture_of, magnification_of, inside)
            with gr.Tab("Help", id="help"):
                build_help_tab()
        build_api(models)
        gr.Markdown(f"{FOOTNOTE} Model: {name} {segmenter.bundle.revision}.", elem_id="footnote")
    return page
