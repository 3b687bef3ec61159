"""The viewer, its tools, table and histogram: one component that answers in the browser, fed from here."""

import base64
import gzip
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import gradio as gr
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation.overlay import PALETTE, to_display

STATIC = Path(__file__).resolve().parent / "static"
SCRIPTS = ("state.js", "draw.js", "gestures.js", "numbers.js", "main.js")
MAX_SIDE = 2560  # pixels that the browser gets; larger pictures are reduced by a whole number


@cache
def _static(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")


def workbench() -> gr.HTML:
    """The empty component; its ``correct`` event carries what the visitor drew."""
    return gr.HTML(
        value={},
        html_template=_static("workbench.html"),
        css_template=_static("workbench.css"),
        js_on_load="\n".join(_static(name) for name in SCRIPTS),
        elem_id="workbench",
        palette=PALETTE.tolist(),
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
    # Fast rather than small: the browser is mostly on the same computer or in the same house.
    data = cv2.imencode(".png", pixels[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])[1]
    source = f"data:image/png;base64,{base64.b64encode(data.tobytes()).decode()}"
    return {"source": source, "width": pixels.shape[1], "height": pixels.shape[0], "factor": factor, "name": name}


def labels_payload(labels: NDArray[np.uint16] | NDArray[np.uint32], count: int) -> dict[str, Any]:
    """Labels ``(H, W)`` for the viewer."""
    thin = np.ascontiguousarray(_thin(labels, factor_of(labels.shape)))
    return {"packed": _pack(thin.astype(thin.dtype.newbyteorder("<"))), "bytes": thin.itemsize, "count": count}


def foreground_payload(foreground: NDArray[np.float32]) -> dict[str, Any]:
    """Probability ``(H, W)`` in [0, 1] for the viewer, in 256 steps."""
    thin = _thin(foreground, factor_of(foreground.shape))
    return {"packed": _pack(np.rint(thin * 255).astype(np.uint8))}


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
    return array[factor // 2 :: factor, factor // 2 :: factor] if factor > 1 else array


def _pack(array: NDArray) -> str:
    return base64.b64encode(gzip.compress(np.ascontiguousarray(array).tobytes(), compresslevel=1)).decode()


__all__ = [
    "factor_of",
    "foreground_payload",
    "labels_payload",
    "picture_payload",
    "table_payload",
    "to_display",
    "workbench",
]
