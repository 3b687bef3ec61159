"""The size that compressed data claim, for sizes from one pixel on, against the encoders that wrote them."""

import imagecodecs
import numpy as np
import pytest

from segmentation.codestream import coded_size

ENCODERS = {
    "JPEG": (lambda grey: imagecodecs.jpeg_encode(grey), 8),
    "lossless JPEG": (lambda grey: imagecodecs.ljpeg_encode(grey.astype(np.uint16)), 16),
    "JPEG-LS": (lambda grey: imagecodecs.jpegls_encode(np.zeros_like(grey)), 8),
    "JPEG 2000": (lambda grey: imagecodecs.jpeg2k_encode(grey, codecformat="j2k"), 8),
    "JPEG 2000 file": (lambda grey: imagecodecs.jpeg2k_encode(grey.astype(np.uint16), codecformat="jp2"), 16),
    "HTJ2K": (lambda grey: imagecodecs.htj2k_encode(grey), 8),
    "JPEG XL": (lambda grey: imagecodecs.jpegxl_encode(grey), 0),
    "JPEG XL file": (lambda grey: imagecodecs.jpegxl_encode(grey.astype(np.float32)), 0),
    "JPEG XR": (lambda grey: imagecodecs.jpegxr_encode(grey), 0),
    "LERC": (lambda grey: imagecodecs.lerc_encode(grey), 0),
    "PNG": (lambda grey: imagecodecs.png_encode(grey), 8),
    "WebP": (lambda grey: imagecodecs.webp_encode(np.dstack([grey] * 3), level=50, lossless=False), 0),
    "lossless WebP": (lambda grey: imagecodecs.webp_encode(np.dstack([grey] * 3), lossless=True), 0),
    "WebP with alpha": (lambda grey: imagecodecs.webp_encode(np.dstack([grey] * 4), level=50, lossless=False), 0),
}


@pytest.mark.parametrize("size", [(1, 1), (48, 64), (100, 37), (300, 1025)], ids=str)
@pytest.mark.parametrize("kind", ENCODERS)
def test_size(kind: str, size: tuple[int, int]) -> None:
    encode, bits = ENCODERS[kind]
    data = encode(np.random.default_rng(0).integers(0, 250, size).astype(np.uint8))
    assert coded_size(data) == (*size, bits)
    assert coded_size(data[:4096]) == (*size, bits)  # all that is read of a tile


@pytest.mark.parametrize("kind", ENCODERS)
def test_cut_and_changed_data_are_no_accident(kind: str) -> None:
    data = ENCODERS[kind][0](np.zeros((48, 64), np.uint8))
    random = np.random.default_rng(0)
    for length in range(min(len(data), 120)):
        coded_size(data[:length])
    for _ in range(200):
        changed = bytearray(data[:200])
        for place in random.integers(0, len(changed), 4):
            changed[place] = random.integers(0, 256)
        coded_size(bytes(changed))


def test_other_data() -> None:
    assert coded_size(b"") is None
    assert coded_size(b"text") is None
    assert coded_size(b"\xff\xd8\xff\xd9") is None


def test_a_false_size_before_the_true_one_is_not_believed() -> None:
    data = imagecodecs.jpeg2k_encode(np.zeros((48, 64), np.uint8), codecformat="jp2")
    start = data.index(b"jp2c") - 4
    false = b"\0\0\0\x3afree\xff\x4f\xff\x51" + bytes(46)
    assert coded_size(data[:start] + false + data[start:]) == (48, 64, 8)
