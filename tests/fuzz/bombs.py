"""Small files that ask for much: a few hundred bytes that unpack to gigabytes, or say so."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable

import imagecodecs
import numpy as np

from tests.segmentation.corpus_tools import GREY, by_hand, dicom, npy_header, png, tiff

Bomb = Callable[[np.random.Generator], tuple[str, bytes]]


def _zeros(size: int) -> bytes:
    squeeze = zlib.compressobj(9)
    parts = [squeeze.compress(bytes(min(2**22, size - at))) for at in range(0, size, 2**22)]
    return b"".join(parts) + squeeze.flush()


def png_bomb(rng: np.random.Generator) -> tuple[str, bytes]:
    """Rows and rows of nothing."""
    side, depth, colours = int(rng.integers(500, 40_000)), (8, 16)[rng.integers(2)], (0, 2, 6)[rng.integers(3)]
    row = 1 + side * depth // 8 * {0: 1, 2: 3, 6: 4}[colours]
    kept = min(side, 60_000_000 // row)  # what unpacks; the rest is missing
    data = png(side, side, b"", depth, colours)
    start, end = data.index(b"IDAT") - 4, data.index(b"IEND") - 4
    body = b"IDAT" + _zeros(row * kept)
    return ".png", data[:start] + struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)) + data[
        end:
    ]


def tiff_bomb(rng: np.random.Generator) -> tuple[str, bytes]:
    """A strip of deflated nothing, of the size that the header says or of another."""
    width, height = (int(each) for each in rng.integers(100, 20_000, 2))
    size = min(int(width * height * rng.choice([0.5, 1, 2])), 60_000_000)
    return ".tif", by_hand(_zeros(size), 8, width, height, bits=int(rng.choice([8, 16, 32])))


def tiff_codec_bomb(rng: np.random.Generator) -> tuple[str, bytes]:
    """A codestream that is larger than the page it lies in, or says so."""
    side = int(rng.integers(60, 3000))
    zeros = np.zeros((side, side), np.uint8)
    encoders = {
        7: imagecodecs.jpeg_encode,
        34712: imagecodecs.jpeg2k_encode,
        34933: imagecodecs.png_encode,
        34887: imagecodecs.lerc_encode,
        50001: lambda array: imagecodecs.webp_encode(np.repeat(array[..., None], 3, 2)),
        50002: imagecodecs.jpegxl_encode,
    }
    code = list(encoders)[rng.integers(len(encoders))]
    data = bytearray(encoders[code](zeros))
    if rng.integers(2):
        at = int(rng.integers(4, min(len(data) - 4, 60)))
        struct.pack_into(">I", data, at, int(rng.integers(2**31)))
    width, height = ((56, 40), (side, side), (side * 40, side))[rng.integers(3)]
    return ".tif", by_hand(bytes(data), code, width, height)


def dicom_bomb(rng: np.random.Generator) -> tuple[str, bytes]:
    """A DICOM file that is deflated as a whole."""
    meta = dicom(GREY)[:144]
    syntax = b"\x02\0\x10\0UI\x16\x001.2.840.10008.1.2.1.99"
    squeeze = zlib.compressobj(1, wbits=-15)
    block = squeeze.compress(bytes(2**24)) + squeeze.flush(zlib.Z_FULL_FLUSH)
    return ".dcm", meta[:140] + struct.pack("<I", len(syntax)) + syntax + int(rng.integers(1, 200)) * block


def dicom_frames(rng: np.random.Generator) -> tuple[str, bytes]:
    """Frames without number, and rows and columns that lie."""
    said = {"NumberOfFrames": int(rng.integers(2, 2**31)), "Rows": int(rng.integers(1, 65_535))}
    return ".dcm", dicom(GREY, **said)


def npy_bomb(rng: np.random.Generator) -> tuple[str, bytes]:
    """A header that says how large nothing is."""
    shape = tuple(int(each) for each in rng.integers(1, 20_000, int(rng.integers(1, 6))))
    order = bool(rng.integers(2))
    return ".npy", npy_header(f"{{'descr': '<f8', 'fortran_order': {order}, 'shape': {shape}}}")


def gif_frames(rng: np.random.Generator) -> tuple[str, bytes]:
    """A film of thousands of tiny frames on a canvas that may be huge."""
    width, height = (int(each) for each in rng.choice([1, 2, 500, 4000, 20_000], 2))
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\0"
    return ".gif", head + frame * int(rng.integers(1, 30_000)) + b";"


def tiff_pages(rng: np.random.Generator) -> tuple[str, bytes]:
    """Thousands of pages that share one strip."""
    data = tiff(np.zeros((8, 8), np.uint8))
    first = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, first)[0]
    body, pages = bytearray(data[first : first + 2 + 12 * count + 4]), int(10 ** rng.uniform(1, 4.5))
    start, chain = len(data), bytearray()
    for index in range(pages):
        struct.pack_into("<I", body, len(body) - 4, 0 if index == pages - 1 else start + (index + 1) * len(body))
        chain += body
    return ".tif", data[: first + len(body) - 4] + struct.pack("<I", start) + data[first + len(body) :] + bytes(chain)


def zip_bomb(rng: np.random.Generator) -> tuple[str, bytes]:
    """Pictures of nothing, or very many of them."""
    buffer = io.BytesIO()
    many, size = ((1, 2**27), (30, 2**22), (12_000, 0), (500, 100))[rng.integers(4)]
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for index in range(many):
            archive.writestr(f"{index}.png", bytes(size))
    return ".zip", buffer.getvalue()


PICTURE_BOMBS: dict[str, Bomb] = {
    each.__name__: each
    for each in (
        png_bomb,
        tiff_bomb,
        tiff_codec_bomb,
        dicom_bomb,
        dicom_frames,
        npy_bomb,
        gif_frames,
        tiff_pages,
    )
}
