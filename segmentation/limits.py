"""What is refused before memory or disk is taken for it, and what bounds the reading of strangers' files.

The constants are the defaults. The environment variable ``NUCLEOSCOPE_`` and a constant's name sets another value, for
this process and for those that it starts; :data:`LIMITS` lists all of them with what they mean.
"""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from segmentation.errors import ImageReadError, ImageShapeError, ParameterError

MAX_PIXELS = 400_000_000  # per page
MAX_PLANES = 1_000_000  # channels x z x t of one file
MAX_BLOCK = 4 * 2**30  # bytes, of a stack that can only be decoded as a whole
MAX_INFLATED = 128 * 2**20  # bytes, of a DICOM file that is deflated as a whole
MAX_NUCLEI = 4_000_000  # in one picture: one for every hundred of the most pixels
MAX_MEMBERS = 10_000  # files in one zip
MAX_UNPACKED = 8 * 2**30  # bytes, of one zip's pictures
MAX_RATIO = 500  # of those to the bytes of the zip itself; deflate reaches 1,032 on nothing but zeros
MAX_MASKS = 10_000  # files, each with one true nucleus
MAX_MASK_PIXELS = 20_000_000_000  # of all of them together, which take a minute or two to read
MAX_MASK_BYTES = 4_000_000_000  # of all masks in a zip; they are in memory one at a time
MAX_CORRECTIONS = 1000  # in one request, each of which copies the labels
MAX_UPLOAD = 2 * 2**30  # bytes
MAX_READERS = 2  # a file that hangs holds one up, and the other goes on
MAX_READ_SECONDS = 60  # per page, most of which take a tenth of one
MAX_READ_MEMORY = 8 * 2**30  # bytes: twice a stack of MAX_BLOCK, or the largest page of 16 bit with its channels
FREE_RATIO = 2**30  # bytes up to which any ratio is fine: masks of few nuclei compress that well, and do no harm

_PREFIX = "NUCLEOSCOPE_"


def _limit(constant: str, unit: str, meaning: str) -> Any:
    """A field whose default is the constant, whatever it is by the time it is asked for."""
    told = {"constant": constant, "unit": unit, "meaning": meaning}
    return field(default_factory=lambda: globals()[constant], metadata=told)


@dataclass(frozen=True)
class Limits:
    """What is allowed at most; whole numbers from 1 up. Each field is one row of :data:`LIMITS`."""

    pixels: int = _limit("MAX_PIXELS", "pixels", "pixels of one page; four times as many values")
    planes: int = _limit("MAX_PLANES", "planes", "planes of one file: channels, depths and times together")
    block: int = _limit("MAX_BLOCK", "bytes", "a stack that can only be decoded as a whole")
    inflated: int = _limit("MAX_INFLATED", "bytes", "a deflated DICOM file, unpacked")
    nuclei: int = _limit("MAX_NUCLEI", "nuclei", "nuclei of one picture or label image")
    members: int = _limit("MAX_MEMBERS", "files", "files in one zip, and pictures dropped at a time")
    unpacked: int = _limit("MAX_UNPACKED", "bytes", "a zip's pictures, unpacked")
    ratio: int = _limit("MAX_RATIO", "times", "a zip's pictures to the zip's own size, beyond a gigabyte")
    masks: int = _limit("MAX_MASKS", "files", "masks of one true nucleus each, of one picture")
    mask_pixels: int = _limit("MAX_MASK_PIXELS", "pixels", "pixels of those masks together")
    mask_bytes: int = _limit("MAX_MASK_BYTES", "bytes", "a zip's masks, unpacked")
    corrections: int = _limit("MAX_CORRECTIONS", "corrections", "corrections in one request of a program")
    upload: int = _limit("MAX_UPLOAD", "bytes", "one file that a visitor sends")
    readers: int = _limit("MAX_READERS", "processes", "processes that read visitors' files at a time")
    read_seconds: int = _limit("MAX_READ_SECONDS", "seconds", "reading one page of a visitor's file")
    read_memory: int = _limit("MAX_READ_MEMORY", "bytes", "memory of a process that reads a visitor's file")

    def __post_init__(self) -> None:
        for limit in LIMITS:
            value = getattr(self, limit.name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ParameterError(
                    f"{limit.name}={value!r}: the most {limit.unit} of {limit.meaning}: a whole number from 1 up."
                )

    def to_environment(self) -> dict[str, str]:
        """Environment variables that set these limits, for processes that are started."""
        values = asdict(self)
        return {limit.variable: str(values[limit.name]) for limit in LIMITS}


@dataclass(frozen=True)
class Limit:
    """What one of the :class:`Limits` is.

    Attributes:
        name: its field.
        constant: its default's name in this module.
        unit: what is counted, such as "bytes".
        meaning: of what, in a few words.
    """

    name: str
    constant: str
    unit: str
    meaning: str

    @property
    def default(self) -> int:
        """The value where nothing else is said."""
        value: int = globals()[self.constant]
        return value

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return _PREFIX + self.constant

    @property
    def option(self) -> str:
        """What an option of a command line that sets it is called."""
        return "--" + self.constant.lower().replace("_", "-")


LIMITS = tuple(Limit(each.name, **each.metadata) for each in fields(Limits))


def limits(environment: Mapping[str, str] | None = None) -> Limits:
    """The limits that hold: the environment's, or else the defaults.

    Args:
        environment: variables; by default those of this process.

    Raises:
        ParameterError: for a variable that is no whole number from 1 up.
    """
    variables = os.environ if environment is None else environment
    return Limits(**{limit.name: _whole(limit, text) for limit in LIMITS if (text := variables.get(limit.variable))})


def set_limits(chosen: Limits) -> None:
    """Let limits hold in this process and in those that it starts from now on."""
    os.environ.update(chosen.to_environment())


def _whole(limit: Limit, text: str) -> int:
    digits = text.strip().replace("_", "").replace(",", "")
    if not (digits.isascii() and digits.isdigit() and 0 < len(digits) <= 18 and int(digits)):
        raise ParameterError(
            f"{limit.variable}={text[:40]!r}: it must be a whole number of {limit.unit} from 1 up, such as "
            f"{limit.default:,}, or not be set."
        )
    return int(digits)


def check_size(height: int, width: int, label: str, samples: int = 1) -> None:
    """Refuse a page of more than ``MAX_PIXELS``, or of more than 4 times as many values, going by its header.

    Args:
        height: in pixels.
        width: in pixels.
        label: the file, for the message.
        samples: values a pixel that are decoded at once.

    Raises:
        ImageReadError: naming the size and the limit.
    """
    most = limits().pixels
    if height * width > most:
        raise ImageReadError(
            f"{label}: {width:,} x {height:,} is {height * width / 1e6:,.0f} million pixels and the limit is "
            f"{most / 1e6:,.0f} million: crop it or export it at a lower resolution."
        )
    if height * width * samples > 4 * most:
        raise ImageReadError(
            f"{label}: {width:,} x {height:,} pixels of {samples:,} channels are "
            f"{height * width * samples / 1e6:,.0f} million values and the limit is {4 * most / 1e6:,.0f} "
            "million: export the channel that shows the nuclei alone."
        )


def check_planes(planes: int, label: str) -> None:
    """Refuse a file that claims more than ``MAX_PLANES``.

    Raises:
        ImageReadError: naming the number and the limit.
    """
    most = limits().planes
    if planes > most:
        raise ImageReadError(
            f"{label}: its metadata speak of {planes:,} planes and the limit is {most:,}: export it again, in "
            "several files."
        )


def check_block(size: int, label: str) -> None:
    """Refuse a stack of more than ``MAX_BLOCK`` bytes that can only be decoded as a whole.

    Raises:
        ImageReadError: naming the size and the limit.
    """
    most = limits().block
    if size > most:
        raise ImageReadError(
            f"{label}: its {size / 2**30:,.1f} GiB can only be decoded in one go and the limit is "
            f"{most / 2**30:,.0f} GiB: export it with one plane a page."
        )


def check_nuclei(nuclei: int, label: str) -> None:
    """Refuse more than ``MAX_NUCLEI`` nuclei in one picture, before each takes a row of a table.

    Raises:
        ImageShapeError: naming the number and the limit.
    """
    most = limits().nuclei
    if nuclei > most:
        raise ImageShapeError(
            f"{label}: {nuclei:,} nuclei in one picture and the limit is {most:,}: crop it, or drop small objects with "
            "a least area."
        )
