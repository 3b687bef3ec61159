"""A session as the values of the page's components."""

import html
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import gradio as gr
import numpy as np
from numpy.typing import NDArray

from segmentation.errors import NucleoscopeError
from segmentation.overlay import draw_overlay, to_display
from ui.session import Found, Session, overview, page_table, summary_html
from ui.workbench import foreground_payload, labels_payload, picture_payload, table_payload

EMPTY = "<div class='detail'>Drop pictures on the left, or click an example.</div>"
HEADERS = ["Picture", "Nuclei", "Size", "Seconds", "Notes"]
THUMBNAIL = 220  # pixels


@contextmanager
def as_messages() -> Iterator[None]:
    """Project errors become Gradio messages; anything else stays a fault to be seen in the log."""
    try:
        yield
    except NucleoscopeError as error:
        raise gr.Error(str(error), duration=None) from error


def failures_html(session: Session) -> str:
    """What could not be segmented, and why."""
    return "".join(f"<div class='failure'>{html.escape(text)}</div>" for _, text in session.failures)


def show(found: Found | None, *, picture: bool, message: str = "") -> tuple[str, dict[str, Any]]:
    """Values of the summary and of the workbench.

    Args:
        found: the picture at hand.
        picture: send its pixels and probabilities too; the browser has them if only the nuclei changed.
        message: a word on what was done.
    """
    if found is None:
        return EMPTY, {}
    table = page_table(found)
    value: dict[str, Any] = {
        "id": found.name,
        "labels": labels_payload(found.labels, len(table)),
        "table": table_payload(table),
        "canUndo": found.history.can_undo,
        "canRedo": found.history.can_redo,
        "message": message,
    }
    if picture:
        value["picture"] = picture_payload(to_display(found.result.image), found.name)
        value["foreground"] = foreground_payload(found.result.foreground)
    return summary_html(found, table), value


def show_all(session: Session) -> tuple[Any, Any, Any]:
    """Values of the problems, and of the table over all pictures and the gallery, which a single one does not need."""
    many = len(session.found) + len(session.failures) > 1
    table = gr.Dataframe(overview(session) or None, headers=HEADERS, visible=many)
    thumbnails = [(_thumbnail(found), f"{found.name}: {found.count}") for found in session.found] if many else []
    return failures_html(session), table, gr.Gallery(thumbnails or None, visible=len(thumbnails) > 1)


def _thumbnail(found: Found) -> NDArray[np.uint8]:
    display = to_display(found.result.image)
    factor = max(1, max(display.shape) // (2 * THUMBNAIL))
    small = cv2.resize(display, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA).astype(np.uint8)
    labels = found.labels.astype(np.int32)[factor // 2 :: factor, factor // 2 :: factor]
    labels = cv2.resize(labels, small.shape[1::-1], interpolation=cv2.INTER_NEAREST).astype(np.int32)
    return draw_overlay(small, labels)
