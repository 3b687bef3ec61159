"""What a file holds, told before it is segmented and without decoding its pixels."""

from dataclasses import dataclass
from math import prod

import numpy as np

from segmentation.errors import ImageShapeError
from segmentation.image_io import Source
from segmentation.layout import PLANE_AXES, UNSTATED, Layout
from segmentation.microscopy_image import MicroscopyImage, finish
from segmentation.picture_file import open_picture
from segmentation.pixel_size import PixelSize

_AXES = {"Z": ("z-plane", "z-planes"), "T": ("time point", "time points"), "R": ("position", "positions")}


@dataclass(frozen=True)
class ImageInfo:
    """What a file holds.

    Attributes:
        name: the file's stem.
        format: "PNG", "JPEG", "BMP", "GIF", "TIFF", "ImageJ TIFF", "OME-TIFF", "DICOM", "NumPy", "array" or
            "Pillow picture".
        width: in pixels.
        height: in pixels.
        dtype: of the pixels that :func:`segmentation.read_images` yields, such as "uint16".
        bits: used of each number, such as 12 of 16, as far as the file says.
        axes: a letter for each axis as stored, such as "TZCYX"; S is the samples of a colour, I and Q are pages of
            which the file does not say what they are.
        sizes: extents of those axes.
        channels: to choose from; 1 and 3 can also be taken whole.
        channel_names: one for each channel, or empty where the file names none.
        pages: pictures that segmentation would make of one channel.
        projected_pages: how many with a projection; equal to ``pages`` where there is nothing to project.
        pixel_size: micrometres a pixel, or None.
        notes: sentences on what was decided.
    """

    name: str
    format: str
    width: int
    height: int
    dtype: str
    bits: int
    axes: str
    sizes: tuple[int, ...]
    channels: int
    channel_names: tuple[str, ...]
    pages: int
    projected_pages: int
    pixel_size: PixelSize | None
    notes: tuple[str, ...]

    @property
    def z_planes(self) -> int:
        """Extent of the z axis, 1 where there is none."""
        return self._extent("Z")

    @property
    def time_points(self) -> int:
        """Extent of the time axis, 1 where there is none."""
        return self._extent("T")

    def sentence(self) -> str:
        """One plain line: "1024 x 1024, 3 channels (DAPI, GFP, RFP), 16 bit, 12 z-planes, 0.325 µm a pixel"."""
        parts = [f"{self.width} x {self.height}", self._colours(), self._depth(), *_count_pages(self.axes, self.sizes)]
        if self.pixel_size is not None:
            y, x = (f"{each:.4g}" for each in self.pixel_size)
            parts.append(f"{x if x == y else f'{x} x {y}'} \N{MICRO SIGN}m a pixel")
        return ", ".join(parts)

    def _extent(self, letter: str) -> int:
        return prod(size for axis, size in zip(self.axes, self.sizes, strict=True) if axis == letter)

    def _colours(self) -> str:
        named = f" ({', '.join(self.channel_names)})" if self.channel_names else ""
        if self.channels == 1:
            return f"1 channel{named}" if named else "grey"
        if self.channels == 3 and not named and "C" not in self.axes:
            return "RGB"
        return f"{self.channels} channels{named}"

    def _depth(self) -> str:
        dtype = np.dtype(self.dtype)
        stored = dtype.itemsize * 8
        bits = f"{self.bits} bit" if self.bits in (1, stored) else f"{self.bits} of {stored} bit"
        return bits + {"i": " signed", "f": " float"}.get(dtype.kind, "")


def describe(source: Source, *, name: str | None = None) -> ImageInfo:
    """Say what a file holds, by its header.

    Args:
        source: as for :func:`segmentation.read_images`.
        name: replaces the file's stem.

    Raises:
        ImageReadError: not a picture, damaged in its header, or over the limits.
        ImageShapeError: no pixels, or numbers that are no intensities.
    """
    if isinstance(source, MicroscopyImage):
        layout = _layout_of_pixels(source.pixels.shape, source.pixels.dtype, "array")
        return _info(layout, name or source.name, source.notes, source.channel_names, source.pixel_size)
    if isinstance(source, np.ndarray):
        layout = _layout_of_pixels(source.shape, source.dtype, name or "array")
        return _info(layout, name or "array", (), (), None)
    with open_picture(source) as file:
        layout = file.layout
        notes = (*layout.notes, *_decisions(layout), *layout.remarks)
        return _info(layout, name or file.stem, notes, layout.channel_names, layout.pixel_size)


def _info(
    layout: Layout,
    name: str,
    notes: tuple[str, ...],
    channel_names: tuple[str, ...],
    pixel_size: PixelSize | None,
) -> ImageInfo:
    height, width = layout.extent("Y"), layout.extent("X")
    # The reader itself says what it makes of such numbers, or refuses them.
    probe = np.zeros((height, width, 1) if 0 in (height, width) else (1, 1, 1), layout.dtype)
    return ImageInfo(
        name=name,
        format=layout.format,
        width=width,
        height=height,
        dtype=finish(probe, name, ()).pixels.dtype.name,
        bits=layout.bits,
        axes=layout.axes,
        sizes=layout.sizes,
        channels=layout.channels,
        channel_names=channel_names,
        pages=sum(map(bool, layout.groups(projected=False))),
        projected_pages=sum(map(bool, layout.groups(projected=True))),
        pixel_size=pixel_size,
        notes=notes,
    )


def _layout_of_pixels(shape: tuple[int, ...], dtype: np.dtype, label: str) -> Layout:
    if len(shape) not in (2, 3):
        raise ImageShapeError(
            f"{label}: an array of shape {shape}; a picture must be (height, width) or (height, width, channels)."
        )
    axes = "YX" if len(shape) == 2 else "YXS" if shape[2] in (3, 4) else "YXC"
    bits = 1 if dtype.kind == "b" else dtype.itemsize * 8
    return Layout("array", axes, shape, 1 if len(shape) == 2 else shape[2], dtype, bits)


def _decisions(layout: Layout) -> list[str]:
    notes = list(layout.colour_notes)
    if layout.channels not in (1, 3):
        notes.append(f"One of its {layout.channels} channels has to be chosen.")
    unstated = prod(size for axis, size in layout.page_axes if axis in UNSTATED)
    if unstated > 1:
        notes.append(f"It does not say what its {unstated} pages are: each is a picture, or all are projected to one.")
    return notes


def _count_pages(axes: str, sizes: tuple[int, ...]) -> list[str]:
    """Such as "12 z-planes", "2 time points", and what has no name as "5 pages"."""
    pages = [(axis, size) for axis, size in zip(axes, sizes, strict=True) if axis not in PLANE_AXES]
    parts = [f"{size:,} {_AXES[axis][size > 1]}" for axis, size in pages if axis in _AXES]
    others = prod(size for axis, size in pages if axis not in _AXES)
    return parts + [f"{others:,} pages"] * (others > 1)
