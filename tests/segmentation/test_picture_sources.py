"""Files and zips to pictures: what comes out of a zip, and what is refused with one clear sentence."""

import io
import os
import stat
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segmentation.limits
from segmentation import read_image
from segmentation.errors import ImageReadError
from segmentation.picture_sources import expand

Content = dict[str, bytes] | list[tuple[str | zipfile.ZipInfo, bytes]]


def png(value: int = 7) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((5, 6), value, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def zipped(path: Path, content: Content, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in content.items() if isinstance(content, dict) else content:
            archive.writestr(name, data)
    return path


def assert_refused(path: Path, folder: Path, words: str) -> None:
    """One clear sentence, and nothing stays."""
    with pytest.raises(ImageReadError, match=words) as caught:
        expand([path], folder)
    assert str(caught.value).startswith(f"{path.name}: the zip ")
    assert "\n" not in str(caught.value)
    assert not list(folder.glob("*"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "unpacked"


def test_files_pass_through_unread(tmp_path: Path, folder: Path) -> None:
    paths = [tmp_path / "a.png", tmp_path / "absent.tif"]
    paths[0].write_bytes(b"whatever")
    pictures = expand(paths, folder)
    assert pictures == [("a.png", paths[0]), ("absent.tif", paths[1])]
    assert pictures.notes == []
    assert not folder.exists()


def test_pictures_of_a_zip(tmp_path: Path, folder: Path) -> None:
    names = ["b/one.PNG", "a/one.png", "top.tif", "a/two.jpeg", "deep/er/three.gif", "four.bmp"]
    path = zipped(tmp_path / "plate.zip", {name: name.encode() for name in names})
    after = tmp_path / "z.png"
    pictures = expand([str(path), after], folder)
    assert [name for name, _ in pictures] == [*(f"plate/{name}" for name in sorted(names)), "z.png"]
    for (name, unpacked), inside in zip(pictures, sorted(names), strict=False):
        assert unpacked.name == Path(name).name
        assert unpacked.read_bytes() == inside.encode()
        assert folder in unpacked.parents
    assert pictures.notes == []


def test_pictures_can_be_read(tmp_path: Path, folder: Path) -> None:
    path = zipped(tmp_path / "plate.zip", {"plate/A1.png": png(3), "plate/A2.png": png(4), "plate/bad.png": b"no"})
    pictures = expand([path], folder)
    assert [name for name, _ in pictures] == ["plate/A1.png", "plate/A2.png", "plate/bad.png"]
    assert [int(read_image(unpacked).pixels[0, 0, 0]) for _, unpacked in pictures[:2]] == [3, 4]
    with pytest.raises(ImageReadError, match=r"^bad\.png: not a picture"):
        read_image(pictures[2][1])


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_ways_to_pack(method: int, tmp_path: Path, folder: Path) -> None:
    ((_, unpacked),) = expand([zipped(tmp_path / "a.zip", {"a.png": png()}, method)], folder)
    assert unpacked.read_bytes() == png()


def test_what_is_left_out_is_said(tmp_path: Path, folder: Path) -> None:
    hidden = {"__MACOSX/._a.png": b"x", ".hidden.png": b"x", "a/.DS_Store": b"x", ".git/b.png": b"x", "a/": b""}
    others = {"notes.txt": b"x", "a/table.csv": b"x", "line\nbreak.doc": b"x"}
    path = zipped(tmp_path / "plate.zip", {**hidden, **others, "a/a.png": png()})
    pictures = expand([path], folder)
    assert [name for name, _ in pictures] == ["plate/a/a.png"]
    assert pictures.notes == [
        "plate.zip: files that are no pictures were left out: a/table.csv, line_break.doc, notes.txt."
    ]
    many = zipped(tmp_path / "many.zip", {"a.png": png()} | {f"{number:02d}.txt": b"x" for number in range(13)})
    (note,) = expand([many], folder).notes
    assert note.endswith("08.txt, 09.txt and 3 more.")


def test_equal_names_do_not_meet(tmp_path: Path, folder: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = zipped(tmp_path / "a.zip", [("x.png", b"1"), ("x.png", b"2"), ("X.PNG", b"3"), ("b/x.png", b"4")])
    pictures = expand([path, path], folder)
    assert sorted(unpacked.read_bytes() for _, unpacked in pictures) == [b"1", b"1", b"2", b"2", b"3", b"3", b"4", b"4"]


def test_a_zip_is_known_by_its_content(tmp_path: Path, folder: Path) -> None:
    path = zipped(tmp_path / "upload.tmp", {"a.png": png()})
    assert [name for name, _ in expand([path], folder)] == ["upload/a.png"]
    picture = tmp_path / "polyglot.png"
    picture.write_bytes(png() + path.read_bytes())  # a picture with a zip behind it stays a picture
    assert expand([picture], folder) == [("polyglot.png", picture)]


def test_odd_names_become_plain_files(tmp_path: Path, folder: Path) -> None:
    names = ["10:30 well?.png", "*" * 300 + ".png", "a\\b\\c.png", "\u00fc\u4e2d.tif"]
    pictures = expand([zipped(tmp_path / "a.zip", dict.fromkeys(names, b"x"))], folder)
    assert sorted(unpacked.name for _, unpacked in pictures) == sorted(
        ["10_30 well_.png", "_" * 100 + ".png", "c.png", "\u00fc\u4e2d.tif"]
    )


@pytest.mark.parametrize(
    "name",
    ["../evil.png", "a/../../evil.png", "/evil.png", "..\\evil.png", "C:\\evil.png", "c:evil.png", "\\evil.png"],
)
def test_names_that_lead_out(name: str, tmp_path: Path, folder: Path) -> None:
    path = zipped(tmp_path / "evil.zip", {"good.png": png(), name: b"evil"})
    assert_refused(path, folder, "which leads out of it")
    assert not list(tmp_path.rglob("*.png"))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices(kind: int, tmp_path: Path, folder: Path) -> None:
    info = zipfile.ZipInfo("link.png")
    info.create_system, info.external_attr = 3, (kind | 0o777) << 16
    path = zipped(tmp_path / "links.zip", [("good.png", png()), (info, b"/etc/passwd")])
    assert_refused(path, folder, r"holds a link or device 'link\.png'")


@pytest.mark.parametrize("name", ["more.zip", "a/more.ZIP", "more.tar", "more.tar.gz", "more.7z", "more.rar"])
def test_archives_inside(name: str, tmp_path: Path, folder: Path) -> None:
    path = zipped(tmp_path / "nested.zip", {"a.png": png(), name: b"PK"})
    assert_refused(path, folder, "holds another archive, .*; unpack that")


def test_encrypted(tmp_path: Path, folder: Path) -> None:
    path = zipped(tmp_path / "locked.zip", {"a.png": png()})
    data = bytearray(path.read_bytes())
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # flags, of the file and of the directory
        data[data.index(signature) + place] |= 1
    path.write_bytes(data)
    assert_refused(path, folder, "is encrypted .* needs a password")


@pytest.mark.parametrize("content", [{}, {"notes.txt": b"x", "b.csv": b"y"}, {"__MACOSX/a.png": b"x"}], ids=str)
def test_no_picture(content: dict[str, bytes], tmp_path: Path, folder: Path) -> None:
    words = "holds no picture" + (" but b.csv, notes.txt" if len(content) > 1 else "")
    assert_refused(zipped(tmp_path / "text.zip", content), folder, words)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9, 0.999])
def test_cut_short(share: float, tmp_path: Path, folder: Path) -> None:
    path = zipped(tmp_path / "cut.zip", {"a.png": png(), "b.png": os.urandom(5000)})
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    assert_refused(path, folder, "cannot be unpacked")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damaged_inside(method: int, tmp_path: Path, folder: Path) -> None:
    path = zipped(tmp_path / "bad.zip", {"a.png": png(), "b.png": os.urandom(5000)}, method)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 200] = bytes(200)
    path.write_bytes(data)
    assert_refused(path, folder, "cannot be unpacked")


def test_too_many_files(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(tmp_path / "many.zip", {f"{number}.png": b"x" for number in range(5)})
    monkeypatch.setattr(segmentation.limits, "MAX_MEMBERS", 4)
    assert_refused(path, folder, "holds 5 files and the limit is 4; split it")
    monkeypatch.setattr(segmentation.limits, "MAX_MEMBERS", 5)
    assert len(expand([path], folder)) == 5


def test_too_much(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(tmp_path / "big.zip", {"a.png": os.urandom(600), "b.png": os.urandom(601), "c.txt": bytes(9999)})
    monkeypatch.setattr(segmentation.limits, "MAX_UNPACKED", 1200)
    assert_refused(path, folder, "GiB of pictures and the limit is")
    monkeypatch.setattr(segmentation.limits, "MAX_UNPACKED", 1201)
    assert len(expand([path], folder)) == 2


def test_bomb(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(tmp_path / "bomb.zip", {"a.tif": bytes(2_000_000)})
    assert len(expand([path], folder)) == 1  # a blank picture is none
    monkeypatch.setattr(segmentation.limits, "FREE_RATIO", 1_000_000)
    assert_refused(path, tmp_path / "other", r"unpacks to \d+ times its size and the limit is 500")


def test_members_cannot_grow_while_they_are_unpacked(tmp_path: Path, folder: Path) -> None:
    path = zipped(tmp_path / "liar.zip", {"a.tif": bytes(5_000_000)})
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.index(b"PK\x01\x02") + 24, 10)  # the directory says 10 bytes
    path.write_bytes(data)
    assert_refused(path, folder, "cannot be unpacked")
