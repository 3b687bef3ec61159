"""True labels in the forms people keep them, what is refused, and why."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from skimage.color import label2rgb
from skimage.measure import label as components
from skimage.segmentation import find_boundaries

from data_modules.label_images import combine_masks, labels_from_mask
from segmentation.errors import ImageReadError, ImageShapeError, NucleoscopeError
from segmentation.examples import make_example
from segmentation.truth_io import Truth, read_truth

LABELS = make_example("tissue", 5, height=47, width=65, nuclei=9, radius=(4, 6)).labels
SHAPE = LABELS.shape
COUNT = int(LABELS.max())
Save = Callable[..., Path]


def encoded(name: str, pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    if name.endswith((".tif", ".tiff")):
        tifffile.imwrite(buffer, pixels)
    else:
        Image.fromarray(pixels).save(buffer, format={"jpg": "JPEG"}.get(name[-3:], name[-3:].upper()))
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


def single(mask: np.ndarray) -> np.ndarray:
    return mask.astype(np.uint8) * 255


def check(truth: Truth, expected: np.ndarray, *notes: str) -> None:
    np.testing.assert_array_equal(truth.labels, expected)
    assert truth.labels.dtype == np.int32
    assert len(truth.notes) == len(notes), truth.notes
    for note, said in zip(truth.notes, notes, strict=True):
        assert said in note


@pytest.mark.parametrize(
    ("name", "dtype", "factor"),
    [
        ("a.png", "uint8", 20),
        ("a.png", "uint16", 5000),
        ("a.tif", "uint8", 1),
        ("a.tif", "uint16", 5000),
        ("a.tif", "int32", 200_000_000),
        ("a.tiff", "uint32", 200_000_000),
        ("a.tif", "float32", 1000),
        ("a.bmp", "uint8", 3),
    ],
)
def test_label_images_keep_their_numbers(name: str, dtype: str, factor: int, save: Save) -> None:
    path = save(name, LABELS.astype(dtype) * np.dtype(dtype).type(factor))
    check(read_truth([path], SHAPE), LABELS * factor, f"each of its {COUNT} numbers is a nucleus")


@pytest.mark.parametrize("deep", [False, True])
def test_each_colour_is_a_nucleus(deep: bool, save: Save) -> None:
    colours = np.random.default_rng(0).choice(256**3 - 1, COUNT, replace=False) + 1
    codes = np.array([0, *colours])[LABELS]
    rgb = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=2)
    path = save("a.tif", rgb.astype(np.uint16) * 257) if deep else save("a.png", rgb.astype(np.uint8))
    ranks = np.array([0, *(np.argsort(np.argsort(colours)) + 1)])
    check(read_truth([path], SHAPE), ranks[LABELS], f"{COUNT} colours is a nucleus and black is the background")


def test_colours_of_16_bits_are_told_apart(save: Save) -> None:
    colours = np.array([(0, 0, 0), (0, 0, 256), (0, 1, 0), (0, 256, 0), (1, 0, 0)], np.uint16)
    few = LABELS * (LABELS < 5)
    check(read_truth([save("a.tif", colours[few])], SHAPE), few, "4 colours is a nucleus")


def test_a_palette_counts_as_colours(save: Save) -> None:
    picture = Image.fromarray(LABELS.astype(np.uint8))
    picture.putpalette([0, 0, 0, *(value for number in range(1, 256) for value in (number, 3, 7))])
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    check(read_truth([save("a.png", buffer.getvalue())], SHAPE), LABELS, "colours is a nucleus")


@pytest.mark.parametrize("value", [1, 200])
@pytest.mark.parametrize("how", ["grey", "rgb", "red", "bool"])
def test_binary_masks_come_apart_into_components(value: int, how: str, save: Save) -> None:
    mask = LABELS > 0
    grey = mask * np.uint8(value)
    forms = {"grey": grey, "rgb": np.dstack([grey] * 3), "red": np.dstack([grey, 0 * grey, 0 * grey]), "bool": mask}
    path = save("a.tif", forms[how])  # tifffile calls white zero in those of true and false
    expected = components(mask, connectivity=2)
    check(read_truth([path], SHAPE), expected, f"connected components are the nuclei, {expected.max()} of them")


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
def test_numbers_count_not_how_they_look(dtype: str, tmp_path: Path) -> None:
    """As ImageJ writes them with an inverting lookup table."""
    tifffile.imwrite(tmp_path / "a.tif", LABELS.astype(dtype), photometric="miniswhite")
    check(read_truth([tmp_path / "a.tif"], SHAPE), LABELS, "Label image")
    tifffile.imwrite(tmp_path / "b.tif", single(LABELS == 2).astype(dtype), photometric="miniswhite")
    np.testing.assert_array_equal(read_truth([tmp_path / "b.tif"], SHAPE).labels, LABELS == 2)
    both = [tmp_path / "b.tif", tmp_path / "c.tif"]
    tifffile.imwrite(both[1], LABELS == 3)
    np.testing.assert_array_equal(read_truth(both, SHAPE).labels, (LABELS == 2) + 2 * (LABELS == 3))


def test_mostly_marked_masks_are_pointed_out(save: Save) -> None:
    inverted = LABELS == 0
    expected = components(inverted, connectivity=2)
    check(read_truth([save("a.png", single(inverted))], SHAPE), expected, "components", "save it inverted")
    check(read_truth([save("b.png", single(LABELS < 0))], SHAPE), np.zeros(SHAPE), "0 of them")


def test_label_images_are_read_as_for_training(save: Save) -> None:
    for pixels in (LABELS.astype(np.uint8), single(LABELS > 0), single(LABELS >= 0), single(LABELS < 0)):
        expected = labels_from_mask(pixels, one_object=False, owner="a")
        np.testing.assert_array_equal(read_truth([save("a.png", pixels)], SHAPE).labels, expected)


@pytest.mark.parametrize("as_zip", [False, True])
def test_one_file_per_nucleus(as_zip: bool, save: Save, tmp_path: Path) -> None:
    """As for training: numbered by file name, the first keeps a shared pixel, covered ones get no number."""
    shared = np.zeros(SHAPE, bool)
    shared[20:40, 10:50] = True
    masks = {f"n{number:02d}.png": single(number == LABELS) for number in range(COUNT, 0, -1)}
    masks |= {
        "m.tif": (shared * 1000).astype(np.uint16),
        "z_covered.png": single(shared),
        "blank.png": single(shared & ~shared),
        "k.png": np.dstack([0 * single(shared), 0 * single(shared), single(np.roll(shared, 15, 0))]),
    }
    files: dict[str, np.ndarray | bytes] = {
        "masks/": b"",
        "masks/.hidden.png": b"x",
        "__MACOSX/masks/._m.tif": b"x",
        "notes.txt": b"hello",
    }
    if as_zip:
        paths = [zipped(tmp_path / "M.ZIP", files | {f"masks/{name}": mask for name, mask in masks.items()})]
    else:
        paths = [save(name, mask) for name, mask in masks.items()]
    in_order = [(name, masks[name] if masks[name].ndim == 2 else masks[name].max(axis=2)) for name in sorted(masks)]
    expected = combine_masks(in_order, SHAPE, "picture")
    overlap = int((sum((mask > 0).astype(int) for _, mask in in_order) > 1).sum())
    lost = len(masks) - expected.max()
    notes = (
        f"{len(masks)} files: each is the mask of one nucleus",
        f"{overlap:,} pixels lie in several masks: the first by file name keeps them",
        f"{lost} masks are left without a pixel",
    )
    check(read_truth(paths, SHAPE), expected, *notes)


def test_a_zip_with_one_file_is_that_file(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"sub/a.png": LABELS.astype(np.uint8)}, zipfile.ZIP_STORED)
    check(read_truth([str(path)], SHAPE), LABELS, "Label image")


def test_masks_of_their_own_need_no_notes_on_overlap(save: Save) -> None:
    paths = [save(f"{number}.png", single(number == LABELS)) for number in (1, 2)]
    check(read_truth(paths[::-1], SHAPE), LABELS * (LABELS <= 2), "2 files: each is the mask of one nucleus")


SMALL = LABELS.astype(np.uint8)
COLOURS = io.BytesIO()
tifffile.imwrite(COLOURS, np.dstack([LABELS, LABELS, 0 * LABELS]), photometric="rgb")
SPOILT: dict[str, tuple[np.ndarray | bytes, type[NucleoscopeError], str]] = {
    "size.png": (SMALL[:40, :50], ImageShapeError, r"^size\.png is 50 x 40 pixels and the picture 65 x 47: "),
    "photo.jpg": (SMALL, ImageReadError, r"^photo\.jpg: JPEG changes the numbers of a mask; save it as PNG"),
    "cut.png": (encoded("a.png", SMALL)[:99], ImageReadError, r"^cut\.png: the file is damaged"),
    "no.png": (b"hello", ImageReadError, r"^no\.png: not a picture in a format read here"),
    "none.png": (b"", ImageReadError, r"^none\.png: the file is empty"),
    "pages.tif": (np.stack([SMALL] * 2), ImageShapeError, r"^pages\.tif: it holds several pages; save the one"),
    "clear.png": (np.dstack([SMALL] * 3 + [single(LABELS > 0)]), ImageShapeError, "not plain numbers. .* transparent"),
    "half.tif": (LABELS.astype(np.float32) / 2, ImageShapeError, r"^half\.tif: it holds fractions; labels must be"),
    "minus.tif": (-LABELS, ImageShapeError, r"values run from -\d+ to 0; they must be 0 to 2,147,483,647"),
    "high.tif": (LABELS.astype(np.uint32) * 400_000_000, ImageShapeError, "values run from 0 to"),
    "float.tif": ((LABELS > 0) * np.float32(2**31), ImageShapeError, "values run from 0.0 to"),
    "twos.png": (np.where(LABELS > 0, 2, 1).astype(np.uint8), ImageShapeError, "two values 1 and 2 none is 0; give"),
    "white.png": (np.dstack([255 - SMALL, 255 - SMALL, 0 * SMALL + 9]), ImageShapeError, "without black.* paint it"),
    "colours.tif": (COLOURS.getvalue(), ImageShapeError, "colours of type int32; save them with"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_what_is_no_truth(name: str, save: Save, tmp_path: Path) -> None:
    content, kind, message = SPOILT[name]
    with pytest.raises(kind, match=message):
        read_truth([save(name, content)], SHAPE)
    with pytest.raises(kind, match=message):
        read_truth([zipped(tmp_path / "one.zip", {name: content})], SHAPE)


def test_pictures_are_no_labels(save: Save) -> None:
    photo = make_example("tissue", 5, height=47, width=65).pixels
    photo[0, 0] = 0
    grey = make_example("fluorescence", 5, height=47, width=65).pixels[..., 0]
    nuclei = np.kron(np.arange(1, 37).reshape(6, 6), np.pad(np.ones((5, 5), int), 1))
    reused = (255 * label2rgb(nuclei, colors=["red", "lime", "blue"], bg_label=0)).astype(np.uint8)
    border = np.where(LABELS > 0, 1 + find_boundaries(LABELS, mode="inner"), 0).astype(np.uint8)
    for pixels, what in ((photo, "colours"), (grey, "numbers"), (reused, "3 colours"), (border, "2 numbers")):
        with pytest.raises(ImageShapeError, match=rf"its [\d,]*\s*{what} lie in [\d,]+ separate pieces, so they"):
            read_truth([save("a.png", pixels)], pixels.shape[:2])
    distinct = (255 * label2rgb(nuclei, colors=np.random.default_rng(0).random((36, 3)), bg_label=0)).astype(np.uint8)
    assert len(np.unique(read_truth([save("a.png", distinct)], nuclei.shape).labels)) == 37


def test_a_mask_without_background_among_several(save: Save) -> None:
    paths = [save("a.png", single(LABELS == 1)), save("b.png", single(LABELS >= 0))]
    with pytest.raises(ImageShapeError, match=r"^b\.png: no pixel is 0, so it is no mask of one nucleus"):
        read_truth(paths, SHAPE)
