"""Directories without end, or that lead back to themselves, are refused before tifffile follows them."""

import io
import struct
import time

import numpy as np
import pytest
import tifffile

from segmentation import tiff_directories
from segmentation.errors import ImageReadError
from segmentation.image_info import describe
from segmentation.image_io import read_images
from tests.segmentation.corpus import CASES
from tests.segmentation.corpus_tools import tiff

PLAIN = np.zeros((8, 8), np.uint8)


def chained(pages: int, data: bytes, back_to: int | None = None) -> bytes:
    """The first directory of a file, ``pages`` times in a chain, whose end may lead back."""
    first = struct.unpack_from("<I", data, 4)[0]
    length = 2 + 12 * struct.unpack_from("<H", data, first)[0] + 4
    body, start, chain = bytearray(data[first : first + length]), len(data), bytearray()
    for index in range(pages - 1):
        end = 0 if back_to is None else start + back_to * length
        struct.pack_into("<I", body, length - 4, end if index == pages - 2 else start + (index + 1) * length)
        chain += body
    return data[: first + length - 4] + struct.pack("<I", start) + data[first + length :] + bytes(chain)


def with_sub(data: bytes, kind: int, count: int, value: int) -> bytes:
    """A file whose first directory's last tag leads to directories inside it."""
    first = struct.unpack_from("<I", data, 4)[0]
    last = first + 2 + 12 * (struct.unpack_from("<H", data, first)[0] - 1)
    return data[:last] + struct.pack("<HHII", 330, kind, count, value) + data[last + 12 :]


def test_pages_that_are_alike_may_be_many() -> None:
    assert describe(chained(5000, tiff(PLAIN, metadata=None))).pages == 5000
    assert describe(tiff(np.zeros((5000, 4, 4), np.uint8))).pages == 5000


@pytest.mark.parametrize("metadata", [{}, None])
def test_separate_pages_may_not(metadata: dict[str, str] | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff_directories, "MAX_SEPARATE", 40)
    data = tiff(PLAIN, metadata=metadata)
    if metadata is None:  # of two sizes, so that they are no stack
        buffer = io.BytesIO()
        with tifffile.TiffWriter(buffer) as writer:
            for number in range(60):
                writer.write(np.zeros((8, 8 + number % 2), np.uint8), metadata=None)
        many = buffer.getvalue()
    else:
        many = chained(60, data)
    with pytest.raises(ImageReadError, match=r"^picture: the TIFF file holds \d+ separate pages, more than the 40"):
        list(read_images(many))
    assert len(list(read_images(chained(30, data)))) in (1, 30)


def test_a_chain_that_leads_back() -> None:
    start = time.process_time()
    for pages, back in ((3, 0), (300, 250), (300, 0)):
        with pytest.raises(ImageReadError, match="its directories lead back to themselves"):
            list(read_images(chained(pages, tiff(PLAIN, metadata=None), back)))
    assert time.process_time() - start < 5


def test_directories_inside_directories() -> None:
    data = tiff(PLAIN, metadata=None)
    first = struct.unpack_from("<I", data, 4)[0]
    with pytest.raises(ImageReadError, match="lead back"):
        list(read_images(with_sub(data, 4, 1, first)))
    with pytest.raises(ImageReadError, match="4,000,000 separate pages"):
        list(read_images(with_sub(data, 4, 4_000_000, 8)))
    many = struct.pack("<I", len(data)) * 3  # thrice the same
    with pytest.raises(ImageReadError, match="lead back"):
        list(read_images(with_sub(data, 4, 3, len(data)) + many))
    assert len(list(read_images(with_sub(data, 4, 1, 2**31)))) == 1  # to nowhere


def test_pyramids_are_read() -> None:
    (case,) = [case for case in CASES if case.name == "pyramid.ome.tif"]
    (page,) = read_images(case.data())
    np.testing.assert_array_equal(page.pixels[..., 0], case.pages[0])
