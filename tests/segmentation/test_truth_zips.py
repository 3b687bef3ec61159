"""Truth in zips that are damaged, strange or meant to fill the memory, and files that do not go together."""

import io
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segmentation import limits
from segmentation.errors import ImageReadError, ParameterError
from segmentation.examples import make_example
from segmentation.truth_io import read_truth

LABELS = make_example("tissue", 5, height=47, width=65, nuclei=9, radius=(4, 6)).labels
SHAPE = LABELS.shape
SMALL = LABELS.astype(np.uint8)
Save = Callable[..., Path]


def encoded(name: str, pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=name[-3:])
    return buffer.getvalue()


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def write(name: str, content: np.ndarray | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else encoded(name, content))
        return path

    return write


def zipped(path: Path, files: dict[str, np.ndarray | bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content if isinstance(content, bytes) else encoded(name, content))
    return path


def test_files_that_do_not_go_together(save: Save, tmp_path: Path) -> None:
    pack = zipped(tmp_path / "a.zip", {"a.png": SMALL})
    for paths, count in (
        ([], "0 files, 0"),
        ([pack, pack], "2 files, 2"),
        ([pack, save("a.png", SMALL)], "2 files, 1"),
    ):
        with pytest.raises(ParameterError, match=f"{count} of them zips: give one label image"):
            read_truth(paths, SHAPE)
    with pytest.raises(ImageReadError, match=r"^gone\.png: cannot be read"):
        read_truth([tmp_path / "gone.png"], SHAPE)
    with pytest.raises(ImageReadError, match=r"^gone\.zip: not a whole zip file"):
        read_truth([tmp_path / "gone.zip"], SHAPE)


def test_zips_that_are_damaged_or_strange(save: Save, tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match=r"^a\.zip: not a whole zip file"):
        read_truth([save("a.zip", b"PK\3\4nonsense")], SHAPE)
    with pytest.raises(ImageReadError, match=r"^a\.zip: it holds no pictures"):
        read_truth([zipped(tmp_path / "a.zip", {"a.txt": b"x", "b.zip": b"x"})], SHAPE)
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with pytest.raises(ImageReadError, match=r"^a\.png: cannot be read \(packed by another method"):
            read_truth([zipped(tmp_path / "b.zip", {"a.png": SMALL}, method)], SHAPE)
    whole = bytearray(zipped(tmp_path / "c.zip", {"a.png": SMALL}).read_bytes())
    whole[60] ^= 255
    with pytest.raises(ImageReadError, match=r"^a\.png: cannot be read"):
        read_truth([save("c.zip", bytes(whole))], SHAPE)


def test_bombs_are_refused_before_they_are_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> bytes:
        raise AssertionError("unpacked")

    bomb = zipped(tmp_path / "bomb.zip", {"a.png": SMALL, "b.png": bytes(5_000_000)})
    many = zipped(tmp_path / "many.zip", {f"{number}.png": SMALL for number in range(9)})
    assert bomb.stat().st_size < 20_000
    monkeypatch.setattr(zipfile.ZipFile, "read", never)
    with pytest.raises(ImageReadError, match=r"^bomb\.zip: unpacked, it is over the limit of 4,000,000,000 bytes, or"):
        read_truth([bomb], SHAPE)
    for limit, value, message in (
        ("MAX_MASK_BYTES", 1000, "over the limit of 1,000 bytes"),
        ("MAX_MASKS", 8, "9 masks of 65 x 47 pixels: the limits are 8 files"),
        ("MAX_MASK_PIXELS", 8 * LABELS.size, f"{8 * LABELS.size:,} pixels together; give one label image"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(limits, limit, value)
            with pytest.raises(ImageReadError, match=message):
                read_truth([many], SHAPE)


def test_a_header_that_lies_about_its_size_unpacks_no_further(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"a.png": bytes(3_000_000)})
    data = path.read_bytes()
    size = (3_000_000).to_bytes(4, "little")
    assert data.count(size) == 2
    path.write_bytes(data.replace(size, (100).to_bytes(4, "little")))
    with pytest.raises(ImageReadError, match=r"^a\.png: cannot be read"):
        read_truth([path], SHAPE)


def test_a_picture_in_a_zip_is_measured_by_its_header(tmp_path: Path) -> None:
    huge = bytearray(encoded("a.png", SMALL))
    huge[16:24] = (60_000).to_bytes(4, "big") * 2
    huge[29:33] = zlib.crc32(huge[12:29]).to_bytes(4, "big")
    with pytest.raises(ImageReadError, match=r"^a\.png: 60,000 x 60,000 is 3,600 million pixels and the limit"):
        read_truth([zipped(tmp_path / "a.zip", {"a.png": bytes(huge)})], SHAPE)
