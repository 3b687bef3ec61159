"""Readable TIFF files of the corpus."""

import imagecodecs
import numpy as np

from segmentation.pixel_size import PixelSize
from tests.segmentation.corpus_tools import (
    C8,
    C16,
    COLOUR,
    DEEP,
    DEEP_COLOUR,
    FILLED,
    G8,
    G16,
    GREY,
    HOLE,
    REAL,
    SIGNED,
    SMOOTH,
    TURNED,
    TWELVE,
    by_hand,
    ome_set,
    pyramid,
    read,
    sparse,
    stack,
    tiff,
)

PAGES, HYPER = stack(3), stack(2, 3, 2)
RGB3 = np.moveaxis(COLOUR, -1, 0)
INKS = np.dstack([COLOUR, GREY])
PALETTE = (np.arange(256, dtype=np.uint32) * np.array([[257], [100], [7]])).astype(np.uint16)
ODD = REAL.astype(np.float32)
ODD[0, :3] = np.nan, np.inf, -np.inf
MENDED = np.where(np.isfinite(ODD), ODD, np.median(ODD[np.isfinite(ODD)]))
BIT = GREY > 100
YBR = np.dstack([SMOOTH, np.full((40, 56), 100, np.uint8), np.full((40, 56), 180, np.uint8)])
_FACTORS = np.array([[1, 0, 1.402], [1, -0.344136, -0.714136], [1, 1.772, 0]])
YBR_RGB = np.clip(np.rint((YBR - np.array([0, 128, 128.0])) @ _FACTORS.T), 0, 255).astype(np.uint8)


def inks_to_rgb(inks: np.ndarray) -> np.ndarray:
    return np.rint((1 - inks[..., :3] / 255) * (1 - inks[..., 3:] / 255) * 255).astype(np.uint8)


TIFFS = [
    read(
        f"{dtype}.tif",
        "TIFF",
        lambda dtype=dtype: tiff(GREY.astype(dtype)),
        GREY.astype(dtype),
        f"56 x 40, grey, {told}",
    )
    for dtype, told in {
        "int8": "8 bit signed",
        "int16": "16 bit signed",
        "uint32": "32 bit",
        "int32": "32 bit signed",
        "uint64": "64 bit",
        "float32": "32 bit float",
        "float64": "64 bit float",
    }.items()
]
TIFFS += [
    read(
        "float16.tif",
        "TIFF",
        lambda: tiff(REAL.astype(np.float16)),
        REAL.astype(np.float16).astype(np.float32),
        "56 x 40, grey, 16 of 32 bit float",
    )
]
TIFFS += [
    read(f"{name}.tif", "TIFF", lambda name=name: tiff(DEEP, compression=name), DEEP, G16)
    for name in ("zlib", "lzw", "zstd", "packbits", "lzma", "jpeg2000", "jpegxl", "lerc", "jpegxr", "png")
]
TIFFS += [
    read(
        "jpeg.tif",
        "TIFF",
        lambda: tiff(SMOOTH, compression="jpeg", compressionargs={"level": 100}),
        SMOOTH,
        G8,
        within=2,
    ),
    read("webp.tif", "TIFF", lambda: tiff(COLOUR, compression="webp", photometric="rgb"), COLOUR, C8, axes="YXS"),
    read(
        "predictor.tif",
        "TIFF",
        lambda: tiff(DEEP_COLOUR, compression="lzw", predictor=2, photometric="rgb"),
        DEEP_COLOUR,
        C16,
        axes="YXS",
    ),
    read(
        "float_predictor.tif",
        "TIFF",
        lambda: tiff(REAL, compression="zlib", predictor=3),
        REAL,
        "56 x 40, grey, 64 bit float",
    ),
    read("big_endian.tif", "TIFF", lambda: tiff(DEEP, byteorder=">"), DEEP, G16),
    read("bigtiff.btf", "TIFF", lambda: tiff(DEEP, bigtiff=True, byteorder=">"), DEEP, G16),
    read(
        "tiles.tif",
        "TIFF",
        lambda: tiff(COLOUR, tile=(16, 32), compression="zlib", photometric="rgb"),
        COLOUR,
        C8,
        axes="YXS",
    ),
    read("strips.tif", "TIFF", lambda: tiff(DEEP, rowsperstrip=7), DEEP, G16),
    read("planar.tif", "TIFF", lambda: tiff(RGB3, photometric="rgb", planarconfig="separate"), COLOUR, C8, axes="SYX"),
    read("bit.tif", "TIFF", lambda: tiff(BIT), BIT * np.uint8(255), "56 x 40, grey, 1 bit"),
    read(
        "twelve_bit.tif",
        "TIFF",
        lambda: by_hand(imagecodecs.packints_encode(TWELVE, 12, runlen=56), 1, 56, 40, 12),
        TWELVE,
        "56 x 40, grey, 12 of 16 bit",
    ),
    read(
        "jpeg2000_12.tif",
        "TIFF",
        lambda: tiff(TWELVE, bitspersample=12, compression="jpeg2000"),
        TWELVE,
        "56 x 40, grey, 12 of 16 bit",
    ),
    read("white_is_zero.tif", "TIFF", lambda: tiff(DEEP, photometric="miniswhite"), 65_535 - DEEP, G16),
    read("signed_white.tif", "TIFF", lambda: tiff(SIGNED, photometric="miniswhite"), -1 - SIGNED, f"{G16} signed"),
    read(
        "palette.tif",
        "TIFF",
        lambda: tiff(GREY, photometric="palette", colormap=PALETTE),
        np.moveaxis(PALETTE[:, GREY], 0, -1),
        C16,
    ),
    read("cmyk.tif", "TIFF", lambda: tiff(INKS, photometric="separated"), inks_to_rgb(INKS), C8, axes="YXS", within=1),
    read("ycbcr.tif", "TIFF", lambda: tiff(YBR, photometric="ycbcr"), YBR_RGB, C8, axes="YXS", within=1),
    read(
        "alpha.tif",
        "TIFF",
        lambda: tiff(np.dstack([COLOUR, HOLE]), photometric="rgb", extrasamples=["unassalpha"]),
        FILLED,
        C8,
        axes="YXS",
        notes=("112 transparent pixels take the median colour of the others.",),
    ),
    read(
        "turned.tif",
        "TIFF",
        lambda: tiff(GREY, extratags=[(274, "H", 1, 8, True)]),
        GREY,
        G8,
        notes=(TURNED.format("orientation tag"),),
    ),
    read(
        "not_finite.tif",
        "TIFF",
        lambda: tiff(ODD),
        MENDED,
        "56 x 40, grey, 32 bit float",
        notes=("3 values that are not finite (NaN or infinite) are read as the median.",),
    ),
    read("pages.tif", "TIFF", lambda: tiff(PAGES), list(PAGES), f"{G16}, 3 pages", axes="QYX"),
    read("channels_first.tif", "TIFF", lambda: tiff(RGB3), list(RGB3), f"{G8}, 3 pages", axes="QYX"),
    read(
        "scaled.tif",
        "TIFF",
        lambda: tiff(GREY, resolution=(20_000, 40_000), resolutionunit="CENTIMETER"),
        GREY,
        f"{G8}, 0.5 x 0.25 µm a pixel",
        pixel_size=PixelSize(0.25, 0.5),
    ),
    read("for_print.tif", "TIFF", lambda: tiff(GREY, resolution=(300, 300), resolutionunit="INCH"), GREY, G8),
    read(
        "sparse.tif",
        "TIFF",
        sparse,
        np.where(np.indices((40, 56)).max(0) < 16, 0, GREY).astype(np.uint8),
        G8,
        notes=("1 of its 12 tiles are not stored and are read as 0.",),
    ),
    read(
        "pyramid.ome.tif",
        "OME-TIFF",
        pyramid,
        np.kron(GREY, np.ones((2, 2), np.uint8)),
        "112 x 80, grey, 8 bit",
        notes=("It is a pyramid of 2 sizes; the full one is read.",),
    ),
    read(
        "channels.ome.tif",
        "OME-TIFF",
        lambda: tiff(
            HYPER,
            ome=True,
            metadata={
                "axes": "TZCYX",
                "Channel": {"Name": ["DAPI", "GFP"]},
                "PhysicalSizeX": 0.325,
                "PhysicalSizeY": 325,
                "PhysicalSizeYUnit": "nm",
            },
        ),
        [each[0] for time in HYPER for each in time],
        "56 x 40, 2 channels (DAPI, GFP), 16 bit, 2 time points, 3 z-planes, 0.325 µm a pixel",
        axes="TZCYX",
        names=("DAPI", "GFP"),
        pixel_size=PixelSize(0.325, 0.325),
        channel="dapi",
    ),
    read(
        "three.ome.tif",
        "OME-TIFF",
        lambda: tiff(PAGES, ome=True, metadata={"axes": "CYX"}),
        np.moveaxis(PAGES, 0, -1),
        "56 x 40, 3 channels, 16 bit",
        axes="CYX",
        notes=("Its 3 channels are read as red, green and blue.",),
    ),
    read(
        "one_of_a_set.ome.tif",
        "OME-TIFF",
        ome_set,
        GREY,
        f"{G8}, 2 time points",
        axes="TYX",
        notes=("1 of its 2 pages are not in this file and are left out.",),
    ),
    read(
        "hyperstack.tif",
        "ImageJ TIFF",
        lambda: tiff(
            HYPER,
            imagej=True,
            resolution=(4, 2),
            metadata={"axes": "TZCYX", "unit": "micron", "Labels": ["DNA", "actin"] * 6},
        ),
        [each[1] for time in HYPER for each in time],
        "56 x 40, 2 channels (DNA, actin), 16 bit, 2 time points, 3 z-planes, 0.25 x 0.5 µm a pixel",
        axes="TZCYX",
        names=("DNA", "actin"),
        pixel_size=PixelSize(0.5, 0.25),
        channel=1,
    ),
]
