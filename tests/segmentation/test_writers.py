"""Files that other programs read back as they were meant."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from segmentation import Bundle, Segmenter
from segmentation.overlay import draw_overlay, to_display
from segmentation.writers import free_name, read_labels, write_labels, write_overlay


@pytest.mark.parametrize(("dtype", "top"), [("uint16", 65_535), ("uint32", 70_000)])
def test_labels_round_trip(dtype: str, top: int, tmp_path: Path) -> None:
    labels = np.zeros((33, 47), dtype)
    labels[3:9, 5:20], labels[20:30, 40:] = 1, top
    path = write_labels(tmp_path / "a_labels.tif", labels)
    for again in (read_labels(path), tifffile.imread(path), np.asarray(Image.open(path))):
        np.testing.assert_array_equal(again, labels)
    assert read_labels(path).dtype == labels.dtype
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        assert page.compression == tifffile.COMPRESSION.ADOBE_DEFLATE
        assert page.photometric == tifffile.PHOTOMETRIC.MINISBLACK
        assert file.series[0].axes == "YX"
        assert len(file.pages) == 1
    assert path.stat().st_size < labels.nbytes


@pytest.mark.parametrize("shape", [(1, 1), (1, 8), (3, 4), (4, 3)])
def test_tiny_labels_round_trip(shape: tuple[int, int], tmp_path: Path) -> None:
    labels = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    np.testing.assert_array_equal(read_labels(write_labels(str(tmp_path / "t.tif"), labels)), labels)


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
