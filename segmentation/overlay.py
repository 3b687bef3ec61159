"""Pictures of results: outlines or fills, in colours that stay with a nucleus's number."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from segmentation.image_io import MicroscopyImage
from segmentation.preprocessing import Preprocessing

# Colours that people with any colour vision tell apart (Okabe and Ito, Color Universal Design, 2008), in an order in
# which successive numbers, mostly neighbours, differ in brightness too. Black is left out, and the blue is lightened:
# both vanish on a dark ground.
_SAFE = ((230, 159, 0), (86, 180, 233), (240, 228, 66), (0, 158, 115), (204, 121, 167), (213, 94, 0), (64, 144, 208))
_SHADES = (1.0, 0.86, 1.12)


def _palette() -> NDArray[np.uint8]:
    colours = np.array([[np.array(colour) * shade for colour in _SAFE] for shade in _SHADES])
    return np.rint(colours.reshape(-1, 3).clip(0, 255)).astype(np.uint8)


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
