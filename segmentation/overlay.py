"""Pictures of results: outlines or fills, in colours that stay with a nucleus's number."""

import colorsys
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from segmentation.image_io import MicroscopyImage
from segmentation.preprocessing import Preprocessing

_GOLDEN_RATIO = 0.618033988749895  # successive numbers land far apart on the colour circle


def _palette(size: int = 256) -> NDArray[np.uint8]:
    hues = (np.arange(size) * _GOLDEN_RATIO) % 1
    # Three brightnesses keep neighbours apart where their hues come close.
    values = [1.0, 0.9, 0.8]
    colours = [colorsys.hsv_to_rgb(hue, 0.75, values[index % 3]) for index, hue in enumerate(hues)]
    return np.round(np.array(colours) * 255).astype(np.uint8)


PALETTE = _palette()


def label_colours(labels: NDArray) -> NDArray[np.uint8]:
    """RGB of each label value, same shape plus a last axis of 3; the background is black."""
    colours = PALETTE[labels % len(PALETTE)]
    colours[labels == 0] = 0
    return colours


def outlines(labels: NDArray, width: int = 1) -> NDArray[np.bool_]:
    """Pixels of each nucleus within ``width`` pixels of another label or the background: ``(H, W)`` bool."""
    size = 2 * width + 1
    highest = ndimage.maximum_filter(labels, size=size, mode="nearest")
    lowest = ndimage.minimum_filter(labels, size=size, mode="nearest")
    return (labels > 0) & (highest != lowest)


def to_display(image: MicroscopyImage) -> NDArray[np.uint8]:
    """``(H, W, 3)`` uint8 for the eye, with the picture's own range stretched; measurements never use it."""
    preprocessing = Preprocessing(channels=3)
    intensity = preprocessing.measure(image.pixels)
    display = np.empty((*image.shape, 3), np.uint8)
    for top in range(0, image.shape[0], 512):  # in strips: a whole slide in float would take sixteen times its size
        strip = slice(top, top + 512)
        display[strip] = np.rint(preprocessing.apply(image.pixels[strip], intensity) * 255)
    return display


def draw_overlay(
    display: NDArray[np.uint8],
    labels: NDArray,
    *,
    style: Literal["outline", "fill"] = "outline",
    opacity: float = 1.0,
    width: int = 1,
) -> NDArray[np.uint8]:
    """Nuclei drawn over a picture: ``(H, W, 3)`` uint8 and ``(H, W)`` labels -> ``(H, W, 3)`` uint8.

    Args:
        display: see :func:`to_display`.
        labels: 0 the background.
        style: "outline" or "fill".
        opacity: of the colour, 0 to 1.
        width: of the outline, in pixels.
    """
    where = outlines(labels, width) if style == "outline" else labels > 0
    result = display.copy()
    colour = label_colours(labels[where])
    mixed = (1 - opacity) * display[where].astype(np.float32) + opacity * colour
    result[where] = np.rint(mixed).astype(np.uint8)
    return result
