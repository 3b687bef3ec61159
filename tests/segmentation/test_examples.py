"""Drawn pictures: the same for the same seed, and true to the kind they imitate."""

import numpy as np
import pytest
from scipy import ndimage

from segmentation.errors import ParameterError
from segmentation.examples import make_example

KINDS = ("fluorescence", "brightfield", "tissue")


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_picture(kind) -> None:
    first, second, other = (make_example(kind, seed, height=64, width=80) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.pixels, second.pixels)
    np.testing.assert_array_equal(first.labels, second.labels)
    assert (first.labels != other.labels).any()
    assert first.pixels.dtype == np.uint8
    assert first.pixels.shape == (64, 80, 3 if kind == "tissue" else 1)
    assert first.labels.shape == (64, 80)


@pytest.mark.parametrize("seed", range(5))
def test_labels_have_no_gaps_and_each_is_one_piece(seed: int) -> None:
    labels = make_example("fluorescence", seed, nuclei=200).labels
    assert labels.dtype == np.int32
    count = int(labels.max())
    assert count > 20
    np.testing.assert_array_equal(np.unique(labels), np.arange(count + 1))
    pieces = [ndimage.label(labels == value, structure=np.ones((3, 3)))[1] for value in range(1, count + 1)]
    assert set(pieces) == {1}


@pytest.mark.parametrize("seed", range(3))
def test_number_and_size_of_nuclei(seed: int) -> None:
    labels = make_example("tissue", seed, height=400, width=400, nuclei=12, radius=(9, 10)).labels
    assert labels.max() == 12
    inside = [
        value for value in range(1, 13) if not (labels[[0, -1]] == value).any() | (labels[:, [0, -1]] == value).any()
    ]
    radii = np.sqrt(np.bincount(labels.ravel())[inside] / np.pi)
    assert len(inside) > 5
    assert radii.min() > 8
    assert radii.max() < 11
    assert make_example("tissue", seed, nuclei=0).labels.max() == 0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("kind", "brighter"), [("fluorescence", True), ("brightfield", False), ("tissue", False)])
def test_nuclei_stand_out_as_their_kind_does(kind, brighter: bool, seed: int) -> None:
    picture = make_example(kind, seed)
    grey = picture.pixels.mean(axis=2)
    inside, outside = grey[picture.labels > 0], grey[picture.labels == 0]
    assert (inside.mean() > outside.mean()) == brighter
    assert abs(inside.mean() - outside.mean()) > outside.std()
    assert (outside.mean() < 64) == (kind == "fluorescence")


def test_tissue_is_coloured_like_its_stains() -> None:
    picture = make_example("tissue", 0)
    red, blue = (picture.pixels[..., index][picture.labels > 0].mean() for index in (0, 2))
    assert blue > red  # haematoxylin is blue, eosin is pink
    red_out, green_out, blue_out = (picture.pixels[..., index][picture.labels == 0].mean() for index in range(3))
    assert red_out > green_out
    assert blue_out > green_out


@pytest.mark.parametrize(
    "setting",
    [
        {"appearance": "x-ray"},
        {"height": 15},
        {"width": 0},
        {"nuclei": -1},
        {"radius": (0.5, 3)},
        {"radius": (9, 3)},
    ],
    ids=str,
)
def test_settings_are_checked(setting: dict) -> None:
    arguments = {"appearance": "tissue", "seed": 0} | setting
    with pytest.raises(ParameterError, match=next(iter(setting))):
        make_example(**arguments)
