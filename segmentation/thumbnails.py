"""Small pictures of results, to look through many."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from segmentation.atomic import replacing
from segmentation.overlay import draw_overlay, to_display
from segmentation.segmenter import Segmentation

THUMBNAIL = 320  # longest side in pixels


def write_thumbnail(path: Path, result: Segmentation) -> Path:
    """The picture with its outlines as a JPEG of 320 pixels at most, drawn at that size so that they stay visible."""
    height, width = result.image.shape
    factor = min(THUMBNAIL / max(height, width), 1)
    size = max(round(width * factor), 1), max(round(height * factor), 1)
    step = max(int(1 / factor) // 2, 1)  # of a slide, every so many pixels are enough
    sparse = replace(result.image, pixels=result.image.pixels[::step, ::step])
    small = cv2.resize(to_display(sparse), size, interpolation=cv2.INTER_AREA)
    rows, columns = (((np.arange(n) + 0.5) * m / n).astype(np.intp) for n, m in ((size[1], height), (size[0], width)))
    drawn = draw_overlay(small, result.labels[rows[:, None], columns])
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as scratch:
        Image.fromarray(drawn).save(scratch, format="JPEG", quality=85)
    return path
