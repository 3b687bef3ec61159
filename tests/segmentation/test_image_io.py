"""Pictures of every kind Pillow writes, read back and held against Pillow and imagecodecs."""

import io
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image

import segmentation.limits
from segmentation import MicroscopyImage, read_image, read_images
from segmentation.errors import ImageReadError, ImageShapeError

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (13, 21)).astype(np.uint8)
COLOUR = RANDOM.integers(0, 256, (13, 21, 3)).astype(np.uint8)
SMOOTH = np.stack([np.add.outer(np.arange(48), np.arange(64)) * scale for scale in (1, 2, 0.5)], -1).astype(np.uint8)


def saved(picture: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF"])
def test_lossless_grey(kind: str) -> None:
    pixels = read_image(saved(Image.fromarray(GREY), kind)).pixels
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels[..., 0], GREY)


@pytest.mark.parametrize("kind", ["PNG", "BMP"])
def test_lossless_rgb(kind: str) -> None:
    np.testing.assert_array_equal(read_image(saved(Image.fromarray(COLOUR), kind)).pixels, COLOUR)


@pytest.mark.parametrize("shape", [(13, 21), (13, 21, 3)])
def test_16_bit_png_keeps_its_bits(shape: tuple[int, ...]) -> None:
    values = RANDOM.integers(0, 65536, shape).astype(np.uint16)
    image = read_image(imagecodecs.png_encode(values))
    assert image.pixels.dtype == np.uint16
    assert image.pixels.dtype.isnative
    np.testing.assert_array_equal(image.pixels.squeeze(), values)


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_opaque_alpha_is_dropped_in_silence(channels: int, dtype: str) -> None:
    values = RANDOM.integers(0, 256, (13, 21, channels)).astype(dtype)
    values[..., -1] = np.iinfo(dtype).max
    image = read_image(imagecodecs.png_encode(values))
    np.testing.assert_array_equal(image.pixels, values[..., :-1])
    assert image.notes == ()


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [2, 4])
def test_transparent_pixels_take_the_median_colour(channels: int, dtype: str) -> None:
    values = RANDOM.integers(0, 256, (13, 21, channels)).astype(dtype)
    values[..., -1] = 40  # half transparent counts as seen
    values[:5, :7, -1] = 0
    image = read_image(imagecodecs.png_encode(values))
    seen = values[..., -1] > 0
    np.testing.assert_array_equal(image.pixels[seen], values[seen][:, :-1])
    expected = np.median(values[seen][:, :-1], axis=0).astype(dtype)
    np.testing.assert_array_equal(image.pixels[:5, :7], np.broadcast_to(expected, (5, 7, channels - 1)))
    assert "35 transparent pixels" in image.notes[0]


def test_fully_transparent_is_refused() -> None:
    picture = Image.fromarray(np.zeros((5, 5, 4), np.uint8))
    with pytest.raises(ImageShapeError, match="every pixel is transparent"):
        read_image(picture)


def test_palette() -> None:
    picture = Image.fromarray(COLOUR).quantize(16)
    assert picture.mode == "P"
    np.testing.assert_array_equal(read_image(saved(picture, "PNG")).pixels, np.asarray(picture.convert("RGB")))


def test_palette_with_transparency() -> None:
    picture = Image.fromarray(COLOUR).quantize(16)
    data = saved(picture, "PNG", transparency=3)
    image = read_image(data)
    seen = np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))[..., 3] > 0
    assert 0 < (~seen).sum() < seen.size
    np.testing.assert_array_equal(image.pixels[seen], np.asarray(picture.convert("RGB"))[seen])
    assert len(np.unique(image.pixels[~seen], axis=0)) == 1
    assert "transparent" in image.notes[0]


def test_one_bit() -> None:
    bits = GREY > 100
    for kind in ("PNG", "BMP", "TIFF"):
        np.testing.assert_array_equal(read_image(saved(Image.fromarray(bits), kind)).pixels[..., 0], bits * 255)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg(mode: str) -> None:
    data = saved(Image.fromarray(SMOOTH).convert(mode), "JPEG", quality=95)
    pixels = read_image(data).pixels
    decoded = Image.open(io.BytesIO(data)).convert("L" if mode == "L" else "RGB")
    np.testing.assert_allclose(pixels.squeeze().astype(int), np.asarray(decoded).astype(int), atol=1)
    assert pixels.shape[2] == (1 if mode == "L" else 3)


def test_gif_frames_are_pages() -> None:
    frames = [Image.fromarray(np.full((8, 9), value, np.uint8)) for value in (10, 120, 240)]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    images = list(read_images(data, name="film"))
    assert [image.name for image in images] == ["film_page1", "film_page2", "film_page3"]
    assert [int(image.pixels[0, 0, 0]) for image in images] == [10, 120, 240]
    with pytest.raises(ImageShapeError, match="film: the file holds several pages"):
        read_image(data, name="film")


def test_every_kind_of_source_agrees(tmp_path: Path) -> None:
    path = tmp_path / "cells.v2.png"
    Image.fromarray(COLOUR).save(path)
    sources = [path, str(path), path.read_bytes(), COLOUR, Image.open(path), read_image(path)]
    images = [read_image(source) for source in sources]
    for image in images:
        np.testing.assert_array_equal(image.pixels, COLOUR)
        assert image.shape == (13, 21)
        assert image.pixels.flags.c_contiguous
    assert [image.name for image in images] == ["cells.v2", "cells.v2", "picture", "array", "picture", "cells.v2"]
    assert read_image(path, name="other").name == "other"


def test_suffix_does_not_decide(tmp_path: Path) -> None:
    path = tmp_path / "really_a_png.tif"
    path.write_bytes(saved(Image.fromarray(GREY), "PNG"))
    np.testing.assert_array_equal(read_image(path).pixels[..., 0], GREY)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "PA", "1", "I", "I;16", "F", "RGB", "RGBA", "CMYK", "YCbCr", "HSV"])
def test_pillow_modes(mode: str) -> None:
    base = Image.fromarray(GREY if mode in ("I", "I;16", "F") else COLOUR)
    picture = base.convert("RGBA").convert("P").convert("PA") if mode == "PA" else base.convert(mode)
    pixels = read_image(picture).pixels
    single = mode in ("L", "LA", "1", "I", "I;16", "F")
    assert pixels.shape == (13, 21, 1 if single else 3)
    dtypes = {"I": np.int32, "I;16": np.uint16, "F": np.float32}
    assert pixels.dtype == dtypes.get(mode, np.uint8)
    if mode not in ("I", "I;16", "F"):
        oracle = np.asarray(picture.convert("L" if single else "RGB"))
        np.testing.assert_array_equal(pixels.squeeze(), oracle)
    else:
        np.testing.assert_array_equal(pixels.squeeze(), GREY)


def test_channel_is_picked() -> None:
    np.testing.assert_array_equal(read_image(COLOUR, channel=1).pixels, COLOUR[..., 1:2])
    np.testing.assert_array_equal(read_image(read_image(COLOUR), channel=2).pixels, COLOUR[..., 2:])
    five = np.zeros((4, 4, 5), np.uint16)
    five[..., 4] = 7
    assert (read_image(five, channel=4).pixels == 7).all()
    four = np.dstack([COLOUR, GREY])
    np.testing.assert_array_equal(read_image(four, channel=3).pixels[..., 0], GREY)


@pytest.mark.parametrize("channel", [-1, 3])
def test_channel_that_does_not_exist(channel: int) -> None:
    with pytest.raises(ImageShapeError, match=f"channel {channel} does not exist; the picture has channels 0 to 2"):
        read_image(COLOUR, channel=channel)


@pytest.mark.parametrize("channels", [2, 5])
def test_channels_that_are_no_colour_name_the_cure(channels: int) -> None:
    with pytest.raises(ImageShapeError, match=f"{channels} channels.*--channel"):
        read_image(np.zeros((4, 4, channels), np.uint8))


@pytest.mark.parametrize(
    "array",
    [np.zeros(5), np.zeros((2, 3, 4, 5)), np.zeros((0, 5)), np.zeros((5, 0, 3)), np.zeros((5, 5), complex)],
    ids=["1-d", "4-d", "no rows", "no columns", "complex"],
)
def test_arrays_that_are_no_picture(array: np.ndarray) -> None:
    with pytest.raises(ImageShapeError):
        read_image(array)


def test_bool_and_half_arrays() -> None:
    np.testing.assert_array_equal(read_image(GREY > 9).pixels[..., 0], np.where(GREY > 9, 255, 0))
    assert read_image(GREY.astype(np.float16)).pixels.dtype == np.float32
    swapped = GREY.astype(">u2")
    pixels = read_image(swapped).pixels
    assert pixels.dtype.isnative
    np.testing.assert_array_equal(pixels[..., 0], GREY)


def test_values_that_are_not_finite_become_the_median() -> None:
    values = np.arange(25, dtype=np.float32).reshape(5, 5)
    values[0, :3] = np.nan, np.inf, -np.inf
    image = read_image(values)
    assert (image.pixels[0, :3] == np.median(np.arange(3, 25))).all()
    np.testing.assert_array_equal(image.pixels.ravel()[3:], np.arange(3, 25))
    assert "3 values that are not finite" in image.notes[0]
    assert np.isnan(values[0, 0])  # the caller's array is left alone
    with pytest.raises(ImageShapeError, match="no pixel is a finite number"):
        read_image(np.full((4, 4), np.nan))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF"])
def test_oversize_is_refused_by_its_header(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "huge.img"
    data = saved(Image.fromarray(GREY), kind)
    path.write_bytes(data if kind == "TIFF" else data[: len(data) - 4])  # the pixels are cut: decoding would complain
    monkeypatch.setattr(segmentation.limits, "MAX_PIXELS", 13 * 21 - 1)
    with pytest.raises(ImageReadError, match=r"huge\.img: 21 x 13 .* the limit"):
        read_image(path)
    path.write_bytes(data)
    monkeypatch.setattr(segmentation.limits, "MAX_PIXELS", 13 * 21)
    assert read_image(path).shape == (13, 21)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.png", b"", "0 bytes"),
        ("text.png", b"not a picture at all", "not a picture"),
        ("page.tif", b"<html></html>", "not a picture"),
        ("head.png", b"\x89PNG\r\n\x1a\n", "damaged"),
        ("head.jpg", b"\xff\xd8\xff\xe0", "damaged"),
        ("head.gif", b"GIF89a", "damaged"),
        ("head.bmp", b"BM", "damaged"),
    ],
)
def test_files_that_are_no_pictures(name: str, content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageReadError, match=f"{name}: .*{words}"):
        read_image(tmp_path / name)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP"])
def test_truncated(kind: str, tmp_path: Path) -> None:
    data = saved(Image.fromarray(SMOOTH), kind)
    path = tmp_path / "cut.bin"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageReadError, match=r"cut\.bin: .*damaged or cut short"):
        read_image(path)


def test_truncated_16_bit_png(tmp_path: Path) -> None:
    data = imagecodecs.png_encode(RANDOM.integers(0, 65536, (40, 40, 3)).astype(np.uint16))
    path = tmp_path / "deep.png"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageReadError, match=r"deep\.png: .*damaged"):
        read_image(path)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match=r"absent\.png: cannot be read"):
        read_image(tmp_path / "absent.png")
    with pytest.raises(ImageReadError, match=tmp_path.name):
        read_image(tmp_path)


def test_other_types_are_refused() -> None:
    with pytest.raises(ImageReadError, match="A list is no picture"):
        read_image([[1, 2], [3, 4]])  # type: ignore[arg-type]


def test_picture_passes_through_unchanged() -> None:
    image = MicroscopyImage(COLOUR, "mine", ("a note",))
    assert read_image(image) is image
    assert read_image(image, channel=0).notes == ("a note",)
