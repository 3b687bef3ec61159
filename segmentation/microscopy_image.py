"""MicroscopyImage: one plane of a picture, checked and complete."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segmentation.errors import ImageShapeError
from segmentation.pixel_size import PixelSize


@dataclass(frozen=True, eq=False)
class MicroscopyImage:
    """One plane of a picture, as stored.

    Attributes:
        pixels: ``(H, W, C)`` of the file's own dtype, every value finite; C is 1 for grey and 3 for RGB.
        name: what users call it: the file's stem, then the projection if there was one, then the page if there are
            several, counted from 1: ``stack_max_page2``.
        notes: sentences on what had to be decided while reading; empty when nothing had.
        pixel_size: micrometres a pixel, or None where the file does not say.
        channel_names: one for each of the C channels, or empty where the file names none.
    """

    pixels: NDArray
    name: str
    notes: tuple[str, ...] = ()
    pixel_size: PixelSize | None = None
    channel_names: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def colours(self) -> str:
        """What people call it: "grey" or "RGB"."""
        return "grey" if self.pixels.shape[2] == 1 else "RGB"


def finish(
    pixels: NDArray,
    name: str,
    notes: tuple[str, ...],
    *,
    has_alpha: bool = False,
    channel: int | None = None,
    pixel_size: PixelSize | None = None,
    channel_names: tuple[str, ...] = (),
) -> MicroscopyImage:
    """Check and complete ``(H, W, C)`` pixels: fill transparent and non-finite ones, pick the channel.

    Transparent pixels become the median colour of the others, which is the picture's background: no invented edge.

    Raises:
        ImageShapeError: no pixels, no finite value, or channels that are neither grey nor RGB with none chosen.
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
        channel = choose_channel(channel, pixels.shape[2], channel_names, name)
        pixels = pixels[..., channel : channel + 1]
        channel_names = channel_names[channel : channel + 1]
    check_colours(pixels.shape[2], channel_names, name)
    if pixels.dtype.kind == "f" and not (finite := np.isfinite(pixels)).all():
        if not finite.any():
            raise ImageShapeError(f"{name}: no pixel is a finite number; export the picture again.")
        pixels = np.where(finite, pixels, np.median(pixels[finite]).astype(pixels.dtype))
        notes = (*notes, f"{(~finite).sum():,} values that are not finite (NaN or infinite) are read as the median.")
    if not pixels.dtype.isnative:
        pixels = pixels.astype(pixels.dtype.newbyteorder("="))
    return MicroscopyImage(np.ascontiguousarray(pixels), name, notes, pixel_size, channel_names)


def choose_channel(channel: int | str, channels: int, names: tuple[str, ...], label: str) -> int:
    """The number of a channel, counted from 0, for its number or its name.

    Args:
        channel: a number from 0, or a name in any case; a name that is none is read as a number if it is one.
        channels: how many the picture has.
        names: what the file calls them, or empty.
        label: the picture, for messages.

    Raises:
        ImageShapeError: if there is no such channel, or several have that name.
    """
    wanted: int | None
    if isinstance(channel, str):
        word = channel.strip()
        called = [index for index, name in enumerate(names) if name.strip().casefold() == word.casefold()]
        if len(called) > 1:
            numbers = " and ".join(map(str, called))
            raise ImageShapeError(f"{label}: channels {numbers} are both called {channel!r}; choose one by its number.")
        number = int(word) if word.isascii() and word.isdigit() else None
        wanted = called[0] if called else number
    else:
        wanted = int(channel)
    if wanted is not None and 0 <= wanted < channels:
        return wanted
    spoken = f"{channel!r}" if isinstance(channel, str) and wanted is None else f"{wanted}"
    has = "channel 0 alone" if channels == 1 else f"channels 0 to {channels - 1}"
    listed = f" ({', '.join(f'{index} {name}' for index, name in enumerate(names))})" if names else ""
    unnamed = " and the file names none" if wanted is None and not names else ""
    raise ImageShapeError(f"{label}: channel {spoken} does not exist; the picture has {has}{listed}{unnamed}.")


def check_colours(channels: int, names: tuple[str, ...], label: str) -> None:
    """Refuse what is neither grey nor RGB: which of five stains shows the nuclei is not for a program to guess.

    Raises:
        ImageShapeError: naming the channels and the cure.
    """
    if channels not in (1, 3):
        listed = f" ({', '.join(names)})" if names else ""
        raise ImageShapeError(
            f"{label}: the picture has {channels} channels{listed}, neither grey nor RGB: choose the one that shows "
            "the nuclei (--channel on the command line, channel= in Python; a number from 0 or a name), or save that "
            "channel as its own picture."
        )


def _size(pixels: NDArray) -> str:
    return " x ".join(str(extent) for extent in pixels.shape[1::-1])
