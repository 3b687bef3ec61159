"""A tiny archive in the official layout, whole and broken in every way; then the real one."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from data_modules import Dsb2018
from segmentation.errors import DataError, NucleoscopeError
from segmentation.examples import make_example

KINDS = {"a0": "fluorescence", "b1": "brightfield", "c2": "tissue"}


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def rgba(pixels):
    colour = np.broadcast_to(pixels, (*pixels.shape[:2], 3))
    return np.dstack([colour, np.full(pixels.shape[:2], 255, np.uint8)])


@pytest.fixture(scope="session")
def truth():
    return {
        name: make_example(kind, seed, height=48, width=64, nuclei=4, radius=(4, 7))
        for seed, (name, kind) in enumerate(KINDS.items())
    }


@pytest.fixture
def folder(truth, tmp_path):
    root = tmp_path / "stage1_train"
    for name, picture in truth.items():
        save(root / name / "images" / f"{name}.png", rgba(picture.pixels))
        for number in range(1, picture.labels.max() + 1):
            save(root / name / "masks" / f"{number:03d}.png", (picture.labels == number).astype(np.uint8) * 255)
    return root


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def prepared(root, cache):
    """Prepared by one object and read by another, as two processes do it."""
    Dsb2018(str(root), str(cache), complete=False).prepare()
    source = Dsb2018(str(root), str(cache), complete=False)
    source.setup()
    return source


def zipped(folder, *, top=False):
    base = {"root_dir": folder.parent, "base_dir": folder.name} if top else {"root_dir": folder}
    return shutil.make_archive(str(folder.parent / "archive"), "zip", **base)


@pytest.mark.parametrize("form", ["folder", "zip", "zip with a top folder"])
def test_pixels_labels_and_kinds(form, folder, cache, truth):
    root = folder if form == "folder" else zipped(folder, top="top" in form)
    source = prepared(root, cache)
    assert {info.name: info.kind for info in source.infos} == KINDS
    for index, (name, expected) in enumerate(truth.items()):
        picture = source.load(index)
        assert (picture.name, picture.kind) == (name, KINDS[name])
        np.testing.assert_array_equal(picture.pixels, expected.pixels)  # grey RGBA comes back as one channel
        np.testing.assert_array_equal(picture.labels, expected.labels)
        assert picture.labels.dtype == np.int32
    manifest = json.loads(next(cache.glob("dsb2018-*/manifest.json")).read_text())
    assert [e["nuclei"] for e in manifest["pictures"]] == [p.labels.max() for p in truth.values()]


def test_first_mask_by_file_name_keeps_the_pixel(folder, cache):
    masks = folder / "a0" / "masks"
    shutil.rmtree(masks)
    shape = (48, 64)
    expected = np.zeros(shape, np.int32)
    for name, number, rows in (("b", 2, slice(10, 20)), ("a", 1, slice(5, 15)), ("c", 3, slice(6, 19))):
        mask = np.zeros(shape, np.uint8)
        mask[rows] = 255
        save(masks / f"{name}.png", mask)
        if name != "c":  # wholly covered: no number
            expected[rows] = number
    np.testing.assert_array_equal(prepared(folder, cache).load(0).labels, expected)


def test_second_prepare_uses_the_cache(folder, cache, monkeypatch):
    prepared(folder, cache)
    monkeypatch.setattr("data_modules.dsb2018.combine_masks", None)  # converting again would fail
    source = prepared(folder, cache)
    source.setup()
    assert len(source.infos) == 3


def test_changed_archive_is_converted_again(folder, cache):
    root = zipped(folder)
    before = prepared(root, cache).load(0).labels
    shutil.copy(folder / "a0/masks/001.png", folder / "a0/masks/002.png")
    after = prepared(zipped(folder), cache).load(0).labels
    assert after.max() == before.max() - 1
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize("stop", [KeyboardInterrupt, MemoryError])
def test_cut_off_prepare_leaves_nothing(folder, cache, monkeypatch, stop):
    from data_modules import dsb2018

    whole, calls = dsb2018.combine_masks, []

    def combine(*args):
        calls.append(args)
        if len(calls) == 2:
            raise stop
        return whole(*args)

    monkeypatch.setattr(dsb2018, "combine_masks", combine)
    with pytest.raises(stop):
        Dsb2018(str(folder), str(cache), complete=False).prepare()
    assert list(cache.iterdir()) == []
    assert len(prepared(folder, cache).infos) == 3


def test_two_processes_may_prepare_at_once(folder, cache, monkeypatch):
    convert = Dsb2018._convert

    def overtaken(self, *args):
        monkeypatch.setattr(Dsb2018, "_convert", convert)
        prepared(folder, cache)
        convert(self, *args)

    monkeypatch.setattr(Dsb2018, "_convert", overtaken)
    assert len(prepared(folder, cache).infos) == 3
    assert len(list(cache.iterdir())) == 1


def test_what_other_systems_add_is_passed_over(folder, cache, truth):
    for name in ("a0/images/._a0.png", "a0/masks/._001.png", "__MACOSX/a0/images/._a0.png", ".DS_Store", "notes.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"\0\5\x16\7")
    np.testing.assert_array_equal(prepared(folder, cache).load(0).labels, truth["a0"].labels)


def no_masks(root):
    for path in root.glob("*/masks"):
        shutil.rmtree(path)


def shorten(path):
    path.write_bytes(path.read_bytes()[:60])


DAMAGE = {
    "no masks at all": (no_masks, r"a0 has no masks"),
    "one without masks": (lambda root: shutil.rmtree(root / "b1/masks"), r"b1 has no masks.*download"),
    "damaged picture": (lambda root: shorten(root / "b1/images/b1.png"), r"b1/images/b1\.png.*download"),
    "damaged mask": (lambda root: shorten(root / "c2/masks/002.png"), r"c2/masks/002\.png.*damaged.*download"),
    "text as mask": (lambda root: (root / "c2/masks/002.png").write_text("x"), r"c2/masks/002\.png.*damaged"),
    "mask of another size": (
        lambda root: save(root / "c2/masks/002.png", np.zeros((64, 48), np.uint8)),
        r"c2: mask 002\.png is 48 x 64 and the picture 64 x 48",
    ),
    "16-bit picture": (
        lambda root: save(root / "a0/images/a0.png", np.zeros((48, 64), np.uint16)),
        r"a0\.png: uint16 pixels.*ImageFolder",
    ),
    "empty": (lambda root: [shutil.rmtree(path) for path in root.iterdir()], r"no ID/images/ID\.png"),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("form", ["folder", "zip"])
def test_damage_is_one_clear_error(damage, form, folder, cache):
    spoil, message = DAMAGE[damage]
    spoil(folder)
    source = Dsb2018(str(folder) if form == "folder" else zipped(folder), str(cache), complete=False)
    with pytest.raises(DataError, match=message):
        source.prepare()
    assert list(cache.glob("*")) == []


def test_roots_that_are_no_archive(folder, cache, tmp_path):
    text = tmp_path / "text.zip"
    text.write_text("no zip")
    for root, message in ((text, "not a whole zip file"), (tmp_path / "nowhere", "no such zip file")):
        with pytest.raises(DataError, match=message):
            Dsb2018(str(root), str(cache)).prepare()
    with pytest.raises(DataError, match=r"3 pictures.*664 or 670.*complete to false"):
        Dsb2018(str(folder), str(cache)).prepare()
    with pytest.raises(DataError, match="prepare"):
        Dsb2018(str(folder), str(cache)).setup()


def test_without_a_root_the_archive_is_downloaded(folder, truth, serve, monkeypatch, tmp_path):
    with open(zipped(folder), "rb") as file:
        site = serve(file.read())
    monkeypatch.setattr("data_modules.dsb2018.URL", site.url)
    monkeypatch.setattr("platformdirs.user_data_dir", lambda name: str(tmp_path / "data" / name))
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path / "cache" / name))
    with pytest.raises(NucleoscopeError, match="stage1_train"):
        Dsb2018(complete=False).setup()
    for _ in range(2):
        Dsb2018(complete=False).prepare()
    assert len(site.ranges) == 1
    assert (tmp_path / "data/nucleoscope/stage1_train.zip").exists()
    source = Dsb2018(complete=False)
    source.setup()
    np.testing.assert_array_equal(source.load(2).pixels, truth["c2"].pixels)
