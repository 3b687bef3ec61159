"""What programs send to the endpoints, checked: wrong types and numbers that are none become one sentence each."""

import math
from pathlib import Path
from typing import Any

from segmentation.corrections import Correction
from segmentation.errors import ParameterError
from segmentation.limits import limits
from segmentation.pixel_size import PixelSize, check_pixel_size
from segmentation.terminal import shown

_LONGEST = 200  # characters of a name


def file_of(value: Any, name: str) -> Path:
    """The file that was sent.

    Raises:
        ParameterError: if there is none.
    """
    try:
        if isinstance(value, str | Path) and Path(value).is_file():
            return Path(value)
    except (OSError, ValueError):  # a name that no file can have
        pass
    raise ParameterError(f"{name}: no file was given; send one.")


def number_of(value: Any, name: str) -> float | None:
    """A finite number; None for nothing.

    Raises:
        ParameterError: for anything else.
    """
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
        raise ParameterError(f"{name}={shown(value)}: it must be a number, or left out.")
    return float(value)


def whole_of(value: Any, name: str) -> int | None:
    """A whole number; None for nothing.

    Raises:
        ParameterError: for anything else.
    """
    number = number_of(value, name)
    if number is not None and (not number.is_integer() or abs(number) > 2**53):
        raise ParameterError(f"{name}={shown(value)}: it must be a whole number, or left out.")
    return None if number is None else int(number)


def flag_of(value: Any, name: str) -> bool | None:
    """True or false; None for nothing.

    Raises:
        ParameterError: for anything else.
    """
    if value is not None and not isinstance(value, bool):
        raise ParameterError(f"{name}={shown(value)}: it must be true or false, or left out.")
    return value


def text_of(value: Any, name: str) -> str | None:
    """Text of one line; None for nothing.

    Raises:
        ParameterError: for anything else.
    """
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > _LONGEST or not value.isprintable():
        raise ParameterError(
            f"{name}={shown(value)}: it must be a text of up to {_LONGEST} letters on one line, or left out."
        )
    return value


def names_of(value: Any, name: str) -> list[str]:
    """A list of words.

    Raises:
        ParameterError: for anything else.
    """
    if value is None:
        return []
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise ParameterError(f"{name}={shown(value)}: it must be a list of words.")
    return list(dict.fromkeys(value))


def channel_of(value: Any) -> int | str | None:
    """A channel's number or name; None for nothing.

    Raises:
        ParameterError: for anything else.
    """
    if isinstance(value, int | float):
        return whole_of(value, "channel")
    text = text_of(value, "channel")
    return int(text) if text and text.isascii() and text.isdigit() else text


def pixel_size_of(value: Any) -> PixelSize | None:
    """Micrometres a pixel, down and across alike; None for nothing and for 0.

    Raises:
        ParameterError: for anything else, or out of range.
    """
    number = number_of(value, "pixel_size")
    return check_pixel_size(PixelSize(number, number)) if number else None


def corrections_of(value: Any) -> list[Correction]:
    """Corrections to be done one after the other.

    Raises:
        ParameterError: for anything else, or too many at a time.
    """
    if value is None:
        return []
    if not isinstance(value, list | tuple):
        raise ParameterError(f"corrections={shown(value)}: it must be a list of objects with kind, labels and points.")
    most = limits().corrections
    if len(value) > most:
        raise ParameterError(f"{len(value):,} corrections and the limit is {most:,} in one request: send several.")
    return [Correction.from_json(each) for each in value]


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond what a float holds
        return False
