"""From a picture to counted nuclei with a network whose answer is known: bright is nucleus."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

import segmentation.segmenter
from segmentation import Bundle, DecodeParams, Segmenter, UNet, read_image
from segmentation.errors import BundleError, ImageReadError, ImageShapeError, ParameterError
from segmentation.examples import ExamplePicture
from segmentation.instance_maps import decode
from segmentation.scores import match
from tests.conftest import bright_is_nucleus


@pytest.fixture
def segmenter(bundle: Bundle) -> Segmenter:
    return Segmenter(bundle, "cpu")


def test_six_squares_are_six_nuclei(segmenter: Segmenter, six_squares: np.ndarray) -> None:
    result = segmenter(six_squares)
    assert result.count == 6
    assert result.labels.shape == result.foreground.shape == six_squares.shape
    assert result.labels.dtype == np.uint16
    assert result.maps.dtype == np.float32
    assert result.maps.shape == (1, *six_squares.shape)
    assert result.params == segmenter.bundle.decode
    assert result.seconds > 0
    np.testing.assert_array_equal(result.labels > 0, six_squares > 100)
    np.testing.assert_array_equal(np.bincount(result.labels.ravel())[1:], [100] * 6)


def test_probability_is_the_formula(segmenter: Segmenter, example: ExamplePicture) -> None:
    prepared = segmenter.bundle.preprocessing(example.pixels).mean(axis=2)
    np.testing.assert_allclose(segmenter(example.pixels).foreground, 1 / (1 + np.exp(10 - 20 * prepared)), atol=1e-5)


def test_drawn_nuclei_are_found(bundle: Bundle, example: ExamplePicture) -> None:
    result = Segmenter(bundle)(example.pixels, DecodeParams(threshold=0.05, separation=1.0))
    counts = match(result.labels, example.labels, (0.5,))
    assert counts.true_positives[0] >= 7
    assert counts.false_positives[0] <= 1


def test_nothing_is_found_on_a_constant_picture(segmenter: Segmenter) -> None:
    result = segmenter(np.full((20, 30), 99, np.uint8))
    assert result.count == 0
    assert not result.labels.any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (17, 33), (31, 7, 3)])
def test_odd_sizes(segmenter: Segmenter, shape: tuple[int, ...]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    assert segmenter(picture).labels.shape == shape[:2]


def test_every_kind_of_source_agrees(segmenter: Segmenter, six_squares: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "squares.png"
    Image.fromarray(six_squares).save(path)
    deep = tmp_path / "deep.tif"
    tifffile.imwrite(deep, six_squares.astype(np.uint16) * 257)
    truth = segmenter(six_squares).labels
    sources = [
        path,
        str(path),
        path.read_bytes(),
        Image.open(path),
        read_image(path),
        deep,
        np.dstack([six_squares] * 3),
    ]
    for source in sources:
        np.testing.assert_array_equal(segmenter(source).labels, truth)
    assert segmenter(path).image.name == "squares"


@pytest.mark.parametrize(("tile", "overlap"), [(32, 8), (32, 0), (16, 4), (64, 32)])
def test_tiles_agree_with_the_whole(
    bundle: Bundle, example: ExamplePicture, tile: int, overlap: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    segmenter = Segmenter(bundle, "cpu", "pytorch")  # which can be watched
    pixels = example.pixels[:77, :101]
    whole = segmenter(pixels)
    monkeypatch.setattr(segmentation.segmenter, "TILE", tile)
    monkeypatch.setattr(segmentation.segmenter, "OVERLAP", overlap)
    sizes: list[tuple[int, ...]] = []
    hook = segmenter.bundle.network.register_forward_pre_hook(lambda _, inputs: sizes.append(tuple(inputs[0].shape)))
    tiled = segmenter(pixels)
    hook.remove()
    assert len(sizes) > 1
    assert all(max(size[2:]) <= tile for size in sizes)
    np.testing.assert_allclose(tiled.maps, whole.maps, atol=1e-5)
    np.testing.assert_array_equal(tiled.labels, whole.labels)


def test_tiles_of_a_random_network_stay_close(example: ExamplePicture, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    segmenter = Segmenter(Bundle(UNet(channels=(8, 8), dropout=(0.0, 0.0))))
    whole = segmenter(example.pixels).maps
    monkeypatch.setattr(segmentation.segmenter, "TILE", 64)
    monkeypatch.setattr(segmentation.segmenter, "OVERLAP", 32)
    tiled = segmenter(example.pixels).maps
    # A tile's outermost pixels see its zero padding instead of the neighbours, and the ramp gives them little weight.
    assert whole.std() > 0.02
    assert np.abs(tiled - whole).max() < 0.5 * whole.std()
    assert np.abs(tiled - whole).mean() < 0.02 * whole.std()
    np.testing.assert_allclose(tiled[:, :30, :30], whole[:, :30, :30], atol=1e-5)


def test_params_replace_the_bundles_own(segmenter: Segmenter, six_squares: np.ndarray) -> None:
    assert segmenter(six_squares, DecodeParams(min_area=101)).count == 0
    assert segmenter(six_squares, DecodeParams(mode="mask")).count == 1
    own = Segmenter(bright_is_nucleus(min_area=101))
    assert own(six_squares).count == 0
    assert own(six_squares, DecodeParams()).count == 6


def test_decode_again_does_not_run_the_network(bundle: Bundle, six_squares: np.ndarray) -> None:
    segmenter = Segmenter(bundle, "cpu", "pytorch")
    calls: list[int] = []
    hook = segmenter.bundle.network.register_forward_hook(lambda *_: calls.append(1))
    first = segmenter(six_squares)
    params = DecodeParams(threshold=0.2, separation=1.0, min_area=101)
    second = first.decode(params)
    hook.remove()
    assert len(calls) == 1
    assert (first.count, second.count) == (6, 0)
    assert second.params == params
    assert second.image is first.image
    np.testing.assert_array_equal(second.labels, decode(first.maps, params))


def test_dropout_is_off(example: ExamplePicture) -> None:
    torch.manual_seed(0)
    network = UNet(channels=(8, 8), dropout=(0.5, 0.5))
    network.train()
    segmenter = Segmenter(Bundle(network))
    first, second = segmenter(example.pixels), segmenter(example.pixels)
    np.testing.assert_array_equal(first.maps, second.maps)
    np.testing.assert_array_equal(first.labels, second.labels)


def test_channel_is_chosen(segmenter: Segmenter, six_squares: np.ndarray) -> None:
    two = np.dstack([np.zeros_like(six_squares), six_squares])
    assert segmenter(two, channel=1).count == 6
    assert segmenter(two, channel=0).count == 0
    with pytest.raises(ImageShapeError, match="2 channels"):
        segmenter(two)


def test_pages(segmenter: Segmenter, six_squares: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.stack([six_squares, six_squares * 0, six_squares[::-1]]), photometric="minisblack")
    results = list(segmenter.segment_pages(path))
    assert [result.count for result in results] == [6, 0, 6]
    assert [result.image.name for result in results] == ["stack_page1", "stack_page2", "stack_page3"]
    assert [result.count for result in segmenter.segment_pages(path, DecodeParams(mode="mask"))] == [1, 0, 1]
    with pytest.raises(ImageShapeError, match="several pages"):
        segmenter(path)


def test_progress(segmenter: Segmenter, six_squares: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []
    segmenter(six_squares, progress=seen.append)
    assert seen == [1]
    monkeypatch.setattr(segmentation.segmenter, "TILE", 32)
    monkeypatch.setattr(segmentation.segmenter, "OVERLAP", 8)
    seen.clear()
    segmenter(six_squares, progress=seen.append)
    assert len(seen) > 1
    assert seen == sorted(seen)
    assert seen[-1] == 1


def test_grey_model_takes_grey_pictures(six_squares: np.ndarray) -> None:
    bundle = Bundle(UNet(in_channels=1, channels=(2, 2), dropout=(0.0, 0.0)), segmentation.Preprocessing(channels=1))
    assert Segmenter(bundle)(six_squares).labels.shape == six_squares.shape
    with pytest.raises(ImageShapeError, match="this model takes 1"):
        Segmenter(bundle)(np.dstack([six_squares] * 3))


@pytest.mark.parametrize("device", ["nonsense", "", "cuda:99"])
def test_devices_that_are_not_there(bundle: Bundle, device: str) -> None:
    with pytest.raises(ParameterError, match=r"device=.*choose 'auto' or 'cpu'"):
        Segmenter(bundle, device)


def test_from_pretrained(bundle_folder: Path, six_squares: np.ndarray, tmp_path: Path) -> None:
    assert Segmenter.from_pretrained(bundle_folder)(six_squares).count == 6
    with pytest.raises(BundleError):
        Segmenter.from_pretrained(tmp_path)


def test_reading_errors_come_through(segmenter: Segmenter, tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match="absent"):
        segmenter(tmp_path / "absent.png")
