"""A slide's labels as a tiled pyramid: OME-TIFF of uint32 that QuPath, Fiji and tifffile open by region."""

import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import tifffile
from numpy.typing import NDArray

import segmentation
from segmentation.atomic import replacing
from segmentation.pixel_size import PixelSize

TILE = 512  # pixels, of every level
_LEVEL = 4  # of deflate: a third faster than 6, and files a few per cent larger
_FAST = 1
_BUFFER = 2**25  # bytes of tiles that are deflated together

Labels = NDArray[np.uint32]


def write_pyramid(
    path: Path,
    strips: Iterable[Labels],
    shape: tuple[int, int],
    *,
    scratch: Path,
    uuid: str,
    pixel_size: PixelSize | None = None,
) -> Path:
    """Write labels as they come; each smaller level takes every second pixel of the one before, in either direction.

    So every pixel of every level is the number of a nucleus that lies there, never a mean of numbers.

    Args:
        path: of the file.
        strips: ``(rows, W)`` from top to bottom.
        shape: height and width of all of them together.
        scratch: a place for the smaller levels until their turn comes.
        uuid: for the OME-XML.
        pixel_size: micrometres a pixel, down and across; None if not known.

    Raises:
        OSError: if it cannot be written.
    """
    shapes = [shape]
    while max(shapes[-1]) > TILE:
        shapes.append((-(-shapes[-1][0] // 2), -(-shapes[-1][1] // 2)))
    metadata = {"axes": "YX", "Name": "labels", "Creator": f"Nucleoscope {segmentation.__version__}", "UUID": uuid}
    if pixel_size is not None:
        for axis, size in (("X", pixel_size.x), ("Y", pixel_size.y)):
            metadata |= {f"PhysicalSize{axis}": repr(float(size)), f"PhysicalSize{axis}Unit": "\N{MICRO SIGN}m"}
    spools = [_Spool(scratch.with_suffix(f".{level}")) for level in range(1, len(shapes))]
    try:
        with (
            replacing(path) as fresh,
            tifffile.TiffWriter(fresh, bigtiff=shape[0] * shape[1] * 4 > 2**31, ome=True) as tiff,
        ):
            for level, (height, width) in enumerate(shapes):
                source = strips if level == 0 else spools[level - 1].read()
                below = spools[level] if level < len(spools) else None
                factor = 2**level
                resolution = None if pixel_size is None else (1e4 / pixel_size.x / factor, 1e4 / pixel_size.y / factor)
                tiff.write(
                    _tiles(_halved(source, below), width),
                    shape=(height, width),
                    dtype=np.uint32,
                    tile=(TILE, TILE),
                    compression="zlib",
                    compressionargs={"level": _LEVEL},
                    buffersize=_BUFFER,
                    photometric="minisblack",
                    software=metadata["Creator"],
                    subifds=len(shapes) - 1 if level == 0 else None,
                    subfiletype=0 if level == 0 else 1,
                    resolution=resolution,
                    resolutionunit=None if resolution is None else "CENTIMETER",
                    metadata=metadata if level == 0 else None,
                )
                if level:
                    spools[level - 1].remove()
    finally:
        for spool in spools:
            spool.remove()
    return path


def _halved(strips: Iterable[Labels], spool: "_Spool | None") -> Iterator[Labels]:
    """The strips themselves, while every second row and column of them goes into the spool."""
    row = 0
    for strip in strips:
        if spool is not None:
            spool.add(strip[row % 2 :: 2, ::2])
        row += len(strip)
        yield strip
    if spool is not None:
        spool.close()


def _tiles(strips: Iterable[Labels], width: int) -> Iterator[Labels]:
    """Tiles row by row, those at the right and the lower end filled up with background."""
    across = -(-width // TILE)
    held, filled = np.zeros((TILE, across * TILE), np.uint32), 0
    for strip in strips:
        start = 0
        while start < len(strip):
            part = strip[start : start + TILE - filled]
            held[filled : filled + len(part), :width] = part
            filled, start = filled + len(part), start + len(part)
            if filled == TILE:
                yield from _cut(held)
                filled = 0
    if filled:
        held[filled:] = 0
        yield from _cut(held)


def _cut(held: Labels) -> Iterator[Labels]:
    for left in range(0, held.shape[1], TILE):
        yield np.ascontiguousarray(held[:, left : left + TILE])


class _Spool:
    """Strips on disk, deflated one after the other."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._shapes: list[tuple[int, int, int]] = []  # bytes, rows, columns
        self._file: BinaryIO | None = None

    def add(self, strip: Labels) -> None:
        if self._file is None:
            self._file = self._path.open("wb")
        data = zlib.compress(strip.tobytes(), _FAST)
        self._file.write(data)
        self._shapes.append((len(data), *strip.shape))

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def read(self) -> Iterator[Labels]:
        self.close()  # who writes tiles asks for no more once they have the last one
        with self._path.open("rb") as file:
            for size, rows, columns in self._shapes:
                yield np.frombuffer(zlib.decompress(file.read(size)), np.uint32).reshape(rows, columns)

    def remove(self) -> None:
        self.close()
        self._path.unlink(missing_ok=True)
