"""PNG, JPEG, BMP and GIF files, and Pillow's own pictures, to ``(H, W, C)`` arrays."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, BinaryIO

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageMode

from segmentation.errors import ImageReadError, ImageShapeError
from segmentation.layout import Layout, Plane, ReadPlane
from segmentation.limits import check_planes, check_size
from segmentation.physical_size import Stated, from_resolution

MAGIC = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG", b"GIF8": "GIF", b"BM": "BMP"}
_BITS = {"1": 1, "I": 32, "F": 32, "I;16": 16, "I;16B": 16, "I;16L": 16, "I;16N": 16}  # of Pillow's modes; the rest: 8
_PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 1, 6: 3}  # by colour type (PNG specification, table 11.1), without alpha
_CANVAS = 16  # times the area of a GIF's first picture; later ones may be small parts
_TURNED = "It is marked as turned or mirrored (EXIF orientation) and is read as stored, as ImageJ and QuPath read it."

Image.MAX_IMAGE_PIXELS = None  # our own limit, with our own words, replaces Pillow's


@contextmanager
def open_pillow(file: BinaryIO, label: str) -> Iterator[tuple[Layout, ReadPlane]]:
    """The layout of a PNG, JPEG, BMP or GIF file, by its header, and the function that reads its frames.

    Raises:
        ImageShapeError: the picture has no pixels.
        ImageReadError: it is over the limits.
    """
    header = file.read(32)
    file.seek(0)
    kind = next(kind for magic, kind in MAGIC.items() if header.startswith(magic))
    if kind == "PNG" and 0 in (size := struct.unpack(">II", header[16:24])):
        raise ImageShapeError(f"{label}: the picture is {size[0]} x {size[1]} and has no pixels; export it again.")
    bits = _png_bits(file) if kind == "PNG" and header[25] != 3 else None  # a palette's colours have 8
    file.seek(0)
    with Image.open(file, formats=[kind]) as picture:
        check_size(picture.height, picture.width, label)
        _check_claims(file, picture, kind, label)
        count = 1 if kind == "JPEG" else getattr(picture, "n_frames", 1)  # phones hide a preview behind a JPEG
        check_planes(count, label)
        if kind == "PNG" and header[24] == 16:  # Pillow would cut 16-bit colour to 8 bits
            yield _deep_png(file, picture, header[25], bits, count)
            return
        # Pillow takes each frame as grey or colours by its own palette; the pages of one file are of one kind.
        mode = "RGB" if kind == "GIF" and count > 1 and not _all_grey(picture, count) else None

        def read(index: int, channel: int | None) -> Plane:
            picture.seek(index)
            return pillow_pixels(picture, mode)

        yield _layout(picture, mode or _plain_mode(picture), kind, count, bits), read


def open_picture_object(picture: Image.Image, label: str) -> tuple[Layout, ReadPlane]:
    """The layout of a Pillow picture, and the function that gives its pixels.

    Raises:
        ImageReadError: it is over the limits.
    """
    check_size(picture.height, picture.width, label)
    layout = _layout(picture, _plain_mode(picture), "Pillow picture", 1)
    return layout, lambda index, channel: pillow_pixels(picture)


def pillow_pixels(picture: Image.Image, mode: str | None = None) -> Plane:
    """``(H, W, C)`` pixels of any Pillow mode.

    Args:
        picture: the picture, at the frame that is wanted.
        mode: "RGB" makes colours of grey pictures too.
    """
    plain = _plain_mode(picture)
    if mode == "RGB":
        plain = "RGBA" if plain in ("LA", "RGBA") else "RGB"
    pixels: NDArray[Any] = np.asarray(picture.convert(plain) if plain != picture.mode else picture)
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    return Plane(pixels, plain in ("LA", "RGBA"))


def _plain_mode(picture: Image.Image) -> str:
    """The mode that the picture is read in: palettes looked up, colour spaces made RGB, alpha where there is any."""
    mode = picture.mode
    if mode in ("P", "PA"):
        return "RGBA" if mode == "PA" or "transparency" in picture.info else "RGB"
    if mode in ("CMYK", "YCbCr", "LAB", "HSV", "RGBX"):
        return "RGB"
    if mode == "1":
        return "L"
    if "transparency" in picture.info and mode in ("L", "RGB"):
        return "LA" if mode == "L" else "RGBA"
    return mode


def _all_grey(film: Image.Image, count: int) -> bool:
    grey = True
    for index in range(count):
        film.seek(index)
        grey = _plain_mode(film) in ("L", "LA")
        if not grey:
            break
    film.seek(0)
    return grey


def _layout(picture: Image.Image, mode: str, kind: str, count: int, bits: int | None = None) -> Layout:
    described = ImageMode.getmode(mode)
    channels = sum(band not in "Aa" for band in described.bands)
    film, samples = ("I", (count,)) if count > 1 else ("", ()), ("S", (channels,)) if channels > 1 else ("", ())
    stated = _pixel_size(picture)
    remarks = ["Its colours are looked up in a palette."] if picture.mode in ("P", "PA") else []
    return Layout(
        format=kind,
        axes=film[0] + "YX" + samples[0],
        sizes=(*film[1], picture.height, picture.width, *samples[1]),
        channels=channels,
        dtype=np.dtype(described.typestr),
        bits=bits or _BITS.get(picture.mode, 8),
        pixel_size=stated.size,
        notes=(_TURNED,) if _is_turned(picture) else (),
        remarks=(*remarks, *([stated.remark] if stated.remark else [])),
    )


def _is_turned(picture: Image.Image) -> bool:
    # Only where a file's header holds it anyway: Pillow may read the whole file to look for it.
    return "exif" in picture.info and picture.getexif().get(274, 1) in range(2, 9)


def _check_claims(file: BinaryIO, picture: Image.Image, kind: str, label: str) -> None:
    """Refuse a size that the file cannot fill: decoders fill what is missing with grey, and gigabytes of it."""
    height, width = picture.height, picture.width
    if kind == "JPEG":
        # Each block of 8 x 8 pixels takes at least a bit, whatever is in it.
        size = file.seek(0, 2)
        if height * width > 8 * 64 * size:
            raise ImageReadError(
                f"{label}: the file is damaged or cut short: {width:,} x {height:,} pixels do not fit in {size:,} "
                "bytes. Copy or export it again from its source."
            )
    elif isinstance(picture, ImageFile.ImageFile) and kind == "GIF" and picture.tile:
        left, top, right, bottom = picture.tile[0][1] or (0, 0, width, height)
        if height * width > _CANVAS * max((right - left) * (bottom - top), 1):
            raise ImageReadError(
                f"{label}: the file is damaged: its first picture fills {right - left:,} x {bottom - top:,} of "
                f"{width:,} x {height:,} pixels; export it again."
            )
        for right, bottom in _gif_extents(file):  # Pillow enlarges the canvas for pictures that reach beyond it
            check_size(bottom, right, label)


def _gif_extents(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """How far to the right and down each picture of a GIF claims to reach, by its header (GIF89a, 18 to 26)."""
    file.seek(10)
    flags = file.read(3)[0]
    file.seek(_palette(flags), 1)
    while (kind := file.read(1)) not in (b"", b";"):
        if kind == b",":
            left, top, width, height, flags = struct.unpack("<HHHHB", file.read(9))
            yield left + width, top + height
            file.seek(_palette(flags) + 1, 1)  # and the first size of its codes
        elif kind == b"!":
            file.seek(1, 1)
        else:
            continue  # as Pillow passes over what should not be there
        while size := file.read(1):
            if size == b"\0":
                break
            file.seek(size[0], 1)


def _palette(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _pixel_size(picture: Image.Image) -> Stated:
    dpi = picture.info.get("dpi")  # PNG's pHYs, JPEG's and BMP's density, all turned to dots an inch by Pillow
    if not isinstance(dpi, tuple) or len(dpi) != 2:
        return Stated()
    return from_resolution(float(dpi[0]), float(dpi[1]), "inch", "header")


def _deep_png(
    file: BinaryIO, picture: Image.Image, colour_type: int, bits: int | None, count: int
) -> tuple[Layout, ReadPlane]:
    layout = _layout(picture, "I;16", "PNG", 1, bits)
    if (channels := _PNG_CHANNELS[colour_type]) == 3:
        layout = replace(layout, axes="YXS", sizes=(*layout.sizes, 3), channels=3)
    if count > 1:
        layout = replace(layout, notes=(f"The film of 16 bits holds {count} pictures; the first is used.",))

    def read(index: int, channel: int | None) -> Plane:
        file.seek(0)
        pixels = imagecodecs.png_decode(file.read())
        pixels = pixels[..., None] if pixels.ndim == 2 else pixels
        return Plane(pixels, pixels.shape[2] > channels)

    return layout, read


def _png_bits(file: BinaryIO) -> int | None:
    """Bits that a PNG uses: of its sBIT chunk, which scientific cameras' programs write, or else of its header."""
    bits, position = None, 8
    while True:
        file.seek(position)
        length, kind = struct.unpack(">I4s", file.read(8))
        if kind == b"IHDR":
            bits = file.read(9)[8]
        elif kind == b"sBIT":
            return max(file.read(min(length, 3)), default=0) or bits
        elif kind in (b"IDAT", b"IEND"):
            return bits
        position += length + 12
