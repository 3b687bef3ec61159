"""PNGs made strip by strip, read back by others."""

import io

import numpy as np
import pytest
from imagecodecs import png_decode
from PIL import Image

from segmentation.png_stream import Plan, write_png


def written(pixels: np.ndarray, rows: int, palette: np.ndarray | None = None) -> bytes:
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    file = io.BytesIO()
    strips = (pixels[top : top + rows] for top in range(0, len(pixels), rows))
    write_png(file, Plan(pixels.shape[0], pixels.shape[1], channels, palette), strips)
    return file.getvalue()


def ramp(*shape: int) -> np.ndarray:
    """Smooth in both directions and with jumps, so that every filter is the best somewhere."""
    y, x = np.indices(shape[:2])
    plane = np.where(y % 7 < 3, 3 * x, 5 * y) + 100 * (x > 9)
    return (plane.reshape(*shape[:2], *[1] * (len(shape) - 2)) * np.ones(shape)).astype(np.uint8)


@pytest.mark.parametrize("rows", [1, 5, 40, 1000])
@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (40, 31), (41, 30, 3), (200, 2, 3)])
@pytest.mark.parametrize("kind", ["noise", "ramp", "flat"])
def test_pixels_come_back(shape: tuple[int, ...], rows: int, kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    pixels = {"noise": noise, "ramp": ramp(*shape), "flat": np.full(shape, 200, np.uint8)}[kind]
    data = written(pixels, rows)
    with Image.open(io.BytesIO(data)) as picture:
        picture.verify()  # the checksums
    with Image.open(io.BytesIO(data)) as picture:
        assert (picture.format, picture.mode) == ("PNG", "L" if pixels.ndim == 2 else "RGB")
        np.testing.assert_array_equal(np.asarray(picture), pixels)
    np.testing.assert_array_equal(png_decode(data).reshape(shape), pixels)


def test_a_palette_comes_back() -> None:
    palette = np.random.default_rng(1).integers(0, 256, (253, 3)).astype(np.uint8)
    numbers = np.random.default_rng(2).integers(0, 253, (20, 30)).astype(np.uint8)
    with Image.open(io.BytesIO(written(numbers, 7, palette))) as picture:
        assert picture.mode == "P"
        np.testing.assert_array_equal(np.asarray(picture), numbers)
        np.testing.assert_array_equal(np.asarray(picture.convert("RGB")), palette[numbers])


def test_smooth_pictures_pack_nearly_as_well_as_elsewhere() -> None:
    y, x = np.indices((256, 256))
    noise = np.random.default_rng(3).normal(0, 2, (256, 256))
    pixels = (128 + 60 * np.sin(x / 20) * np.cos(y / 30) + noise).astype(np.uint8)
    other = io.BytesIO()
    Image.fromarray(pixels).save(other, "PNG")
    assert len(written(pixels, 64)) < 1.25 * other.tell()


@pytest.mark.parametrize(
    "strips",
    [[], [np.zeros((3, 4), np.uint8)], [np.zeros((5, 4), np.uint8)], [np.zeros((4, 5), np.uint8)], [np.zeros((4, 4))]],
)
def test_other_rows_than_promised_are_refused(strips: list[np.ndarray]) -> None:
    with pytest.raises(ValueError, match=r"rows instead|does not fit"):
        write_png(io.BytesIO(), Plan(4, 4, 1), strips)
