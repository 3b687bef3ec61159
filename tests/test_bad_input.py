"""Odd and broken input, in the API, on the command line and on the page: the right result, or one clear sentence."""

import base64
import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from data_modules import Dsb2018, ImageFolder
from segmentation import Segmenter, read_image, read_images
from segmentation.__main__ import main
from segmentation.errors import DataError, NucleoscopeError
from tests.conftest import squares
from ui.segmenting import segment_files
from ui.session import Session
from ui.show import show
from ui.workbench import MAX_SIDE


@dataclass(frozen=True)
class Case:
    """A file to make, and what must come of it: counts of its pages, or words of the one sentence."""

    make: Callable[[], bytes]
    suffix: str
    counts: tuple[int, ...] = ()
    says: str = ""


def encoded(array: NDArray, kind: str, mode: str | None = None, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture = Image.fromarray(array)
    (picture.convert(mode) if mode else picture).save(buffer, kind, **options)
    return buffer.getvalue()


def tiff(array: NDArray, **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **options)
    return buffer.getvalue()


def zero_png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 0, 0, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def palette_png_with_alpha() -> bytes:
    picture = Image.fromarray(np.where(squares() > 100, 1, 0).astype(np.uint8), "P")
    picture.putpalette([10, 10, 10, 220, 220, 220, 90, 0, 0])
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", transparency=bytes([255, 200, 0]))
    return buffer.getvalue()


def float_tiff_with_nan() -> bytes:
    values = squares().astype(np.float32) / 255 - 7
    values[0, :5], values[-1, 3] = np.nan, np.inf
    return tiff(values)


def zip_file() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a/images/a.png", encoded(squares(), "PNG"))
    return buffer.getvalue()


CASES = {
    "truncated PNG": Case(lambda: encoded(squares(), "PNG")[:-60], ".png", says="damaged or cut short"),
    "truncated TIFF": Case(lambda: tiff(squares())[:400], ".tif", says="damaged or cut short"),
    "text named .png": Case(lambda: b"well A1, 20x, DAPI\n" * 9, ".png", says="not a picture"),
    "empty file": Case(lambda: b"", ".png", says="empty"),
    "0x0 picture": Case(zero_png, ".png", says="0 x 0"),
    "a zip": Case(zip_file, ".zip", says="not a picture"),
    "all transparent": Case(lambda: encoded(np.zeros((9, 9, 4), np.uint8), "PNG"), ".png", says="transparent"),
    "all NaN": Case(lambda: tiff(np.full((9, 9), np.nan, np.float32)), ".tif", says="no pixel is a finite number"),
    "1x1 picture": Case(lambda: encoded(np.array([[7]], np.uint8), "PNG"), ".png", counts=(0,)),
    "CMYK JPEG": Case(lambda: encoded(squares(), "JPEG", "CMYK", quality=95), ".jpg", counts=(6,)),
    "palette PNG with alpha": Case(palette_png_with_alpha, ".png", counts=(6,)),
    "float TIFF with NaN": Case(float_tiff_with_nan, ".tif", counts=(6,)),
    "5-page TIFF": Case(
        lambda: tiff(np.stack([squares() * (i > 0) for i in range(5)]), photometric="minisblack"),
        ".tif",
        counts=(0, 6, 6, 6, 6),
    ),
    "16-bit colour PNG": Case(
        lambda: _png16(np.repeat(squares()[..., None], 3, 2).astype(np.uint16) * 12), ".png", counts=(6,)
    ),
}


def _png16(pixels: NDArray) -> bytes:
    import imagecodecs

    return imagecodecs.png_encode(pixels)


@pytest.fixture(params=CASES, ids=lambda name: name.replace(" ", "-"))
def case(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Case, Path]:
    chosen = CASES[request.param]
    path = tmp_path / f"odd{chosen.suffix}"
    path.write_bytes(chosen.make())
    return chosen, path


def is_one_clear_sentence(text: str, case: Case) -> bool:
    return case.says in text and "odd" in text and "Traceback" not in text and "\n" not in text.strip()


def test_api(case: tuple[Case, Path], bundle_folder: Path) -> None:
    expected, path = case
    segmenter = Segmenter.from_pretrained(bundle_folder, "cpu")
    if expected.says:
        with pytest.raises(NucleoscopeError) as error:
            list(segmenter.segment_pages(path))
        assert is_one_clear_sentence(str(error.value), expected)
    else:
        assert tuple(result.count for result in segmenter.segment_pages(path)) == expected.counts


def test_command_line(
    case: tuple[Case, Path], bundle_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected, path = case
    if expected is CASES["a zip"]:  # the command line looks into zips
        expected = Case(zip_file, ".zip", counts=(6,))
    out = tmp_path / "out"
    code = main([str(path), "--out", str(out), "--model", str(bundle_folder), "--device", "cpu"])
    stderr = capsys.readouterr().err
    if expected.says:
        assert code == 1
        assert is_one_clear_sentence(stderr, expected)
        assert not list(out.glob("*.tif"))
    else:
        assert code == 0
        counts = tuple(int(tifffile.imread(written).max()) for written in sorted(out.rglob("*_labels.tif")))
        assert counts == expected.counts


def on_page(bundle_folder: Path, *paths: Path) -> Session:
    session, segmenter = Session(), Segmenter.from_pretrained(bundle_folder, "cpu")
    files = [(path.name, path) for path in paths]
    list(segment_files(session, segmenter, files, lambda done, text: None))
    return session


def test_page(case: tuple[Case, Path], bundle_folder: Path, tmp_path: Path) -> None:
    expected, path = case
    neighbour = tmp_path / "neighbour.png"
    neighbour.write_bytes(encoded(squares(), "PNG"))
    session = on_page(bundle_folder, path, neighbour)
    counts = tuple(found.count for found in session.found)
    assert counts == (*expected.counts, 6)  # a bad file never fails its neighbour
    if expected.says:
        ((name, sentence),) = session.failures
        assert name == path.name
        assert is_one_clear_sentence(sentence, expected)


def test_what_was_decided_is_said(tmp_path: Path) -> None:
    path = tmp_path / "nan.tif"
    path.write_bytes(float_tiff_with_nan())
    assert "6 values that are not finite" in " ".join(read_image(path).notes)


def test_page_that_failed_keeps_the_pages_before_it(tmp_path: Path) -> None:
    stack = tiff(np.stack([squares()] * 5), photometric="minisblack")
    pages = read_images(stack[: len(stack) // 2])
    with pytest.raises(NucleoscopeError):
        list(pages)


@pytest.fixture(scope="module")
def huge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12,000 x 12,000 pixels with 16 nuclei, some of them across the seams of the tiles."""
    pixels = np.full((12_000, 12_000), 10, np.uint8)
    pixels[::100, ::100] = 0
    for row in range(4):
        for column in range(4):
            top, left = 880 + 2688 * row, 880 + 2688 * column
            pixels[top : top + 40, left : left + 40] = 220
    path = tmp_path_factory.mktemp("huge") / "huge.tif"
    tifffile.imwrite(path, pixels, compression="zlib")
    return path


def test_12000_x_12000_on_the_command_line(huge: Path, bundle_folder: Path, tmp_path: Path) -> None:
    arguments = [str(huge), "--out", str(tmp_path), "--model", str(bundle_folder), "--device", "cpu"]
    assert main(arguments) == 0
    labels = tifffile.imread(tmp_path / "huge_labels.tif")
    assert labels.shape == (12_000, 12_000)
    assert labels.max() == 16


def test_12000_x_12000_on_the_page(huge: Path, bundle_folder: Path) -> None:
    session = on_page(bundle_folder, huge)
    assert [found.count for found in session.found] == [16]
    _, sent = show(session.found[0], picture=True)
    picture = sent["picture"]
    assert picture["factor"] * max(picture["width"], picture["height"]) >= 12_000
    assert max(picture["width"], picture["height"]) <= MAX_SIDE
    labels = np.frombuffer(gzip.decompress(base64.b64decode(sent["labels"]["packed"])), np.uint16)
    assert labels.size == picture["width"] * picture["height"]
    assert len(np.unique(labels)) == 17


def test_zip_without_masks(tmp_path: Path) -> None:
    path = tmp_path / "odd.zip"
    path.write_bytes(zip_file())
    with pytest.raises(DataError, match="a has no masks in a/masks/"):
        Dsb2018(str(path), cache=str(tmp_path / "cache"), complete=False).prepare()


def test_folder_with_one_missing_mask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for name in ("a", "b"):
        Image.fromarray(squares()).save(tmp_path / "images" / f"{name}.png")
    Image.fromarray(squares()).save(tmp_path / "masks" / "a.png")
    with pytest.raises(DataError, match=r"images/b.png has no mask; add masks/b.png"):
        ImageFolder(str(tmp_path)).setup()
