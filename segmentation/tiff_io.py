"""TIFF pages to ``(H, W, C)`` arrays through tifffile, with the photometric interpretations it leaves to its caller."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from math import prod
from typing import BinaryIO, NamedTuple

import numpy as np
import tifffile
from numpy.typing import NDArray

from segmentation.errors import ImageReadError, ImageShapeError
from segmentation.layout import PLANE_AXES, Layout, Plane, ReadPlane
from segmentation.limits import check_block, check_planes, check_size
from segmentation.tiff_colours import check_colours, interpret
from segmentation.tiff_directories import BoundedTiff
from segmentation.tiff_metadata import check_metadata, read_metadata
from segmentation.tiff_segments import check_compression, check_segments

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_TURNED = "It is marked as turned or mirrored (orientation tag) and is read as stored, as ImageJ and QuPath read it."

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # what matters of its complaints is an error here


@contextmanager
def open_tiff(file: BinaryIO, label: str) -> Iterator[tuple[Layout, ReadPlane]]:
    """The layout of the file's first series, by its header, and the function that reads its planes.

    Every axis other than height, width, samples and channels counts pages, in the order in which they are stored.

    Args:
        file: open for reading. tifffile looks for a set's other files beside one that has a ``fileno``.
        label: what messages call it.

    Raises:
        ImageReadError: no pictures inside, or a plane over the limit.
    """
    with BoundedTiff(file) as tiff:
        tiff.check_directories(label)
        first = tiff.pages.first if len(tiff.pages) else None
        if first is not None and 0 in (first.imagewidth, first.imagelength):
            sizes = f"{first.imagewidth} x {first.imagelength}"
            raise ImageShapeError(f"{label}: the picture is {sizes} and has no pixels; export it again.")
        check_metadata(tiff, label)
        if not tiff.series or not tiff.series[0].shape:
            raise ImageReadError(f"{label}: the TIFF file holds no picture; export it again.")
        series = tiff.series[0]
        if "Y" not in series.axes or "X" not in series.axes:
            raise ImageReadError(
                f"{label}: its axes {series.axes} name no height and width; export it as a plain picture."
            )
        stack = _Stack(tiff, series, label)
        yield stack.layout(), stack.read


class _Parts(NamedTuple):
    """Sizes of the leading axes along which parts can be read alone, and what reads one by its number."""

    sizes: tuple[int, ...]
    read: Callable[[int], NDArray]
    pages: bool  # they are the file's own


class _Stack:
    """The planes of one series. Each is read when due, so that a long stack is never held whole where that can be."""

    def __init__(self, tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries, label: str) -> None:
        self.tiff, self.series, self.page, self.label = tiff, series, series.keyframe, label
        check_compression(self.page, label)
        check_colours(self.page, label)
        axes, shape = series.axes, series.shape
        self.loops = [index for index, axis in enumerate(axes) if axis not in PLANE_AXES]  # a letter may occur twice
        self.kept = [index for index in range(len(axes)) if index not in self.loops]
        self.count = prod(shape[index] for index in self.loops)
        self.parts = self._parts()
        if self.parts is not None:
            check_planes(prod(self.parts.sizes), label)
            numbers = np.arange(prod(self.parts.sizes)).reshape(self.parts.sizes)
            numbers = np.moveaxis(numbers, self.loops, range(len(self.loops)))
            self.numbers = numbers.reshape(self.count, -1)  # of the parts of each plane
        channel_axes = [index for index in self.kept if axes[index] in "CS"]
        self.target = [self.kept.index(index) for index in (axes.index("Y"), axes.index("X"), *channel_axes)]
        whole_colours = (tifffile.PHOTOMETRIC.PALETTE, tifffile.PHOTOMETRIC.SEPARATED)
        self.separate = (
            [axes[index] for index in channel_axes] == ["C"]
            and self.parts is not None
            and channel_axes[0] < len(self.parts.sizes)
            and int(self.page.photometric) not in whole_colours
        )

    def layout(self) -> Layout:
        """What the header says."""
        axes, shape, page = self.series.axes, self.series.shape, self.page
        sizes = {axes[index]: shape[index] for index in self.kept}
        samples = sizes.get("C", 1) * sizes.get("S", 1)
        check_size(sizes["Y"], sizes["X"], self.label, 1 if self.separate else samples)
        probe, has_alpha, _ = interpret(np.zeros((1, 1, samples), self.series.dtype), page)
        channels, stored = probe.shape[2] - has_alpha, probe.dtype.itemsize * 8
        metadata = read_metadata(self.tiff, page, sizes)
        palette = channels != samples and int(page.photometric) == tifffile.PHOTOMETRIC.PALETTE
        bits = stored if palette else metadata.bits or page.bitspersample
        remarks = ["Its colours are looked up in a palette."] if palette else []
        if int(page.photometric) == tifffile.PHOTOMETRIC.MINISWHITE and self.series.dtype.kind in "bui":
            remarks.append("In it 0 is white: small and great numbers are changed over.")
        if metadata.pixel_size.remark:
            remarks.append(metadata.pixel_size.remark)
        absent, notes = self._absent(), []
        if len(self.series.levels) > 1:
            notes.append(f"It is a pyramid of {len(self.series.levels)} sizes; the full one is read.")
        if page.tags.valueof(274, 1) in range(2, 9):
            notes.append(_TURNED)
        if len(self.tiff.series) > 1:
            notes.append(f"The file holds {len(self.tiff.series)} separate pictures; the first is used.")
        if absent:
            notes.append(f"{len(absent):,} of its {self.count:,} pages are not in this file and are left out.")
        return Layout(
            format=metadata.format,
            axes=axes,
            sizes=tuple(shape),
            channels=channels,
            dtype=probe.dtype,
            bits=bits if 0 < bits <= stored else stored,
            channel_names=metadata.channel_names if len(metadata.channel_names) == channels else (),
            pixel_size=metadata.pixel_size.size,
            notes=tuple(notes),
            remarks=tuple(remarks),
            separate=self.separate,
            absent=absent,
        )

    def read(self, index: int, channel: int | None) -> Plane:
        """A plane ``(H, W, C)``; one channel of it if they are ``separate``."""
        shape = [self.series.shape[axis] for axis in self.kept]
        notes: list[str] = []
        if self.parts is None:
            stored = self._whole[index]
        else:
            numbers = self.numbers[index]
            if channel is not None and self.separate:
                numbers, shape[self.target[2]] = numbers[[channel]], 1
            for number in numbers if self.parts.pages else ():
                notes += check_segments(self._page(int(number)), self.label)
            stored = np.stack([self.parts.read(int(number)) for number in numbers]).reshape(shape)
        plane = np.transpose(stored, self.target)
        pixels, has_alpha, _ = interpret(plane.reshape(*plane.shape[:2], -1), self.page)
        return Plane(pixels, has_alpha, tuple(dict.fromkeys(notes)))

    def _parts(self) -> "_Parts | None":
        """How to read parts that lie within one plane; None where the stack can only be decoded as a whole."""
        series, shape, page = self.series, self.series.shape, self.page
        first = len(shape) - len(page.shape)
        inside = shape[max(first, 0) :] == page.shape and all(index < first for index in self.loops)
        if inside and len(series) == prod(shape[:first]):
            return _Parts(shape[:first], lambda number: self._page(number).asarray(), pages=True)
        # Without compression, one page that stands for a whole stack, as ImageJ writes beyond 4 GB, is cut as well.
        first = min(index for index, axis in enumerate(series.axes) if axis in "YXS")
        offset = series.dataoffset
        if offset is None or series.transform is not None or any(index > first for index in self.loops):
            return None
        size, dtype, file = prod(shape[first:]), np.dtype(self.tiff.byteorder + series.dtype.char), self.tiff.filehandle

        def read(number: int) -> NDArray:
            return file.read_array(dtype, size, offset + number * size * dtype.itemsize)

        return _Parts(shape[:first], read, pages=False)

    def _page(self, number: int) -> tifffile.TiffPage | tifffile.TiffFrame:
        page = self.series[number]
        if page is None:
            raise ImageReadError(f"{self.label}: the file is damaged: page {number + 1} is missing; export it again.")
        return page

    @cached_property
    def _whole(self) -> NDArray:
        check_block(self.series.nbytes, self.label)
        for page in self.series:
            if page is not None and check_segments(page, self.label):
                raise ImageReadError(
                    f"{self.label}: parts of its stack are not stored; export it with one plane a page."
                )
        kept = [self.series.shape[index] for index in self.kept]
        stored = self.series.asarray().reshape(self.series.shape)
        return np.moveaxis(stored, self.loops, range(len(self.loops))).reshape(self.count, *kept)

    def _absent(self) -> frozenset[int]:
        """Planes that the metadata of a set speak of and this file does not hold; tifffile would make them zeros."""
        if self.series.kind not in ("ome", "mmstack") or self.parts is None:
            return frozenset()
        missing = [page is None or tuple(page.databytecounts) == (0,) for page in self.series]
        absent = frozenset(np.flatnonzero(np.asarray(missing)[self.numbers].any(axis=1)).tolist())
        if len(absent) == self.count:
            raise ImageReadError(
                f"{self.label}: the file is one of a set and no page of it is whole; open the set in ImageJ and save "
                "it as one file."
            )
        return absent
