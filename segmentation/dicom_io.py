"""DICOM files to ``(H, W, C)`` arrays, frame by frame: the values that were measured, not the window of a screen.

A window (VOI LUT) is a setting for the eye and throws the rest of the range away, so it is not applied. What turns
stored numbers into measured ones is: the rescale slope and intercept, or the modality's table.
"""

import io
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import BinaryIO, NamedTuple

import numpy as np
from pydicom import config
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag
from pydicom.uid import UID

from segmentation.dicom_frames import CODECS, FrameForm, Frames
from segmentation.dicom_layout import layout_of
from segmentation.dicom_values import number, read_values
from segmentation.errors import ImageReadError, ImageShapeError
from segmentation.layout import Layout, Plane, ReadPlane
from segmentation.limits import check_planes, check_size, limits

_PIXELS: dict[int, np.dtype | None] = {0x7FE00008: np.dtype("f4"), 0x7FE00009: np.dtype("f8"), 0x7FE00010: None}
_DEFLATED, _IMPLICIT, _BIG_ENDIAN = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
_PHOTOMETRIC = {"MONOCHROME1": 1, "MONOCHROME2": 1, "PALETTE COLOR": 1, "RGB": 3} | dict.fromkeys(
    ("YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"), 3
)
# Nothing else is read: names of patients stay in the file.
_KEYWORDS = [
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "NumberOfFrames",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "PixelSpacing",
    "ImagerPixelSpacing",
    "NominalScannedPixelSpacing",
    "RescaleSlope",
    "RescaleIntercept",
    "ModalityLUTSequence",
    "WindowCenter",
    "WindowWidth",
    "FrameIncrementPointer",
    "TotalPixelMatrixColumns",
    "TotalPixelMatrixRows",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "RedPaletteColorLookupTableDescriptor",
    "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData",
    "SegmentedRedPaletteColorLookupTableData",
]
_TAGS: list[BaseTag | int] = [tag for keyword in _KEYWORDS if (tag := tag_for_keyword(keyword)) is not None]

_MOST_ELEMENTS = 50_000  # before the pixels, at the outermost level; scanners write some two hundred
# Odd values are judged here; pydicom would print warnings.
config.settings.reading_validation_mode = config.IGNORE
warnings.filterwarnings("ignore", category=UserWarning, module=r"pydicom\.")


class _Pixels(NamedTuple):
    """Where the pixel data are, and what they are said to be."""

    tag: int
    representation: str
    start: int


@contextmanager
def open_dicom(file: BinaryIO, label: str) -> Iterator[tuple[Layout, ReadPlane]]:
    """The layout of a DICOM file, by its header, and the function that reads its frames.

    Args:
        file: open for reading at its start.
        label: what messages call it.

    Raises:
        ImageReadError: no picture inside, a compression or kind of colours that is not read, or over the limits.
        ImageShapeError: the picture has no pixels.
    """
    syntax, file, data, pixels = _parse(file, label)
    form = _form(data, syntax, pixels, label)
    values = read_values(data, form, little_endian=syntax != _BIG_ENDIAN, label=label)
    frames = Frames(file, pixels.start, form, label)
    yield (
        layout_of(data, form, values),
        lambda index, channel: Plane(values.apply(frames.read(index), index)),
    )


def _parse(file: BinaryIO, label: str) -> tuple[str, BinaryIO, Dataset, _Pixels]:
    """Transfer syntax, the file (unpacked, if it is deflated), what its header says, and where its pixels are."""
    file.seek(128 + 4)  # past the preamble and its mark
    elements = count()

    def check_count() -> None:
        if next(elements) >= _MOST_ELEMENTS:
            raise ImageReadError(
                f"{label}: the DICOM file is damaged: its header lists more than {_MOST_ELEMENTS:,} elements; export "
                "it again."
            )

    def after_meta(tag: BaseTag, representation: str | None, length: int) -> bool:
        check_count()
        return tag >> 16 != 2

    meta = read_dataset(file, False, True, stop_when=after_meta)
    syntax = str(meta.get("TransferSyntaxUID", _IMPLICIT))
    if syntax not in CODECS:
        named = UID(syntax).name if UID(syntax).is_valid else syntax[:80]
        raise ImageReadError(
            f"{label}: its pixels are stored as {named}, which cannot be read here; export it without compression."
        )
    if syntax == _DEFLATED:
        file = _inflated(file, label)
    found: list[tuple[int, str | None]] = []

    def at_pixels(tag: BaseTag, representation: str | None, length: int) -> bool:
        check_count()
        if tag in _PIXELS:
            found.append((int(tag), representation))
        return tag in _PIXELS

    data = read_dataset(file, syntax == _IMPLICIT, syntax != _BIG_ENDIAN, stop_when=at_pixels, specific_tags=_TAGS)
    if not found:
        raise ImageReadError(f"{label}: the DICOM file holds no picture, or is cut short before it; give an image.")
    tag, representation = found[0]
    # pydicom rewinds to the tag; a value follows tag and length, or tag, type, two zeros and length.
    return syntax, file, data, _Pixels(tag, representation or "OW", file.tell() + (12 if representation else 8))


def _inflated(file: BinaryIO, label: str) -> BinaryIO:
    most = limits().inflated
    unpacked = zlib.decompressobj(-zlib.MAX_WBITS).decompress(file.read(), most + 1)
    if len(unpacked) > most:
        raise ImageReadError(
            f"{label}: the deflated DICOM file unpacks to more than {most / 2**20:,.0f} MiB, the limit: "
            "export it without compression."
        )
    return io.BytesIO(unpacked)


def _form(data: Dataset, syntax: str, pixels: _Pixels, label: str) -> FrameForm:
    def whole(keyword: str, default: int | None = None) -> int:
        value = number(data.get(keyword))
        if value is None and default is not None and data.get(keyword) in (None, ""):
            return default
        if value is None or value != int(value) or not 0 <= value < 2**32:
            raise ImageReadError(f"{label}: the DICOM file is damaged: its {keyword} is missing or no number.")
        return int(value)

    rows, columns, frames = whole("Rows"), whole("Columns"), max(whole("NumberOfFrames", 1), 1)
    if not rows or not columns:
        raise ImageShapeError(f"{label}: the picture is {columns} x {rows} and has no pixels; export it again.")
    photometric = str(data.get("PhotometricInterpretation", "")).strip()
    samples = whole("SamplesPerPixel", 1)
    check_size(rows, columns, label, samples)
    check_planes(frames, label)
    if photometric not in _PHOTOMETRIC or _PHOTOMETRIC[photometric] != samples:
        raise ImageReadError(
            f"{label}: pixels of {samples} values as {photometric[:40] or 'nothing that is said'} "
            "(photometric interpretation) cannot be read here; export it as RGB or MONOCHROME2."
        )
    kind = _PIXELS[pixels.tag]
    allocated = whole("BitsAllocated", 8 * kind.itemsize if kind else None)
    stored = allocated if kind else whole("BitsStored", allocated)
    high, signed = whole("HighBit", stored - 1) if not kind else allocated - 1, whole("PixelRepresentation", 0) == 1
    codec = CODECS[syntax]
    possible = (8 * kind.itemsize,) if kind else (1, 8, 16, 32) if samples == 1 and not codec else (8, 16, 32)
    if allocated not in possible or not 0 < stored <= allocated or not stored - 1 <= high < allocated:
        raise ImageReadError(
            f"{label}: {stored} bits, the highest of them bit {high}, in {allocated} cannot be read here; export it "
            "with 8, 16 or 32 bit."
        )
    dtype = kind or np.dtype(bool if allocated == 1 else f"{'i' if signed else 'u'}{allocated // 8}")
    return FrameForm(
        codec=codec,
        rows=rows,
        columns=columns,
        samples=samples,
        frames=frames,
        dtype=dtype.newbyteorder(">" if syntax == _BIG_ENDIAN else "<"),
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=high,
        photometric=photometric,
        planar=samples == 3 and whole("PlanarConfiguration", 0) == 1,
        swapped=syntax == _BIG_ENDIAN and allocated == 8 and pixels.representation == "OW",
    )
