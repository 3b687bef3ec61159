"""Pictures to click on when none is at hand, drawn when the page starts."""

import tempfile
from functools import cache
from pathlib import Path

from PIL import Image

from segmentation.examples import Appearance, make_example

_CHOICES: tuple[tuple[Appearance, str, int, int], ...] = (
    ("fluorescence", "Fluorescence", 3, 34),
    ("brightfield", "Brightfield", 8, 22),
    ("tissue", "Stained tissue", 4, 44),
)


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """One for the life of the server; removed with it."""
    return tempfile.TemporaryDirectory(prefix="nucleoscope-examples-")


def write_examples() -> list[tuple[str, str]]:
    """(path, caption) of each example, written to a temporary folder."""
    folder = Path(_folder().name)
    written = []
    for appearance, caption, seed, nuclei in _CHOICES:
        picture = make_example(appearance, seed, height=384, width=384, nuclei=nuclei * 2, radius=(9.0, 16.0))
        path = folder / f"example-{appearance}.png"
        Image.fromarray(picture.pixels.squeeze()).save(path)
        written.append((str(path), caption))
    return written
