"""Training targets against scikit-image, SciPy and plain loops; and that decoding the true targets gives the nuclei."""

import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import label as skimage_label
from skimage.morphology import h_maxima
from skimage.segmentation import find_boundaries, watershed

from segmentation.examples import make_example
from segmentation.instance_maps import DecodeParams, boundary, decode, encode, known_names, touching
from segmentation.scores import match
from segmentation.watershed import split_by_landscape

WAYS = {("foreground", "distance"): 0.07}  # names, and the separation that suits


def patches(seed: int, shape: tuple[int, int] = (40, 57), count: int = 14) -> np.ndarray:
    """Rectangles that overlap, touch, hold each other and reach over the border, with gaps in their numbers."""
    generator = np.random.default_rng(seed)
    labels = np.zeros(shape, np.int32)
    for number in generator.choice(900, count, replace=False) + 1:
        top, left = generator.integers(-3, shape[0]), generator.integers(-3, shape[1])
        labels[max(top, 0) : top + generator.integers(1, 16), max(left, 0) : left + generator.integers(1, 16)] = number
    return labels


@pytest.mark.parametrize("seed", range(6))
def test_boundary_against_skimage(seed: int) -> None:
    labels = patches(seed)
    expected = find_boundaries(labels, connectivity=2, mode="inner")
    np.testing.assert_array_equal(boundary(labels), expected)
    np.testing.assert_array_equal(encode(labels, ("boundary",))[0], expected)
    assert 0 < expected.sum() < (labels > 0).sum()


@pytest.mark.parametrize("seed", range(6))
def test_distance_against_scipy_one_nucleus_at_a_time(seed: int) -> None:
    labels = patches(seed)
    expected = np.zeros(labels.shape, np.float32)
    for number in np.unique(labels[labels > 0]):
        own = labels == number
        # Up to the nucleus' own outermost pixels; beyond the picture's border it may go on.
        depth = ndimage.distance_transform_edt(own & ~find_boundaries(labels, connectivity=2, mode="inner"))
        depth = depth.astype(np.float32) + 1
        expected[own] = depth[own] / depth[own].max()
    answer = encode(labels, ("distance",))
    assert answer.dtype == np.float32
    # To the last bit, or the same crop would be another one in a resumed run.
    np.testing.assert_array_equal(answer[0], expected)
    assert (answer[0][labels > 0] > 0).all()


def test_targets_are_the_same_to_the_last_bit_wherever_they_lie_in_memory() -> None:
    """Vectorised code may round otherwise where an array starts elsewhere; a resumed run would learn other targets."""
    labels = make_example("tissue", 1, height=33, width=35, nuclei=6).labels
    first, kept = encode(labels, ("foreground", "boundary", "distance")), []
    for size in range(120):
        kept.append(np.empty(16 * size + 4400, np.uint8))
        np.testing.assert_array_equal(encode(labels, ("foreground", "boundary", "distance")), first)


@pytest.mark.parametrize("reach", [1, 2, 4])
@pytest.mark.parametrize("seed", range(3))
def test_touching_against_plain_loops(seed: int, reach: int) -> None:
    labels = patches(seed, (25, 31), 9)
    expected = np.zeros(labels.shape, bool)
    for y, x in np.ndindex(labels.shape):
        around = labels[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1]
        expected[y, x] = len(set(around.ravel().tolist()) - {0}) > 1
    np.testing.assert_array_equal(touching(labels, reach), expected)
    assert expected.any()


def test_nothing_touches_where_there_is_one_nucleus_or_none() -> None:
    for labels in (np.zeros((9, 9), np.int32), np.ones((9, 9), np.int32), np.pad(np.full((3, 3), 70_000), 3)):
        assert not touching(labels).any()


@pytest.mark.parametrize("fill", [0, 1, 70_000])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 8)])
def test_crops_of_one_value(shape: tuple[int, int], fill: int) -> None:
    """A crop that lies inside one nucleus, or beside all."""
    foreground, edge, distance = encode(np.full(shape, fill, np.int32), ("foreground", "boundary", "distance"))
    assert not edge.any()
    for answer in (foreground, distance):
        np.testing.assert_array_equal(answer, np.full(shape, bool(fill)))


def test_targets_come_in_the_order_asked_for() -> None:
    labels = patches(0)
    names = ("distance", "foreground", "boundary")
    for name, answer in zip(names, encode(labels, names), strict=True):
        np.testing.assert_array_equal(answer, encode(labels, (name,))[0])
    assert encode(labels).shape == (1, *labels.shape)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64, np.uint32])
def test_numbers_and_their_type_do_not_matter(dtype: type) -> None:
    labels = patches(3) % 200
    names = ("foreground", "boundary", "distance")
    first = encode(labels, names)
    np.testing.assert_array_equal(encode(labels.astype(dtype), names), first)
    other = np.where(labels > 0, 201 - labels, 0) * (9_001 if np.iinfo(dtype).bits > 16 else 1)
    np.testing.assert_array_equal(encode(other.astype(dtype), names), first)
    np.testing.assert_array_equal(touching(other.astype(dtype)), touching(labels))


@pytest.mark.parametrize(
    ("names", "known"),
    [
        (("foreground",), True),
        (("distance", "foreground"), True),
        (("foreground", "boundary", "distance"), True),
        ((), False),
        (("distance",), False),
        (("foreground", "depth"), False),
        (("foreground", "foreground"), False),
    ],
)
def test_known_names(names: tuple[str, ...], known: bool) -> None:
    assert known_names(names) is known


def two_discs(diameter: float, angle: float) -> np.ndarray:
    """Two discs side by side, parted by the line between them."""
    size = int(2 * diameter) + 10
    rows, columns = np.mgrid[:size, :size] - (size - 1) / 2
    step = np.array([np.sin(angle), np.cos(angle)]) * diameter / 2
    first, second = (np.hypot(rows - sign * step[0], columns - sign * step[1]) for sign in (1, -1))
    return np.where(np.minimum(first, second) <= diameter / 2, np.where(first <= second, 1, 2), 0).astype(np.int32)


@pytest.mark.parametrize("names", WAYS, ids=lambda names: names[1])
@pytest.mark.parametrize("diameter", [5, 6, 8, 13, 30, 60, 120])
def test_touching_discs_come_back(diameter: float, names: tuple) -> None:
    joined = 0
    for angle in np.linspace(0.1, 3.1, 8):
        labels = two_discs(diameter, angle)
        joined += ndimage.label(labels, np.ones((3, 3)))[1] == 1
        found = decode(encode(labels, names), DecodeParams(separation=WAYS[names], min_area=0), names)
        assert found.max() == 2
        assert match(found, labels, (0.8,)).true_positives == [2]
        np.testing.assert_array_equal(found > 0, labels > 0)
    assert joined >= 6  # without the second map they are one


@pytest.mark.parametrize("names", WAYS, ids=lambda names: names[1])
@pytest.mark.parametrize("seed", range(3))
def test_crowded_pictures_come_back(seed: int, names: tuple) -> None:
    labels = make_example("tissue", seed, height=200, width=220, nuclei=80, radius=(6.0, 12.0)).labels
    count = labels.max()
    assert ndimage.label(labels, np.ones((3, 3)))[1] < count - 2
    found = decode(encode(labels, names), DecodeParams(separation=WAYS[names], min_area=0), names)
    assert match(found, labels, (0.8,)).true_positives[0] >= 0.97 * count


@pytest.mark.parametrize("names", WAYS, ids=lambda names: names[1])
def test_separation_zero_and_mask_mode_look_at_the_foreground_alone(names: tuple) -> None:
    maps = encode(two_discs(20, 0.4), names)
    components = skimage_label(maps[0] > 0, connectivity=2)
    np.testing.assert_array_equal(decode(maps, DecodeParams(separation=0, min_area=0), names), components)
    params = DecodeParams(mode="mask", separation=WAYS[names])
    np.testing.assert_array_equal(decode(maps, params, names), maps[0] > 0)
    with pytest.raises(ValueError, match="zip"):
        decode(maps, DecodeParams(), ("foreground",))


@pytest.mark.parametrize("names", WAYS, ids=lambda names: names[1])
def test_any_answer_of_a_network_keeps_the_foreground(names: tuple) -> None:
    """Whatever the second map says, the objects fill the foreground, without gaps in their numbers."""
    generator = np.random.default_rng(1)
    smooth = ndimage.gaussian_filter(generator.random((2, 70, 80)), (0, 3, 3))
    noise = ((smooth - smooth.min()) / np.ptp(smooth)).astype(np.float32)
    for maps in (noise, np.ones_like(noise), np.zeros_like(noise), np.stack([noise[0] * 0 + 1, noise[1]])):
        found = decode(maps, DecodeParams(separation=WAYS[names], min_area=0), names)
        np.testing.assert_array_equal(found > 0, maps[0] >= 0.5)
        np.testing.assert_array_equal(np.unique(found[found > 0]), np.arange(found.max()) + 1)


@pytest.mark.parametrize("height", [0.02, 0.07, 0.2])
@pytest.mark.parametrize("seed", range(3))
def test_landscape_of_depth_against_h_maxima(seed: int, height: float) -> None:
    """The textbook way (Soille 2003, 6.3.4), on a landscape in [0, 1] as a network draws it."""
    generator = np.random.default_rng(seed)
    landscape = ndimage.gaussian_filter(generator.random((80, 90)), 2.5)
    landscape = (landscape - landscape.min()) / np.ptp(landscape)
    mask = landscape > 0.35
    seeds = skimage_label(h_maxima(landscape, height) * mask, connectivity=2)
    oracle = watershed(-landscape, seeds, connectivity=2, mask=mask)
    found = split_by_landscape(mask, landscape, height)
    np.testing.assert_array_equal(found > 0, mask)
    count = len(np.unique(oracle[oracle > 0]))
    assert count > 5
    assert match(found, oracle, (0.9,)).true_positives == [count]
