"""The shipped model finds the same nuclei whatever the bit depth, and as many whichever way a picture is turned.

Exact: a picture whose numbers are multiplied and shifted (8 bit stored in 16, floats from 0 to 1) gives the very
labels, since the stretch by percentiles undoes both; the maps differ by float32's rounding. Nearly so: 16 bit rounded
to 8 loses grey levels, and the outlines move on fewer than one pixel in a thousand. Turned and mirrored, accurate mode
is exact, since it averages the eight ways; one pass of the network may part a clump otherwise, by one nucleus in these
pictures.
"""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from segmentation import Segmenter
from segmentation.examples import Appearance, make_example
from tests.segmentation.corpus_tools import npy, tiff

KINDS: tuple[Appearance, ...] = ("fluorescence", "brightfield", "tissue")
TURNS = [(turns, mirrored) for turns in range(4) for mirrored in (False, True)]


@pytest.fixture(scope="module")
def segmenter(project_root: Path) -> Segmenter:
    return Segmenter.from_pretrained(project_root / "checkpoints" / "nuclei", "cpu")


def picture(kind: Appearance, seed: int = 1) -> NDArray[np.uint8]:
    return make_example(kind, seed, height=96, width=128, nuclei=8).pixels


def turned(pixels: NDArray, turns: int, mirrored: bool) -> NDArray:
    pixels = np.rot90(pixels, turns)
    return np.ascontiguousarray(pixels[:, ::-1] if mirrored else pixels)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "rescale",
    [
        lambda pixels: pixels.astype(np.uint16) * 257,
        lambda pixels: pixels.astype(np.uint16) * 16 + 100,
        lambda pixels: pixels.astype(np.int16) - 128,
        lambda pixels: pixels.astype(np.uint32) * 16_843_009,
        lambda pixels: pixels.astype(np.float32) / 255,
        lambda pixels: pixels.astype(np.float64) * 1e9,
    ],
    ids=["x 257", "12 bit, shifted", "signed", "32 bit", "float", "double"],
)
def test_bit_depth_changes_nothing(kind: Appearance, rescale, segmenter: Segmenter) -> None:
    pixels = picture(kind)
    expected, result = segmenter(pixels), segmenter(rescale(pixels))
    assert expected.count == 8
    np.testing.assert_array_equal(result.labels, expected.labels)
    np.testing.assert_allclose(result.maps, expected.maps, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_rounding_to_8_bit_changes_next_to_nothing(kind: Appearance, segmenter: Segmenter) -> None:
    pixels, random = picture(kind), np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(pixels.astype(float), (0.7, 0.7, 0)) * 250
    deep = np.clip(smooth + random.normal(0, 40, pixels.shape), 0, 65_535).astype(np.uint16)
    low, high = int(deep.min()), int(deep.max())
    rounded = np.rint((deep.astype(float) - low) / (high - low) * 255).astype(np.uint8)
    assert len(np.unique(deep)) > 1000
    first, second = segmenter(deep), segmenter(rounded)
    assert first.count == second.count == 8
    assert ((first.labels > 0) != (second.labels > 0)).mean() < 1e-3


@pytest.mark.parametrize("kind", ["fluorescence", "tissue"])
def test_files_give_what_arrays_give(kind: Appearance, segmenter: Segmenter) -> None:
    pixels = picture(kind)
    expected = segmenter(pixels).labels
    deep = pixels.astype(np.uint16) * 257
    colours = {"photometric": "rgb"} if kind == "tissue" else {}
    for data in (tiff(deep.squeeze(), byteorder=">", compression="lzw", **colours), npy(deep)):
        np.testing.assert_array_equal(segmenter(data).labels, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_turned_pictures_have_as_many_nuclei(kind: Appearance, segmenter: Segmenter) -> None:
    pixels = picture(kind, seed=1 if kind != "tissue" else 2)
    assert [segmenter(turned(pixels, *turn)).count for turn in TURNS] == [8] * 8


@pytest.mark.parametrize(("kind", "seed"), [("fluorescence", 2), ("tissue", 1)])
def test_turned_clumps_differ_by_one_at_most(kind: Appearance, seed: int, segmenter: Segmenter) -> None:
    counts = [segmenter(turned(picture(kind, seed), *turn)).count for turn in TURNS]
    assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize("kind", ["fluorescence", "tissue"])
def test_accurate_mode_is_the_same_whichever_way_a_picture_is_turned(kind: Appearance, segmenter: Segmenter) -> None:
    pixels = picture(kind)
    upright, on_its_side = segmenter(pixels, accurate=True), segmenter(turned(pixels, 1, False), accurate=True)
    np.testing.assert_allclose(on_its_side.maps, np.rot90(upright.maps, axes=(1, 2)), atol=1e-5)
    assert on_its_side.count == upright.count == 8
    np.testing.assert_array_equal(on_its_side.labels > 0, np.rot90(upright.labels > 0))
