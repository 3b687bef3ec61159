"""NumPy's .npy files, plane by plane. Files of Python objects are never opened: unpickling runs code."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from math import prod
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from segmentation.errors import ImageReadError, ImageShapeError
from segmentation.layout import Layout, Plane, ReadPlane
from segmentation.limits import check_block, check_planes, check_size

MAGIC = b"\x93NUMPY"
_MOST_CHANNELS = 4  # a last axis that is longer is a width


@contextmanager
def open_npy(file: BinaryIO, label: str) -> Iterator[tuple[Layout, ReadPlane]]:
    """The layout of an array, by its header, and the function that reads its planes.

    The axes have no names. A last axis of 1 to 4 behind two others is taken for channels (RGB for 3), the two axes
    before it for height and width, and all others for pages, which a note says.

    Args:
        file: open for reading at its start.
        label: what messages call it.

    Raises:
        ImageReadError: a header that makes no sense, Python objects, or a plane over the limit.
        ImageShapeError: no pixels, fewer than two axes, or numbers that are no intensities.
    """
    shape, fortran, dtype = _header(file, label)
    if dtype.hasobject:
        raise ImageReadError(
            f"{label}: the file holds Python objects, which are not opened since that can run code; save an array of "
            "numbers."
        )
    if dtype.kind not in "buif" or dtype.itemsize > 8 or dtype.names:
        raise ImageShapeError(
            f"{label}: pixels of type {_spoken(dtype)} are no intensities; save as integers or floats of up to 64 bit."
        )
    if len(shape) < 2:
        raise ImageShapeError(
            f"{label}: an array of shape {shape}; a picture must be (height, width), (height, width, channels) or a "
            "stack of those."
        )
    if 0 in shape:
        raise ImageShapeError(f"{label}: an array of shape {shape} has no pixels; save it again.")
    array = _Array(file, shape, fortran, dtype, label)
    yield array.layout(), array.read


def _header(file: BinaryIO, label: str) -> tuple[tuple[int, ...], bool, np.dtype]:
    try:
        version = npy.read_magic(file)
    except ValueError as error:
        raise _no_header(label) from error
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise ImageReadError(f"{label}: .npy version {version[0]}.{version[1]} is not known; save it again with NumPy.")
    # Version 3 differs from 2 in the names of fields alone, and arrays with fields are refused.
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    try:
        shape, fortran, dtype = read(file)
    except (ValueError, SyntaxError, TypeError) as error:  # NumPy's words hold memory addresses
        raise _no_header(label) from error
    if any(extent < 0 for extent in shape):
        raise ImageReadError(f"{label}: the file is damaged: its shape is {shape}; save it again.")
    return shape, fortran, dtype


def _no_header(label: str) -> ImageReadError:
    return ImageReadError(f"{label}: the file is damaged or cut short: its header makes no sense. Save it again.")


class _Array:
    """The planes of one file; each is read when due, where the order of the numbers allows it."""

    def __init__(self, file: BinaryIO, shape: tuple[int, ...], fortran: bool, dtype: np.dtype, label: str) -> None:
        self.file, self.start, self.label = file, file.tell(), label
        self.shape, self.fortran, self.dtype = shape, fortran, dtype
        self.has_channels = len(shape) > 2 and shape[-1] <= _MOST_CHANNELS
        inner = 3 if self.has_channels else 2
        self.pages, self.inner = shape[:-inner], shape[-inner:]
        self.count = prod(self.pages)
        check_planes(self.count, label)
        check_size(self.inner[0], self.inner[1], label, self.inner[2] if self.has_channels else 1)

    def layout(self) -> Layout:
        """What the header says."""
        channels = self.inner[2] if self.has_channels else 1
        notes = []
        if self.pages:
            pages = " x ".join(f"{extent:,}" for extent in self.pages)
            height, width = self.inner[:2]
            notes.append(
                f"Its axes have no names: shape {self.shape} is read as {pages} pages of {width} x {height}"
                + (f" with {channels} channels." if channels > 1 else ".")
            )
        return Layout(
            format="NumPy",
            axes="Q" * len(self.pages) + "YX" + ("S" if channels == 3 else "C") * self.has_channels,
            sizes=self.shape,
            channels=channels,
            dtype=self.dtype.newbyteorder("="),
            bits=1 if self.dtype.kind == "b" else self.dtype.itemsize * 8,
            notes=tuple(notes),
        )

    def read(self, index: int, channel: int | None) -> Plane:
        """A plane ``(H, W, C)``."""
        if self.fortran and self.pages:
            plane = self._whole.reshape(self.count, *self.inner)[index]
        else:
            plane = self._numbers(index * prod(self.inner), prod(self.inner))
            plane = plane.reshape(self.inner, order="F" if self.fortran else "C")
        return Plane(plane.reshape(*self.inner[:2], -1))

    @cached_property
    def _whole(self) -> NDArray:
        """A stack in Fortran's order, in which the numbers of a plane lie all over the file."""
        count = prod(self.shape)
        check_block(count * self.dtype.itemsize, self.label)
        return self._numbers(0, count).reshape(self.shape, order="F")

    def _numbers(self, first: int, count: int) -> NDArray:
        size = self.dtype.itemsize
        end = self.file.seek(0, 2)
        if self.start + (first + count) * size > end:
            raise ImageReadError(
                f"{self.label}: the file is damaged or cut short: shape {self.shape} of {self.dtype} takes "
                f"{prod(self.shape) * size:,} bytes and it holds {max(end - self.start, 0):,}. Save it again."
            )
        self.file.seek(self.start + first * size)
        return np.frombuffer(self.file.read(count * size), self.dtype)


def _spoken(dtype: np.dtype) -> str:
    return "records" if dtype.names else dtype.name
