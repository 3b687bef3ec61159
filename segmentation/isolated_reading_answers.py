"""What a process that read a stranger's file tells of it: as JSON and raw numbers, and back, checked.

Whoever sent the file may have taken that process over. So nothing is unpickled, and an answer is believed only as far
as it is one: the right fields, of the right types, and as many numbers as its own words say.
"""

import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from segmentation.errors import ImageReadError, ImageShapeError, NucleoscopeError, ParameterError
from segmentation.image_info import ImageInfo
from segmentation.limits import limits
from segmentation.microscopy_image import MicroscopyImage
from segmentation.picture_sources import Pictures
from segmentation.pixel_size import PixelSize

if TYPE_CHECKING:
    from segmentation.truth_io import Truth  # loads SciPy and scikit-image

DTYPES = frozenset(f"{kind}{size}" for kind in "uif" for size in (1, 2, 4, 8)) - {"f1", "f2"}
ERRORS: dict[str, type[NucleoscopeError]] = {
    each.__name__: each for each in (ImageReadError, ImageShapeError, ParameterError)
}
LONGEST = 2000  # characters of a sentence
Answer = tuple[dict[str, Any], memoryview | None]
Fill = Callable[[memoryview], None]  # puts the numbers that follow an answer where they are wanted


class AnswerError(Exception):
    """An answer that makes no sense."""


def from_image(image: MicroscopyImage) -> Answer:
    """A page as an answer."""
    header = {
        "kind": "image",
        "name": image.name,
        "notes": image.notes,
        "pixel_size": image.pixel_size,
        "channel_names": image.channel_names,
    }
    return _with_numbers(header, image.pixels)


def to_image(header: dict[str, Any], fill: Fill) -> MicroscopyImage:
    """A page, for its answer.

    Raises:
        AnswerError: if it is none.
    """
    pixels = _numbers(header, 3, fill)
    names = _sentences(header, "channel_names")
    if pixels.shape[2] not in (1, 3) or len(names) not in (0, pixels.shape[2]):
        raise AnswerError("channels")
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise AnswerError("values that are not finite")
    return MicroscopyImage(pixels, _text(header, "name"), _sentences(header, "notes"), _pixel_size(header), names)


def from_info(info: ImageInfo) -> Answer:
    """What a file holds, as an answer."""
    return {"kind": "info", **asdict(info)}, None


def to_info(header: dict[str, Any]) -> ImageInfo:
    """What a file holds, for the answer.

    Raises:
        AnswerError: if it is none.
    """
    sizes = tuple(_whole(size) for size in _listed(header, "sizes"))
    axes, dtype = _text(header, "axes"), _text(header, "dtype")
    if len(sizes) != len(axes) or np.dtype(_known_dtype(dtype)).name != dtype:
        raise AnswerError("axes or a type of numbers")
    return ImageInfo(
        name=_text(header, "name"),
        format=_text(header, "format"),
        width=_whole(header.get("width")),
        height=_whole(header.get("height")),
        dtype=dtype,
        bits=_whole(header.get("bits")),
        axes=axes,
        sizes=sizes,
        channels=_whole(header.get("channels")),
        channel_names=_sentences(header, "channel_names"),
        pages=_whole(header.get("pages")),
        projected_pages=_whole(header.get("projected_pages")),
        pixel_size=_pixel_size(header),
        notes=_sentences(header, "notes"),
    )


def from_truth(truth: "Truth") -> Answer:
    """True nuclei as an answer."""
    return _with_numbers({"kind": "truth", "notes": truth.notes}, truth.labels)


def to_truth(header: dict[str, Any], fill: Fill) -> "Truth":
    """True nuclei, for their answer.

    Raises:
        AnswerError: if they are none.
    """
    from segmentation.truth_io import Truth

    labels = _numbers(header, 2, fill)
    if labels.dtype != np.int32 or labels.min(initial=0) < 0:
        raise AnswerError("labels")
    return Truth(labels, _sentences(header, "notes"))


def from_labels(labels: NDArray) -> Answer:
    """A label image as an answer."""
    return _with_numbers({"kind": "labels"}, labels)


def to_labels(header: dict[str, Any], fill: Fill) -> NDArray:
    """A label image, for its answer.

    Raises:
        AnswerError: if it is none.
    """
    labels = _numbers(header, 2, fill)
    if labels.dtype.kind not in "iu" or labels.min(initial=0) < 0:
        raise AnswerError("labels")
    return labels


def from_pictures(pictures: Pictures) -> Answer:
    """Files, and the pictures out of zips, as an answer."""
    return {"kind": "files", "files": [[name, str(path)] for name, path in pictures], "notes": pictures.notes}, None


def to_pictures(header: dict[str, Any], given: list[Path], folder: Path) -> Pictures:
    """Files, for their answer: none but those ``given``, or in ``folder``.

    Raises:
        AnswerError: if it names others.
    """
    found: list[tuple[str, Path]] = []
    inside = folder.resolve()
    for pair in _listed(header, "files"):
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(each, str) for each in pair):
            raise AnswerError("files")
        path = Path(pair[1])
        if path not in given and (inside not in path.resolve().parents or path.is_symlink()):
            raise AnswerError("a file elsewhere")
        found.append((pair[0], path))
    return Pictures(found, _sentences(header, "notes"))


def to_error(header: dict[str, Any]) -> NucleoscopeError:
    """The error that an answer speaks of.

    Raises:
        AnswerError: if it is of another type than reading raises.
    """
    kind = ERRORS.get(_text(header, "type"))
    if kind is None:
        raise AnswerError("an error of another type")
    return kind(" ".join(_text(header, "message").split())[:LONGEST])


def _with_numbers(header: dict[str, Any], array: NDArray) -> Answer:
    array = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="), copy=False))
    described = {**header, "dtype": array.dtype.str[1:], "shape": array.shape}
    return described, array.reshape(-1).view(np.uint8).data


def _numbers(header: dict[str, Any], axes: int, fill: Fill) -> NDArray:
    shape = tuple(_whole(extent) for extent in _listed(header, "shape"))
    if len(shape) != axes or 0 in shape or math.prod(shape[:2]) > limits().pixels or math.prod(shape[2:]) > 4:
        raise AnswerError(f"a shape of {shape}")
    array = np.empty(shape, _known_dtype(_text(header, "dtype")))
    fill(array.reshape(-1).view(np.uint8).data)
    return array


def _known_dtype(text: str) -> np.dtype:
    try:
        kind = np.dtype(text)
    except TypeError as error:
        raise AnswerError("a type of numbers") from error
    if kind.str[1:] not in DTYPES:
        raise AnswerError("a type of numbers")
    return kind


def _listed(header: dict[str, Any], key: str) -> list[Any]:
    value = header.get(key)
    if not isinstance(value, list):
        raise AnswerError(key)
    return value


def _sentences(header: dict[str, Any], key: str) -> tuple[str, ...]:
    values = _listed(header, key)
    if not all(isinstance(each, str) for each in values):
        raise AnswerError(key)
    return tuple(values)


def _text(header: dict[str, Any], key: str) -> str:
    value = header.get(key)
    if not isinstance(value, str):
        raise AnswerError(key)
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise AnswerError(f"{str(value)[:40]} is no whole number")
    return value


def _pixel_size(header: dict[str, Any]) -> PixelSize | None:
    value = header.get("pixel_size")
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2 or not all(isinstance(each, int | float) for each in value):
        raise AnswerError("pixel_size")
    y, x = map(float, value)
    if not (0 < y < math.inf and 0 < x < math.inf):
        raise AnswerError("pixel_size")
    return PixelSize(y, x)
