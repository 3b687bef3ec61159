"""Stacks that are stored oddly, sets of which one file is at hand, and metadata that mean harm."""

import uuid
from pathlib import Path

import numpy as np
import pytest
import tifffile

import segmentation.limits
from segmentation import read_image, read_images
from segmentation.errors import ImageReadError, ImageShapeError
from segmentation.image_info import describe

RANDOM = np.random.default_rng(0)


def stack(*shape: int) -> np.ndarray:
    return RANDOM.integers(0, 60_000, (*shape, 20, 24)).astype(np.uint16)


def written(path: Path, array: np.ndarray, **options) -> Path:
    tifffile.imwrite(path, array, photometric="minisblack", **options)
    return path


@pytest.mark.parametrize("options", [{"imagej": True}, {"byteorder": "<"}, {"byteorder": ">"}], ids=str)
def test_one_page_for_a_whole_stack(options: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ImageJ writes beyond 4 GB: read part by part all the same."""
    values = stack(3, 5, 2)
    path = written(tmp_path / "long.tif", values, truncate=True, metadata={"axes": "TZCYX"}, **options)
    with tifffile.TiffFile(path) as file:
        assert len(file.pages) == 1
    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", lambda *_: pytest.fail("the whole stack was read"))
    images = list(read_images(path, channel=1))
    np.testing.assert_array_equal(
        np.stack([image.pixels[..., 0] for image in images]), values[:, :, 1].reshape(-1, 20, 24)
    )
    assert images[0].pixels.dtype.isnative
    projected = list(read_images(path, channel=0, projection="max"))
    np.testing.assert_array_equal(np.stack([i.pixels[..., 0] for i in projected]), values[:, :, 0].max(1))


@pytest.mark.parametrize("options", [{"tile": (16, 16, 16)}, {"tile": (16, 16, 16), "compression": "zlib"}], ids=str)
def test_volumes_in_one_page(options: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = RANDOM.integers(0, 60_000, (7, 40, 50)).astype(np.uint16)
    path = written(tmp_path / "volume.tif", values, volumetric=True, **options)
    np.testing.assert_array_equal(np.stack([image.pixels[..., 0] for image in read_images(path)]), values)
    assert describe(path).axes == "ZYX"
    np.testing.assert_array_equal(read_image(path, projection="max").pixels[..., 0], values.max(0))
    monkeypatch.setattr(segmentation.limits, "MAX_BLOCK", values.nbytes - 1)
    with pytest.raises(ImageReadError, match=r"volume\.tif: .*can only be decoded in one go"):
        next(read_images(path))


def test_large_single_pages_are_no_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segmentation.limits, "MAX_BLOCK", 1)
    np.testing.assert_array_equal(read_image(written(tmp_path / "a.tif", stack())).pixels.shape, (20, 24, 1))


def ome_set(folder: Path, times: int, here: int, axis: str = "T", other: str = "elsewhere.tif") -> Path:
    """One file of a set, which holds plane ``here`` alone."""
    known = f"urn:uuid:{uuid.uuid4()}"
    rows = "".join(
        f'<TiffData IFD="0" PlaneCount="1" First{axis}="{number}">'
        f'<UUID FileName="{"here.ome.tif" if number == here else other}">'
        f"{known if number == here else f'urn:uuid:{uuid.uuid4()}'}</UUID></TiffData>"
        for number in range(times)
    )
    sizes = {"C": 1, "Z": 1, "T": 1} | {axis: times}
    attributes = " ".join(f'Size{letter}="{size}"' for letter, size in sizes.items())
    channels = "".join(f'<Channel ID="Channel:0:{number}" SamplesPerPixel="1"/>' for number in range(sizes["C"]))
    description = (
        f'<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{known}">'
        f'<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" SizeX="24" SizeY="20" '
        f"{attributes}>{channels}{rows}</Pixels></Image></OME>"
    )
    values = np.full((20, 24), 7, np.uint16)
    return written(folder / "here.ome.tif", values, description=description, metadata=None)


def test_pages_in_other_files_are_left_out_and_said(tmp_path: Path) -> None:
    path = ome_set(tmp_path, 4, here=2)
    (image,) = read_images(path)
    assert image.name == "here.ome_page3"
    assert (image.pixels == 7).all()
    assert image.notes == ("3 of its 4 pages are not in this file and are left out.",)
    assert describe(path).pages == 1
    assert read_image(path, page=3).name == image.name
    with pytest.raises(ImageShapeError, match="page 1 is not in this file, which is one of a set"):
        read_image(path, page=1)


def test_channels_in_other_files_are_not_made_up(tmp_path: Path) -> None:
    path = ome_set(tmp_path, 2, here=1, axis="C")
    with pytest.raises(ImageReadError, match=r"here\.ome\.tif: the file is one of a set"):
        read_image(path, channel=1)


@pytest.mark.parametrize("absolute", [True, False])
def test_a_file_cannot_have_another_one_read(absolute: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = written(tmp_path / "secret.tif", np.full((20, 24), 99, np.uint16))
    path = ome_set(tmp_path, 2, here=0, other=str(secret) if absolute else "secret.tif")
    assert tifffile.imread(path).max() == 99  # what tifffile does by itself
    monkeypatch.chdir(tmp_path)
    for source in (path, path.read_bytes()):
        assert max(image.pixels.max() for image in read_images(source)) == 7


@pytest.mark.parametrize("change", [('SizeT="4"', 'SizeT="4000000000"'), ('PlaneCount="1"', 'PlaneCount="9000000000"')])
def test_metadata_of_endless_stacks(change: tuple[str, str], tmp_path: Path) -> None:
    path = ome_set(tmp_path, 4, here=2)
    with tifffile.TiffFile(path) as file:
        description = file.pages[0].description.replace(*change)
    written(path, np.zeros((20, 24), np.uint16), description=description, metadata=None)
    for read in (describe, read_image):
        with pytest.raises(ImageReadError, match=r"here\.ome\.tif: its metadata speak of [49],000,000,000 planes"):
            read(path)


def test_too_many_channels_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.moveaxis(stack(9), 0, -1)
    apart = written(tmp_path / "apart.tif", np.moveaxis(values, -1, 0), ome=True, metadata={"axes": "CYX"})
    mixed = tmp_path / "mixed.tif"
    tifffile.imwrite(mixed, values, photometric="minisblack", planarconfig="contig")
    monkeypatch.setattr(segmentation.limits, "MAX_PIXELS", 20 * 24 * 2)
    with pytest.raises(ImageReadError, match=r"mixed\.tif: .*9 channels.* million values and the limit"):
        read_image(mixed, channel=8)
    np.testing.assert_array_equal(read_image(apart, channel=8).pixels[..., 0], values[..., 8])


def test_broken_ome_xml_is_a_plain_file(tmp_path: Path) -> None:
    values = stack(3)
    path = written(tmp_path / "broken.tif", values, description="<OME <Image> OME>", metadata=None)
    np.testing.assert_array_equal(np.stack([image.pixels[..., 0] for image in read_images(path)]), values)
    assert describe(path).format == "TIFF"


def test_one_bit_palette(tmp_path: Path) -> None:
    colours = np.array([[0, 65535], [90, 0], [300, 7]], np.uint16)
    bits = stack() > 30_000
    path = written(tmp_path / "two.tif", bits, extratags=[(320, "H", 6, colours.ravel().tolist(), True)])
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags[262].overwrite(int(tifffile.PHOTOMETRIC.PALETTE))
    np.testing.assert_array_equal(read_image(path).pixels, colours.T[bits.astype(int)])
