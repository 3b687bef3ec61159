"""The frames of a DICOM file's pixel data, native or compressed, to the numbers that were stored."""

import struct
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import BinaryIO, NoReturn

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom.pixels.processing import convert_color_space

from segmentation.codestream import coded_size
from segmentation.errors import ImageReadError
from segmentation.limits import check_planes

# Transfer syntaxes (DICOM PS3.6, annex A) and what decodes them; the native ones have none.
CODECS = {
    "1.2.840.10008.1.2": "",  # implicit little endian
    "1.2.840.10008.1.2.1": "",  # explicit little endian
    "1.2.840.10008.1.2.1.99": "",  # the same, deflated as a whole
    "1.2.840.10008.1.2.2": "",  # explicit big endian
    "1.2.840.10008.1.2.4.50": "JPEG",  # baseline
    "1.2.840.10008.1.2.4.51": "JPEG",  # extended, 12 bit
    "1.2.840.10008.1.2.4.57": "lossless JPEG",
    "1.2.840.10008.1.2.4.70": "lossless JPEG",  # first-order prediction
    "1.2.840.10008.1.2.4.80": "JPEG-LS",
    "1.2.840.10008.1.2.4.81": "JPEG-LS",  # near lossless
    "1.2.840.10008.1.2.4.90": "JPEG 2000",  # lossless
    "1.2.840.10008.1.2.4.91": "JPEG 2000",
    "1.2.840.10008.1.2.4.201": "JPEG 2000",  # high throughput, lossless
    "1.2.840.10008.1.2.4.202": "JPEG 2000",  # the same, with RPCL order
    "1.2.840.10008.1.2.4.203": "JPEG 2000",  # high throughput
    "1.2.840.10008.1.2.5": "RLE",
}
_YBR = ("YBR_FULL", "YBR_FULL_422")
_ITEM, _END = (0xFFFE, 0xE000), (0xFFFE, 0xE0DD)


@dataclass(frozen=True)
class FrameForm:
    """How the frames of one file are stored; the names are those of DICOM's attributes.

    Attributes:
        codec: one of the values of ``CODECS``.
        dtype: of a number as stored, in the file's byte order; of bits, bool.
        samples: values a pixel, 1 or 3.
        bits_allocated: 1, 8, 16 or 32 of integers; 32 or 64 of floating point numbers.
        swapped: bytes lie in pairs turned round, as in big-endian words of 16 bit.
    """

    codec: str
    rows: int
    columns: int
    samples: int
    frames: int
    dtype: np.dtype
    bits_allocated: int
    bits_stored: int
    high_bit: int
    photometric: str
    planar: bool
    swapped: bool


class Frames:
    """Reads frames one by one.

    Args:
        file: open for reading.
        start: where the value of the pixel data begins.
        form: how they are stored.
        label: what messages call the file.
    """

    def __init__(self, file: BinaryIO, start: int, form: FrameForm, label: str) -> None:
        self.file, self.start, self.form, self.label = file, start, form, label

    def read(self, index: int) -> NDArray:
        """The numbers of a frame, ``(rows, columns, samples)``, colours as RGB."""
        form = self.form
        if not form.codec:
            frame = self._native(index)
        elif form.codec == "RLE":
            frame = self._run_lengths(self._compressed(index))
        else:
            return self._decoded(self._compressed(index))
        if form.dtype.kind in "ui":
            frame = _significant(frame, form.bits_allocated - 1 - form.high_bit, form.bits_stored)
        return convert_color_space(frame, "YBR_FULL", "RGB") if form.photometric in _YBR else frame

    def _native(self, index: int) -> NDArray:
        form = self.form
        count = form.rows * form.columns * form.samples
        if form.bits_allocated == 1:
            first, skipped = divmod(index * count, 8)
            packed = np.frombuffer(self._bytes(first, (skipped + count + 7) // 8), np.uint8)
            flags = np.unpackbits(packed, bitorder="little")[skipped : skipped + count]
            return flags.reshape(form.rows, form.columns, 1).astype(bool)
        halved = form.photometric == "YBR_FULL_422"  # two pixels share their colour
        size = count * form.dtype.itemsize
        size = size // 3 * 2 if halved else size
        if form.swapped:
            odd = index * size % 2
            words = np.frombuffer(self._bytes(index * size - odd, (odd + size + 1) // 2 * 2), np.uint16)
            values = words.byteswap().view(form.dtype)[odd : odd + size]
        else:
            values = np.frombuffer(self._bytes(index * size, size), form.dtype)
        if halved:
            left, right, blue, red = values.reshape(-1, 4).T
            values = np.stack([left, blue, red, right, blue, red], axis=-1)
            return values.reshape(form.rows, form.columns, 3)
        if form.planar:
            return np.moveaxis(values.reshape(form.samples, form.rows, form.columns), 0, -1)
        return values.reshape(form.rows, form.columns, form.samples)

    def _bytes(self, offset: int, size: int) -> bytes:
        end = self.file.seek(0, 2)
        if self.start + offset + size > end:
            missing = self.start + offset + size - end
            self._refuse(f"is damaged or cut short: {missing:,} bytes of its pixels are missing; copy it again")
        self.file.seek(self.start + offset)
        return self.file.read(size)

    def _compressed(self, index: int) -> bytes:
        return b"".join(self._bytes(offset, size) for offset, size in self._frames[index])

    @cached_property
    def _frames(self) -> list[list[tuple[int, int]]]:
        """Offset and size of each of a frame's fragments (DICOM PS3.5, A.4)."""
        items = self._items()
        if not items:
            self._refuse("is damaged or cut short: its pixel data are empty; copy it again")
        (table_at, table_size), fragments = items[0], items[1:]
        frames = self.form.frames
        if frames == 1:
            return [fragments]
        if len(fragments) == frames:
            return [[fragment] for fragment in fragments]
        starts = list(struct.unpack(f"<{table_size // 4}I", self._bytes(table_at, table_size // 4 * 4)))
        if len(starts) != frames:
            begins = (b"\xff\xd8\xff", b"\xff\x4f\xff")
            starts = [at - 8 for at, size in fragments if size >= 3 and self._bytes(at, 3).startswith(begins)]
            base = 0
        else:
            base = table_at + table_size
        if len(starts) != frames:
            self._refuse(f"holds {len(fragments):,} pieces of pixel data for {frames:,} frames; export it again")
        bounds = [start + base for start in starts] + [fragments[-1][0] + fragments[-1][1]]
        return [[fragment for fragment in fragments if begin < fragment[0] <= end] for begin, end in pairwise(bounds)]

    def _items(self) -> list[tuple[int, int]]:
        items, position = [], 0
        end = self.file.seek(0, 2) - self.start
        while position + 8 <= end:
            group, element, size = struct.unpack("<HHI", self._bytes(position, 8))
            if (group, element) == _END:
                break
            if (group, element) != _ITEM or size == 0xFFFFFFFF:
                self._refuse("is damaged: its pixel data are not in pieces as they should be; export it again")
            items.append((position + 8, size))
            check_planes(len(items), self.label)
            position += 8 + size
        return items

    def _run_lengths(self, data: bytes) -> NDArray:
        form = self.form
        size = form.rows * form.columns * form.samples * form.dtype.itemsize
        values = np.frombuffer(imagecodecs.dicomrle_decode(data, form.dtype, out=size), form.dtype)
        return np.moveaxis(values.reshape(form.samples, form.rows, form.columns), 0, -1)

    def _decoded(self, data: bytes) -> NDArray:
        form = self.form
        size = coded_size(data)
        if size is None or size[:2] != (form.rows, form.columns):
            claims = "nothing that can be read" if size is None else f"{size.width:,} x {size.height:,}"
            self._refuse(
                f"is damaged: its compressed data hold {claims} where the header says {form.columns:,} x "
                f"{form.rows:,}; export it again"
            )
        if size.bits > form.bits_allocated:
            self._refuse(f"is damaged: values of {size.bits} bit are in {form.bits_allocated}; export it again")
        if not data.rstrip(b"\0\xff").endswith(b"\xff\xd9"):  # the end of any of these codes; decoders do without
            self._refuse("is damaged or cut short: its compressed data end too early; copy it again")
        lossy = form.codec == "JPEG" and form.samples == 3
        if form.codec == "JPEG-LS":
            values = imagecodecs.jpegls_decode(data)
        elif form.codec == "JPEG 2000":
            values = imagecodecs.jpeg2k_decode(data)
        elif lossy:
            space = "YCBCR" if _is_ybr(data, form.photometric) else "RGB"
            values = imagecodecs.jpeg_decode(data, colorspace=space, outcolorspace="RGB")
        else:
            values = imagecodecs.jpeg_decode(data)
        values = np.asarray(values).reshape(form.rows, form.columns, form.samples)
        unsigned, bits = np.dtype(f"u{form.dtype.itemsize}"), min(size.bits, form.bits_stored)
        values = _significant(values.astype(unsigned).view(form.dtype), form.bits_allocated - bits, bits)
        # A lossy JPEG is RGB by now, and the others are what the header says.
        return convert_color_space(values, "YBR_FULL", "RGB") if form.photometric in _YBR and not lossy else values

    def _refuse(self, what: str) -> NoReturn:
        raise ImageReadError(f"{self.label}: the DICOM file {what}.")


def _significant(values: NDArray, above: int, bits: int) -> NDArray:
    """Numbers of which ``bits`` count, under ``above`` others, with their sign."""
    width = values.dtype.itemsize * 8
    if bits == width:
        return values
    return (values << above) >> (width - bits)


def _is_ybr(data: bytes, photometric: str) -> bool:
    """Whether a JPEG's three values are luminance and two colours: its markers know better than DICOM's header."""
    head = data[:4096]
    if (adobe := head.find(b"\xff\xee\0\x0eAdobe")) >= 0:
        return head[adobe + 15] != 0
    return b"JFIF\0" in head[:32] or photometric != "RGB"
