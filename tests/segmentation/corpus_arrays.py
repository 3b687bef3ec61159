"""Readable DICOM and NumPy files of the corpus."""

import struct
import zlib

import imagecodecs
import numpy as np

from segmentation.pixel_size import PixelSize
from tests.segmentation.corpus_tools import (
    C8,
    COLOUR,
    DEEP,
    G8,
    G16,
    GREY,
    REAL,
    SIGNED,
    SMOOTH,
    TWELVE,
    dicom,
    npy,
    read,
    stack,
)

BIG, IMPLICIT, DEFLATED = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99"
JPEG, LOSSLESS, LS, J2K, HTJ2K, RLE = (
    f"1.2.840.10008.1.2.{tail}" for tail in ("4.50", "4.70", "4.80", "4.90", "4.201", "5")
)
FRAMES, RGB_FRAMES = stack(3), np.stack([COLOUR, COLOUR[::-1]])
RGB = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
BYTES = {"BitsAllocated": 8, "PixelRepresentation": 0}
WORDS = {"BitsAllocated": 16}
INVERTED = "In it small numbers are bright (MONOCHROME1): they are changed over with the great ones."
PALETTE = np.stack([np.arange(256) * factor for factor in (257, 100, 7)], -1).astype(np.uint16)
LOOKED_UP = (
    {"PhotometricInterpretation": "PALETTE COLOR"}
    | {f"{colour}PaletteColorLookupTableDescriptor": [256, 0, 16] for colour in ("Red", "Green", "Blue")}
    | {
        f"{colour}PaletteColorLookupTableData": PALETTE[:, index].tobytes()
        for index, colour in enumerate(("Red", "Green", "Blue"))
    }
)
YBR = np.dstack([SMOOTH, np.full((40, 56), 100, np.uint8), np.full((40, 56), 180, np.uint8)])
_FACTORS = np.array([[1, 0, 1.402], [1, -0.344136, -0.714136], [1, 1.772, 0]])
YBR_RGB = np.clip(np.rint((YBR - np.array([0, 128, 128.0])) @ _FACTORS.T), 0, 255).astype(np.uint8)
NAMELESS = "Its axes have no names: shape {} is read as {}."


def run_lengths(array: np.ndarray) -> bytes:
    """A frame of bytes in DICOM's RLE (PS3.5, annex G), by the packing that TIFF has as well."""
    packed = imagecodecs.packbits_encode(array.tobytes())
    return struct.pack("<16I", 1, 64, *[0] * 14) + packed + b"\0" * (len(packed) % 2)


def deflated() -> bytes:
    plain = dicom(GREY)
    start = 144 + struct.unpack_from("<I", plain, 140)[0]
    meta = plain[:start].replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99")
    meta = meta.replace(b"UI\x14\x001.2.840.10008.1.2.1.99", b"UI\x16\x001.2.840.10008.1.2.1.99")
    squeeze = zlib.compressobj(wbits=-15)
    return meta + squeeze.compress(plain[start:]) + squeeze.flush()


DICOMS = [
    read("grey.dcm", "DICOM", lambda: dicom(GREY), GREY, G8),
    read("no_suffix", "DICOM", lambda: dicom(DEEP), DEEP, G16),
    read("implicit.dcm", "DICOM", lambda: dicom(DEEP, IMPLICIT), DEEP, G16),
    read("big_endian.dcm", "DICOM", lambda: dicom(DEEP, BIG), DEEP, G16),
    read("deflated.dcm", "DICOM", deflated, GREY, G8),
    read("signed.dcm", "DICOM", lambda: dicom(SIGNED), SIGNED, f"{G16} signed"),
    read("twelve.dcm", "DICOM", lambda: dicom(TWELVE, BitsStored=12), TWELVE, "56 x 40, grey, 12 of 16 bit"),
    read(
        "high_bits.dicom",
        "DICOM",
        lambda: dicom(TWELVE << 4, BitsStored=12, HighBit=15),
        TWELVE,
        "56 x 40, grey, 12 of 16 bit",
    ),
    read(
        "mono1.dcm",
        "DICOM",
        lambda: dicom(TWELVE, BitsStored=12, PhotometricInterpretation="MONOCHROME1"),
        4095 - TWELVE,
        "56 x 40, grey, 12 of 16 bit",
        notes=(INVERTED,),
    ),
    read(
        "rescaled.dcm",
        "DICOM",
        lambda: dicom(TWELVE, BitsStored=12, RescaleSlope="1", RescaleIntercept="-1024"),
        TWELVE.astype(np.int16) - 1024,
        f"{G16} signed",
    ),
    read(
        "fraction.dcm",
        "DICOM",
        lambda: dicom(TWELVE, BitsStored=12, RescaleSlope="0.5", RescaleIntercept="3"),
        (TWELVE * 0.5 + 3).astype(np.float32),
        "56 x 40, grey, 32 bit float",
    ),
    read("window.dcm", "DICOM", lambda: dicom(DEEP, WindowCenter="400", WindowWidth="100"), DEEP, G16),
    read(
        "spacing.dcm",
        "DICOM",
        lambda: dicom(GREY, PixelSpacing=["0.0005", "0.00025"]),
        GREY,
        f"{G8}, 0.25 x 0.5 µm a pixel",
        pixel_size=PixelSize(0.5, 0.25),
    ),
    read(
        "float.dcm",
        "DICOM",
        lambda: dicom(
            REAL.astype(np.float32), keyword="FloatPixelData", BitsStored=None, HighBit=None, PixelRepresentation=None
        ),
        REAL.astype(np.float32),
        "56 x 40, grey, 32 bit float",
    ),
    read(
        "bit.dcm",
        "DICOM",
        lambda: dicom(np.packbits(GREY > 100, bitorder="little"), Rows=40, Columns=56, BitsAllocated=1),
        (GREY > 100) * np.uint8(255),
        "56 x 40, grey, 1 bit",
    ),
    read(
        "frames.dcm",
        "DICOM",
        lambda: dicom(FRAMES, NumberOfFrames=3, Rows=40, Columns=56),
        list(FRAMES),
        f"{G16}, 3 pages",
        axes="IYX",
    ),
    read(
        "times.dcm",
        "DICOM",
        lambda: dicom(FRAMES, NumberOfFrames=3, Rows=40, Columns=56, FrameIncrementPointer=0x00181063, FrameTime="40"),
        list(FRAMES),
        f"{G16}, 3 time points",
        axes="TYX",
    ),
    read("rgb.dcm", "DICOM", lambda: dicom(COLOUR, **RGB), COLOUR, C8, axes="YXS"),
    read(
        "rgb_frames.dcm",
        "DICOM",
        lambda: dicom(RGB_FRAMES, **RGB, NumberOfFrames=2, Rows=40, Columns=56),
        list(RGB_FRAMES),
        f"{C8}, 2 pages",
        axes="IYXS",
    ),
    read(
        "planar.dcm",
        "DICOM",
        lambda: dicom(np.moveaxis(COLOUR, -1, 0), **(RGB | {"PlanarConfiguration": 1}), Rows=40, Columns=56),
        COLOUR,
        C8,
        axes="YXS",
    ),
    read(
        "ybr.dcm",
        "DICOM",
        lambda: dicom(YBR, **(RGB | {"PhotometricInterpretation": "YBR_FULL"})),
        YBR_RGB,
        C8,
        axes="YXS",
        within=1,
    ),
    read("palette.dcm", "DICOM", lambda: dicom(GREY, **LOOKED_UP), PALETTE[GREY], "56 x 40, RGB, 16 bit", axes="YXS"),
    read("jpeg.dcm", "DICOM", lambda: dicom([imagecodecs.jpeg_encode(SMOOTH, level=100)], JPEG), SMOOTH, G8, within=2),
    read("lossless_jpeg.dcm", "DICOM", lambda: dicom([imagecodecs.ljpeg_encode(DEEP)], LOSSLESS, **WORDS), DEEP, G16),
    read("jpeg_ls.dcm", "DICOM", lambda: dicom([imagecodecs.jpegls_encode(DEEP)], LS, **WORDS), DEEP, G16),
    read(
        "jpeg2000.dcm",
        "DICOM",
        lambda: dicom([imagecodecs.jpeg2k_encode(SIGNED, codecformat="j2k")], J2K, **WORDS, PixelRepresentation=1),
        SIGNED,
        f"{G16} signed",
    ),
    read("htj2k.dcm", "DICOM", lambda: dicom([imagecodecs.htj2k_encode(DEEP)], HTJ2K, **WORDS), DEEP, G16),
    read(
        "rle.dcm",
        "DICOM",
        lambda: dicom([run_lengths(GREY), run_lengths(SMOOTH)], RLE, NumberOfFrames=2),
        [GREY, SMOOTH],
        f"{G8}, 2 pages",
        axes="IYX",
    ),
]

ARRAYS = [
    read("grey.npy", "NumPy", lambda: npy(GREY), GREY, G8),
    read("rgb.npy", "NumPy", lambda: npy(COLOUR), COLOUR, C8, axes="YXS"),
    read("big_endian.npy", "NumPy", lambda: npy(DEEP.astype(">u2")), DEEP, G16),
    read("fortran.npy", "NumPy", lambda: npy(np.asfortranarray(COLOUR)), COLOUR, C8, axes="YXS"),
    read(
        "fortran_stack.npy",
        "NumPy",
        lambda: npy(np.asfortranarray(FRAMES)),
        list(FRAMES),
        f"{G16}, 3 pages",
        axes="QYX",
        notes=(NAMELESS.format("(3, 40, 56)", "3 pages of 56 x 40"),),
    ),
    read(
        "half.npy",
        "NumPy",
        lambda: npy(REAL.astype("f2")),
        REAL.astype("f2").astype("f4"),
        "56 x 40, grey, 16 of 32 bit float",
    ),
    read("double.npy", "NumPy", lambda: npy(REAL), REAL, "56 x 40, grey, 64 bit float"),
    read("bool.npy", "NumPy", lambda: npy(GREY > 100), (GREY > 100) * np.uint8(255), "56 x 40, grey, 1 bit"),
    read(
        "int64.npy",
        "NumPy",
        lambda: npy(SIGNED.astype(np.int64) << 20),
        SIGNED.astype(np.int64) << 20,
        "56 x 40, grey, 64 bit signed",
    ),
    read("version3.npy", "NumPy", lambda: npy(GREY, (3, 0)), GREY, G8),
    read(
        "channels_first.npy",
        "NumPy",
        lambda: npy(np.moveaxis(COLOUR, -1, 0)),
        list(np.moveaxis(COLOUR, -1, 0)),
        f"{G8}, 3 pages",
        axes="QYX",
        notes=(NAMELESS.format("(3, 40, 56)", "3 pages of 56 x 40"),),
    ),
    read(
        "rgb_stack.npy",
        "NumPy",
        lambda: npy(RGB_FRAMES),
        list(RGB_FRAMES),
        f"{C8}, 2 pages",
        axes="QYXS",
        notes=(NAMELESS.format("(2, 40, 56, 3)", "2 pages of 56 x 40 with 3 channels"),),
    ),
    read(
        "two_channels.npy",
        "NumPy",
        lambda: npy(np.dstack([GREY, SMOOTH])),
        SMOOTH,
        "56 x 40, 2 channels, 8 bit",
        axes="YXC",
        channel=1,
    ),
]
