"""Slides read by region: tiles or strips of a TIFF, decoded a row of them at a time, so that no slide is held whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from segmentation.errors import ImageReadError, ImageShapeError
from segmentation.microscopy_image import check_colours, choose_channel, finish
from segmentation.picture_file import one_sentence, open_file
from segmentation.slide_pages import CURE, Page, check_regions, first_series, is_plain, notes_of, pages_of
from segmentation.tiff_colours import check_colours as check_photometric
from segmentation.tiff_colours import interpret
from segmentation.tiff_io import MAGIC
from segmentation.tiff_metadata import read_metadata
from segmentation.tiff_segments import check_compression, check_segments

_ROWS = 256  # read together where nothing is compressed


class Slide:
    """An open slide: one plane of a TIFF, of which parts are read. Made by :func:`open_slide`.

    Attributes:
        label: what messages call it: the file's name.
        name: the file's stem.
        shape: height and width in pixels.
        channels: 1 for grey or 3 for RGB.
        dtype: of the pixels that are read.
        pixel_size: micrometres a pixel, or None where the file does not say.
        channel_names: one for each channel, or empty.
        notes: sentences on what was decided.
        kept_above: rows above those that were read last which stay decoded; for who steps back now and then.
    """

    def __init__(self, tiff: tifffile.TiffFile, label: str, channel: int | str | None, page: int | None) -> None:
        self.label, self.name = label, Path(label).stem
        series = first_series(tiff, label)
        self._key = key = series.keyframe
        self.shape = key.imagelength, key.imagewidth
        check_compression(key, label)
        check_photometric(key, label)
        check_regions(key, label)
        self._pages = pages_of(series, page, label)
        metadata = read_metadata(tiff, key, dict(zip(series.axes, series.shape, strict=True)))
        self.pixel_size = metadata.pixel_size.size
        samples = len(self._pages) * key.samplesperpixel
        probe, self._has_alpha, _ = interpret(np.zeros((1, 1, samples), key.dtype), key)
        channels = probe.shape[2] - self._has_alpha
        names = metadata.channel_names if len(metadata.channel_names) == channels else ()
        self._channel: int | None = None
        self.channel_names, self.channels = names, channels
        if channel is None:
            check_colours(channels, names, label)
        else:
            number = choose_channel(channel, channels, names, label)
            self.channel_names, self.channels = names[number : number + 1], 1
            if len(self._pages) == channels:  # pages of their own: the others need not be read
                self._pages = [self._pages[number]]
            else:
                self._channel = number
        absent = [note for each in self._pages for note in check_segments(each, label)]
        colours = f" ({', '.join(names)})" if names else ""
        mixed = channel is None and channels == 3 and "C" in series.axes
        self.notes = (
            *notes_of(tiff, series),
            *[f"Its 3 channels{colours} are read as red, green and blue."] * mixed,
            *dict.fromkeys(absent),
        )
        self.dtype = finish(probe[..., :1], label, ()).pixels.dtype
        self._plain = is_plain(key)
        self._step = _ROWS if self._plain else int(key.tilelength if key.is_tiled else key.rowsperstrip)
        self._file = tiff.filehandle
        self._cache: dict[int, NDArray] = {}
        self.kept_above = 0

    def read(self, rows: slice, columns: slice = slice(None)) -> NDArray:
        """Pixels ``(rows, columns, C)``, as :func:`segmentation.read_image` reads the whole of them.

        What was decoded is kept as far as it reaches below ``rows.start``, so that reading from top to bottom decodes
        everything once.

        Raises:
            ImageReadError: damaged. ImageShapeError: transparent, or not finite.
        """
        first, last = rows.start // self._step, -(-rows.stop // self._step)
        kept = (rows.start - self.kept_above) // self._step
        for number in [number for number in self._cache if number < kept]:
            del self._cache[number]
        parts = []
        for number in range(first, last):
            top = number * self._step
            part = self._segments(number)[max(rows.start - top, 0) : rows.stop - top, columns]
            parts.append(part)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _segments(self, number: int) -> NDArray:
        """One row of tiles or one strip, all of the slide's width."""
        if number not in self._cache:
            top = number * self._step
            rows = min(self._step, self.shape[0] - top)
            stored = [self._stored(page, number, rows) for page in self._pages]
            with one_sentence(self.label):
                pixels = interpret(np.concatenate(stored, axis=2) if len(stored) > 1 else stored[0], self._key).pixels
                self._cache[number] = self._finished(pixels)
        return self._cache[number]

    def _stored(self, page: Page, number: int, rows: int) -> NDArray:
        key, width = self._key, self.shape[1]
        assert key.dtype is not None
        with one_sentence(self.label):
            if self._plain:
                size = width * key.samplesperpixel
                offset = page.dataoffsets[0] + number * self._step * size * key.dtype.itemsize
                dtype = np.dtype(self._file_order() + key.dtype.char)
                data = self._file.read_array(dtype, rows * size, offset)
                return data.reshape(rows, width, key.samplesperpixel)
            across = -(-width // key.tilewidth) if key.is_tiled else 1
            down = -(-self.shape[0] // self._step)
            planes = key.samplesperpixel if int(key.planarconfig) == 2 else 1
            result = np.full((rows, width, key.samplesperpixel), key.nodata, key.dtype)
            for plane in range(planes):
                for column in range(across):
                    self._decode(page, (plane * down + number) * across + column, result, number * self._step)
            return result

    def _decode(self, page: Page, index: int, result: NDArray, top: int) -> None:
        key = self._key
        offset, count = page.dataoffsets[index], page.databytecounts[index]
        if not offset or not count:
            return  # not stored: scanners leave out where a slide is empty
        coded: dict[str, Any] = {}
        if int(key.compression) in (6, 7, 33007, 34892):
            coded = {"jpegtables": page.jpegtables, "jpegheader": key.jpegheader}
        decode = key.decode
        self._file.seek(offset)  # only now: for the tables and the decoder, tifffile may have read elsewhere
        data, place, _ = decode(self._file.read(count), index, **coded)
        if data is None:
            return
        rows = min(data.shape[1], result.shape[0] - (place[2] - top))
        columns = min(data.shape[2], result.shape[1] - place[3])
        target = result[place[2] - top : place[2] - top + rows, place[3] : place[3] + columns]
        target[..., place[0] : place[0] + data.shape[3]] = data[0, :rows, :columns]

    def _finished(self, pixels: NDArray) -> NDArray:
        if self._has_alpha:
            if not (pixels[..., -1] > 0).all():
                raise ImageShapeError(
                    f"{self.label}: parts of it are transparent, which cannot be filled when a slide is read by "
                    "region; export it without its alpha channel."
                )
            pixels = pixels[..., :-1]
        if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
            raise ImageShapeError(
                f"{self.label}: some of its values are not finite (NaN or infinite), which cannot be filled when a "
                "slide is read by region; export it with numbers there."
            )
        return finish(pixels, self.label, (), channel=self._channel).pixels

    def _file_order(self) -> str:
        return str(self._key.parent.byteorder)


@contextmanager
def open_slide(path: str | Path, *, channel: int | str | None = None, page: int | None = None) -> Iterator[Slide]:
    """Open a TIFF (plain, BigTIFF, OME-TIFF, SVS and other vendors' kinds) for reading by region.

    Args:
        path: of the file.
        channel: this one alone: its number from 0, or its name.
        page: this plane alone, counted from 1.

    Raises:
        ImageReadError: no TIFF, damaged, or not to be read by region.
        ImageShapeError: several planes or channels with none chosen, or no such one.
    """
    file, label = open_file(path)
    with file:
        header = file.read(4)
        file.seek(0)
        if not header.startswith(MAGIC):
            raise ImageReadError(f"{label}: only TIFF files can be read by region, and this is none; {CURE}.")
        with one_sentence(label):
            tiff = tifffile.TiffFile(file)
        with tiff:
            with one_sentence(label):
                slide = Slide(tiff, label, channel, page)
            yield slide
