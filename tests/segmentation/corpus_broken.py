"""Broken and hostile files of the corpus; the one sentence that each gives is in ``corpus_sentences.tsv``."""

import struct
import zlib

import imagecodecs
import numpy as np

from segmentation.errors import ImageShapeError
from tests.segmentation.corpus_tools import (
    COLOUR,
    DEEP,
    GREY,
    SMOOTH,
    Case,
    by_hand,
    dicom,
    npy,
    npy_header,
    ome_set,
    pillow,
    png,
    refused,
    replaced,
    stack,
    tagged,
    tiff,
)

ZEROS = np.zeros((700, 700), np.uint8)


def jpeg(width: int, height: int) -> bytes:
    """A small JPEG whose header lies."""
    data = pillow(SMOOTH, "JPEG")
    return replaced(data, data.index(b"\xff\xc0") + 5, struct.pack(">HH", height, width))


def j2k(width: int, height: int) -> bytes:
    data = imagecodecs.jpeg2k_encode(GREY, codecformat="j2k")
    return replaced(data, 8, struct.pack(">II", width, height))


def gif(width: int, height: int) -> bytes:
    return replaced(pillow(GREY, "GIF"), 6, struct.pack("<HH", width, height))


def bmp(width: int, height: int) -> bytes:
    return replaced(pillow(GREY, "BMP"), 18, struct.pack("<ii", width, height))


def without_pixels() -> bytes:
    data = dicom(GREY)
    return data[: data.index(b"\xe0\x7f\x10\0")]


def inflating() -> bytes:
    """A DICOM file that is deflated and would unpack to 144 MiB."""
    meta = dicom(GREY)[:144] + b"\0\0\0\0"
    syntax = b"\x02\0\x10\0UI\x16\x001.2.840.10008.1.2.1.99"
    squeeze = zlib.compressobj(1, wbits=-15)
    block = squeeze.compress(bytes(2**24)) + squeeze.flush(zlib.Z_FULL_FLUSH)
    return meta[:140] + struct.pack("<I", len(syntax)) + syntax + 9 * block


ANY = [
    refused("empty.png", "any", lambda: b""),
    refused("text.png", "any", lambda: b"well A1, 20x, DAPI\n" * 9),
    refused("page.tif", "any", lambda: b"<html></html>" * 20),
    refused("video.dcm", "any", lambda: b"\0\0\0\x18ftypmp42" * 20),
    refused("archive.npy", "any", lambda: b"PK\3\4" + bytes(200)),
    refused("riff.webp", "any", lambda: pillow(COLOUR, "WEBP")),
]

PICTURES = [
    refused("head.png", "PNG", lambda: b"\x89PNG\r\n\x1a\n"),
    refused("cut.png", "PNG", lambda: pillow(GREY, "PNG")[:-600]),
    refused("cut_deep.png", "PNG", lambda: imagecodecs.png_encode(DEEP)[:-900]),
    refused("bomb.png", "PNG", lambda: png(100_000, 100_000, b"\0")),
    refused("lying.png", "PNG", lambda: png(19_000, 19_000, b"\0" * 99, colours=2)),
    refused("lying_deep.png", "PNG", lambda: png(19_000, 19_000, b"\0" * 99, 16, 2)),
    refused("nothing.png", "PNG", lambda: png(0, 0, b""), error=ImageShapeError),
    refused("transparent.png", "PNG", lambda: pillow(np.zeros((9, 9, 4), np.uint8), "PNG"), error=ImageShapeError),
    refused("cut.jpg", "JPEG", lambda: pillow(SMOOTH, "JPEG")[:-300]),
    refused("bomb.jpg", "JPEG", lambda: jpeg(65_000, 65_000)),
    refused("lying.jpg", "JPEG", lambda: jpeg(19_000, 19_000)),
    refused("cut.gif", "GIF", lambda: pillow(GREY, "GIF")[:-900]),
    refused("lying.gif", "GIF", lambda: gif(19_000, 19_000)),
    refused("cut.bmp", "BMP", lambda: pillow(GREY, "BMP")[:-900]),
    refused("lying.bmp", "BMP", lambda: bmp(19_000, 19_000)),
]

TIFFS = [
    refused("zero_pages.tif", "TIFF", lambda: b"II*\0\0\0\0\0"),
    refused("far_page.tif", "TIFF", lambda: b"II*\0\xff\xff\xff\0"),
    refused("cut.tif", "TIFF", lambda: tiff(GREY)[:-900]),
    refused("cut_zlib.tif", "TIFF", lambda: tiff(GREY, compression="zlib")[:-900]),
    refused("cut_jpeg.tif", "TIFF", lambda: tiff(SMOOTH, compression="jpeg")[:-200]),
    refused("bomb.tif", "TIFF", lambda: tagged(tiff(GREY), ImageWidth=100_000, ImageLength=100_000)),
    refused("lying.tif", "TIFF", lambda: tagged(tiff(GREY), ImageWidth=19_000, ImageLength=19_000)),
    refused("lying_strips.tif", "TIFF", lambda: tagged(tiff(GREY, rowsperstrip=8, compression="zlib"), ImageLength=80)),
    refused(
        "lying_tiles.tif",
        "TIFF",
        lambda: tagged(tiff(GREY, tile=(16, 16), compression="zlib"), ImageWidth=19_000, ImageLength=19_000),
    ),
    refused("no_rows.tif", "TIFF", lambda: tagged(tiff(GREY), ImageLength=0), error=ImageShapeError),
    refused("wrong_bits.tif", "TIFF", lambda: tagged(tiff(GREY), BitsPerSample=32)),
    refused("wrong_compression.tif", "TIFF", lambda: tagged(tiff(GREY), Compression=5)),
    refused("unread_compression.tif", "TIFF", lambda: tagged(tiff(GREY), Compression=34661)),
    refused("made_up_compression.tif", "TIFF", lambda: tagged(tiff(GREY), Compression=4711)),
    refused("lab.tif", "TIFF", lambda: tiff(COLOUR, photometric="cielab")),
    refused("far_strip.tif", "TIFF", lambda: tagged(tiff(GREY), StripOffsets=10**9)),
    refused("jpeg_bomb.tif", "TIFF", lambda: by_hand(imagecodecs.jpeg_encode(ZEROS), 7, 56, 40)),
    refused("jpeg2000_bomb.tif", "TIFF", lambda: by_hand(j2k(60_000, 60_000), 34712, 56, 40)),
    refused("jpegxl_bomb.tif", "TIFF", lambda: by_hand(imagecodecs.jpegxl_encode(ZEROS), 50002, 56, 40)),
    refused("lerc_bomb.tif", "TIFF", lambda: by_hand(imagecodecs.lerc_encode(ZEROS), 34887, 56, 40)),
    refused("deeper.tif", "TIFF", lambda: by_hand(imagecodecs.png_encode(DEEP), 34933, 56, 40)),
    refused("zlib_bomb.tif", "TIFF", lambda: by_hand(zlib.compress(bytes(5_000_000)), 8, 56, 40)),
    refused("complex.tif", "TIFF", lambda: tiff(GREY.astype(np.complex64)), error=ImageShapeError),
    refused("all_nan.tif", "TIFF", lambda: tiff(np.full((9, 9), np.nan, np.float32)), error=ImageShapeError),
    refused(
        "four.ome.tif",
        "OME-TIFF",
        lambda: tiff(stack(4), ome=True, metadata={"axes": "CYX", "Channel": {"Name": list("abcd")}}),
        error=ImageShapeError,
    ),
    refused("endless.ome.tif", "OME-TIFF", lambda: ome_set(9_999_999)),
]

DICOMS = [
    refused("no_pixels.dcm", "DICOM", without_pixels),
    refused("cut.dcm", "DICOM", lambda: dicom(GREY)[:-900]),
    refused("cut_head.dcm", "DICOM", lambda: dicom(GREY)[:200]),
    refused("bomb.dcm", "DICOM", lambda: dicom(GREY, Rows=50_000, Columns=50_000)),
    refused("lying.dcm", "DICOM", lambda: dicom(GREY, Rows=19_000, Columns=19_000)),
    refused("endless.dcm", "DICOM", lambda: dicom(GREY, NumberOfFrames=2_000_000_000)),
    refused("no_rows.dcm", "DICOM", lambda: dicom(GREY, Rows=0), error=ImageShapeError),
    refused("rows_unsaid.dcm", "DICOM", lambda: dicom(GREY, Rows=None)),
    refused("bits.dcm", "DICOM", lambda: dicom(GREY, BitsAllocated=12)),
    refused("hsv.dcm", "DICOM", lambda: dicom(COLOUR, SamplesPerPixel=3, PhotometricInterpretation="HSV")),
    refused("no_palette.dcm", "DICOM", lambda: dicom(GREY, PhotometricInterpretation="PALETTE COLOR")),
    refused("video.dicom", "DICOM", lambda: dicom([b"\0\0\1\xb3"], "1.2.840.10008.1.2.4.100")),
    refused("other_size.dcm", "DICOM", lambda: dicom([j2k(60_000, 60_000)], "1.2.840.10008.1.2.4.90")),
    refused("cut_jpeg.dcm", "DICOM", lambda: dicom([pillow(SMOOTH, "JPEG")[:-100]], "1.2.840.10008.1.2.4.50")),
    refused("pieces.dcm", "DICOM", lambda: dicom([b"ab", b"cd"], "1.2.840.10008.1.2.4.50", NumberOfFrames=5)),
    refused("inflating.dcm", "DICOM", inflating),
]

ARRAYS = [
    refused("head.npy", "NumPy", lambda: b"\x93NUMPY\1\0"),
    refused("cut.npy", "NumPy", lambda: npy(GREY)[:-900]),
    refused(
        "bomb.npy", "NumPy", lambda: npy_header("{'descr': '|u1', 'fortran_order': False, 'shape': (100000, 100000)}")
    ),
    refused(
        "lying.npy", "NumPy", lambda: npy_header("{'descr': '<f8', 'fortran_order': False, 'shape': (19000, 19000)}")
    ),
    refused(
        "lying_fortran.npy",
        "NumPy",
        lambda: npy_header("{'descr': '<f8', 'fortran_order': True, 'shape': (900, 1900, 1900)}"),
    ),
    refused(
        "endless.npy", "NumPy", lambda: npy_header("{'descr': '|u1', 'fortran_order': False, 'shape': (9000000, 9, 9)}")
    ),
    refused("negative.npy", "NumPy", lambda: npy_header("{'descr': '|u1', 'fortran_order': False, 'shape': (-4, 9)}")),
    refused("code.npy", "NumPy", lambda: npy_header("__import__('os').getcwd()")),
    refused("objects.npy", "NumPy", lambda: npy(np.array([[None, 1]], object))),
    refused("complex.npy", "NumPy", lambda: npy(GREY.astype(complex)), error=ImageShapeError),
    refused("records.npy", "NumPy", lambda: npy(np.zeros((4, 4), [("a", "u1")])), error=ImageShapeError),
    refused("text.npy", "NumPy", lambda: npy(np.array([["a", "b"]])), error=ImageShapeError),
    refused("line.npy", "NumPy", lambda: npy(np.arange(9)), error=ImageShapeError),
    refused("nothing.npy", "NumPy", lambda: npy(np.zeros((0, 4))), error=ImageShapeError),
    refused("newer.npy", "NumPy", lambda: b"\x93NUMPY\x09\0" + bytes(100)),
]

BROKEN: list[Case] = [*ANY, *PICTURES, *TIFFS, *DICOMS, *ARRAYS]
