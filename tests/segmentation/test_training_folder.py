"""The zip of corrected pictures, unpacked and read by the very class that training reads it with."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from data_modules import ImageFolder
from data_modules.pictures import LabelledPicture
from segmentation.corrections import renumbered
from segmentation.errors import ImageShapeError, ParameterError
from segmentation.examples import make_example
from segmentation.training_folder import training_folder

Item = tuple[str, np.ndarray, np.ndarray]


def read_back(path: Path, folder: Path) -> list[LabelledPicture]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        archive.extractall(folder)
    source = ImageFolder(str(folder))
    source.setup()
    return [source.load(index) for index in range(len(source.infos))]


def item(name: str, appearance, seed: int, dtype: str = "uint8", factor: float = 1, gaps: int = 1) -> Item:
    example = make_example(appearance, seed, height=45 + seed, width=63, nuclei=7)
    return name, (example.pixels * factor).astype(dtype), example.labels.astype(np.uint16) * gaps


def check(pictures: list[LabelledPicture], items: list[Item]) -> None:
    assert len(pictures) == len(items)
    for picture, (name, pixels, labels) in zip(pictures, items, strict=True):
        assert picture.name == name
        assert picture.pixels.dtype == pixels.dtype
        np.testing.assert_array_equal(picture.pixels, pixels if pixels.ndim == 3 else pixels[..., None])
        np.testing.assert_array_equal(picture.labels, renumbered(labels))


def test_pictures_of_all_types_come_back(tmp_path: Path) -> None:
    items = [
        item("a grey", "fluorescence", 1),
        item("b tissue", "tissue", 2, gaps=9),
        item("c deep", "fluorescence", 3, "uint16", 200),
        item("d deep colours", "tissue", 4, "uint16", 200, gaps=500),
        item("e float", "brightfield", 5, "float32", 0.01),
        item("f.ome", "brightfield", 6, "float64", 3),
    ]
    items[0] = (items[0][0], items[0][1][..., 0], items[0][2])
    path = training_folder(tmp_path / "train.zip", iter(items))
    assert path == tmp_path / "train.zip"
    check(read_back(path, tmp_path / "folder"), items)


def test_labels_that_would_pass_for_a_binary_mask(tmp_path: Path) -> None:
    """In pieces, without any background, or none at all: two values or fewer in the whole picture."""
    pixels = make_example("fluorescence", 1, height=20, width=31).pixels
    none, one, two, full, both = np.zeros((5, 20, 31), np.uint16)
    one[3:9, 3:9] = one[12:16, 20:25] = 7  # in two pieces
    two[3:9, 3:9], two[12:16, 20:25], two[18, 0] = 1, 2, 2
    full[:] = 1
    both[:9], both[9:] = 4, 3
    items = [(name, pixels, labels) for name, labels in zip("abcde", (none, one, two, full, both), strict=True)]
    check(read_back(training_folder(tmp_path / "t.zip", items), tmp_path / "folder"), items)


def test_more_than_255_nuclei(tmp_path: Path) -> None:
    labels = np.arange(40 * 50, dtype=np.int32).reshape(40, 50)
    items = [("many", np.zeros((40, 50), np.uint8), labels)]
    check(read_back(training_folder(tmp_path / "t.zip", items), tmp_path / "folder"), items)


def test_names_never_collide(tmp_path: Path) -> None:
    """No picture is taken for the mask of another, or overwrites it; each keeps its own labels."""
    names = [
        "a",
        "a",
        "A",
        "a_labels",
        "a_labels_labels",
        "a_mask",
        "a_LABELS",
        "../b/c",
        ".hidden",
        "",
        "x" * 144 + "_labels9",
    ]
    pixels = make_example("fluorescence", 1, height=20, width=31).pixels
    items = []
    for number, name in enumerate(names, 3):
        labels = np.zeros((20, 31), np.uint16)
        labels[0, :number] = np.arange(number) + 1
        items.append((name, pixels, labels))
    path = training_folder(str(tmp_path / "t.zip"), items)
    with zipfile.ZipFile(path) as archive:
        members = [name.lower() for name in archive.namelist()]
    assert len(set(members)) == len(members) == 2 * len(names)
    assert all(".." not in name and name.count("/") == 1 for name in members)
    pictures = read_back(path, tmp_path / "folder")
    assert sorted(int(picture.labels.max()) for picture in pictures) == list(range(3, 3 + len(names)))
    counts = {picture.name: int(picture.labels.max()) for picture in pictures}
    assert (counts["a"], counts["a_2"], counts["A_3"], counts["a-labels"], counts["a_mask"]) == (3, 4, 5, 6, 8)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros((9, 8), np.uint16), r"p: labels of shape \(9, 8\) with 0 nuclei for a picture of shape \(8, 9\)"),
        (np.zeros((8, 9)), r"must be \(H, W\) integers"),
    ],
)
def test_labels_that_do_not_fit_leave_no_file(labels: np.ndarray, message: str, tmp_path: Path) -> None:
    before = training_folder(tmp_path / "t.zip", [item("a", "tissue", 1)]).read_bytes()
    with pytest.raises(ImageShapeError, match=message):
        training_folder(tmp_path / "t.zip", [item("a", "tissue", 1), ("p", np.zeros((8, 9), np.uint8), labels)])
    assert [path.name for path in tmp_path.iterdir()] == ["t.zip"]
    assert (tmp_path / "t.zip").read_bytes() == before


def test_nothing_to_write_and_too_many_nuclei(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="There is no picture to write"):
        training_folder(tmp_path / "t.zip", [])
    many = np.arange(260 * 260).reshape(260, 260)
    with pytest.raises(ImageShapeError, match=r"with 67,599 nuclei .* at most 65,535"):
        training_folder(tmp_path / "t.zip", [("p", np.zeros((260, 260), np.uint8), many)])
    assert not list(tmp_path.iterdir())
