"""TIFF in the forms microscopes and ImageJ write; tifffile's own array is the oracle."""

import io
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from segmentation import read_image, read_images
from segmentation.errors import ImageReadError, ImageShapeError

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 200, (48, 64)).astype(np.uint8)
COLOUR = RANDOM.integers(0, 200, (48, 64, 3)).astype(np.uint8)


def tiff(array: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **options)
    return buffer.getvalue()


def stack(*shape: int) -> np.ndarray:
    return RANDOM.integers(0, 60_000, (*shape, 20, 24)).astype(np.uint16)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_types_and_byte_orders(dtype: str, byteorder: str) -> None:
    values = (GREY.astype(np.float64) - (0 if dtype.startswith("u") else 100)).astype(dtype)
    pixels = read_image(tiff(values, byteorder=byteorder)).pixels
    assert pixels.dtype == np.dtype(dtype)
    assert pixels.dtype.isnative
    np.testing.assert_array_equal(pixels[..., 0], values)


def test_half_floats_are_widened() -> None:
    pixels = read_image(tiff(GREY.astype(np.float16))).pixels
    assert pixels.dtype == np.float32
    np.testing.assert_array_equal(pixels[..., 0], GREY)


@pytest.mark.parametrize("values", [GREY, COLOUR, COLOUR.astype(np.uint16) * 300], ids=["grey", "rgb", "rgb16"])
@pytest.mark.parametrize(
    "options",
    [
        {"compression": "lzw"},
        {"compression": "zlib", "predictor": True},
        {"compression": "packbits"},
        {"tile": (16, 32)},
        {"tile": (16, 16), "compression": "lzw"},
        {"rowsperstrip": 5},
        {"bigtiff": True},
        {"bigtiff": True, "byteorder": ">"},
    ],
    ids=str,
)
def test_layouts(values: np.ndarray, options: dict) -> None:
    photometric = "minisblack" if values.ndim == 2 else "rgb"
    image = read_image(tiff(values, photometric=photometric, **options))
    np.testing.assert_array_equal(image.pixels.squeeze(), values)
    assert image.notes == ()


@pytest.mark.parametrize("values", [GREY, COLOUR], ids=["grey", "rgb"])
def test_jpeg_compression(values: np.ndarray) -> None:
    data = tiff(values, compression="jpeg", photometric="minisblack" if values.ndim == 2 else "rgb")
    np.testing.assert_array_equal(read_image(data).pixels.squeeze(), tifffile.imread(io.BytesIO(data)))


def test_planar_rgb() -> None:
    data = tiff(np.moveaxis(COLOUR, -1, 0), photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read_image(data).pixels, COLOUR)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (1, 1, 3), (3, 3), (3, 4, 3)])
def test_tiny(shape: tuple[int, ...]) -> None:
    values = RANDOM.integers(0, 200, shape).astype(np.uint8)
    data = tiff(values, photometric="minisblack" if len(shape) == 2 else "rgb")
    np.testing.assert_array_equal(read_image(data).pixels, values.reshape(*shape[:2], -1))


def test_palette() -> None:
    colormap = RANDOM.integers(0, 65536, (3, 256)).astype(np.uint16)
    data = tiff(GREY, photometric="palette", colormap=colormap)
    np.testing.assert_array_equal(read_image(data).pixels, np.moveaxis(colormap[:, GREY], 0, -1))


def test_palette_from_pillow() -> None:
    picture = Image.fromarray(COLOUR).quantize(16)
    buffer = io.BytesIO()
    picture.save(buffer, "TIFF")
    np.testing.assert_array_equal(read_image(buffer.getvalue()).pixels // 256, np.asarray(picture.convert("RGB")))


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_white_is_zero_is_inverted(dtype: str) -> None:
    values = GREY.astype(dtype)
    expected = np.iinfo(dtype).max - values
    np.testing.assert_array_equal(read_image(tiff(values, photometric="miniswhite")).pixels[..., 0], expected)


def test_white_is_zero_with_one_bit_is_inverted() -> None:
    bits = GREY > 100
    pixels = read_image(tiff(bits, photometric="miniswhite")).pixels
    np.testing.assert_array_equal(pixels[..., 0], np.where(bits, 0, 255))


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_cmyk(dtype: str) -> None:
    full = np.iinfo(dtype).max
    values = RANDOM.integers(0, full, (20, 24, 4)).astype(dtype)
    pixels = read_image(tiff(values, photometric="separated")).pixels
    inks = values.astype(np.float64) / full
    np.testing.assert_allclose(pixels, (1 - inks[..., :3]) * (1 - inks[..., 3:]) * full, atol=1)
    if dtype == "uint8":
        oracle = np.asarray(Image.fromarray(values, mode="CMYK").convert("RGB"))
        np.testing.assert_allclose(pixels.astype(int), oracle.astype(int), atol=2)


@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha"])
def test_rgba_with_a_hole(kind: str) -> None:
    values = np.dstack([COLOUR, np.full((48, 64), 255, np.uint8)])
    values[:4, :5, 3] = 0
    image = read_image(tiff(values, photometric="rgb", extrasamples=[kind]))
    seen = values[..., 3] > 0
    np.testing.assert_array_equal(image.pixels[seen], COLOUR[seen])
    np.testing.assert_array_equal(image.pixels[0, 0], np.median(COLOUR[seen], axis=0).astype(np.uint8))
    assert "20 transparent pixels" in image.notes[0]


def test_grey_with_alpha() -> None:
    values = np.dstack([GREY, np.full((48, 64), 255, np.uint8)])
    data = tiff(values, photometric="minisblack", planarconfig="contig", extrasamples=["unassalpha"])
    np.testing.assert_array_equal(read_image(data).pixels[..., 0], GREY)


def test_two_samples_without_alpha_are_two_channels() -> None:
    values = np.dstack([GREY, GREY[::-1]])
    data = tiff(values, photometric="minisblack", planarconfig="contig", extrasamples=["unspecified"])
    with pytest.raises(ImageShapeError, match=r"2 channels.*--channel"):
        read_image(data)
    np.testing.assert_array_equal(read_image(data, channel=1).pixels[..., 0], GREY[::-1])


def test_ome_with_three_channels_is_rgb_and_says_so() -> None:
    values = stack(3)
    image = read_image(tiff(values, ome=True, metadata={"axes": "CYX"}, photometric="minisblack"))
    np.testing.assert_array_equal(image.pixels, np.moveaxis(values, 0, -1))
    assert image.notes == ("Its 3 channels are read as red, green and blue.",)


def test_ome_with_two_channels_asks_for_one() -> None:
    values = stack(2)
    data = tiff(values, ome=True, metadata={"axes": "CYX"}, photometric="minisblack")
    with pytest.raises(ImageShapeError, match=r"2 channels.*--channel"):
        read_image(data)
    np.testing.assert_array_equal(read_image(data, channel=1).pixels[..., 0], values[1])


@pytest.mark.parametrize(
    ("axes", "shape", "options"),
    [
        ("ZYX", (5,), {"ome": True}),
        ("TZYX", (2, 3), {"ome": True}),
        ("CZYX", (2, 3), {"ome": True}),  # the usual order of OME: each plane's channels lie apart
        ("TCZYX", (2, 2, 3), {"ome": True}),
        ("TZCYX", (2, 3, 2), {"imagej": True}),
        ("ZCYX", (3, 2), {"imagej": True}),
        ("TZCYX", (2, 3, 2), {"imagej": True, "compression": "zlib"}),
        ("TZYX", (2, 3), {"imagej": True}),
    ],
    ids=str,
)
def test_hyperstacks_page_by_page(axes: str, shape: tuple[int, ...], options: dict) -> None:
    values = stack(*shape)
    data = tiff(values, metadata={"axes": axes}, photometric="minisblack", **options)
    expected = values
    if "C" in axes:
        expected = np.take(values, 1, axis=axes.index("C"))
    expected = expected.reshape(-1, 20, 24)
    images = list(read_images(data, channel=1 if "C" in axes else None))
    assert len(images) == len(expected)
    np.testing.assert_array_equal(np.stack([image.pixels[..., 0] for image in images]), expected)


def test_pages_are_read_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = stack(5)
    path = tmp_path / "depth.tif"
    path.write_bytes(tiff(values, photometric="minisblack"))
    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", lambda *_: pytest.fail("the whole stack was read"))
    monkeypatch.setattr(Path, "read_bytes", lambda *_: pytest.fail("the whole file was read"))
    for index, image in enumerate(read_images(path)):
        assert image.name == f"depth_page{index + 1}"
        np.testing.assert_array_equal(image.pixels[..., 0], values[index])
    assert index == 4


def test_page_numbers_sort() -> None:
    names = [image.name for image in read_images(tiff(stack(11), photometric="minisblack"), name="z")]
    assert names == sorted(names)
    assert names[0] == "z_page01"


def test_axes_without_names() -> None:
    values = stack(2, 3)  # tifffile calls these axes QQYX: one letter twice
    images = list(read_images(tiff(values, photometric="minisblack")))
    np.testing.assert_array_equal(np.stack([image.pixels[..., 0] for image in images]), values.reshape(6, 20, 24))


def test_rgb_stack() -> None:
    values = RANDOM.integers(0, 200, (4, 20, 24, 3)).astype(np.uint8)
    for planar, array in (("contig", values), ("separate", np.moveaxis(values, -1, 1))):
        images = list(read_images(tiff(array, photometric="rgb", planarconfig=planar)))
        np.testing.assert_array_equal(np.stack([image.pixels for image in images]), values)


def test_several_pages_are_not_one_picture() -> None:
    with pytest.raises(ImageShapeError, match="several pages"):
        read_image(tiff(stack(2), photometric="minisblack"))


def test_pictures_of_different_sizes_are_noted() -> None:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(GREY, photometric="minisblack")
        writer.write(GREY[:10, :10], photometric="minisblack")
    image = read_image(buffer.getvalue())
    np.testing.assert_array_equal(image.pixels[..., 0], GREY)
    assert image.notes == ("The file holds 2 separate pictures; the first is used.",)


def test_values_that_are_not_finite() -> None:
    values = GREY.astype(np.float32)
    values[0, 0], values[0, 1] = np.nan, np.inf
    image = read_image(tiff(values))
    assert np.isfinite(image.pixels).all()
    assert "2 values that are not finite" in image.notes[0]


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 0.6, 0.9])
@pytest.mark.parametrize("options", [{}, {"compression": "lzw"}, {"compression": "zlib", "tile": (16, 16)}], ids=str)
def test_truncated(share: float, options: dict, tmp_path: Path) -> None:
    data = tiff(GREY, **options)
    path = tmp_path / "cut.tif"
    path.write_bytes(data[: 8 + int(share * (len(data) - 8))])
    with pytest.raises(ImageReadError, match=r"cut\.tif: "):
        read_image(path)
