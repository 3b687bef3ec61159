"""Results to files."""

from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from segmentation.overlay import draw_overlay, to_display
from segmentation.segmenter import Segmentation


def free_name(name: str, taken: set[str]) -> str:
    """A name for a file that is safe on every system and not yet in ``taken``, where it is then noted.

    Pictures from different folders share names; a number tells them apart, so that no result overwrites another.
    """
    kept = "".join(letter if letter.isalnum() or letter in " -_.()" else "_" for letter in name)
    stem = kept[:150].strip(" .") or "picture"
    candidate, number = stem, 2
    while candidate.lower() in taken:  # some file systems ignore case
        candidate, number = f"{stem}_{number}", number + 1
    taken.add(candidate.lower())
    return candidate


def write_labels(path: str | Path, labels: NDArray) -> Path:
    """Label image ``(H, W)`` as a deflated TIFF of its own dtype (uint16 or uint32), which Fiji and QuPath open."""
    path = Path(path)
    tifffile.imwrite(path, labels, compression="zlib", photometric="minisblack", metadata={"axes": "YX"})
    return path


def write_overlay(path: str | Path, result: Segmentation) -> Path:
    """The picture with its outlines as an RGB PNG, at the picture's own size."""
    path = Path(path)
    Image.fromarray(draw_overlay(to_display(result.image), result.labels)).save(path, format="PNG")
    return path


def read_labels(path: str | Path) -> NDArray[np.uint16] | NDArray[np.uint32]:
    """Read back what :func:`write_labels` wrote."""
    return tifffile.imread(path)
