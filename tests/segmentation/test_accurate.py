"""Accurate mode: the mean of the eight turned and mirrored views, and what follows from that."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from numpy.typing import NDArray
from PIL import Image

import segmentation.segmenter
from segmentation import Bundle, DecodeParams, Segmenter
from segmentation.__main__ import main
from segmentation.examples import make_example
from segmentation.image_io import read_image
from segmentation.residual_unet import ResidualUNet
from segmentation.writers import read_labels
from ui.segmenting import segment_files
from ui.session import Session

NAMES = ("foreground", "distance")
ORIENTATIONS = [(turns, mirrored) for mirrored in (False, True) for turns in range(4)]


def turn(array: NDArray, turns: int, mirrored: bool, axes: tuple[int, int] = (0, 1)) -> NDArray:
    array = np.rot90(array, turns, axes)
    return np.flip(array, axes[1]) if mirrored else array


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """Random weights: as little alike in the eight orientations as can be."""
    torch.manual_seed(0)
    return Bundle(
        ResidualUNet(out_channels=2, channels=(6, 8)).eval(), decode=DecodeParams(separation=0.05), maps=NAMES
    )


@pytest.fixture(scope="module")
def segmenter(bundle: Bundle) -> Segmenter:
    return Segmenter(bundle, "cpu", "pytorch")  # which can be watched


@pytest.fixture(scope="module")
def pixels() -> NDArray:
    return make_example("tissue", 2, height=45, width=70, nuclei=10).pixels


def test_it_is_the_mean_of_the_eight_views(segmenter: Segmenter, pixels: NDArray) -> None:
    image = read_image(pixels)
    prepared = segmenter.bundle.preprocessing(image.pixels)
    views = []
    with torch.inference_mode():
        for turns, mirrored in ORIENTATIONS:
            view = np.ascontiguousarray(turn(prepared, turns, mirrored).transpose(2, 0, 1))
            maps = segmenter.bundle.network(torch.from_numpy(view)[None])[0].numpy()
            maps = np.flip(maps, 2) if mirrored else maps  # undone in reverse order
            views.append(np.rot90(maps, -turns, (1, 2)))
    assert np.ptp(views, axis=0).max() > 0.01  # the views do differ
    maps = segmenter.predict_maps(image, accurate=True)
    assert (maps.shape, maps.dtype) == ((2, 45, 70), np.float32)
    np.testing.assert_allclose(maps, np.mean(views, axis=0), atol=1e-5)


@pytest.mark.parametrize(("turns", "mirrored"), ORIENTATIONS)
def test_a_turned_picture_has_turned_maps(segmenter: Segmenter, pixels: NDArray, turns: int, mirrored: bool) -> None:
    straight = segmenter(pixels, accurate=True)
    turned = segmenter(np.ascontiguousarray(turn(pixels, turns, mirrored)), accurate=True)
    np.testing.assert_allclose(turned.maps, turn(straight.maps, turns, mirrored, (1, 2)), atol=1e-5)
    if (turns, mirrored) != (0, False):  # which the plain answer has not
        plain = segmenter(np.ascontiguousarray(turn(pixels, turns, mirrored))).maps
        assert np.abs(plain - turn(segmenter(pixels).maps, turns, mirrored, (1, 2))).max() > 1e-3


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (17, 5, 3)])
def test_odd_sizes(segmenter: Segmenter, shape: tuple[int, ...]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    assert segmenter(picture, accurate=True).labels.shape == shape[:2]


def test_eight_passes_in_every_tile(segmenter: Segmenter, pixels: NDArray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segmentation.segmenter, "TILE", 40)
    monkeypatch.setattr(segmentation.segmenter, "OVERLAP", 8)
    passes: list[int] = []
    progress: list[float] = []
    hook = segmenter.bundle.network.register_forward_hook(lambda *_: passes.append(1))
    segmenter(pixels, progress=progress.append)
    plain, steps = len(passes), list(progress)
    passes.clear()
    progress.clear()
    segmenter(pixels, accurate=True, progress=progress.append)
    hook.remove()
    assert plain > 1
    assert len(passes) == 8 * plain
    assert progress == steps  # a step a tile, and the end at 1
    assert progress[-1] == 1


def test_decoding_anew_keeps_the_accurate_maps(segmenter: Segmenter, pixels: NDArray) -> None:
    result = segmenter(pixels, accurate=True)
    again = result.decode(DecodeParams(threshold=0.4))
    assert again.maps is result.maps
    assert again.names == NAMES


def test_pages_command_line_and_web_page(bundle: Bundle, pixels: NDArray, tmp_path: Path) -> None:
    folder = bundle.save(tmp_path / "bundle")
    Image.fromarray(pixels).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "stack.tif", np.stack([pixels, pixels[::-1]]), photometric="rgb")
    segmenter = Segmenter.from_pretrained(folder, "cpu")
    # Where the plain and the accurate answer differ, so that a lost switch is seen.
    plain, accurate = segmenter(pixels).maps[0], segmenter(pixels, accurate=True).maps[0]
    params = DecodeParams(threshold=float(np.median(accurate)), min_area=0)
    assert ((plain >= params.threshold) != (accurate >= params.threshold)).mean() > 0.01
    expected = segmenter(pixels, params, accurate=True).labels
    pages = list(segmenter.segment_pages(tmp_path / "stack.tif", params, accurate=True))
    np.testing.assert_array_equal(pages[0].labels, expected)
    np.testing.assert_array_equal(pages[1].labels > 0, expected[::-1] > 0)
    session = Session(accurate=True, params=params)
    list(segment_files(session, segmenter, [("a.png", tmp_path / "a.png")], lambda done, text: None))
    np.testing.assert_array_equal(session.found[0].labels, expected)
    settings = ["--threshold", repr(params.threshold), "--min-area", "0", "--separation", "0"]
    command = [str(tmp_path / "a.png"), "--model", str(folder), "--device", "cpu", *settings]
    for switch, labels in ((["--accurate"], expected), ([], segmenter(pixels, params).labels)):
        assert main([*command, "--out", str(tmp_path / "out"), *switch]) == 0
        np.testing.assert_array_equal(read_labels(tmp_path / "out" / "a_labels.tif"), labels)
