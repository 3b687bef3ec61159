"""How the corpus makes its files: what Pillow, tifffile, imagecodecs, pydicom and NumPy write, and bytes by hand."""

import io
import struct
import uuid
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian

from segmentation.errors import ImageReadError, NucleoscopeError
from segmentation.pixel_size import PixelSize

_LINES = (Path(__file__).parent / "corpus_sentences.tsv").read_text("utf-8").splitlines()[1:]
SENTENCES: dict[str, str] = dict(line.split("\t") for line in _LINES)
RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 250, (40, 56)).astype(np.uint8)
COLOUR = RANDOM.integers(0, 250, (40, 56, 3)).astype(np.uint8)
DEEP = RANDOM.integers(0, 65_536, (40, 56)).astype(np.uint16)
DEEP_COLOUR = RANDOM.integers(0, 65_536, (40, 56, 3)).astype(np.uint16)
TWELVE = RANDOM.integers(0, 4096, (40, 56)).astype(np.uint16)
SIGNED = RANDOM.integers(-30_000, 30_000, (40, 56)).astype(np.int16)
REAL = RANDOM.normal(size=(40, 56))
SMOOTH = np.add.outer(np.arange(40), np.arange(56)).astype(np.uint8)

HOLE = np.where(np.indices((40, 56))[0] < 2, 0, 255).astype(np.uint8)
FILLED = np.where(HOLE[..., None] > 0, COLOUR, np.median(COLOUR[2:].reshape(-1, 3), axis=0)).astype(np.uint8)
G8, G16, C8, C16 = "56 x 40, grey, 8 bit", "56 x 40, grey, 16 bit", "56 x 40, RGB, 8 bit", "56 x 40, RGB, 16 bit"
TURNED = "It is marked as turned or mirrored ({}) and is read as stored, as ImageJ and QuPath read it."


def stack(*shape: int, dtype: str = "uint16") -> NDArray:
    return RANDOM.integers(0, 250, (*shape, 40, 56)).astype(dtype)


@dataclass(frozen=True, eq=False)
class Case:
    """A file, and what reading it must give: the pictures exactly, or the sentence exactly.

    Attributes:
        name: of the file.
        form: of ``docs/formats.md``, in its table.
        data: makes the file's bytes.
        pages: pixels of each picture, ``(H, W)`` or ``(H, W, C)``; empty for a file that is refused.
        told: what ``ImageInfo.sentence`` says.
        axes: as stored.
        names: of all channels.
        pixel_size: micrometres, down and across.
        notes: of every picture.
        channel: to read.
        within: greatest difference to ``pages``, for lossy codes.
        says: the error's sentence, of a file that is refused.
        error: its type.
    """

    name: str
    form: str
    data: Callable[[], bytes]
    pages: tuple[NDArray, ...] = ()
    told: str = ""
    axes: str = "YX"
    names: tuple[str, ...] = ()
    pixel_size: PixelSize | None = None
    notes: tuple[str, ...] = ()
    channel: int | str | None = None
    within: float = 0
    says: str = ""
    error: type[NucleoscopeError] = ImageReadError


def read(name: str, form: str, data: Callable[[], bytes], pages: NDArray | list[NDArray], told: str, **more) -> Case:
    """A file that is read; one array stands for one page."""
    return Case(name, form, data, tuple(pages) if isinstance(pages, list) else (pages,), told, **more)


def refused(name: str, form: str, data: Callable[[], bytes], error: type[NucleoscopeError] = ImageReadError) -> Case:
    """A file that is refused, with the sentence that stands in the list of them."""
    return Case(name, form, data, says=SENTENCES[name], error=error)


def pillow(array: NDArray, kind: str, mode: str | None = None, **options) -> bytes:
    buffer = io.BytesIO()
    picture = Image.fromarray(array)
    (picture.convert(mode) if mode else picture).save(buffer, kind, **options)
    return buffer.getvalue()


def film(*arrays: NDArray) -> bytes:
    frames, buffer = [Image.fromarray(array) for array in arrays], io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def turned_jpeg() -> bytes:
    exif = Image.Exif()
    exif[274] = 6
    return pillow(SMOOTH, "JPEG", quality=100, exif=exif)


def png(width: int, height: int, pixels: bytes, depth: int = 8, colours: int = 0, extra: bytes = b"") -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0))
    used = chunk(b"sBIT", extra) if extra else b""
    return b"\x89PNG\r\n\x1a\n" + header + used + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


def replaced(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def tiff(array: NDArray, **options) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **({"photometric": "minisblack"} | options))
    return buffer.getvalue()


def tagged(data: bytes, **tags: int | tuple[int, ...]) -> bytes:
    """A TIFF file with other values in some of its tags."""
    buffer = io.BytesIO(data)
    with tifffile.TiffFile(buffer, mode="r+b") as file:
        for name, value in tags.items():
            file.pages.first.tags[name].overwrite(value)
    return buffer.getvalue()


def by_hand(payload: bytes, compression: int, width: int, height: int, bits: int = 8, **more: int) -> bytes:
    """A TIFF file of one strip, with such bytes in it."""
    tags = {
        256: width,
        257: height,
        258: bits,
        259: compression,
        262: 1,
        273: 0,
        277: 1,
        278: height,
        279: len(payload),
    }
    tags |= {int(key[1:]): value for key, value in more.items()}
    tags[273] = 8 + 2 + 12 * len(tags) + 4
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + b"\0\0\0\0" + payload


def pyramid() -> bytes:
    buffer = io.BytesIO()
    full = np.kron(GREY, np.ones((2, 2), np.uint8))
    with tifffile.TiffWriter(buffer, ome=True) as writer:
        writer.write(full, subifds=1, tile=(16, 16), photometric="minisblack", metadata={"axes": "YX"})
        writer.write(GREY, subfiletype=1, tile=(16, 16), photometric="minisblack")
    return buffer.getvalue()


def sparse() -> bytes:
    """A tiled file of which the first tile is not stored."""
    data = tiff(GREY, tile=(16, 16), compression="zlib")
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        offsets, counts = (file.pages.first.tags[name].value for name in ("TileOffsets", "TileByteCounts"))
    return tagged(data, TileOffsets=(0, *offsets[1:]), TileByteCounts=(0, *counts[1:]))


def ome_set(times: int = 2) -> bytes:
    """The second of two files that hold a time point each, or say that there are more."""
    known = f"urn:uuid:{uuid.UUID(int=1)}"
    rows = "".join(
        f'<TiffData IFD="0" PlaneCount="1" FirstT="{number}"><UUID FileName="{number}.tif">'
        f"{known if number else f'urn:uuid:{uuid.UUID(int=9)}'}</UUID></TiffData>"
        for number in range(2)
    )
    description = (
        f'<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{known}">'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" SizeX="56" SizeY="40" '
        f'SizeC="1" SizeZ="1" SizeT="{times}"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>{rows}'
        "</Pixels></Image></OME>"
    )
    return tiff(GREY, description=description, metadata=None)


def npy(array: NDArray, version: tuple[int, int] | None = None) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=version)
    return buffer.getvalue()


def npy_header(header: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header) + 1) + header.encode() + b"\n"


def dicom(
    pixels: NDArray | list[bytes], syntax: str = str(ExplicitVRLittleEndian), *, keyword: str = "PixelData", **more
) -> bytes:
    """A DICOM file: of an array as it is, or of compressed frames; ``more`` are attributes, None to leave one out."""
    data = Dataset()
    shape, dtype = (pixels.shape, pixels.dtype) if isinstance(pixels, np.ndarray) else ((40, 56), np.dtype("u1"))
    data.SOPClassUID, data.SOPInstanceUID, data.PatientName = "1.2.840.10008.5.1.4.1.1.7", "1.2.3.4", "Doe^Jane"
    attributes = {
        "Rows": shape[0],
        "Columns": shape[min(1, len(shape) - 1)],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": dtype.itemsize * 8,
        "PixelRepresentation": int(dtype.kind == "i"),
    } | more
    attributes = {"BitsStored": attributes["BitsAllocated"]} | attributes
    attributes = {"HighBit": (attributes["BitsStored"] or 1) - 1} | attributes
    for name, value in attributes.items():
        if value is not None:
            setattr(data, name, value)
    big = syntax == "1.2.840.10008.1.2.2"
    if isinstance(pixels, list):
        data.PixelData = encapsulate(pixels)
    else:
        raw = pixels.astype(dtype.newbyteorder(">" if big else "<")).tobytes()
        setattr(data, keyword, raw + b"\0" * (len(raw) % 2))
    data["PixelData" if isinstance(pixels, list) else keyword].VR = {
        "FloatPixelData": "OF",
        "DoubleFloatPixelData": "OD",
    }.get(keyword) or ("OB" if dtype.itemsize == 1 else "OW")
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = syntax
    data.file_meta.MediaStorageSOPClassUID, data.file_meta.MediaStorageSOPInstanceUID = "1.2.3", "1.2.3.4"
    buffer = io.BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
