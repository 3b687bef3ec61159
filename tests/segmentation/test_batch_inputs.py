"""Which files a batch takes, in which order, and what their results are called."""

import os
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from segmentation.batch_inputs import MARK, Task, find_files, mark_results, plan
from segmentation.errors import ImageReadError


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def places(*sources: str | Path, out: Path | None = None) -> list[str]:
    return [file.place for file in find_files(sources, out)]


def tasks(*sources: str | Path, scratch: Path = Path("unused")) -> list[Task]:
    return plan(find_files(sources), scratch)[0]


def stems(*names: str, root: Path) -> list[str]:
    touch(root, *names)
    return [task.stem for task in tasks(*(root / name for name in names))]


def test_folders_are_searched_in_order_and_keep_their_folders(tmp_path: Path) -> None:
    touch(tmp_path, "z.jpg", "A.BMP", "deep/m.gif", "deep/n.csv", "folder.png/inside.tif", "._A.BMP", ".trash/b.png")
    assert places(tmp_path) == ["A.BMP", "deep/m.gif", "folder.png/inside.tif", "z.jpg"]


def test_a_file_named_twice_is_taken_once_where_it_was_named_first(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.png")
    assert places(tmp_path / "b.png", tmp_path, tmp_path / "a.png") == ["b.png", "a.png"]


def test_several_folders_keep_their_names(tmp_path: Path) -> None:
    touch(tmp_path, "plate1/A01.tif", "plate2/A01.tif")
    assert places(tmp_path / "plate1", tmp_path / "plate2") == ["plate1/A01.tif", "plate2/A01.tif"]
    assert places(tmp_path / "plate1") == ["A01.tif"]


def test_patterns_are_expanded(tmp_path: Path) -> None:
    touch(tmp_path, "p1/a.tif", "p1/b.png", "p2/a.tif", "p2/deep/c.tif", "out/a.tif", f"out/{MARK}")
    assert places(f"{tmp_path}/p?/*.tif") == ["p1/a.tif", "p2/a.tif"]
    assert places(f"{tmp_path}/**/*.tif") == ["p1/a.tif", "p2/a.tif", "p2/deep/c.tif"]
    assert places(f"{tmp_path}/p*") == ["p1/a.tif", "p1/b.png", "p2/a.tif", "p2/deep/c.tif"]
    with pytest.raises(ImageReadError, match="no file matches this pattern"):
        find_files([f"{tmp_path}/*.nothing"])


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path: Path) -> None:
    touch(tmp_path, "a[1].png")
    assert places(tmp_path / "a[1].png") == ["a[1].png"]


def test_results_are_passed_by(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "out/a_overlay.png")
    assert places(tmp_path) == ["a.png", "out/a_overlay.png"]
    assert places(tmp_path, out=tmp_path / "out") == ["a.png"]
    mark_results(tmp_path / "out")
    assert places(tmp_path) == ["a.png"]
    assert places(tmp_path / "out") == ["a_overlay.png"]  # asked for by name


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    touch(tmp_path, "a/b.png")
    os.symlink(tmp_path, tmp_path / "a" / "again")
    assert places(tmp_path) == ["a/b.png"]


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match="no such file or folder"):
        find_files([tmp_path / "absent.png"])
    with pytest.raises(ImageReadError, match="no pictures in this folder"):
        find_files([tmp_path])


def test_results_never_share_a_name(tmp_path: Path) -> None:
    assert stems("x/a.png", "y/a.tif", "z/A.png", root=tmp_path) == ["a", "a_2", "A_3"]
    assert stems("a?.png", "a*.png", root=tmp_path / "odd") == ["a_", "a__2"]


def test_pages_of_a_stack_never_overwrite_another_picture(tmp_path: Path) -> None:
    names = ("a.tif", "a_page1.tif", "a_max.tif", "a_max_page2.tif", "b_page1.tif")
    assert stems(*names, root=tmp_path) == ["a", "a_page1_2", "a_max_2", "a_max_page2_2", "b_page1"]


def test_many_files_of_one_name_take_no_time(tmp_path: Path) -> None:
    from segmentation.batch_inputs import FoundFile

    found = [FoundFile(tmp_path / f"{n}" / "a.png", "a.png") for n in range(20_000)]
    assert len({task.stem for task in plan(found, tmp_path)[0]}) == 20_000


def test_zips_are_unpacked_and_a_broken_one_is_a_problem(tmp_path: Path) -> None:
    Image.new("L", (9, 9)).save(tmp_path / "one.png")
    with zipfile.ZipFile(tmp_path / "plate.zip", "w") as archive:
        archive.write(tmp_path / "one.png", "well/one.png")
        archive.writestr("readme.txt", "hello")
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 and nothing else")
    sources = [tmp_path / "broken.zip", tmp_path / "plate.zip", tmp_path / "one.png"]
    broken, member, plain = found = tasks(*sources, scratch=tmp_path / "scratch")
    assert [task.index for task in found] == [0, 1, 2]
    assert (broken.stem, member.stem, plain.stem) == ("broken", "plate/well/one", "one")
    assert "broken.zip: the zip cannot be unpacked" in broken.problem
    assert not member.problem
    assert member.path.read_bytes() == (tmp_path / "one.png").read_bytes()
    assert member.name.endswith("plate/well/one.png")
    assert "readme.txt" in plan(find_files(sources), tmp_path / "scratch")[1][0]


@pytest.mark.skipif(os.name == "nt", reason="names there are always text")
def test_names_that_are_no_text_can_be_printed(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png"))
    try:
        path.touch()
    except OSError:
        pytest.skip("this disk takes no such names")
    (task,) = tasks(tmp_path)
    assert task.name.endswith("?.png")
    assert task.stem == "_"
