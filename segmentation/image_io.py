"""A path, the bytes of a file, or an array -> MicroscopyImage. Nothing is guessed without a note that says so."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segmentation.errors import ImageShapeError
from segmentation.microscopy_image import MicroscopyImage, check_colours, choose_channel, finish
from segmentation.picture_file import SUFFIXES, PictureFile, open_picture
from segmentation.projection import Projection, check_projection, project

__all__ = ["SUFFIXES", "MicroscopyImage", "Source", "from_array", "read_image", "read_images"]

Source = str | Path | bytes | NDArray | Image.Image | MicroscopyImage


def read_images(
    source: Source,
    *,
    name: str | None = None,
    channel: int | str | None = None,
    page: int | None = None,
    projection: Projection | None = None,
) -> Iterator[MicroscopyImage]:
    """Yield every page of a picture, one at a time.

    Args:
        source: a file, the bytes of one, a Pillow picture, or an array ``(H, W)`` or ``(H, W, C)``.
        name: replaces the file's stem.
        channel: use this channel alone: its number, counted from 0, or its name in the file, in any case. By default
            grey and RGB pictures are taken whole.
        page: only this one, counted from 1, as in the names of pages; with a projection, of what that leaves.
        projection: the maximum or the mean along the z axis, or along all pages where the file does not say what they
            are; time points, positions and the like stay apart. Pictures without such pages stay as they are.

    Raises:
        ImageReadError: not a picture, damaged, or over one of ``limits``.
        ImageShapeError: no pixels, no finite value, no such page or channel, or channels that are neither grey nor RGB
            with none chosen.
        ParameterError: for another projection.
    """
    check_projection(projection)
    if isinstance(source, MicroscopyImage):
        _choose_page(page, 1, source.name)
        yield source if channel is None else _of_picture(source, channel)
    elif isinstance(source, np.ndarray):
        _choose_page(page, 1, name or "array")
        yield from_array(source, name or "array", channel=channel)
    else:
        with open_picture(source) as file:
            yield from _of_file(file, name, channel, page, projection)


def read_image(
    source: Source,
    *,
    name: str | None = None,
    channel: int | str | None = None,
    page: int | None = None,
    projection: Projection | None = None,
) -> MicroscopyImage:
    """Read a picture of one page, or the one page that ``page`` and ``projection`` leave; see :func:`read_images`.

    Raises:
        ImageShapeError: also if several pages are left, since choosing one would drop the others silently.
    """
    pages = read_images(source, name=name, channel=channel, page=page, projection=projection)
    first = next(pages)
    if next(pages, None) is not None:
        raise ImageShapeError(
            f"{first.name.rsplit('_page', 1)[0]}: the file holds several pages and one picture is expected here: "
            "choose one with page=1, 2, ..., or go through segmentation.read_images(path), which yields them all."
        )
    return first


def from_array(array: NDArray, name: str, *, channel: int | str | None = None) -> MicroscopyImage:
    """``(H, W)`` or ``(H, W, C)`` numbers -> MicroscopyImage; four channels are taken as RGBA."""
    if array.ndim not in (2, 3):
        raise ImageShapeError(
            f"{name}: an array of shape {array.shape}; a picture must be (height, width) or (height, width, channels)."
        )
    pixels = array[..., None] if array.ndim == 2 else array
    number = None if channel is None else choose_channel(channel, pixels.shape[2], (), name)
    return finish(pixels, name, (), has_alpha=pixels.shape[2] == 4 and channel is None, channel=number)


def _of_picture(image: MicroscopyImage, channel: int | str) -> MicroscopyImage:
    number = choose_channel(channel, image.pixels.shape[2], image.channel_names, image.name)
    return finish(
        image.pixels,
        image.name,
        image.notes,
        channel=number,
        pixel_size=image.pixel_size,
        channel_names=image.channel_names,
    )


def _of_file(
    file: PictureFile,
    name: str | None,
    channel: int | str | None,
    page: int | None,
    projection: Projection | None,
) -> Iterator[MicroscopyImage]:
    layout, label = file.layout, name or file.label
    number = None if channel is None else choose_channel(channel, layout.channels, layout.channel_names, label)
    if number is None:
        check_colours(layout.channels, layout.channel_names, label)  # before a stack of ten is decoded in vain
    # Channels that can be read one by one come alone, and the others are picked from their plane.
    names = (
        layout.channel_names[number : number + 1] if layout.separate and number is not None else layout.channel_names
    )
    notes = layout.notes if number is not None else (*layout.notes, *layout.colour_notes)
    if projection and layout.page_axes and not layout.projected_axes:
        notes = (*notes, "It has no z axis, so that there is nothing to project: its pages stay apart.")
    groups = layout.groups(projected=projection is not None)
    stem = f"{name or file.stem}_{projection}" if projection and layout.projected_axes else name or file.stem

    def planes(group: list[int], title: str) -> Iterator[MicroscopyImage]:
        for index in group:
            plane = file.read(index, number)
            yield finish(
                plane.pixels,
                title,
                (*notes, *plane.notes),
                has_alpha=plane.has_alpha,
                channel=None if layout.separate else number,
                pixel_size=layout.pixel_size,
                channel_names=names,
            )

    chosen = _choose_page(page, len(groups), label)
    if chosen is not None and not groups[chosen]:
        raise ImageShapeError(f"{label}: page {page} is not in this file, which is one of a set; open its own file.")
    for index, group in enumerate(groups):
        if not group or chosen not in (None, index):
            continue
        title = stem if len(groups) == 1 else f"{stem}_page{index + 1:0{len(str(len(groups)))}d}"
        pictures = planes(group, title)
        yield project(pictures, projection) if projection and layout.projected_axes else next(pictures)


def _choose_page(page: int | None, pages: int, label: str) -> int | None:
    """The number of a page from 0, for one from 1."""
    if page is None or 1 <= page <= pages:
        return None if page is None else page - 1
    has = "1 page" if pages == 1 else f"pages 1 to {pages:,}"
    raise ImageShapeError(f"{label}: page {page} does not exist; there {'is' if pages == 1 else 'are'} {has}.")
