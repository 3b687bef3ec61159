"""NumPy files: the rule for axes, planes read when due, and nothing unpickled; numpy.load is the oracle."""

import io
import pickle
from pathlib import Path

import numpy as np
import pytest

import segmentation.limits
from segmentation import read_image, read_images
from segmentation.errors import ImageReadError, ImageShapeError
from segmentation.image_info import describe
from tests.segmentation.corpus_tools import npy

RANDOM = np.random.default_rng(0)


def numbers(*shape: int, dtype: str = "uint16") -> np.ndarray:
    return RANDOM.integers(0, 200, shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["u1", "i1", ">u2", "<i2", ">u4", "<i4", ">i8", "<u8", "f2", ">f4", "<f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_types_and_orders(dtype: str, order: str) -> None:
    data = npy(np.asarray(numbers(13, 21, 3, dtype=dtype), order=order))
    pixels, expected = read_image(data).pixels, np.load(io.BytesIO(data))
    assert pixels.dtype == (np.float32 if dtype == "f2" else expected.dtype.newbyteorder("="))
    assert pixels.dtype.isnative
    np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize(
    ("shape", "axes", "pages", "channels"),
    [
        ((13, 21), "YX", 1, 1),
        ((13, 21, 1), "YXC", 1, 1),
        ((13, 21, 2), "YXC", 1, 2),
        ((13, 21, 3), "YXS", 1, 3),
        ((13, 21, 4), "YXC", 1, 4),
        ((3, 13, 21), "QYX", 3, 1),
        ((13, 21, 5), "QYX", 13, 1),  # a last axis of 5 is a width
        ((2, 13, 21, 3), "QYXS", 2, 3),
        ((2, 3, 13, 21), "QQYX", 6, 1),
        ((2, 1, 3, 13, 21, 2), "QQQYXC", 6, 2),
        ((4, 3), "YX", 1, 1),
    ],
    ids=str,
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_axes(shape: tuple[int, ...], axes: str, pages: int, channels: int, order: str) -> None:
    array = numbers(*shape)
    data = npy(np.asarray(array, order=order))
    info = describe(data)
    assert (info.axes, info.sizes, info.pages, info.channels) == (axes, shape, pages, channels)
    whole = channels in (1, 3)
    images = list(read_images(data, channel=None if whole else channels - 1))
    plane_axes = 3 if axes.endswith(("C", "S")) else 2
    expected = array.reshape(-1, *shape[-plane_axes:])
    expected = expected if plane_axes == 3 else expected[..., None]
    expected = expected if whole else expected[..., -1:]
    np.testing.assert_array_equal(np.stack([image.pixels for image in images]), expected)
    assert all(("have no names" in str(image.notes)) == (len(shape) > plane_axes) for image in images)


def test_channels_are_chosen_not_guessed() -> None:
    with pytest.raises(ImageShapeError, match=r"4 channels.*--channel"):
        read_image(npy(numbers(13, 21, 4)))


def test_planes_are_read_when_due(tmp_path: Path) -> None:
    path, array = tmp_path / "stack.npy", numbers(5, 40, 50)
    path.write_bytes(npy(array))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - 40 * 50 * 2])
    images = read_images(path)
    for plane in array[:4]:
        np.testing.assert_array_equal(next(images).pixels[..., 0], plane)
    with pytest.raises(ImageReadError, match=r"stack\.npy: the file is damaged or cut short"):
        next(images)


def test_projection() -> None:
    array = numbers(5, 13, 21)
    np.testing.assert_array_equal(read_image(npy(array), projection="max").pixels[..., 0], array.max(0))


def test_stacks_in_fortrans_order_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    array = numbers(5, 13, 21)
    monkeypatch.setattr(segmentation.limits, "MAX_BLOCK", array.nbytes - 1)
    with pytest.raises(ImageReadError, match="can only be decoded in one go"):
        list(read_images(npy(np.asfortranarray(array))))
    assert len(list(read_images(npy(array)))) == 5


class Trap:
    def __reduce__(self) -> tuple:
        return (pytest.fail, ("a file was unpickled",))


def test_nothing_is_unpickled() -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|O", "fortran_order": False, "shape": (4, 4)})
    data = buffer.getvalue() + pickle.dumps(np.array([[Trap()] * 4] * 4, object))
    for read in (describe, read_image):
        with pytest.raises(ImageReadError, match="Python objects, which are not opened"):
            read(data)
