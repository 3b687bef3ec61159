"""What compressed pixels claim to hold, read from their first bytes: a hundred bytes can ask for 10 GB of memory."""

import struct
from typing import NamedTuple

_BOXES = (b"\0\0\0\x0cjP  ", b"\0\0\0\x0cJXL ")  # files of boxes around a JPEG 2000 or JPEG XL codestream
_XL_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))  # width to height (ISO/IEC 18181-1, D.2)


class CodedSize(NamedTuple):
    """Height and width in pixels, and the bits of a value, 0 where they were not looked for."""

    height: int
    width: int
    bits: int = 0


def coded_size(data: bytes) -> CodedSize | None:
    """What JPEG (lossless and LS too), JPEG 2000, JPEG XL, JPEG XR, LERC, PNG or WebP data claim.

    Args:
        data: a file or codestream, or the beginning of one.

    Returns:
        None for other data, and where ``data`` end before they say.
    """
    try:
        if data.startswith(_BOXES):
            data = _inside_boxes(data)
        for magic, parse in _PARSERS.items():
            if data.startswith(magic):
                return parse(data)
    except (struct.error, IndexError):
        pass
    return None


def _inside_boxes(data: bytes) -> bytes:
    position = 0
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        start = position + 8
        if length == 1:
            (length,), start = struct.unpack_from(">Q", data, start), start + 8
        if kind in (b"jp2c", b"jxlc", b"jxlp"):
            return data[start + 4 * (kind == b"jxlp") :]
        if length < start - position:
            break
        position += length
    return b""


def _jpeg(data: bytes) -> CodedSize | None:
    position = 2
    while True:
        while data[position] != 0xFF or data[position + 1] in (0x00, 0xFF):
            position += 1
        marker = data[position + 1]
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):  # a frame's header
            bits, height, width = struct.unpack_from(">BHH", data, position + 4)
            return CodedSize(height, width, bits)
        if marker == 0xDA:  # pixels begin
            return None
        bare = marker == 0x01 or 0xD0 <= marker <= 0xD8
        position += 2 if bare else 2 + struct.unpack_from(">H", data, position + 2)[0]


def _jpeg2000(data: bytes) -> CodedSize:
    right, bottom, left, top = struct.unpack_from(">4I", data, 8)
    return CodedSize(bottom - top, right - left, 1 + (data[42] & 0x7F))


def _jpeg_xl(data: bytes) -> CodedSize:
    bits, used = int.from_bytes(data[2:16], "little"), 0

    def take(count: int) -> int:
        nonlocal used
        used += count
        return bits >> (used - count) & ((1 << count) - 1)

    def extent() -> int:
        return 8 * (take(5) + 1) if small else 1 + take((9, 13, 18, 30)[take(2)])

    if len(data) < 16:
        raise IndexError
    small = take(1)
    height = extent()
    ratio = take(3)
    if not ratio:
        return CodedSize(height, extent())
    across, down = _XL_RATIOS[ratio - 1]
    return CodedSize(height, height * across // down)


def _jpeg_xr(data: bytes) -> CodedSize | None:
    position = struct.unpack_from("<I", data, 4)[0]
    for entry in range(struct.unpack_from("<H", data, position)[0]):
        tag, _, _, offset = struct.unpack_from("<HHII", data, position + 2 + 12 * entry)
        if tag == 0xBCC0 and data[offset : offset + 8] == b"WMPHOTO\0":
            width, height = struct.unpack_from(">HH" if data[offset + 10] & 0x80 else ">II", data, offset + 12)
            return CodedSize(height + 1, width + 1)
    return None


def _lerc(data: bytes) -> CodedSize:
    version = struct.unpack_from("<i", data, 6)[0]
    return CodedSize(*struct.unpack_from("<ii", data, 14 if version >= 3 else 10))


def _png(data: bytes) -> CodedSize:
    width, height, bits = struct.unpack_from(">IIB", data, 16)
    return CodedSize(height, width, bits)


def _webp(data: bytes) -> CodedSize | None:
    kind = data[12:16]
    if kind == b"VP8L":
        packed = struct.unpack_from("<I", data, 21)[0]
        return CodedSize((packed >> 14 & 0x3FFF) + 1, (packed & 0x3FFF) + 1)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return CodedSize(height & 0x3FFF, width & 0x3FFF)
    if kind == b"VP8X":
        return CodedSize(int.from_bytes(data[27:30], "little") + 1, int.from_bytes(data[24:27], "little") + 1)
    return None


_PARSERS = {
    b"\xff\xd8": _jpeg,
    b"\xff\x4f\xff\x51": _jpeg2000,
    b"\xff\x0a": _jpeg_xl,
    b"II\xbc": _jpeg_xr,
    b"Lerc2 ": _lerc,
    b"\x89PNG\r\n\x1a\n": _png,
    b"RIFF": _webp,
}
