"""The whole page."""

from pathlib import Path

import gradio as gr

from segmentation.segmenter import Segmenter
from ui.segment_tab import build_segment_tab

FOOTNOTE = "For research, not for diagnosis. Pictures never leave the computer that serves this page."


def build_page(segmenter: Segmenter, model_name: str) -> gr.Blocks:
    """The page for one model; nothing on it is fetched from another host."""
    with gr.Blocks(title="Nucleoscope", analytics_enabled=False, delete_cache=(600, 3600)) as page:
        gr.Markdown(
            "# Nucleoscope\nFinds every nucleus in microscopy pictures: drop them, look, adjust, take the labels home.",
            elem_id="title",
        )
        build_segment_tab(segmenter)
        gr.Markdown(f"{FOOTNOTE} Model: {Path(model_name).name} {segmenter.bundle.revision}.", elem_id="footnote")
    return page
