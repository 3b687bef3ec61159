"""How a file's numbers make pictures, as far as its header tells."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from segmentation.pixel_size import PixelSize

PLANE_AXES = "YXCS"  # height, width, channels, samples; every other axis counts pages
UNSTATED = "IQ"  # tifffile's letters for pages of which the file does not say what they are


class Plane(NamedTuple):
    """One plane as read.

    Attributes:
        pixels: ``(H, W, C)``.
        has_alpha: whether the last channel is alpha.
        notes: sentences on what was decided for this plane alone.
    """

    pixels: NDArray
    has_alpha: bool = False
    notes: tuple[str, ...] = ()


# (number of the plane from 0, channel or None) -> the plane. Where ``Layout.separate``, a channel that is given comes
# alone.
ReadPlane = Callable[[int, int | None], Plane]


@dataclass(frozen=True)
class Layout:
    """What a file holds.

    Attributes:
        format: its kind, such as "PNG" or "OME-TIFF".
        axes: a letter for each axis as stored, such as "TZCYX"; Y is height, X width, C channels, S samples (of
            colour), Z depth, T time, I and Q pages without a meaning.
        sizes: extents of those axes.
        channels: of a picture as it is read: palettes are looked up, alpha is gone.
        dtype: of the numbers as decoded.
        bits: used of each number, as far as the file says.
        channel_names: one for each channel, or empty.
        pixel_size: micrometres a pixel, or None.
        notes: sentences on what was decided, for every picture that is read.
        remarks: further ones, for those who ask what the file is.
        separate: the channels can be read one by one.
        absent: planes that the file speaks of and does not hold.
    """

    format: str
    axes: str
    sizes: tuple[int, ...]
    channels: int
    dtype: np.dtype
    bits: int
    channel_names: tuple[str, ...] = ()
    pixel_size: PixelSize | None = None
    notes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    separate: bool = False
    absent: frozenset[int] = frozenset()

    def extent(self, letter: str) -> int:
        """Size along an axis, 1 where the file has none of that letter."""
        return prod(size for axis, size in zip(self.axes, self.sizes, strict=True) if axis == letter)

    @property
    def page_axes(self) -> list[tuple[str, int]]:
        """Letter and size of each axis that counts pages."""
        return [(axis, size) for axis, size in zip(self.axes, self.sizes, strict=True) if axis not in PLANE_AXES]

    @property
    def projected_axes(self) -> str:
        """Letters of the axes that a projection goes along: depth, or pages that may well be depth."""
        letters = {axis for axis, _ in self.page_axes}
        return "Z" if "Z" in letters else "".join(sorted(letters & set(UNSTATED)))

    @property
    def colour_notes(self) -> tuple[str, ...]:
        """What is to be said when three channels of a microscope, no photograph's colours, are read as one picture."""
        if self.channels != 3 or self.extent("C") != 3:
            return ()
        named = f" ({', '.join(self.channel_names)})" if self.channel_names else ""
        return (f"Its 3 channels{named} are read as red, green and blue.",)

    def groups(self, *, projected: bool) -> list[list[int]]:
        """Numbers of the planes that make each picture, in order; empty where the file holds none of them."""
        axes = [axis for axis, _ in self.page_axes]
        sizes = [size for _, size in self.page_axes]
        along = [index for index, axis in enumerate(axes) if projected and axis in self.projected_axes]
        numbers = np.moveaxis(np.arange(prod(sizes)).reshape(sizes), along, range(len(axes) - len(along), len(axes)))
        rows = numbers.reshape(-1, prod(sizes[index] for index in along)).tolist()
        return [[number for number in row if number not in self.absent] for row in rows]
