"""Readable PNG, JPEG, BMP and GIF files of the corpus."""

import io

import imagecodecs
import numpy as np
from PIL import Image

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
    SMOOTH,
    TURNED,
    TWELVE,
    film,
    pillow,
    png,
    read,
    stack,
    turned_jpeg,
)

FILM = stack(3, dtype="uint8")
RGBA = np.dstack([COLOUR, np.full((40, 56), 255, np.uint8)])
INDEXED = Image.fromarray(COLOUR).quantize(16)
BIT = GREY > 100


def indexed(**options) -> bytes:
    buffer = io.BytesIO()
    INDEXED.save(buffer, **options)
    return buffer.getvalue()


PICTURES = [
    read("grey.png", "PNG", lambda: pillow(GREY, "PNG"), GREY, G8),
    read("rgb.png", "PNG", lambda: pillow(COLOUR, "PNG"), COLOUR, C8, axes="YXS"),
    read("deep.png", "PNG", lambda: imagecodecs.png_encode(DEEP), DEEP, G16),
    read("deep_rgb.png", "PNG", lambda: imagecodecs.png_encode(DEEP_COLOUR), DEEP_COLOUR, C16, axes="YXS"),
    read(
        "camera.png",
        "PNG",
        lambda: png(56, 40, b"".join(b"\0" + row.astype(">u2").tobytes() for row in TWELVE), 16, extra=b"\x0c"),
        TWELVE,
        "56 x 40, grey, 12 of 16 bit",
    ),
    read("bit.png", "PNG", lambda: pillow(BIT, "PNG"), BIT * np.uint8(255), "56 x 40, grey, 1 bit"),
    read("palette.png", "PNG", lambda: indexed(format="PNG"), np.asarray(INDEXED.convert("RGB")), C8, axes="YXS"),
    read("opaque.png", "PNG", lambda: pillow(RGBA, "PNG"), COLOUR, C8, axes="YXS"),
    read(
        "hole.png",
        "PNG",
        lambda: pillow(np.dstack([COLOUR, HOLE]), "PNG"),
        FILLED,
        C8,
        axes="YXS",
        notes=("112 transparent pixels take the median colour of the others.",),
    ),
    read("grey_alpha.png", "PNG", lambda: imagecodecs.png_encode(np.dstack([GREY, HOLE * 0 + 255])), GREY, G8),
    read(
        "scaled.png",
        "PNG",
        lambda: pillow(GREY, "PNG", dpi=(50_800, 50_800)),
        GREY,
        f"{G8}, 0.5 µm a pixel",
        pixel_size=PixelSize(0.5, 0.5),
    ),
    read(
        "one_pixel.png",
        "PNG",
        lambda: pillow(np.array([[7]], np.uint8), "PNG"),
        np.array([[7]], "u1"),
        "1 x 1, grey, 8 bit",
    ),
    read("black.png", "PNG", lambda: pillow(GREY * 0, "PNG"), GREY * 0, G8),
    read("really_a_png.tif", "PNG", lambda: pillow(GREY, "PNG"), GREY, G8),
    read("grey.jpg", "JPEG", lambda: pillow(SMOOTH, "JPEG", quality=100), SMOOTH, G8, within=2),
    read(
        "rgb.jpeg",
        "JPEG",
        lambda: pillow(np.dstack([SMOOTH] * 3), "JPEG", quality=100),
        np.dstack([SMOOTH] * 3),
        C8,
        axes="YXS",
        within=3,
    ),
    read(
        "cmyk.jpg",
        "JPEG",
        lambda: pillow(np.dstack([SMOOTH] * 3), "JPEG", "CMYK", quality=100),
        np.dstack([SMOOTH] * 3),
        C8,
        axes="YXS",
        within=3,
    ),
    read("turned.jpg", "JPEG", turned_jpeg, SMOOTH, G8, within=2, notes=(TURNED.format("EXIF orientation"),)),
    read("grey.bmp", "BMP", lambda: pillow(GREY, "BMP"), GREY, G8),
    read("rgb.bmp", "BMP", lambda: pillow(COLOUR, "BMP"), COLOUR, C8, axes="YXS"),
    read("grey.gif", "GIF", lambda: pillow(GREY, "GIF"), np.dstack([GREY] * 3), C8, axes="YXS"),
    read(
        "film.gif",
        "GIF",
        lambda: film(*FILM),
        [np.dstack([each] * 3) for each in FILM],
        f"{C8}, 3 pages",
        axes="IYXS",
    ),
]
