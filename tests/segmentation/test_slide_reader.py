"""Slides read by region are what the same files are when they are read whole."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from segmentation import read_image
from segmentation.errors import ImageReadError, ImageShapeError
from segmentation.slide_reader import open_slide
from tests.segmentation.slides import drawn, write_slide

GREY, RGB = drawn("fluorescence"), drawn("tissue")
DEEP = GREY.astype(np.uint16) * 250 + 3

KINDS: dict[str, tuple[np.ndarray, dict[str, Any]]] = {
    "tiles": (RGB, {"tile": (48, 64), "compression": "zlib"}),
    "jpeg": (RGB, {"tile": (48, 64), "compression": "jpeg"}),
    "lzw and predictor": (DEEP, {"tile": (32, 32), "compression": "lzw", "predictor": True}),
    "big": (DEEP, {"tile": (64, 64), "compression": "zlib", "bigtiff": True}),
    "big-endian": (DEEP, {"tile": (64, 64), "byteorder": ">"}),
    "strips": (RGB, {"rowsperstrip": 7, "compression": "zlib"}),
    "one plain strip": (DEEP, {"rowsperstrip": 150}),
    "one plain strip, big-endian": (DEEP, {"rowsperstrip": 150, "byteorder": ">"}),
    "planes": (np.moveaxis(RGB, -1, 0), {"planarconfig": "separate", "tile": (48, 64), "photometric": "rgb"}),
    "white is zero": (GREY, {"tile": (48, 64), "photometric": "miniswhite"}),
    "float": (GREY.astype(np.float32) / 7, {"tile": (48, 64), "compression": "zlib"}),
    "half": (GREY.astype(np.float16), {"tile": (48, 64)}),
    "bits": (GREY > 80, {"rowsperstrip": 16}),
    "ome": (DEEP, {"tile": (48, 64), "ome": True, "metadata": {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.4}}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_regions_are_the_whole(kind: str, tmp_path: Path) -> None:
    pixels, options = KINDS[kind]
    path = tmp_path / "slide.tif"
    if "photometric" not in options:
        options = {**options, "photometric": "rgb" if pixels.shape[-1] == 3 else "minisblack"}
    tifffile.imwrite(path, pixels, **options)
    whole = read_image(path)
    with open_slide(path) as slide:
        assert slide.shape == whole.shape == (150, 190)
        assert (slide.name, slide.channels, slide.dtype) == ("slide", whole.pixels.shape[2], whole.pixels.dtype)
        assert (slide.pixel_size, slide.notes) == (whole.pixel_size, whole.notes)
        bands = [slide.read(slice(top, min(top + 37, 150))) for top in range(0, 150, 37)]
        np.testing.assert_array_equal(np.concatenate(bands), whole.pixels)
        assert bands[0].dtype == whole.pixels.dtype
    with open_slide(path) as slide:
        part = slide.read(slice(40, 110), slice(60, 140))
        np.testing.assert_array_equal(part, whole.pixels[40:110, 60:140])


def test_a_pyramid_is_read_at_full_size(tmp_path: Path) -> None:
    path = write_slide(tmp_path / "slide.ome.tif", RGB, ome=True)
    with open_slide(path) as slide:
        np.testing.assert_array_equal(slide.read(slice(0, 150)), RGB)
        assert slide.notes == read_image(path).notes
        assert "pyramid of 2 sizes" in slide.notes[0]


def test_every_tile_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from segmentation.slide_reader import Slide

    path = write_slide(tmp_path / "slide.tif", RGB)
    seen: list[int] = []
    decode = Slide._decode
    monkeypatch.setattr(
        Slide, "_decode", lambda self, page, index, *more: (seen.append(index), decode(self, page, index, *more))
    )
    with open_slide(path) as slide:
        for top in range(0, 150, 20):  # overlapping, as tiles are
            for left in (0, 60, 120):
                slide.read(slice(top, min(top + 30, 150)), slice(left, left + 70))
        assert len(slide._cache) <= 2
    assert sorted(seen) == list(range(12))


def test_channels_and_planes(tmp_path: Path) -> None:
    stack = np.stack([np.stack([DEEP, DEEP // 2, DEEP // 3, DEEP // 5]), np.zeros((4, 150, 190), np.uint16)])
    path = tmp_path / "stack.ome.tif"
    names = {"axes": "TCYX", "Channel": {"Name": ["DAPI", "GFP", "RFP", "Cy5"]}}
    tifffile.imwrite(path, stack, tile=(48, 64), ome=True, photometric="minisblack", metadata=names)
    with open_slide(path, channel="gfp", page=1) as slide:
        assert (slide.channels, slide.channel_names) == (1, ("GFP",))
        np.testing.assert_array_equal(slide.read(slice(0, 150))[..., 0], DEEP // 2)
    with pytest.raises(ImageShapeError, match=r"2 planes .*--page"), open_slide(path, channel=0):
        pass
    with pytest.raises(ImageShapeError, match="page 3 does not exist"), open_slide(path, channel=0, page=3):
        pass
    with pytest.raises(ImageShapeError, match="4 channels"), open_slide(path, page=1):
        pass
    mixed = tmp_path / "rgb.tif"
    tifffile.imwrite(mixed, RGB, tile=(48, 64), photometric="rgb")
    with open_slide(mixed, channel=2) as slide:
        np.testing.assert_array_equal(slide.read(slice(0, 150))[..., 0], RGB[..., 2])


def test_tiles_that_are_not_stored_are_background(tmp_path: Path) -> None:
    path = tmp_path / "sparse.tif"
    tiles = [np.full((64, 64), 9, np.uint8), None, None, np.full((64, 64), 7, np.uint8)]
    tifffile.imwrite(path, iter(tiles), shape=(128, 128), dtype=np.uint8, tile=(64, 64), photometric="minisblack")
    with open_slide(path) as slide:
        np.testing.assert_array_equal(slide.read(slice(0, 128)), read_image(path).pixels)
        assert "2 of its 4 tiles are not stored" in slide.notes[0]


def test_what_cannot_be_read_by_region(tmp_path: Path) -> None:
    path = tmp_path / "slide.tif"
    (tmp_path / "text.tif").write_text("no picture")
    with (
        pytest.raises(ImageReadError, match="only TIFF files can be read by region"),
        open_slide(tmp_path / "text.tif"),
    ):
        pass
    with pytest.raises(ImageReadError, match=r"absent\.tif: cannot be read"), open_slide(tmp_path / "absent.tif"):
        pass
    clear = np.dstack([RGB, np.full(GREY.shape, 255, np.uint8)])
    tifffile.imwrite(path, clear, photometric="rgb", extrasamples=["unassalpha"], tile=(48, 64))
    with open_slide(path) as slide:
        np.testing.assert_array_equal(slide.read(slice(0, 150)), RGB)
    clear[100, 100, 3] = 0
    tifffile.imwrite(path, clear, photometric="rgb", extrasamples=["unassalpha"], tile=(48, 64))
    with open_slide(path) as slide, pytest.raises(ImageShapeError, match="transparent"):
        slide.read(slice(90, 110))
    tifffile.imwrite(path, np.full((64, 64), np.nan, np.float32), tile=(32, 32))
    with open_slide(path) as slide, pytest.raises(ImageShapeError, match="not finite"):
        slide.read(slice(0, 64))


def test_one_great_compressed_strip_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segmentation.slide_pages._MAX_SEGMENT", 1000)
    path = tmp_path / "slide.tif"
    tifffile.imwrite(path, np.zeros((2100, 30, 3), np.uint8), rowsperstrip=2100, compression="zlib", photometric="rgb")
    with pytest.raises(ImageReadError, match=r"one of its strips takes .* export it as a tiled TIFF"), open_slide(path):
        pass


def test_a_damaged_tile_is_one_sentence(tmp_path: Path) -> None:
    path = write_slide(tmp_path / "slide.tif", RGB)
    with tifffile.TiffFile(path) as tiff:
        offset, count = tiff.pages[0].dataoffsets[5], tiff.pages[0].databytecounts[5]
    data = bytearray(path.read_bytes())
    data[offset + 2 : offset + count] = bytes(count - 2)
    path.write_bytes(data)
    with open_slide(path) as slide:
        slide.read(slice(0, 48))
        with pytest.raises(ImageReadError, match=r"slide.tif: the file is damaged or cut short"):
            slide.read(slice(48, 96))
