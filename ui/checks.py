"""What is checked before a run joins the queue; Gradio itself checks the ranges of sliders and numbers there."""

from typing import Any

import gradio as gr

from segmentation.limits import limits


def check_run(*values: Any) -> list[dict[str, Any]]:
    """What :meth:`ui.actions.Actions.run` takes, in its order: one verdict for each, a sentence where it must change.

    At most as many files as a zip may hold, in one go.
    """
    paths: list[str] = values[1] or []
    most = limits().members
    verdicts = [gr.validate(True, "") for _ in values]
    verdicts[1] = gr.validate(
        len(paths) <= most,
        f"{len(paths):,} files: at most {most:,} at a time. Drop fewer, or use python -m segmentation.",
    )
    return verdicts
