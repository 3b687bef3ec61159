"""Pictures and masks in the forms people keep them, and one report of all that does not fit."""

import re
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from skimage.measure import label

from data_modules import ImageFolder
from segmentation.errors import DataError, ParameterError
from segmentation.examples import make_example

EXAMPLE = make_example("fluorescence", 5, height=48, width=64, nuclei=6, radius=(4, 6))
GREY, LABELS = EXAMPLE.pixels[..., 0], EXAMPLE.labels


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.startswith(".tif"):
        tifffile.imwrite(path, pixels)
    else:
        Image.fromarray(pixels).save(path)


@pytest.fixture
def root(tmp_path):
    save(tmp_path / "images" / "cell 1.png", GREY)
    (tmp_path / "masks").mkdir()
    return tmp_path


def read(root, **settings):
    source = ImageFolder(str(root), **settings)
    source.prepare()
    source.setup()
    source.setup()
    return source


@pytest.mark.parametrize("ending", ["", "_mask", "_masks", "_label", "_labels", "_seg"])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_label_images_of_16_bits(root, ending, suffix):
    save(root / f"masks/cell 1{ending}{suffix}", LABELS.astype(np.uint16) * 1000)
    picture = read(root).load(0)
    np.testing.assert_array_equal(picture.labels, LABELS * 1000)
    np.testing.assert_array_equal(picture.pixels, EXAMPLE.pixels)
    assert (picture.name, picture.kind) == ("cell 1", "fluorescence")


def test_binary_mask(root):
    save(root / "masks/cell 1_mask.png", (LABELS > 0).astype(np.uint8) * 255)
    np.testing.assert_array_equal(read(root).load(0).labels, label(LABELS > 0, connectivity=2))


def test_one_file_per_nucleus(root):
    for number in range(1, LABELS.max() + 1):
        save(root / f"masks/cell 1/{number:02d}.png", (number == LABELS).astype(np.uint8) * 255)
    (root / "masks/cell 1/._01.png").write_bytes(b"\0\5\x16\7")
    np.testing.assert_array_equal(read(root).load(0).labels, LABELS)
    np.testing.assert_array_equal(read(root, one_object=True).load(0).labels, LABELS > 0)


@pytest.mark.parametrize("mask", [LABELS.astype(np.uint8), (LABELS > 0).astype(np.uint8) * 255])
def test_one_object(root, mask):
    save(root / "masks/cell 1.png", mask)
    np.testing.assert_array_equal(read(root, one_object=True).load(0).labels, LABELS > 0)


def test_pictures_of_16_bits_and_colour_keep_their_values(root):
    deep, colour = GREY.astype(np.uint16) * 200, make_example("tissue", 1, height=48, width=64).pixels
    save(root / "images/deep.tif", deep)
    save(root / "images/stain.png", colour)
    for name in ("cell 1", "deep", "stain"):
        save(root / f"masks/{name}.png", LABELS.astype(np.uint8))
    source = read(root)
    assert [(info.name, info.kind) for info in source.infos] == [
        ("cell 1", "fluorescence"),
        ("deep", "fluorescence"),
        ("stain", "tissue"),
    ]
    np.testing.assert_array_equal(source.load(1).pixels, deep[..., None])
    np.testing.assert_array_equal(source.load(2).pixels, colour)


def test_hidden_files_and_notes_are_passed_over(root):
    save(root / "masks/cell 1.png", LABELS.astype(np.uint8))
    for name in ("images/._cell 1.png", "masks/._cell 1.png", "images/notes.txt", "masks/.DS_Store"):
        (root / name).write_bytes(b"\0\5\x16\7")
    assert len(read(root).infos) == 1


def test_groups_by_name_by_seams_and_by_copies(tmp_path):
    field = make_example("tissue", 3, height=128, width=128, nuclei=30).pixels
    pictures = {"s1_a": field[:, :64], "s1_b": GREY, "s2_a": field[:, 64:], "s2_b": GREY}
    for name, pixels in pictures.items():
        save(tmp_path / f"images/{name}.png", pixels)
        save(tmp_path / f"masks/{name}.png", np.zeros(pixels.shape[:2], np.uint8))
    assert [info.group for info in read(tmp_path, group_pattern=r"(s\d)_").infos] == ["s1", "s1", "s2", "s2"]
    first, second, third, fourth = (info.group for info in read(tmp_path).infos)
    assert first == third != second == fourth
    with pytest.raises(DataError, match="4 problems"):
        read(tmp_path, group_pattern="(slide)")


def test_group_pattern_is_checked():
    with pytest.raises(ParameterError, match="no regular expression"):
        ImageFolder("x", group_pattern="(")
    for pattern in ("s1", "(a)(b)"):
        with pytest.raises(ParameterError, match="exactly one group"):
            ImageFolder("x", group_pattern=pattern)


def test_everything_that_does_not_fit_is_in_one_report(root):
    fine = LABELS.astype(np.uint8)
    save(root / "masks/cell 1.png", fine)
    spoilt = {
        "twice.png": r"images/twice\.tif and images/twice\.png share a name",
        "size.png": r"masks/size\.png is 9 x 8 and images/size\.png 64 x 48",
        "unread.png": r"unread\.png: the file is damaged",
        "nomask.png": r"images/nomask\.png has no mask; add masks/nomask\.png",
        "several.png": r"images/several\.png has several masks \(several\.png, several\.tif, several_mask\.png\)",
        "colour.png": r"colour\.png: the mask is a colour picture",
        "parts.png": r"parts\.tif: the mask holds fractions",
        "clear.png": r"masks/clear\.png: not plain grey numbers\. 2,\d+ transparent",
        "nucleus.png": r"nucleus\.png: mask 1\.png is 9 x 8",
    }
    for name in spoilt:
        save(root / "images" / name, GREY)
    save(root / "images/twice.tif", GREY)
    save(root / "masks/twice.png", fine)
    save(root / "masks/size.png", fine[:8, :9])
    save(root / "masks/unread.png", fine)
    (root / "images/unread.png").write_bytes((root / "images/unread.png").read_bytes()[:99])
    for name in ("several.png", "several.tif", "several_mask.png", "stray.png"):
        save(root / "masks" / name, fine)
    save(root / "masks/colour.png", np.dstack([fine, fine, fine * 2]))
    save(root / "masks/parts.tif", LABELS.astype(np.float32) / 2)
    save(root / "masks/clear.png", np.dstack([np.full_like(fine, 255)] * 3 + [(LABELS > 0) * np.uint8(255)]))
    save(root / "masks/nucleus/1.png", fine[:8, :9])
    with pytest.raises(DataError) as caught:
        read(root)
    report = str(caught.value)
    messages = [*spoilt.values(), r"masks/stray\.png has no picture"]
    assert report.startswith(f"{root}: {len(messages)} problems")
    for message in messages:
        assert sum(bool(re.search(message, line)) for line in report.splitlines()) == 1, message
    assert "cell 1" not in report


def test_long_reports_are_cut(root):
    for number in range(30):
        save(root / f"images/{number}.png", GREY)
    with pytest.raises(DataError, match=r"31 problems(?s:.*)and 11 more$"):
        read(root)


def test_folders_that_are_not_there(tmp_path):
    with pytest.raises(DataError, match="images: no such folder"):
        read(tmp_path)
    (tmp_path / "images").mkdir()
    with pytest.raises(DataError, match="masks: no such folder"):
        read(tmp_path)
    (tmp_path / "masks").mkdir()
    with pytest.raises(DataError, match="no pictures; put"):
        read(tmp_path)


def test_jpeg_masks_are_refused(tmp_path: Path) -> None:
    for folder, name in (("images", "a.png"), ("masks", "a.jpg")):
        (tmp_path / folder).mkdir()
        Image.fromarray(np.full((20, 20), 200, np.uint8)).save(tmp_path / folder / name)
    with pytest.raises(DataError, match=r"masks/a.jpg: JPEG changes the numbers"):
        ImageFolder(str(tmp_path)).setup()


def test_masks_of_true_and_false(tmp_path: Path) -> None:
    """tifffile writes them as white is zero, which says how they look and not what they mark."""
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    mask = np.zeros((20, 30), bool)
    mask[3:9, 4:12] = mask[12:18, 20:28] = True
    tifffile.imwrite(tmp_path / "images" / "a.tif", np.full((20, 30), 7, np.uint8))
    tifffile.imwrite(tmp_path / "masks" / "a.tif", mask)
    source = ImageFolder(str(tmp_path))
    source.prepare()
    source.setup()
    labels = source.load(0).labels
    np.testing.assert_array_equal(labels > 0, mask)
    assert labels.max() == 2
