"""Files are written as they are made: memory grows neither with the nuclei nor, beyond labels and pixels, the picture.

``python -m benchmarks.exports`` measures whole processes with 100,000 nuclei.
"""

import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from segmentation import DecodeParams, MicroscopyImage, Segmentation, exports, overlay
from segmentation.exports import FORMATS, write_all

RECORD = {"picture": {"file_name": "a.tif", "pixel_size_um": None}}


def grid(count: int, height: int, width: int) -> np.ndarray:
    """Squares of 6 x 6 in cells of 8 x 8, numbered row by row up to ``count``; the rest is background."""
    cells = np.arange(1, height // 8 * (width // 8) + 1).reshape(height // 8, width // 8)
    square = np.pad(np.ones((6, 6), int), ((0, 2), (0, 2)))
    return np.kron(np.where(cells <= count, cells, 0), square).astype(np.uint16)


def peak(key: str, labels: np.ndarray, folder: Path) -> int:
    """Bytes that writing takes at most, beyond what it is given."""
    image = MicroscopyImage(np.zeros((*labels.shape, 1), np.uint8), "a")
    maps = np.broadcast_to(np.float32(0), (1, *labels.shape))
    result = Segmentation(image, maps, ("foreground",), labels, DecodeParams(), 0.0)
    numbers = np.unique(labels[labels > 0])
    table = pd.DataFrame({"label": numbers} | {f"value_{index}": numbers / 3 for index in range(25)})
    write_all(folder, "warm", result, table, RECORD, [key])  # what is loaded when first used does not count
    tracemalloc.start()
    try:
        write_all(folder, "a", result, table, RECORD, [key])
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("key", FORMATS)
def test_memory_does_not_grow_with_the_nuclei(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "_CHUNK", 50)  # fewer rows than here
    few, many = (peak(key, grid(count, 176, 200), tmp_path) for count in (100, 500))
    # A zip's table of contents, a table's row and a nucleus's box are a few hundred; its text would be thousands.
    assert (many - few) / 400 < 1000, f"{(many - few) / 400:.0f} bytes a nucleus"


@pytest.mark.parametrize("key", FORMATS)
def test_memory_does_not_grow_with_the_picture(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlay, "_STRIP", 2**17)  # fewer pixels than here
    short, tall = (peak(key, grid(10, height, 512), tmp_path) for height in (1024, 4096))
    assert (tall - short) / (3072 * 512) < 0.5, f"{(tall - short) / (3072 * 512):.2f} bytes a pixel"
