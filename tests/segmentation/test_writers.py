"""Files that other programs read back as they were meant."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from segmentation import Bundle, Segmenter, read_image
from segmentation.errors import ParameterError
from segmentation.overlay import draw_overlay, label_colours, to_display
from segmentation.pixel_size import PixelSize
from segmentation.truth_io import read_truth
from segmentation.writers import (
    OWN_COLOURS,
    free_name,
    read_labels,
    write_labels,
    write_labels_npy,
    write_labels_png,
    write_overlay,
)

Writer = Callable[[Path, np.ndarray], Path]


SIZES = {"square": PixelSize(0.325, 0.325), "tall": PixelSize(0.5, 0.1), "odd": PixelSize(1 / 3, 7.0), "unknown": None}


def few(dtype: str = "uint16", top: int = 65_535) -> np.ndarray:
    labels = np.zeros((33, 47), dtype)
    labels[3:9, 5:20], labels[20:30, 40:] = 1, top
    return labels


@pytest.mark.parametrize(("dtype", "top"), [("uint16", 65_535), ("uint32", 70_000), ("uint32", 2**32 - 1)])
def test_labels_round_trip(dtype: str, top: int, tmp_path: Path) -> None:
    labels = few(dtype, top)
    path = write_labels(tmp_path / "a_labels.tif", labels)
    for again in (read_labels(path), tifffile.imread(path), np.asarray(Image.open(path)).astype(dtype)):
        np.testing.assert_array_equal(again, labels)
    assert read_labels(path).dtype == labels.dtype
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        assert page.compression == tifffile.COMPRESSION.ADOBE_DEFLATE
        assert page.photometric == tifffile.PHOTOMETRIC.MINISBLACK
        assert (file.is_ome, file.series[0].kind, file.series[0].axes) == (True, "ome", "YX")
        assert len(file.pages) == 1
    assert path.stat().st_size < labels.nbytes


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
def test_labels_keep_the_pixel_size(size: PixelSize | None, tmp_path: Path) -> None:
    path = write_labels(tmp_path / "a.tif", few(), size)
    with tifffile.TiffFile(path) as file:
        pixels = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
        tags = file.pages[0].tags
        resolution, unit = [value[0] / value[1] for value in (tags[282].value, tags[283].value)], tags[296].value
    assert (pixels["SizeX"], pixels["SizeY"], pixels["Type"]) == (47, 33, "uint16")
    if size is None:
        assert not any(key.startswith("PhysicalSize") for key in pixels)
        assert unit == tifffile.RESUNIT.NONE
    else:
        assert (pixels["PhysicalSizeX"], pixels["PhysicalSizeY"]) == (size.x, size.y)
        assert pixels["PhysicalSizeXUnit"] == pixels["PhysicalSizeYUnit"] == "µm"
        assert unit == tifffile.RESUNIT.CENTIMETER
        np.testing.assert_allclose(resolution, (1e4 / size.x, 1e4 / size.y), rtol=1e-6)
    read = read_image(path)
    assert (read.pixel_size, read.notes) == (size, ())
    np.testing.assert_array_equal(read_truth([path], (33, 47)).labels, few())


def test_labels_of_a_wrong_pixel_size_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"pixel size 0 x 1"):
        write_labels(tmp_path / "a.tif", few(), PixelSize(0, 1))
    assert not list(tmp_path.iterdir())


def test_the_same_labels_are_the_same_bytes(tmp_path: Path) -> None:
    def written(labels: np.ndarray, size: PixelSize | None = None) -> bytes:
        return write_labels(tmp_path / "a.tif", labels, size).read_bytes()

    once = written(few())
    assert written(few()) == once
    assert written(np.asfortranarray(few())) == once
    uuids = [re.findall(rb"urn:uuid:([-0-9a-f]{36})", each)[0] for each in (once, written(few(), SIZES["tall"]))]
    assert uuids[0] != uuids[1]


@pytest.mark.parametrize("write", [write_labels, write_labels_npy])
@pytest.mark.parametrize(
    ("given", "top", "stored"),
    [
        ("uint8", 200, "uint16"), ("int32", 65_535, "uint16"), ("int64", 65_536, "uint32"), ("uint32", 3, "uint32"),
        (">u2", 3, "uint16"),
    ],
)  # fmt: skip
def test_labels_of_other_types(write: Writer, given: str, top: int, stored: str, tmp_path: Path) -> None:
    path = write(tmp_path / "labels", few(given, top))
    again = np.load(path) if write is write_labels_npy else tifffile.imread(path)
    assert again.dtype == stored
    np.testing.assert_array_equal(again, few(given, top).astype(stored))


@pytest.mark.parametrize("write", [write_labels, write_labels_npy, write_labels_png])
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (few().astype(float), "integers"),
        (few() > 0, "integers"),
        (few()[None], "integers"),
        (few()[:0], "integers"),
        (few("int32") - 1, "down to -1: "),
        (few("int64", 2**32), "a label of 4294967296: the largest"),
    ],
)
def test_what_is_no_label_image_is_refused(write: Writer, labels: np.ndarray, message: str, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=message):
        write(tmp_path / "a", labels)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("shape", [(1, 1), (1, 8), (3, 4), (4, 3)])
def test_tiny_labels_round_trip(shape: tuple[int, int], tmp_path: Path) -> None:
    labels = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    np.testing.assert_array_equal(read_labels(write_labels(str(tmp_path / "t.tif"), labels)), labels)
    np.testing.assert_array_equal(np.load(write_labels_npy(str(tmp_path / "t.npy"), labels)), labels)
    with Image.open(write_labels_png(str(tmp_path / "t.png"), labels)) as picture:
        np.testing.assert_array_equal(np.asarray(picture), labels)


@pytest.mark.parametrize("dtype", ["uint16", "uint32", "int64"])
def test_indexed_labels_have_the_overlays_colours(dtype: str, tmp_path: Path) -> None:
    labels = np.concatenate([np.arange(600), [0, 65_000, 65_535, 1]]).reshape(-1, 2).astype(dtype)
    path = write_labels_png(tmp_path / "l.png", labels)
    with Image.open(path) as picture:
        assert (picture.mode, picture.size) == ("P", (2, 302))
        numbers = np.asarray(picture)
        np.testing.assert_array_equal(np.asarray(picture.convert("RGB")), label_colours(labels))
    np.testing.assert_array_equal(numbers[labels <= 252], labels[labels <= 252])
    assert ((numbers == 0) == (labels == 0)).all()
    assert numbers.ravel()[[253, 504, 505]].tolist() == [1, 252, 1]
    assert OWN_COLOURS == 252


@pytest.mark.parametrize("write", [write_labels, write_labels_npy, write_labels_png])
def test_an_error_names_the_file_and_leaves_nothing(write: Writer, tmp_path: Path) -> None:
    for path in (tmp_path / "gone" / "a.tif", tmp_path / "folder"):
        (tmp_path / "folder").mkdir(exist_ok=True)
        with pytest.raises(OSError, match=re.escape(path.name)) as caught:
            write(path, few())
        assert (caught.value.filename, caught.value.filename2) == (str(path), None)
    assert [each.name for each in tmp_path.rglob("*")] == ["folder"]


def test_overlay_is_a_png_of_the_pictures_size(bundle: Bundle, six_squares: np.ndarray, tmp_path: Path) -> None:
    result = Segmenter(bundle)(six_squares)
    path = write_overlay(tmp_path / "overlay.png", result)
    with Image.open(path) as picture:
        assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (96, 64))
        pixels = np.asarray(picture)
    np.testing.assert_array_equal(pixels, draw_overlay(to_display(result.image), result.labels))
    assert (pixels.std(axis=2) > 0).sum() == 6 * (10 * 10 - 8 * 8)  # only the outlines are coloured


def test_free_name_never_repeats() -> None:
    taken: set[str] = set()
    names = [free_name(name, taken) for name in ("a", "a", "A", "a_2", "b", "a", "é", "É")]
    assert names[0] == "a"
    assert names[4] == "b"
    assert len({name.lower() for name in names}) == len(names)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("../../etc/passwd", "_.._etc_passwd"),
        ("a\\b:c*d?e", "a_b_c_d_e"),
        ("line\nbreak\0", "line_break_"),
        ("", "picture"),
        (" . ", "picture"),
        ("..", "picture"),
        ("Zelle 3 (neu)", "Zelle 3 (neu)"),
        ("细胞核", "细胞核"),
        ("ends with dot.", "ends with dot"),
    ],
)
def test_free_name_is_safe(name: str, expected: str, tmp_path: Path) -> None:
    safe = free_name(name, set())
    assert safe == expected
    (tmp_path / f"{safe}_labels.tif").touch()
    assert [item.parent for item in tmp_path.rglob("*.tif")] == [tmp_path]


def test_free_name_is_short_enough(tmp_path: Path) -> None:
    taken: set[str] = set()
    for _ in range(3):
        (tmp_path / f"{free_name('x' * 1000, taken)}_labels.tif").touch()
    assert len(list(tmp_path.iterdir())) == 3
