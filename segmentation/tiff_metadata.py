"""What OME-XML, ImageJ and TIFF tags say of a picture, beside its pixels: sizes of pixels, names of channels, bits."""

from dataclasses import dataclass
from math import prod
from typing import Any
from xml.etree import ElementTree

import tifffile

from segmentation.limits import check_planes
from segmentation.physical_size import Stated, from_lengths, from_resolution, micrometres


@dataclass(frozen=True)
class TiffMetadata:
    """What a file says of its first picture.

    Attributes:
        format: "OME-TIFF", "ImageJ TIFF" or "TIFF".
        pixel_size: as stated, or none with a sentence on why.
        channel_names: one for each channel, or empty.
        bits: used of each number, or None.
    """

    format: str
    pixel_size: Stated
    channel_names: tuple[str, ...]
    bits: int | None


def check_metadata(tiff: tifffile.TiffFile, label: str) -> None:
    """Refuse OME-XML that speaks of more planes than anyone has: tifffile makes a list of them before it looks.

    Raises:
        ImageReadError: naming the number and the limit.
    """
    for pixels in _pixels_elements(tiff):
        check_planes(prod(_whole(pixels.get(f"Size{axis}")) for axis in "CZT"), label)
        for data in pixels:
            if _tag(data) == "TiffData":
                check_planes(max(_whole(data.get(key)) for key in ("PlaneCount", "NumPlanes", "IFD")), label)


def read_metadata(tiff: tifffile.TiffFile, page: tifffile.TiffPage, sizes: dict[str, int]) -> TiffMetadata:
    """Everything that is said of the first series.

    Args:
        tiff: the open file.
        page: the series' key frame.
        sizes: extents of the series' axes.
    """
    channels = sizes.get("C", 1)
    fitting = [
        each
        for each in _pixels_elements(tiff)
        if (_whole(each.get("SizeX")), _whole(each.get("SizeY"))) == (sizes["X"], sizes["Y"])
    ]
    tags = _from_tags(page)
    if fitting:
        pixels = fitting[0]
        stated = _from_ome(pixels)
        bits = _whole(pixels.get("SignificantBits"), 0) or None
        return TiffMetadata("OME-TIFF", stated if any(stated) else tags, _ome_names(pixels, channels), bits)
    imagej: dict[str, Any] = (tiff.imagej_metadata or {}) if tiff.is_imagej else {}
    if imagej:
        stated = _from_imagej(imagej, page)
        return TiffMetadata("ImageJ TIFF", stated if any(stated) else tags, _imagej_names(imagej, channels), None)
    return TiffMetadata("TIFF", tags, (), None)


def _pixels_elements(tiff: tifffile.TiffFile) -> list[ElementTree.Element]:
    if not tiff.is_ome or not tiff.ome_metadata:
        return []
    try:
        root = ElementTree.fromstring(tiff.ome_metadata)
    except ElementTree.ParseError:
        return []  # tifffile then takes the file as a plain one, and so do we
    return [pixels for image in root if _tag(image) == "Image" for pixels in image if _tag(pixels) == "Pixels"]


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _whole(text: str | None, default: int = 1) -> int:
    return int(text) if text and text.isascii() and text.isdigit() else default


def _number(text: Any) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return float("nan")  # which is refused as a size, with a remark


def _from_ome(pixels: ElementTree.Element) -> Stated:
    x, y = (_number(pixels.get(f"PhysicalSize{axis}")) for axis in "XY")
    x_unit, y_unit = (pixels.get(f"PhysicalSize{axis}Unit", "\N{MICRO SIGN}m") for axis in "XY")  # OME's default
    return from_lengths(x, y, x_unit, y_unit, "OME-XML")


def _ome_names(pixels: ElementTree.Element, channels: int) -> tuple[str, ...]:
    elements = [element for element in pixels if _tag(element) == "Channel"]
    names = [(element.get("Name") or element.get("Fluor") or "").strip() for element in elements]
    return _complete(names, channels)


def _from_imagej(metadata: dict[str, Any], page: tifffile.TiffPage) -> Stated:
    x, y = (_pixels_per_unit(page, code) for code in (282, 283))
    x_unit = str(metadata.get("unit", "pixel"))
    y_unit = str(metadata.get("yunit", x_unit))
    if not x or not y or not x_unit.strip():
        return Stated()
    if x_unit == y_unit and micrometres(x_unit) in (25_400.0, 10_000.0):
        # ImageJ takes these from a plain file's resolution, and hands on what was meant for a printer.
        return from_resolution(x, y, "inch" if micrometres(x_unit) == 25_400.0 else "cm", "ImageJ metadata")
    return from_lengths(1 / x, 1 / y, x_unit, y_unit, "ImageJ metadata")


def _imagej_names(metadata: dict[str, Any], channels: int) -> tuple[str, ...]:
    """Labels of the slices, where each channel's are the same at every depth and time; its order is C, Z, T."""
    labels = metadata.get("Labels")
    if channels < 2 or not isinstance(labels, list | tuple) or len(labels) % channels or not labels:
        return ()
    labels = [str(label).strip() for label in labels]
    first = labels[:channels]
    if str(metadata.get("order", "czt")).lower() not in ("czt", "default") or len(set(first)) < channels:
        return ()
    return _complete(first, channels) if labels == first * (len(labels) // channels) else ()


def _complete(names: list[str], channels: int) -> tuple[str, ...]:
    if len(names) != channels or not any(names):
        return ()
    return tuple(name or f"channel {index}" for index, name in enumerate(names))


def _from_tags(page: tifffile.TiffPage) -> Stated:
    unit = {2: "inch", 3: "cm"}.get(int(page.resolutionunit))
    if unit is None:
        return Stated()
    return from_resolution(_pixels_per_unit(page, 282), _pixels_per_unit(page, 283), unit, "resolution tags")


def _pixels_per_unit(page: tifffile.TiffPage, code: int) -> float | None:
    value = page.tags.valueof(code)
    if not isinstance(value, tuple) or len(value) != 2 or not value[1]:
        return None
    return value[0] / value[1]
