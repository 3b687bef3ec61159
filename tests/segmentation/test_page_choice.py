"""Channels by number and name, one page, and projections; NumPy's maximum and mean are the oracle."""

import io
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from segmentation import read_image, read_images
from segmentation.errors import ImageShapeError, ParameterError
from segmentation.image_info import describe

RANDOM = np.random.default_rng(0)
NAMES = ["DAPI", "GFP", "Cy5", "Bright field"]


def tiff(array: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, photometric="minisblack", **options)
    return buffer.getvalue()


def stack(*shape: int, dtype: str = "uint16") -> np.ndarray:
    return RANDOM.integers(0, 60_000 if dtype != "uint8" else 250, (*shape, 20, 24)).astype(dtype)


FOUR = stack(4)
FOUR_FILE = tiff(FOUR, ome=True, metadata={"axes": "CYX", "Channel": {"Name": NAMES}})


@pytest.mark.parametrize("channel", [2, "2", "Cy5", "cy5", " CY5 ", np.int64(2)])
def test_channel_by_number_and_name(channel: int | str) -> None:
    image = read_image(FOUR_FILE, channel=channel)
    np.testing.assert_array_equal(image.pixels[..., 0], FOUR[2])
    assert image.channel_names == ("Cy5",)


def test_name_before_number() -> None:
    names = {"Name": ["405", "1", "561", "640"]}
    data = tiff(FOUR, ome=True, metadata={"axes": "CYX", "Channel": names})
    np.testing.assert_array_equal(read_image(data, channel="405").pixels[..., 0], FOUR[0])
    np.testing.assert_array_equal(read_image(data, channel=1).pixels[..., 0], FOUR[1])
    np.testing.assert_array_equal(read_image(data, channel="3").pixels[..., 0], FOUR[3])


@pytest.mark.parametrize("channel", ["dapi2", "4", 4, -1, "", "-1", "\u00b2"])
def test_channel_that_does_not_exist_lists_those_that_do(channel: int | str) -> None:
    with pytest.raises(ImageShapeError, match=r"does not exist.*0 DAPI, 1 GFP, 2 Cy5, 3 Bright field"):
        read_image(FOUR_FILE, channel=channel)


def test_name_where_the_file_has_none() -> None:
    for source in (tiff(stack(), ome=True), FOUR[0], Image.fromarray(FOUR[0])):
        with pytest.raises(
            ImageShapeError, match=r"channel 'DAPI' does not exist; .* channel 0 alone and the file name"
        ):
            read_image(source, channel="DAPI")


def test_two_channels_of_one_name() -> None:
    data = tiff(FOUR, ome=True, metadata={"axes": "CYX", "Channel": {"Name": ["GFP", "gfp", "a", "b"]}})
    with pytest.raises(ImageShapeError, match="channels 0 and 1 are both called 'GFP'"):
        read_image(data, channel="GFP")
    np.testing.assert_array_equal(read_image(data, channel=1).pixels[..., 0], FOUR[1])


def test_choice_of_channels_is_asked_for_by_name_before_anything_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    for owner in (tifffile.TiffPage, tifffile.TiffFrame):
        monkeypatch.setattr(owner, "asarray", lambda *_: pytest.fail("pixels were decoded"))
    with pytest.raises(ImageShapeError, match=r"4 channels \(DAPI, GFP, Cy5, Bright field\).*--channel"):
        read_image(FOUR_FILE)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["a", "b"], ("a", "b")),
        (["a", "b"] * 3, ("a", "b")),
        (["a", "a"], ()),
        (["a", "b", "c", "d", "e", "f"], ()),  # of slices, not of channels
        (["a"], ()),
        ([], ()),
    ],
    ids=str,
)
def test_labels_of_imagej(labels: list[str], expected: tuple[str, ...]) -> None:
    data = tiff(stack(3, 2), imagej=True, metadata={"axes": "ZCYX", "Labels": labels})
    assert describe(data).channel_names == expected
    assert next(read_images(data, channel=1)).channel_names == expected[1:]


def test_only_the_channel_asked_for_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    values, decoded = stack(3, 4), []
    data = tiff(values, ome=True, metadata={"axes": "ZCYX"}, compression="zlib")
    for owner in (tifffile.TiffPage, tifffile.TiffFrame):
        original = owner.asarray
        monkeypatch.setattr(owner, "asarray", lambda page, o=original: decoded.append(page.index) or o(page))
    images = list(read_images(data, channel=3))
    np.testing.assert_array_equal(np.stack([image.pixels[..., 0] for image in images]), values[:, 3])
    assert set(decoded) == {3, 7, 11}


def test_three_channels_picked_from_are_no_colours() -> None:
    data = tiff(stack(3), ome=True, metadata={"axes": "CYX", "Channel": {"Name": NAMES[:3]}})
    assert read_image(data).notes == ("Its 3 channels (DAPI, GFP, Cy5) are read as red, green and blue.",)
    assert read_image(data).channel_names == ("DAPI", "GFP", "Cy5")
    assert read_image(data, channel="gfp").notes == ()
    again = read_image(read_image(data), channel="cy5")
    assert again.channel_names == ("Cy5",)
    np.testing.assert_array_equal(again.pixels, read_image(data, channel=2).pixels)


def test_pages_are_counted_as_in_their_names(tmp_path: Path) -> None:
    values, path = stack(11), tmp_path / "z.tif"
    path.write_bytes(tiff(values))
    for number, every in enumerate(read_images(path), start=1):
        image = read_image(path, page=number)
        assert image.name == every.name == f"z_page{number:02d}"
        np.testing.assert_array_equal(image.pixels[..., 0], values[number - 1])
    for page in (0, -1, 12):
        with pytest.raises(ImageShapeError, match=f"z.tif: page {page} does not exist; there are pages 1 to 11"):
            read_image(path, page=page)


@pytest.mark.parametrize("source", [FOUR[0], tiff(FOUR[0]), Image.fromarray(FOUR[0]), read_image(FOUR[0])], ids=type)
def test_one_page_has_no_number(source: object) -> None:
    image = read_image(source, page=1, projection="max", name="one")  # type: ignore[arg-type]
    assert "page" not in image.name
    assert "max" not in image.name
    assert image.notes == ()
    with pytest.raises(ImageShapeError, match="page 2 does not exist; there is 1 page"):
        read_image(source, page=2)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "int16", "float32", "float64"])
@pytest.mark.parametrize("projection", ["max", "mean"])
def test_projection(dtype: str, projection: str) -> None:
    values = stack(5, dtype=dtype) - (0 if dtype.startswith("u") else 100)
    if dtype == "float64":
        values = values * 1e300  # beyond what float32 holds
    (image,) = read_images(tiff(values), name="cells", projection=projection)  # type: ignore[arg-type]
    assert image.name == f"cells_{projection}"
    if projection == "max":
        assert image.pixels.dtype == values.dtype
        np.testing.assert_array_equal(image.pixels[..., 0], values.max(0))
        assert image.notes == ("The maximum of 5 planes.",)
    else:
        assert image.pixels.dtype == ("float64" if dtype == "float64" else "float32")
        np.testing.assert_allclose(image.pixels[..., 0], values.mean(0, dtype=np.float64), rtol=1e-6)
        assert image.notes == ("The mean of 5 planes.",)


@pytest.mark.parametrize(
    ("axes", "shape", "along", "options"),
    [
        ("TZCYX", (2, 5, 2), 1, {"imagej": True}),
        ("TCZYX", (2, 2, 5), 1, {"ome": True}),
        ("ZTYX", (5, 2), 0, {"ome": True}),
        ("TZYX", (2, 5), 1, {"imagej": True}),
        ("QZYX", (2, 5), 1, {}),
        ("TQYX", (2, 5), 1, {}),
    ],
)
def test_time_points_stay_apart(axes: str, shape: tuple[int, ...], along: int, options: dict) -> None:
    values = stack(*shape)
    data = tiff(values, metadata={"axes": axes}, **options)
    channel = 1 if "C" in axes else None
    expected = (np.take(values, 1, axis=axes.index("C")) if "C" in axes else values).max(along)
    images = list(read_images(data, name="s", channel=channel, projection="max"))
    assert [image.name for image in images] == ["s_max_page1", "s_max_page2"]
    np.testing.assert_array_equal(np.stack([image.pixels[..., 0] for image in images]), expected)
    assert describe(data).projected_pages == 2
    second = read_image(data, channel=channel, projection="max", page=2)
    np.testing.assert_array_equal(second.pixels[..., 0], expected[1])


def test_time_alone_is_not_projected() -> None:
    values = stack(3)
    data = tiff(values, ome=True, metadata={"axes": "TYX"})
    images = list(read_images(data, name="t", projection="mean"))
    assert [image.name for image in images] == ["t_page1", "t_page2", "t_page3"]
    np.testing.assert_array_equal(np.stack([image.pixels[..., 0] for image in images]), values)
    assert images[0].pixels.dtype == np.uint16
    assert all("no z axis" in image.notes[0] for image in images)


RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)
TINTED = np.stack([RAMP, RAMP // 2, RAMP // 3], axis=-1)


@pytest.mark.parametrize(
    ("frames", "channels"),
    [((RAMP, RAMP[::-1], RAMP.T), 1), ((RAMP, TINTED, RAMP.T), 3), ((TINTED, RAMP, TINTED[::-1]), 3)],
    ids=["grey", "grey first", "colours"],
)
def test_pages_of_a_film_are_of_one_kind(frames: tuple[np.ndarray, ...], channels: int) -> None:
    buffer = io.BytesIO()
    pictures = [Image.fromarray(frame) for frame in frames]
    pictures[0].save(buffer, "GIF", save_all=True, append_images=pictures[1:])
    data = buffer.getvalue()
    film, expected = Image.open(buffer), np.zeros((3, 16, 16, channels), np.uint8)
    for number in range(3):
        film.seek(number)
        expected[number] = np.asarray(film.convert("RGB"))[..., :channels]
    np.testing.assert_array_equal(np.stack([image.pixels for image in read_images(data)]), expected)
    assert describe(data).channels == channels
    np.testing.assert_array_equal(read_image(data, projection="max").pixels, expected.max(0))
    np.testing.assert_allclose(read_image(data, projection="mean").pixels, expected.mean(0), rtol=1e-6)


def test_planes_keep_their_notes_within_reason() -> None:
    values = stack(9, dtype="float32")
    for number in range(9):
        values[number, 0, : number + 1] = np.nan
    notes = read_image(tiff(values), projection="max").notes
    assert len(notes) == 5
    assert notes[3:] == ("6 more notes of this kind.", "The maximum of 9 planes.")


def test_other_projections_are_refused() -> None:
    with pytest.raises(ParameterError, match="projection='median': choose 'max' or 'mean'"):
        read_image(FOUR[0], projection="median")  # type: ignore[arg-type]


def test_several_pages_name_the_cure() -> None:
    with pytest.raises(ImageShapeError, match=r"several pages.*page="):
        read_image(tiff(stack(2)))
