"""A path, the bytes of a file, or an array -> MicroscopyImage. Nothing is guessed without a note that says so."""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from segmentation.errors import ImageReadError, ImageShapeError, NucleoscopeError
from segmentation.limits import check_size
from segmentation.tiff_io import iter_tiff_pages

FORMATS = "PNG, JPEG, TIFF, BMP or GIF"
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".btf", ".bmp", ".gif"})
_PILLOW_MAGIC = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG", b"GIF8": "GIF", b"BM": "BMP"}
_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

Image.MAX_IMAGE_PIXELS = None  # our own limit, with our own words, replaces Pillow's


@dataclass(frozen=True, eq=False)
class MicroscopyImage:
    """One plane of a picture, as stored.

    Attributes:
        pixels: ``(H, W, C)`` of the file's own dtype, every value finite; C is 1 for grey and 3 for RGB.
        name: what users call it: the file's stem, with the page if there are several.
        notes: sentences on what had to be decided while reading; empty when nothing had.
    """

    pixels: NDArray
    name: str
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def colours(self) -> str:
        """What people call it: "grey" or "RGB"."""
        return "grey" if self.pixels.shape[2] == 1 else "RGB"


def read_images(
    source: str | Path | bytes | NDArray | Image.Image | MicroscopyImage,
    *,
    name: str | None = None,
    channel: int | None = None,
) -> Iterator[MicroscopyImage]:
    """Yield every page of a picture, one at a time.

    Args:
        source: a file, the bytes of one, a Pillow picture, or an array ``(H, W)`` or ``(H, W, C)``.
        name: replaces the file's stem.
        channel: use this channel alone, counted from 0; by default grey and RGB pictures are taken whole.

    Raises:
        ImageReadError: not a picture, damaged, or larger than ``limits.MAX_PIXELS``.
        ImageShapeError: no pixels, no finite value, or channels that are neither grey nor RGB with none chosen.
    """
    if isinstance(source, MicroscopyImage):
        yield source if channel is None else finish(source.pixels, source.name, source.notes, channel=channel)
        return
    if isinstance(source, np.ndarray):
        yield from_array(source, name or "array", channel=channel)
        return
    if isinstance(source, Image.Image):
        yield _from_pillow(source, name or "picture", (), channel)
        return
    data, label = _load(source)
    stem = name or Path(label).stem
    magic = data[:8]
    try:
        if magic.startswith(_TIFF_MAGIC):
            pages: Iterator[tuple[NDArray, bool, tuple[str, ...], int]] = iter_tiff_pages(data, label)
        else:
            pages = _iter_pillow_pages(data, label)
        for index, (pixels, has_alpha, notes, count) in enumerate(pages):
            page_name = stem if count == 1 else f"{stem}_page{index + 1:0{len(str(count))}d}"
            yield finish(pixels, page_name, notes, has_alpha=has_alpha, channel=channel)
    except NucleoscopeError:
        raise
    except (Exception, MemoryError) as error:  # decoders raise anything on a damaged file
        unknown = isinstance(error, UnidentifiedImageError)  # its own words hold a memory address
        reason = "its header makes no sense" if unknown else " ".join(str(error).split())[:200] or type(error).__name__
        raise ImageReadError(
            f"{label}: the file is damaged or cut short ({reason}). Copy or export it again from its source."
        ) from error


def read_image(
    source: str | Path | bytes | NDArray | Image.Image | MicroscopyImage,
    *,
    name: str | None = None,
    channel: int | None = None,
) -> MicroscopyImage:
    """Read a picture of one page; see :func:`read_images`.

    Raises:
        ImageShapeError: also if the file holds several pages, since choosing one would drop the others silently.
    """
    pages = read_images(source, name=name, channel=channel)
    first = next(pages)
    if next(pages, None) is not None:
        raise ImageShapeError(
            f"{first.name.rsplit('_page', 1)[0]}: the file holds several pages and one picture is expected here: "
            "go through segmentation.read_images(path), which yields them all."
        )
    return first


def from_array(array: NDArray, name: str, *, channel: int | None = None) -> MicroscopyImage:
    """``(H, W)`` or ``(H, W, C)`` numbers -> MicroscopyImage; four channels are taken as RGBA."""
    if array.ndim not in (2, 3):
        raise ImageShapeError(
            f"{name}: an array of shape {array.shape}; a picture must be (height, width) or (height, width, channels)."
        )
    pixels = array[..., None] if array.ndim == 2 else array
    return finish(pixels, name, (), has_alpha=pixels.shape[2] == 4 and channel is None, channel=channel)


def finish(
    pixels: NDArray, name: str, notes: tuple[str, ...], *, has_alpha: bool = False, channel: int | None = None
) -> MicroscopyImage:
    """Check and complete ``(H, W, C)`` pixels: fill transparent and non-finite ones, pick the channel.

    Transparent pixels become the median colour of the others, which is the picture's background: no invented edge.
    """
    if pixels.ndim != 3 or 0 in pixels.shape:
        raise ImageShapeError(f"{name}: the picture is {_size(pixels)} and has no pixels; export it again.")
    if pixels.dtype == bool:
        pixels = pixels.astype(np.uint8) * 255
    if pixels.dtype.kind not in "uif":
        raise ImageShapeError(f"{name}: pixels of type {pixels.dtype} are no intensities; save as integers or floats.")
    if pixels.dtype == np.float16:
        pixels = pixels.astype(np.float32)
    if has_alpha:
        alpha, pixels = pixels[..., -1], pixels[..., :-1]
        opaque = alpha > 0
        if not opaque.any():
            raise ImageShapeError(f"{name}: every pixel is transparent; save the picture without its alpha channel.")
        if not opaque.all():
            pixels = pixels.copy()
            pixels[~opaque] = np.median(pixels[opaque], axis=0).astype(pixels.dtype)
            notes = (*notes, f"{(~opaque).sum():,} transparent pixels take the median colour of the others.")
    if channel is not None:
        if not 0 <= channel < pixels.shape[2]:
            raise ImageShapeError(
                f"{name}: channel {channel} does not exist; the picture has channels 0 to {pixels.shape[2] - 1}."
            )
        pixels = pixels[..., channel : channel + 1]
    if pixels.shape[2] not in (1, 3):
        raise ImageShapeError(
            f"{name}: the picture has {pixels.shape[2]} channels, neither grey nor RGB: choose the one that shows the "
            "nuclei (--channel N on the command line, channel=N in Python), or save that channel as its own picture."
        )
    if pixels.dtype.kind == "f" and not (finite := np.isfinite(pixels)).all():
        if not finite.any():
            raise ImageShapeError(f"{name}: no pixel is a finite number; export the picture again.")
        pixels = np.where(finite, pixels, np.median(pixels[finite]).astype(pixels.dtype))
        notes = (*notes, f"{(~finite).sum():,} values that are not finite (NaN or infinite) are read as the median.")
    if not pixels.dtype.isnative:
        pixels = pixels.astype(pixels.dtype.newbyteorder("="))
    return MicroscopyImage(np.ascontiguousarray(pixels), name, notes)


def _size(pixels: NDArray) -> str:
    return " x ".join(str(extent) for extent in pixels.shape[1::-1])


def _load(source: str | Path | bytes) -> tuple[bytes, str]:
    if isinstance(source, bytes):
        data, label = source, "picture"
    elif isinstance(source, str | Path):
        path = Path(source)
        label = path.name
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ImageReadError(f"{path}: cannot be read ({error.strerror or error}); check the path.") from error
    else:
        raise ImageReadError(f"A {type(source).__name__} is no picture: give a path, bytes, an array or a PIL image.")
    if not data:
        raise ImageReadError(f"{label}: the file is empty (0 bytes); copy or export it again from its source.")
    if not data.startswith((*_PILLOW_MAGIC, *_TIFF_MAGIC)):
        raise ImageReadError(f"{label}: not a picture in a format read here; give a {FORMATS} file.")
    return data, label


def _iter_pillow_pages(data: bytes, label: str) -> Iterator[tuple[NDArray, bool, tuple[str, ...], int]]:
    kind = next(kind for magic, kind in _PILLOW_MAGIC.items() if data.startswith(magic))
    if kind == "PNG" and 0 in (size := struct.unpack(">II", data[16:24])):
        raise ImageShapeError(f"{label}: the picture is {size[0]} x {size[1]} and has no pixels; export it again.")
    with Image.open(io.BytesIO(data), formats=[kind]) as picture:
        check_size(picture.height, picture.width, label)
        if kind == "PNG" and data[24] == 16:  # Pillow would cut 16-bit colour to 8 bits
            pixels = imagecodecs.png_decode(data)
            pixels = pixels[..., None] if pixels.ndim == 2 else pixels
            yield pixels, pixels.shape[2] in (2, 4), (), 1
            return
        count = 1 if kind == "JPEG" else getattr(picture, "n_frames", 1)  # phones hide a preview behind a JPEG
        for index in range(count):
            picture.seek(index)
            yield (*_pillow_pixels(picture), (), count)


def _from_pillow(picture: Image.Image, name: str, notes: tuple[str, ...], channel: int | None) -> MicroscopyImage:
    pixels, has_alpha = _pillow_pixels(picture)
    return finish(pixels, name, notes, has_alpha=has_alpha, channel=channel)


def _pillow_pixels(picture: Image.Image) -> tuple[NDArray, bool]:
    """``(H, W, C)`` pixels of any Pillow mode, and whether the last channel is alpha."""
    mode = picture.mode
    if mode in ("P", "PA"):
        mode = "RGBA" if mode == "PA" or "transparency" in picture.info else "RGB"
    elif mode in ("CMYK", "YCbCr", "LAB", "HSV", "RGBX"):
        mode = "RGB"
    elif mode == "1":
        mode = "L"
    elif "transparency" in picture.info and mode in ("L", "RGB"):
        mode = "LA" if mode == "L" else "RGBA"
    pixels: NDArray[Any] = np.asarray(picture.convert(mode) if mode != picture.mode else picture)
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    return pixels, mode in ("LA", "RGBA")
