"""A session as the values of the page's components."""

import html
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import gradio as gr
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation.errors import NucleoscopeError
from segmentation.measurements import summary
from segmentation.overlay import draw_overlay
from ui.session import Found, Session
from ui.workbench import foreground_payload, labels_payload, picture_payload, table_payload

EMPTY = "<div class='detail'>Drop pictures on the left, or click an example.</div>"
HEADERS = ["Picture", "Nuclei", "Size", "Seconds", "Notes"]
THUMBNAIL = 220  # pixels
FULL_MEASUREMENTS = 20_000  # nuclei; with more of them the page leaves the slow measurements to the files
HIDDEN = ("bbox_", "min_intensity", "max_intensity")  # in the files, but not in the page's table


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
        "canUndo": found.can_undo,
        "canRedo": found.history.can_redo,
        "message": message,
    }
    if picture:
        value["picture"] = picture_payload(found.displayed(), found.name)
        value["foreground"] = foreground_payload(found.result.foreground)
    return summary_html(found, table), value


def show_all(session: Session) -> tuple[Any, Any, Any]:
    """Values of the problems, and of the table over all pictures and the gallery, which a single one does not need."""
    many = len(session.found) + len(session.failures) > 1
    table = gr.Dataframe(overview(session) or None, headers=HEADERS, visible=many)
    thumbnails = [(_thumbnail(found), f"{found.name}: {found.count}") for found in session.found] if many else []
    return failures_html(session), table, gr.Gallery(thumbnails or None, visible=len(thumbnails) > 1)


def picker(session: Session) -> gr.Dropdown:
    """The list of pictures, with the first chosen; a single one needs no list."""
    names = session.names()
    return gr.Dropdown(names, value=names[0] if names else None, visible=len(names) > 1)


def show_session(session: Session) -> tuple[Any, ...]:
    """Values of the summary and of the workbench for the first picture, then of :func:`show_all`."""
    return *show(session.of(None), picture=True), *show_all(session)


def _thumbnail(found: Found) -> NDArray[np.uint8]:
    # Kept: the gallery is sent after every picture and every gesture, and would draw all pictures each time.
    if found.thumbnail is None or found.thumbnail[0] is not found.labels:
        found.thumbnail = found.labels, _draw_thumbnail(found)
    return found.thumbnail[1]


def _draw_thumbnail(found: Found) -> NDArray[np.uint8]:
    display = found.displayed()
    factor = max(1, max(display.shape) // (2 * THUMBNAIL))
    small = cv2.resize(display, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA).astype(np.uint8)
    labels = found.labels.astype(np.int32)[factor // 2 :: factor, factor // 2 :: factor]
    labels = cv2.resize(labels, small.shape[1::-1], interpolation=cv2.INTER_NEAREST).astype(np.int32)
    return draw_overlay(small, labels)


def page_table(found: Found) -> pd.DataFrame:
    """The measurements that the page shows."""
    table = found.table(full=found.history.labels.max() <= FULL_MEASUREMENTS)
    return table[[name for name in table.columns if not name.startswith(HIDDEN)]]


def summary_html(found: Found, table: pd.DataFrame) -> str:
    """Count, density, median area, size and notes of one picture, escaped."""
    image, result = found.result.image, found.result
    height, width = image.shape
    if result.params.mode == "mask":
        count = f"{100 * float((found.labels > 0).mean()):.1f} % of the picture"
    else:
        count = f"{len(table):,} {'nucleus' if len(table) == 1 else 'nuclei'}"
    facts = summary(table, image.shape, image.pixel_size)
    units = {"density_per_mm2": "nuclei a mm²", "density_per_megapixel": "nuclei a megapixel"}
    told = [f"{facts[key]:,.0f} {unit}" for key, unit in units.items() if key in facts]
    for key, unit in (("median_area_um2", "µm²"), ("median_area_px", "pixels")):
        if key in facts and facts[key] == facts[key]:  # no median of nothing
            told.append(f"median area {facts[key]:,.4g} {unit}")
    size = f"{image.pixel_size.x:g} µm a pixel" if image.pixel_size else "no pixel size: lengths in pixels"
    magnified = "" if result.magnification == 1 else f", magnified {result.magnification:g} times"
    detail = (
        f"{html.escape(image.name)}: {width} x {height}, {image.colours}, {image.pixels.dtype}, {size}; "
        f"segmented in {result.seconds:.2f} s{magnified}"
    )
    notes = "".join(f"<div class='note'>{html.escape(note)}</div>" for note in image.notes)
    return (
        f"<div class='count'>{count}</div><div class='facts'>{' · '.join(told)}</div>"
        f"<div class='detail'>{detail}</div>{notes}"
    )


def overview(session: Session) -> list[list[str | int]]:
    """Rows of picture, nuclei, size, seconds and notes; failures last."""
    rows: list[list[str | int]] = []
    for found in session.found:
        image = found.result.image
        size = f"{image.shape[1]} x {image.shape[0]} {image.colours} {image.pixels.dtype}"
        rows.append([found.name, found.count, size, f"{found.result.seconds:.2f}", " ".join(image.notes)])
    return rows + [[name, "failed", "", "", sentence] for name, sentence in session.failures]
