"""What is told of a file before it is segmented: held against what the reader then yields, tifffile and Pillow."""

import io
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageFile

import segmentation.limits
from segmentation import MicroscopyImage, read_images
from segmentation.errors import ImageReadError, ImageShapeError
from segmentation.image_info import ImageInfo, describe
from segmentation.pixel_size import PixelSize

RANDOM = np.random.default_rng(0)


def numbers(*shape: int, dtype: str = "uint16") -> np.ndarray:
    return RANDOM.integers(0, 200, shape).astype(dtype)


def tiff(array: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **options)
    return buffer.getvalue()


def saved(array: np.ndarray, kind: str, mode: str | None = None, **options) -> bytes:
    buffer = io.BytesIO()
    picture = Image.fromarray(array)
    (picture.convert(mode) if mode else picture).save(buffer, kind, **options)
    return buffer.getvalue()


def film(*arrays: np.ndarray) -> bytes:
    frames = [Image.fromarray(array) for array in arrays]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def pyramid() -> bytes:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer, ome=True) as writer:
        full = numbers(64, 96)
        writer.write(full, subifds=1, tile=(16, 16), photometric="minisblack", metadata={"axes": "YX"})
        writer.write(full[::2, ::2], subfiletype=1, tile=(16, 16), photometric="minisblack")
    return buffer.getvalue()


OME = {"axes": "ZCYX", "PhysicalSizeX": 0.325, "PhysicalSizeY": 0.325, "Channel": {"Name": ["DAPI", "GFP", "RFP"]}}
FOUR = {"axes": "CYX", "SignificantBits": 12, "Channel": {"Name": ["DAPI", "GFP", "", "Cy5"]}}
IMAGEJ = {"axes": "TZCYX", "unit": "micron", "Labels": ["nuclei", "actin"] * 10}
GREY, COLOUR = numbers(13, 21, dtype="uint8"), numbers(13, 21, 3, dtype="uint8")

FORMS: dict[str, tuple[bytes, str, str]] = {
    "PNG": (saved(GREY, "PNG"), "PNG", "21 x 13, grey, 8 bit"),
    "colour PNG": (saved(COLOUR, "PNG"), "PNG", "21 x 13, RGB, 8 bit"),
    "RGBA PNG": (saved(COLOUR, "PNG", "RGBA"), "PNG", "21 x 13, RGB, 8 bit"),
    "palette PNG": (saved(COLOUR, "PNG", "P"), "PNG", "21 x 13, RGB, 8 bit"),
    "1-bit PNG": (saved(GREY, "PNG", "1"), "PNG", "21 x 13, grey, 1 bit"),
    "16-bit PNG": (imagecodecs.png_encode(numbers(13, 21)), "PNG", "21 x 13, grey, 16 bit"),
    "16-bit colour PNG": (imagecodecs.png_encode(numbers(13, 21, 3)), "PNG", "21 x 13, RGB, 16 bit"),
    "16-bit RGBA PNG": (imagecodecs.png_encode(numbers(13, 21, 4)), "PNG", "21 x 13, RGB, 16 bit"),
    "JPEG": (saved(COLOUR, "JPEG"), "JPEG", "21 x 13, RGB, 8 bit"),
    "CMYK JPEG": (saved(COLOUR, "JPEG", "CMYK"), "JPEG", "21 x 13, RGB, 8 bit"),
    "BMP": (saved(GREY, "BMP"), "BMP", "21 x 13, grey, 8 bit"),
    "GIF": (saved(GREY, "GIF"), "GIF", "21 x 13, RGB, 8 bit"),
    "GIF film": (film(GREY, GREY[::-1], GREY // 2), "GIF", "21 x 13, RGB, 8 bit, 3 pages"),
    "TIFF": (tiff(GREY), "TIFF", "21 x 13, grey, 8 bit"),
    "float TIFF": (tiff(GREY.astype("f4")), "TIFF", "21 x 13, grey, 32 bit float"),
    "half TIFF": (tiff(GREY.astype("f2")), "TIFF", "21 x 13, grey, 16 of 32 bit float"),
    "signed TIFF": (tiff(GREY.astype("i2")), "TIFF", "21 x 13, grey, 16 bit signed"),
    "1-bit TIFF": (tiff(GREY > 90), "TIFF", "21 x 13, grey, 1 bit"),
    "12-bit TIFF": (tiff(numbers(16, 24), compression="jpeg"), "TIFF", "24 x 16, grey, 12 of 16 bit"),
    "pages": (tiff(numbers(5, 13, 21), photometric="minisblack"), "TIFF", "21 x 13, grey, 16 bit, 5 pages"),
    "tiles": (tiff(numbers(70, 50), tile=(16, 16)), "TIFF", "50 x 70, grey, 16 bit"),
    "pyramid": (pyramid(), "OME-TIFF", "96 x 64, grey, 16 bit"),
    "planar": (
        tiff(np.moveaxis(COLOUR, -1, 0), photometric="rgb", planarconfig="separate"),
        "TIFF",
        "21 x 13, RGB, 8 bit",
    ),
    "palette TIFF": (
        tiff(GREY, photometric="palette", colormap=numbers(3, 256)),
        "TIFF",
        "21 x 13, RGB, 16 bit",
    ),
    "palette TIFF of Pillow": (saved(GREY, "TIFF", "P"), "TIFF", "21 x 13, RGB, 16 bit"),
    "CMYK TIFF": (tiff(numbers(13, 21, 4, dtype="uint8"), photometric="separated"), "TIFF", "21 x 13, RGB, 8 bit"),
    "ImageJ": (
        tiff(numbers(2, 5, 2, 13, 21), imagej=True, resolution=(4, 2), metadata=IMAGEJ),
        "ImageJ TIFF",
        "21 x 13, 2 channels (nuclei, actin), 16 bit, 2 time points, 5 z-planes, 0.25 x 0.5 µm a pixel",
    ),
    "OME": (
        tiff(numbers(12, 3, 13, 21), ome=True, photometric="minisblack", metadata=OME),
        "OME-TIFF",
        "21 x 13, 3 channels (DAPI, GFP, RFP), 16 bit, 12 z-planes, 0.325 µm a pixel",
    ),
    "four channels": (
        tiff(numbers(4, 13, 21), ome=True, photometric="minisblack", metadata=FOUR),
        "OME-TIFF",
        "21 x 13, 4 channels (DAPI, GFP, channel 2, Cy5), 12 of 16 bit",
    ),
}


@pytest.fixture(params=FORMS, ids=lambda name: name.replace(" ", "-"))
def form(request: pytest.FixtureRequest) -> tuple[bytes, str, str]:
    return FORMS[request.param]


def test_sentence_and_format(form: tuple[bytes, str, str]) -> None:
    data, kind, sentence = form
    info = describe(data, name="cells")
    assert (info.name, info.format, info.sentence()) == ("cells", kind, sentence)


def test_what_is_told_is_what_is_read(form: tuple[bytes, str, str]) -> None:
    info = describe(form[0])
    whole = info.channels in (1, 3)
    for channel in ((None,) if whole else ()) + tuple(range(info.channels)):
        images = list(read_images(form[0], channel=channel))
        assert len(images) == info.pages
        for image in images:
            assert image.shape == (info.height, info.width)
            assert image.pixels.dtype.name == info.dtype
            assert image.pixels.shape[2] == (info.channels if channel is None else 1)
            assert image.pixel_size == info.pixel_size
            expected = info.channel_names if channel is None else info.channel_names[channel : channel + 1]
            assert image.channel_names == expected
        assert len(list(read_images(form[0], channel=channel, projection="max"))) == info.projected_pages
    with pytest.raises(ImageShapeError, match=f"channel {info.channels} does not exist"):
        next(read_images(form[0], channel=info.channels))


def test_axes_are_tifffiles_own() -> None:
    for name in ("ImageJ", "OME", "pages", "planar", "pyramid"):
        with tifffile.TiffFile(io.BytesIO(FORMS[name][0])) as file:
            info = describe(FORMS[name][0])
            assert (info.axes, info.sizes) == (file.series[0].axes, file.series[0].shape)
    info = describe(FORMS["ImageJ"][0])
    assert (info.z_planes, info.time_points, info.pages, info.projected_pages) == (5, 2, 10, 2)


def test_no_pixel_is_decoded(form: tuple[bytes, str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    if form[1] != "GIF":  # frames of a GIF can only be counted by going through them
        monkeypatch.setattr(ImageFile.ImageFile, "load", lambda *_: pytest.fail("Pillow decoded it"))
    for owner in (tifffile.TiffPage, tifffile.TiffFrame, tifffile.TiffPageSeries):
        monkeypatch.setattr(owner, "asarray", lambda *_, **__: pytest.fail("tifffile decoded it"))
    if "RGB, 16 bit" not in form[2]:  # a palette is read, with the header
        monkeypatch.setattr(tifffile.FileHandle, "read_array", lambda *_, **__: pytest.fail("tifffile read it"))
    monkeypatch.setattr(imagecodecs, "png_decode", lambda *_: pytest.fail("imagecodecs decoded it"))
    assert isinstance(describe(form[0]), ImageInfo)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pages", "It does not say what its 5 pages are"),
        ("GIF film", "It does not say what its 3 pages are"),
        ("four channels", "One of its 4 channels has to be chosen."),
        ("OME", "Its 3 channels (DAPI, GFP, RFP) are read as red, green and blue."),
        ("pyramid", "It is a pyramid of 2 sizes; the full one is read."),
        ("palette TIFF", "looked up in a palette"),
        ("palette PNG", "looked up in a palette"),
        ("BMP", "The 96 dpi of its header are a setting for printers or screens"),  # Pillow's own default
    ],
)
def test_decisions_are_told(name: str, words: str) -> None:
    assert words in " ".join(describe(FORMS[name][0]).notes)


def test_plain_pictures_need_no_notes() -> None:
    for name in ("PNG", "16-bit colour PNG", "JPEG", "TIFF", "planar", "tiles"):
        assert describe(FORMS[name][0]).notes == ()


def test_bits_that_a_png_says_it_uses() -> None:
    data = FORMS["16-bit PNG"][0]
    after_header = 8 + 25  # signature, IHDR
    chunk = (1).to_bytes(4, "big") + b"sBIT\x0c"
    chunk += imagecodecs.zlib_crc32(chunk[4:]).to_bytes(4, "big")
    info = describe(data[:after_header] + chunk + data[after_header:])
    assert info.sentence() == "21 x 13, grey, 12 of 16 bit"


def test_paths_pictures_and_arrays(tmp_path: Path) -> None:
    path = tmp_path / "cells.v2.png"
    path.write_bytes(FORMS["colour PNG"][0])
    assert describe(path).name == describe(str(path)).name == "cells.v2"
    for source in (path, path.read_bytes(), Image.open(path), COLOUR):
        assert describe(source).sentence() == "21 x 13, RGB, 8 bit"
    assert describe(GREY > 90).sentence() == "21 x 13, grey, 1 bit"
    assert describe(numbers(13, 21, 5)).sentence() == "21 x 13, 5 channels, 16 bit"
    image = MicroscopyImage(GREY[..., None], "mine", ("a note",), PixelSize(2, 1), ("DAPI",))
    info = describe(image)
    assert (info.name, info.notes) == ("mine", ("a note",))
    assert info.sentence() == "21 x 13, 1 channel (DAPI), 8 bit, 1 x 2 µm a pixel"


@pytest.mark.parametrize("source", [np.zeros((3,)), np.zeros((0, 4)), np.zeros((4, 4), complex)], ids=str)
def test_arrays_that_are_no_picture(source: np.ndarray) -> None:
    with pytest.raises(ImageShapeError):
        describe(source)


def test_errors_are_those_of_the_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for content, words in ((b"", "0 bytes"), (b"text", "not a picture"), (b"II*\0", "damaged")):
        (tmp_path / "odd.tif").write_bytes(content)
        with pytest.raises(ImageReadError, match=f"odd.tif: .*{words}"):
            describe(tmp_path / "odd.tif")
    with pytest.raises(ImageReadError, match=r"absent\.tif: cannot be read"):
        describe(tmp_path / "absent.tif")
    monkeypatch.setattr(segmentation.limits, "MAX_PIXELS", 13 * 21 - 1)
    for name in ("PNG", "TIFF"):
        with pytest.raises(ImageReadError, match="the limit"):
            describe(FORMS[name][0])
