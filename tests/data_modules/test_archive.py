import os
import zipfile

import pytest

from data_modules.archive import open_members
from segmentation.errors import DataError

FILES = {"a/images/a.png": b"first picture", "a/masks/1.png": b"mask" * 50, "b.txt": b""}


@pytest.fixture
def folder(tmp_path):
    for name, data in FILES.items():
        path = tmp_path / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "folder"


@pytest.fixture
def archive(tmp_path):
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as file:
        for name in reversed(FILES):
            file.writestr(name, FILES[name])
        file.writestr("empty/", b"")
    return tmp_path / "archive.zip"


@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_zip_and_folder_read_alike(kind, request):
    with open_members(request.getfixturevalue(kind)) as members:
        assert {m.name: members.read(m) for m in members.listing} == FILES
        assert [m.name for m in members.listing] == sorted(FILES)


def stamps(root):
    with open_members(root) as members:
        return {m.name: m.stamp for m in members.listing}


def test_stamp_follows_the_content(folder, tmp_path):
    before = stamps(folder)
    (folder / "b.txt").write_bytes(b"!")
    os.utime(folder / "a/masks/1.png", ns=(1, 1))
    assert {name for name, stamp in stamps(folder).items() if stamp != before[name]} == {"b.txt", "a/masks/1.png"}

    for name, text in (("one.zip", "left"), ("two.zip", "rite")):
        with zipfile.ZipFile(tmp_path / name, "w") as file:
            file.writestr("x", text)
    assert stamps(tmp_path / "one.zip") != stamps(tmp_path / "two.zip")


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"first picture", b"First picture"), (b"PK\x01\x02\x14\x03\x14\x00\x00\x00\x00\x00", None)],
    ids=["damaged", "unknown packing"],
)
def test_member_that_cannot_be_unpacked(archive, old, new):
    data = archive.read_bytes()
    assert old in data
    archive.write_bytes(data.replace(old, new or old[:10] + b"\x63\x00"))
    with (
        open_members(archive) as members,
        pytest.raises(DataError, match=r"archive\.zip: .* cannot be unpacked.*again"),
    ):
        list(map(members.read, members.listing))


def test_neither_zip_nor_folder(archive, tmp_path):
    archive.write_bytes(archive.read_bytes()[:-30])
    with pytest.raises(DataError, match="not a whole zip file"), open_members(archive):
        pass
    with pytest.raises(DataError, match="no such zip file or folder"), open_members(tmp_path / "missing.zip"):
        pass
