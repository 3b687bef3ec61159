"""Results to files."""

from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from segmentation.overlay import draw_overlay, to_display
from segmentation.segmenter import Segmentation


def write_labels(path: str | Path, labels: NDArray) -> Path:
    """Label image ``(H, W)`` as a deflated TIFF of its own dtype (uint16 or uint32); Fiji, QuPath and napari open it."""
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
