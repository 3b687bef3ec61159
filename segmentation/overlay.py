"""Pictures of results: outlines or fills, in colours that stay with a nucleus's number."""

from collections.abc import Iterator
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from segmentation.image_io import MicroscopyImage
from segmentation.preprocessing import Preprocessing

# Colours that people with any colour vision tell apart (Okabe and Ito, Color Universal Design, 2008), in an order in
# which successive numbers, mostly neighbours, differ in brightness too. Black is left out, and the blue is lightened:
# both vanish on a dark ground.
_SAFE = ((230, 159, 0), (86, 180, 233), (240, 228, 66), (0, 158, 115), (204, 121, 167), (213, 94, 0), (64, 144, 208))
_SHADES = (1.0, 0.86, 1.12)
_STRIP = 2**20  # pixels drawn together: a whole slide in float would take sixteen times its size


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
    # A window holds two values where two neighbours in it differ: bytes to widen, in place of two filters of labels,
    # which took 26 times as long.
    across, down = np.zeros(labels.shape, np.uint8), np.zeros(labels.shape, np.uint8)
    across[:, :-1] = labels[:, 1:] != labels[:, :-1]
    down[:-1] = labels[1:] != labels[:-1]
    size = 2 * width + 1
    near = cv2.dilate(across, np.ones((size, size - 1), np.uint8), anchor=(width, width))
    near |= cv2.dilate(down, np.ones((size - 1, size), np.uint8), anchor=(width, width))
    return (labels > 0) & (near > 0)


def display_strips(image: MicroscopyImage, rows: int | None = None) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """The picture for the eye in strips: the first row of each, and its ``(rows, W, 3)`` uint8.

    The picture's own range is stretched, of the whole of it; measurements never use it.

    Args:
        image: the picture.
        rows: of each strip but the last; by default as many as make a million pixels.
    """
    rows = rows or max(_STRIP // image.shape[1], 1)
    preprocessing = Preprocessing(channels=3)
    intensity = preprocessing.measure(image.pixels)
    for top in range(0, image.shape[0], rows):
        yield top, np.rint(preprocessing.apply(image.pixels[top : top + rows], intensity) * 255).astype(np.uint8)


def to_display(image: MicroscopyImage) -> NDArray[np.uint8]:
    """``(H, W, 3)`` uint8 for the eye, all strips of :func:`display_strips` together."""
    display = np.empty((*image.shape, 3), np.uint8)
    for top, strip in display_strips(image):
        display[top : top + len(strip)] = strip
    return display


def overlay_strips(image: MicroscopyImage, labels: NDArray) -> Iterator[NDArray[np.uint8]]:
    """The picture with outlines one pixel wide, in ``(rows, W, 3)`` uint8 strips from top to bottom.

    Together they are what :func:`draw_overlay` makes of :func:`to_display`.
    """
    for top, strip in display_strips(image):
        start, stop = max(top - 1, 0), top + len(strip)
        where = outlines(labels[start : stop + 1])[top - start :][: len(strip)]
        strip[where] = label_colours(labels[top:stop][where])
        yield strip


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
