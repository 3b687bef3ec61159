"""Pixel sizes: read where a file states one, never where it is a printer's setting."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from segmentation import read_image, read_images
from segmentation.image_info import describe
from segmentation.physical_size import micrometres

GREY = np.arange(13 * 21, dtype=np.uint16).reshape(13, 21)
MICRO, MU, ANGSTROM = "\u00b5m", "\u03bcm", "\u00c5"


def tiff(array: np.ndarray = GREY, **options) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **options)
    return buffer.getvalue()


def ome(x: object, y: object, unit: str | None = None, y_unit: str | None = None) -> bytes:
    metadata = {"axes": "YX", "PhysicalSizeX": x, "PhysicalSizeY": y}
    metadata |= {"PhysicalSizeXUnit": unit, "PhysicalSizeYUnit": y_unit or unit} if unit else {}
    return tiff(ome=True, metadata={key: value for key, value in metadata.items() if value is not None})


def saved(kind: str, dpi: float) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(GREY.astype(np.uint8)).save(buffer, kind, dpi=(dpi, dpi))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "y", "x"),
    [
        (ome(0.325, 0.65), 0.65, 0.325),
        (ome(0.325, 0.325, MICRO), 0.325, 0.325),
        (ome(0.325, 0.325, MU), 0.325, 0.325),
        (ome(325, 0.65, "nm", MICRO), 0.65, 0.325),
        (ome(325e-6, 650e-6, "mm"), 0.65, 0.325),
        (ome(325e-9, 650e-9, "m"), 0.65, 0.325),
        (ome(3250, 6500, ANGSTROM), 0.65, 0.325),
        (ome(0.5, None), 0.5, 0.5),
        (ome(400, 400, "nm"), 0.4, 0.4),
        (tiff(imagej=True, resolution=(4, 2), metadata={"unit": "micron"}), 0.5, 0.25),
        (tiff(imagej=True, resolution=(4, 2), metadata={"unit": "um"}), 0.5, 0.25),
        (tiff(imagej=True, resolution=(4, 2), metadata={"unit": "um"}).replace(b"unit=um", b"unit=\xb5m"), 0.5, 0.25),
        (tiff(imagej=True, resolution=(4, 2), metadata={"unit": "\\u00B5m"}), 0.5, 0.25),  # as ImageJ itself escapes it
        (tiff(imagej=True, resolution=(0.004, 0.002), metadata={"unit": "nm"}), 0.5, 0.25),
        (tiff(imagej=True, resolution=(4000, 2000), metadata={"unit": "mm"}), 0.5, 0.25),
        (tiff(imagej=True, resolution=(4, 0.002), metadata={"unit": "micron", "yunit": "nm"}), 0.5, 0.25),
        (tiff(imagej=True, resolution=(50_800, 101_600), metadata={"unit": "inch"}), 0.25, 0.5),
        (tiff(imagej=True, resolution=(40_000, 20_000), metadata={"unit": "cm"}), 0.5, 0.25),
        (tiff(resolution=(40_000, 20_000), resolutionunit="CENTIMETER"), 0.5, 0.25),
        (tiff(resolution=(101_600, 50_800), resolutionunit="INCH"), 0.5, 0.25),
        (tiff(ome=True, resolution=(40_000, 40_000), resolutionunit="CENTIMETER"), 0.25, 0.25),  # silent OME-XML
        (saved("PNG", 50_800), 0.5, 0.5),
        (saved("BMP", 50_800), 0.5, 0.5),
    ],
)
def test_pixel_sizes_that_files_state(data: bytes, y: float, x: float) -> None:
    image = read_image(data)
    assert image.pixel_size == pytest.approx((y, x), rel=1e-4)
    assert describe(data).pixel_size == image.pixel_size
    assert describe(data).notes == ()


@pytest.mark.parametrize("dpi", [10, 72, 96, 150, 300, 600, 1200, 2400])
@pytest.mark.parametrize("kind", ["TIFF", "ImageJ", "PNG", "JPEG", "BMP"])
def test_settings_for_printers_are_no_pixel_size(dpi: int, kind: str) -> None:
    if kind == "TIFF":
        data = tiff(resolution=(dpi, dpi), resolutionunit="INCH")
    elif kind == "ImageJ":
        data = tiff(imagej=True, resolution=(dpi, dpi), metadata={"unit": "inch"})
    else:
        data = saved(kind, dpi)
    assert read_image(data).pixel_size is None
    assert read_image(data).notes == ()
    assert f"The {dpi:,} dpi of its " in describe(data).notes[0]


def test_centimetres_of_a_printer() -> None:
    data = tiff(resolution=(28.35, 118.1), resolutionunit="CENTIMETER")
    assert read_image(data).pixel_size is None
    assert "28.4 x 118 pixels a centimetre" in describe(data).notes[0]


@pytest.mark.parametrize("x", ["0", "-0.5", "nan", "inf", "1e30", "1e-30", "wide"])
def test_sizes_that_make_no_sense_are_left_out_and_said(x: str) -> None:
    data = ome(x, 0.5)
    assert f'PhysicalSizeX="{x}"'.encode() in data
    assert read_image(data).pixel_size is None
    assert "makes no sense and is left out" in describe(data).notes[0]


@pytest.mark.parametrize("unit", ["pixel", "reference frame"])
def test_pixels_are_no_length(unit: str) -> None:
    data = ome(1, 1, unit)
    assert describe(data).pixel_size is None
    assert describe(data).notes == ()
    assert describe(tiff(imagej=True, resolution=(4, 4), metadata={"unit": "pixel"})).pixel_size is None
    assert describe(tiff(imagej=True, resolution=(4, 4))).pixel_size is None
    assert describe(tiff(resolution=(4, 4), resolutionunit="NONE")).pixel_size is None


def test_unit_that_is_not_known() -> None:
    data = tiff(imagej=True, resolution=(4, 4), metadata={"unit": "furlong"})
    assert describe(data).pixel_size is None
    assert "The unit 'furlong' of its pixel size (ImageJ metadata) is not known here." in describe(data).notes


def test_case_of_units() -> None:
    assert micrometres("mm") == 1000
    assert micrometres("Mm") is None  # a million metres
    assert micrometres("Micrometre") == micrometres(" micrometer ") == 1
    assert micrometres("\u212b") == micrometres(ANGSTROM) == 1e-4


def test_every_page_has_it() -> None:
    data = tiff(np.stack([GREY] * 3), imagej=True, resolution=(4, 4), metadata={"unit": "um", "axes": "ZYX"})
    assert {image.pixel_size for image in read_images(data)} == {(0.25, 0.25)}
    assert read_image(data, projection="mean").pixel_size == (0.25, 0.25)
    assert read_image(read_image(data, page=2), channel=0).pixel_size == (0.25, 0.25)
