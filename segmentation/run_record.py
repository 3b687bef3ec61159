"""run.json: with what, from what and how a result was made, so that it can be made again."""

import hashlib
import json
import math
import platform
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

import segmentation
from segmentation.atomic import replacing
from segmentation.bundle import Bundle
from segmentation.pixel_size import PixelSize
from segmentation.segmenter import Segmentation

FORMAT_VERSION = 1


def run_record(
    result: Segmentation,
    bundle: Bundle,
    *,
    model: str,
    accurate: bool = False,
    channel: int | str | None = None,
    pixel_size: PixelSize | None = None,
    source: str | Path | bytes | None = None,
) -> dict[str, Any]:
    """What is to be known of a result, as JSON values.

    Args:
        result: the nuclei; its parameters, as they are after any change by hand, are noted.
        bundle: that found them.
        model: what the bundle is called: its folder's name.
        accurate: as given to the Segmenter.
        channel: as given to the Segmenter.
        pixel_size: micrometres a pixel; None if not known.
        source: the picture's file, or its bytes, for its name and its SHA-256; None if the picture came from no file.

    Raises:
        OSError: if the source cannot be read.
    """
    image = result.image
    height, width = image.shape
    return {
        "format_version": FORMAT_VERSION,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "nucleoscope": segmentation.__version__,
            "python": platform.python_version(),
            **{package: _version(package) for package in ("torch", "openvino")},
            "numpy": np.__version__,
        },
        "model": {
            "name": model,
            "revision": bundle.revision or None,
            "network": bundle.stored.name,
            "maps": list(result.names),
            "preprocessing": asdict(bundle.preprocessing),
        },
        "settings": {
            "decode": asdict(result.params),
            "magnification": result.magnification,
            "accurate": accurate,
            "channel": channel,
            "engine": result.engine,
        },
        "picture": {
            "name": image.name,
            "file_name": Path(source).name if isinstance(source, str | Path) else image.name,
            "sha256": None if source is None else sha256_of(source),
            "width": width,
            "height": height,
            "channels": image.pixels.shape[2],
            "dtype": str(image.pixels.dtype),
            "pixel_size_um": None if pixel_size is None else pixel_size._asdict(),
            "notes": list(image.notes),
        },
        "result": {"nuclei": result.count, "seconds": round(result.seconds, 3)},
    }


def write_run(path: str | Path, record: Mapping[str, Any]) -> Path:
    """A record as indented JSON; arrays become lists, and NaN and infinities, which JSON has no word for, null.

    Raises:
        TypeError: for a value that is neither a number, text, None, a mapping, a list nor an array.
        OSError: if the file cannot be written.
    """
    path = Path(path)
    with replacing(path) as scratch:
        scratch.write_text(
            json.dumps(_native(record), indent=2, allow_nan=False) + "\n", encoding="utf-8", newline="\n"
        )
    return path


def sha256_of(source: str | Path | bytes) -> str:
    """SHA-256 of a file, read piece by piece, or of the bytes of one, in hexadecimal digits.

    Raises:
        OSError: if the file cannot be read.
    """
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    with Path(source).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _version(package: str) -> str | None:
    """As it is installed; the package is not loaded for that, which takes PyTorch more than a second."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _native(value: Any) -> Any:
    """The same value in Python's own types."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _native(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_native(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
