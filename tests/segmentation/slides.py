"""What the tests of slides share: small pictures stored as slides are, and the untiled result to compare with."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from segmentation.examples import Appearance, make_example


def drawn(appearance: Appearance = "fluorescence", seed: int = 0, side: tuple[int, int] = (150, 190)) -> np.ndarray:
    """A picture of ``side`` with crowded nuclei, ``(H, W)`` or ``(H, W, 3)``."""
    pixels = make_example(appearance, seed, height=side[0], width=side[1], nuclei=60, radius=(5.0, 9.0)).pixels
    return pixels[..., 0] if pixels.shape[2] == 1 else pixels


def write_slide(path: Path, pixels: np.ndarray, **more: Any) -> Path:
    """A tiled pyramid of two levels, as scanners write it."""
    options: dict[str, Any] = {"tile": (48, 64), "compression": "zlib", "subifds": 1, **more}
    with tifffile.TiffWriter(path, bigtiff=options.pop("bigtiff", False), ome=options.pop("ome", False)) as tiff:
        photometric = "rgb" if pixels.shape[-1] == 3 else "minisblack"
        tiff.write(pixels, photometric=photometric, **options)
        options.pop("metadata", None), options.pop("subifds")
        tiff.write(np.ascontiguousarray(pixels[::2, ::2]), photometric=photometric, subfiletype=1, **options)
    return path


def contents(folder: Path) -> dict[str, Any]:
    """Files by their names, without the time of day and the seconds."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        if path.name.endswith("_run.json"):
            record = json.loads(path.read_text())
            del record["created"], record["result"]["seconds"], record["batch"]["row"]["seconds"]
            found[path.name] = record
        elif path.is_file():
            found[path.name] = path.read_bytes()
    return found
