"""The viewer, its tools, table and histogram: one component that answers in the browser, fed from here."""

import base64
import gzip
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import gradio as gr
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation.overlay import PALETTE

STATIC = Path(__file__).resolve().parent / "static"
SCRIPTS = ("state.js", "draw.js", "closeup.js", "gestures.js", "numbers.js", "main.js")
MAX_SIDE = 2560  # pixels that the browser gets; larger pictures are reduced by a whole number
MAX_CLOSEUP = 4096  # pixels a side of a finer part, beyond any screen


@cache
def _static(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")


def workbench(closeup: Callable[[dict[str, Any]], dict[str, Any] | None]) -> gr.HTML:
    """The empty component; its ``correct`` event carries what the visitor drew.

    Args:
        closeup: gives a finer part of a picture that was reduced, as :func:`closeup_payload` makes it, for what the
            browser asks: the visitor's key, the picture's name, and left, top, width, height and step in its pixels.
    """
    return gr.HTML(
        value={},
        html_template=_static("workbench.html"),
        css_template=_static("workbench.css"),
        js_on_load="\n".join(_static(name) for name in SCRIPTS),
        elem_id="workbench",
        palette=PALETTE.tolist(),
        server_functions=[closeup],
    )


def factor_of(shape: tuple[int, int]) -> int:
    """Pixels of the picture, down and across, that become one in the browser."""
    return max(1, -(-max(shape) // MAX_SIDE))


def picture_payload(pixels: NDArray[np.uint8], name: str) -> dict[str, Any]:
    """The picture ``(H, W, 3)`` as displayed, lossless."""
    factor = factor_of(pixels.shape[:2])
    if factor > 1:
        height, width = _thin(pixels[..., 0], factor).shape
        pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)
    height, width = pixels.shape[:2]
    return {"source": _png(pixels), "width": width, "height": height, "factor": factor, "name": name}


def labels_payload(labels: NDArray[np.uint16] | NDArray[np.uint32], count: int) -> dict[str, Any]:
    """Labels ``(H, W)`` for the viewer."""
    return {**_labels(_thin(labels, factor_of(labels.shape))), "count": count}


def foreground_payload(foreground: NDArray[np.float32]) -> dict[str, Any]:
    """Probability ``(H, W)`` in [0, 1] for the viewer, in 256 steps."""
    return _probability(_thin(foreground, factor_of(foreground.shape)))


def closeup_payload(
    display: NDArray[np.uint8], labels: NDArray, foreground: NDArray[np.float32], asked: dict[str, Any]
) -> dict[str, Any]:
    """A part of a picture for the viewer, as fine as it asks.

    Args:
        display: the whole picture ``(H, W, 3)`` as displayed.
        labels: ``(H, W)``.
        foreground: probability ``(H, W)`` in [0, 1].
        asked: ``left``, ``top``, ``width``, ``height`` and ``step``, pixels of the picture that become one; whatever
            numbers, the part lies within the picture and has at most ``MAX_CLOSEUP`` pixels a side.
    """
    height, width = labels.shape
    left, top, wide, high, step = (int(asked[key]) for key in ("left", "top", "width", "height", "step"))
    step = min(max(step, 1), factor_of(labels.shape))
    left, top = min(max(left, 0), width - 1), min(max(top, 0), height - 1)
    reach = MAX_CLOSEUP * step
    rows = slice(top, min(top + min(max(high, step), reach), height))
    columns = slice(left, min(left + min(max(wide, step), reach), width))
    part = _thin(labels[rows, columns], step)
    pixels = display[rows, columns]
    if step > 1:
        pixels = cv2.resize(pixels, part.shape[::-1], interpolation=cv2.INTER_AREA).astype(np.uint8)
    return {
        "left": left,
        "top": top,
        "step": step,
        "width": part.shape[1],
        "height": part.shape[0],
        "source": _png(pixels),
        "labels": _labels(part),
        "foreground": _probability(_thin(foreground[rows, columns], step)),
    }


def _png(pixels: NDArray[np.uint8]) -> str:
    # Fast rather than small: the browser is mostly on the same computer or in the same house.
    data = cv2.imencode(".png", np.ascontiguousarray(pixels[..., ::-1]), [cv2.IMWRITE_PNG_COMPRESSION, 1])[1]
    return f"data:image/png;base64,{base64.b64encode(data.tobytes()).decode()}"


def _labels(labels: NDArray) -> dict[str, Any]:
    little = np.ascontiguousarray(labels).astype(labels.dtype.newbyteorder("<"))
    return {"packed": _pack(little), "bytes": labels.itemsize}


def _probability(foreground: NDArray[np.float32]) -> dict[str, Any]:
    return {"packed": _pack(np.rint(foreground * 255).astype(np.uint8))}


def table_payload(table: pd.DataFrame) -> dict[str, list[Any]]:
    """Measurements by column; numbers that are none become null, which JSON has."""
    columns: dict[str, list[Any]] = {}
    for name, values in table.items():
        array = values.to_numpy()
        if array.dtype.kind == "f":
            rounded = [float(f"{value:.6g}") if np.isfinite(value) else None for value in array.tolist()]
            columns[str(name)] = rounded
        else:
            columns[str(name)] = array.tolist()
    return columns


def _thin(array: NDArray, factor: int) -> NDArray:
    if factor == 1:
        return array
    rows, columns = (min(factor // 2, extent - 1) for extent in array.shape)  # a strip may be narrower than a step
    return array[rows::factor, columns::factor]


def _pack(array: NDArray) -> str:
    return base64.b64encode(gzip.compress(np.ascontiguousarray(array).tobytes(), compresslevel=1)).decode()


__all__ = [
    "closeup_payload",
    "factor_of",
    "foreground_payload",
    "labels_payload",
    "picture_payload",
    "table_payload",
    "workbench",
]
