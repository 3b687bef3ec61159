"""What fuzzing found, each in the smallest form that shows it; docs/reliability.md lists them."""

import io
import struct
import time
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from segmentation.corrections import Correction
from segmentation.errors import ImageReadError, NucleoscopeError, ParameterError
from segmentation.image_info import describe
from segmentation.image_io import read_images
from segmentation.picture_file import _Sealed
from segmentation.picture_sources import expand
from segmentation.truth_io import read_truth
from tests.segmentation.corpus_tools import GREY, dicom


def test_what_a_file_says_of_itself_is_told_on_one_line() -> None:
    data = dicom(GREY, PhotometricInterpretation="MONOCHROME2")
    for wrong in (b"\0\0NOCHROME2", b"MON\nCHROME2", b"MONO\x1b[31ME2"):
        with pytest.raises(ImageReadError, match=r"cannot be read here; export it as RGB") as caught:
            describe(data.replace(b"MONOCHROME2", wrong))
        assert str(caught.value).isprintable()
    odd = data.replace(b"1.2.840.10008.1.2.1\0", b"1.2.8\x0010008.1\x01.1\0")
    with pytest.raises(NucleoscopeError) as caught_too:
        list(read_images(odd))
    assert str(caught_too.value).isprintable()


def test_names_of_files_are_told_on_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a\n\x1b[31m.png"
    path.write_bytes(b"no picture")
    for read in (lambda: list(read_images(path)), lambda: describe(path), lambda: read_truth([path], (4, 4))):
        with pytest.raises(ImageReadError) as caught:
            read()
        assert str(caught.value).isprintable()


def test_names_in_zips_of_masks_are_told_on_one_line(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(buffer, "PNG")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("0.png", buffer.getvalue())
    data = bytearray((tmp_path / "a.zip").read_bytes())
    data[data.rindex(b"0.png")] = 1  # in the directory, so that it differs from the file's own header
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(ImageReadError, match=r"^_\.png: cannot be read") as caught:
        read_truth([tmp_path / "a.zip"], (4, 4))
    assert str(caught.value).isprintable()


def test_a_length_beyond_the_file_takes_no_memory(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"0123456789")
    with _Sealed(io.FileIO(tmp_path / "a")) as file:
        file.seek(4)
        tracemalloc.start()
        assert file.read(2**32) == b"456789"
        assert tracemalloc.get_traced_memory()[1] < 2**20
        tracemalloc.stop()
        assert file.read(2**32) == b""
        file.seek(0)
        assert (file.read(3), file.read(), file.tell()) == (b"012", b"3456789", 10)


def test_a_dicom_header_without_end() -> None:
    meta = dicom(GREY)[:144]
    syntax = b"\x02\0\x10\0UI\x16\x001.2.840.10008.1.2.1.99"
    squeeze = zlib.compressobj(1, wbits=-15)
    nothing = squeeze.compress(bytes(100 * 2**20)) + squeeze.flush()
    start = time.process_time()
    with pytest.raises(ImageReadError, match="its header lists more than 50,000 elements; export it again"):
        describe(meta[:140] + struct.pack("<I", len(syntax)) + syntax + nothing)
    assert time.process_time() - start < 5


def test_a_gif_whose_second_picture_claims_to_be_huge(tmp_path: Path) -> None:
    """Pillow enlarged its canvas to 65,535 x 65,535 pixels, 8 GB, for a file of 11 kB."""
    frames = [Image.fromarray(np.full((10, 20), grey, np.uint8)) for grey in (30, 200)]
    frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:])
    content = (tmp_path / "film.gif").read_bytes()
    assert len(list(read_images(content))) == 2
    second = content.index(b",", content.index(b"!", content.index(b",")))
    claimed = content[: second + 5] + b"\xff\xff\xff\xff" + content[second + 9 :]
    with pytest.raises(ImageReadError, match=r"65,535 x 65,535 is .* million pixels and the limit is 400 million"):
        list(read_images(claimed))


def test_values_of_megabytes_are_told_in_a_line() -> None:
    for kind in ("a" * 10**6, 10**6000, {"x": "\x1b[2J" * 999}):
        with pytest.raises(ParameterError) as caught:
            Correction(kind)  # type: ignore[arg-type]
        assert len(str(caught.value)) < 200
        assert "\x1b" not in str(caught.value)


def test_tiles_that_are_much_larger_than_their_page(tmp_path: Path) -> None:
    """4 GB were asked for to decode a tile of 268,435,472 x 16 of a page of 40 x 56, in a file of 3 kB."""
    path = tmp_path / "tiles.tif"
    tifffile.imwrite(path, np.arange(40 * 56, dtype=np.uint8).reshape(40, 56), tile=(16, 16), compression="zlib")
    assert next(read_images(path)).shape == (40, 56)
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        tiff.pages.first.tags["TileLength"].overwrite(2**28 + 16)
    with pytest.raises(ImageReadError, match=r"its tiles claim 4,294,967,552 values each where the page has 2,240"):
        next(read_images(path))


def test_long_names_in_zips_are_cut_in_messages(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        archive.writestr("cells.png", b"")
        for number in range(20):
            archive.writestr(f"{'a' * 5000}{number}.txt", b"no picture")
    (note,) = expand([tmp_path / "many.zip"], tmp_path / "inside").notes
    assert "and 10 more" in note
    assert len(note) < 1500
