"""Outlines against scikit-image and SciPy, colours by their rules."""

import numpy as np
import pytest
from scipy import ndimage
from skimage.segmentation import find_boundaries

from segmentation import MicroscopyImage, overlay
from segmentation.examples import ExamplePicture, make_example
from segmentation.overlay import PALETTE, draw_overlay, label_colours, outlines, overlay_strips, to_display


@pytest.fixture
def display() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (96, 128, 3)).astype(np.uint8)


@pytest.mark.parametrize("seed", range(4))
def test_outlines_match_scikit_image(seed: int) -> None:
    labels = make_example("brightfield", seed, nuclei=60).labels
    assert (labels[0] > 0).any()  # the picture's border is no outline, here as there
    np.testing.assert_array_equal(outlines(labels), find_boundaries(labels, connectivity=2, mode="inner"))


def test_outlines_of_touching_and_cut_nuclei() -> None:
    labels = np.zeros((7, 9), np.uint16)
    labels[0:4, 0:4], labels[0:4, 4:7] = 3, 8
    expected = np.zeros((7, 9), bool)
    expected[3, 0:7] = expected[0:4, 3:5] = expected[0:4, 6] = True
    np.testing.assert_array_equal(outlines(labels), expected)


def test_wider_outlines_lie_within_the_nuclei() -> None:
    labels = np.zeros((20, 20), np.uint16)
    labels[4:16, 4:16] = 1
    for width in (1, 2, 3):
        inner = np.zeros((20, 20), bool)
        inner[4 + width : 16 - width, 4 + width : 16 - width] = True
        np.testing.assert_array_equal(outlines(labels, width), (labels > 0) & ~inner)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 2), (33, 47)])
@pytest.mark.parametrize("width", [1, 2, 3, 9])
def test_any_labels_match_two_filters(shape: tuple[int, int], width: int) -> None:
    labels = np.random.default_rng(width).integers(0, 3, shape).repeat(2, 0).repeat(3, 1).astype(np.uint32) * 70_000
    size = 2 * width + 1
    highest, lowest = ndimage.maximum_filter(labels, size), ndimage.minimum_filter(labels, size)
    np.testing.assert_array_equal(outlines(labels, width), (labels > 0) & (highest != lowest))


def test_no_labels_no_outlines() -> None:
    assert not outlines(np.zeros((5, 5), np.uint16)).any()
    assert not outlines(np.ones((5, 5), np.uint16)).any()


def test_colours_stay_with_their_numbers() -> None:
    size = len(PALETTE)
    labels = np.array([[0, 1, 2], [size, size + 1, 70_000]], np.uint32)
    colours = label_colours(labels)
    assert colours.dtype == np.uint8
    assert not colours[0, 0].any()
    np.testing.assert_array_equal(colours[0, 1], colours[1, 1])
    np.testing.assert_array_equal(colours[1, 0], PALETTE[0])
    np.testing.assert_array_equal(label_colours(labels[1:, 2:])[0, 0], PALETTE[70_000 % size])
    assert len(np.unique(PALETTE, axis=0)) == size > 20
    steps = np.abs(np.diff(PALETTE.astype(int), axis=0)).max(axis=1)
    assert steps.min() > 60  # neighbours in number look apart


def test_colours_stay_apart_without_red_green_vision() -> None:
    """As people with deuteranopia see them (Machado et al. 2009, table 1, severity 1)."""
    seen = np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]])
    linear = (PALETTE / 255.0) ** 2.2
    steps = np.abs(np.diff(((linear @ seen.T).clip(0, 1)) ** (1 / 2.2), axis=0)).max(axis=1)
    assert steps.min() > 0.1


@pytest.mark.parametrize("style", ["outline", "fill"])
def test_background_is_untouched_and_colours_are_the_labels(
    style, display: np.ndarray, example: ExamplePicture
) -> None:
    before = display.copy()
    drawn = draw_overlay(display, example.labels, style=style)
    np.testing.assert_array_equal(display, before)
    where = outlines(example.labels) if style == "outline" else example.labels > 0
    np.testing.assert_array_equal(drawn[~where], display[~where])
    np.testing.assert_array_equal(drawn[where], PALETTE[example.labels[where] % 256])


@pytest.mark.parametrize("style", ["outline", "fill"])
def test_opacity(style, display: np.ndarray, example: ExamplePicture) -> None:
    np.testing.assert_array_equal(draw_overlay(display, example.labels, style=style, opacity=0), display)
    full = draw_overlay(display, example.labels, style=style).astype(float)
    half = draw_overlay(display, example.labels, style=style, opacity=0.5)
    np.testing.assert_allclose(half, (full + display) / 2, atol=0.5)


def test_display_is_stretched_rgb() -> None:
    values = np.arange(1000, 1000 + 40 * 50, dtype=np.uint16).reshape(40, 50, 1)
    display = to_display(MicroscopyImage(values, "ramp"))
    assert display.shape == (40, 50, 3)
    assert display.dtype == np.uint8
    assert (display.min(), display.max()) == (0, 255)
    np.testing.assert_allclose(display[..., 0].ravel(), np.linspace(0, 255, 2000), atol=1)
    assert not to_display(MicroscopyImage(values * 0, "black")).any()


@pytest.mark.parametrize("height", [1, 511, 512, 513, 1030])
def test_strips_are_the_overlay(height: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlay, "_STRIP", 512 * 40)
    generator = np.random.default_rng(height)
    pixels = generator.integers(0, 4000, (height, 40, 1)).astype(np.uint16)
    labels = np.kron(generator.integers(0, 9, (height, 8)), np.ones((1, 5))).astype(np.uint16)
    labels[506:512], labels[512:518] = labels[506:507], labels[512:513]  # nuclei that end at a seam
    labels[1020:1028] = labels[1020:1021]  # and some that run across
    image = MicroscopyImage(pixels, "tall")
    together = np.concatenate(list(overlay_strips(image, labels)))
    np.testing.assert_array_equal(together, draw_overlay(to_display(image), labels))
