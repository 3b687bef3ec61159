"""Pixels and labels must move together, and every setting must do what its name says and nothing when off."""

from dataclasses import asdict, fields

import jsonargparse
import numpy as np
import pytest
import yaml
from numpy.lib.stride_tricks import sliding_window_view
from scipy import ndimage, stats
from skimage.color import rgb2hsv
from skimage.measure import label

from data_modules import AugmentationParams
from data_modules.augmentation import Augmenter
from segmentation.errors import ParameterError
from segmentation.examples import make_example

OFF = {
    "flip": False,
    "quarter_turns": False,
    "scale": (1.0, 1.0),
    "diameter": 0.0,
    "shear": 0.0,
    "elastic": 0.0,
    "brightness": 0.0,
    "contrast": (1.0, 1.0),
    "gamma": (1.0, 1.0),
    "blur": 0.0,
    "noise": 0.0,
    "hue": 0.0,
    "saturation": (1.0, 1.0),
    "mix": 0.0,
    "grey": 0.0,
    "tint": 0.0,
    "shading": 0.0,
    "jpeg": 0.0,
    "underexpose": 0.0,
    "invert": 0.0,
    "empty": 0.0,
    "drawn": 0.0,
    "plain": 0.0,
}
STRONG = {
    "flip": True,
    "quarter_turns": True,
    "scale": (0.5, 2.0),
    "shear": 12.0,
    "elastic": 3.0,
    "brightness": 0.2,
    "contrast": (0.5, 1.5),
    "gamma": (0.4, 2.5),
    "blur": 2.0,
    "noise": 0.08,
    "hue": 60.0,
    "saturation": (0.2, 1.8),
    "mix": 1.0,
    "grey": 1.0,
    "tint": 1.0,
    "shading": 0.6,
    "jpeg": 1.0,
    "underexpose": 1.0,
    "invert": 1.0,
}
GEOMETRY = ("flip", "quarter_turns", "scale", "shear", "elastic")
COLOUR = ("hue", "saturation", "mix", "grey")  # of colour pictures alone, as tint is of grey ones
SEEDS = range(12)


def only(*names, **settings):
    return AugmentationParams(**{**OFF, **{name: STRONG[name] for name in names}, **settings})


def picture(appearance="tissue", size=96):
    drawn = make_example(appearance, 3, height=size, width=size, nuclei=12)
    return np.broadcast_to(drawn.pixels, (size, size, 3)).copy(), drawn.labels


def is_window_of(crop, whole):
    windows = sliding_window_view(whole, crop.shape[:2], axis=(0, 1))
    return (
        (windows == np.moveaxis(crop, 2, 0) if crop.ndim == 3 else windows == crop)
        .all(axis=tuple(range(2, windows.ndim)))
        .any()
    )


@pytest.mark.parametrize("params", [None, AugmentationParams(), only(*STRONG)], ids=["none", "default", "strong"])
@pytest.mark.parametrize("shape", [(64, 64), (40, 200), (200, 40), (1, 1), (5, 7), (96, 65), (300, 300)])
def test_size_dtype_and_seed(params, shape):
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (*shape, 3), dtype=np.uint8)
    labels = generator.integers(0, 4, shape).astype(np.int32)
    before = pixels.copy(), labels.copy()
    augmenter = Augmenter(params, crop=64)
    first, again, fresh = augmenter(pixels, labels, 1), augmenter(pixels, labels, 1), Augmenter(params, 64)
    assert (first[0].shape, first[0].dtype) == ((64, 64, 3), np.uint8)
    assert (first[1].shape, first[1].dtype) == ((64, 64), np.int32)
    for other in (again, fresh(pixels, labels, 1)):
        np.testing.assert_array_equal(first[0], other[0])
        np.testing.assert_array_equal(first[1], other[1])
    np.testing.assert_array_equal(pixels, before[0])
    np.testing.assert_array_equal(labels, before[1])
    if min(shape) > 1 and shape != (64, 64):
        assert any((augmenter(pixels, labels, seed)[0] != first[0]).any() for seed in range(2, 6))


def block_ids(size, block=24, step=9):
    """A patchwork: every block has a grey value of its own, so that a pixel tells which block it came from."""
    ids = np.arange((size // block) ** 2).reshape(size // block, -1) * step % 252
    assert len(np.unique(ids)) > 20
    return np.kron(ids, np.ones((block, block), int))


@pytest.mark.parametrize("factor", [1, 17, 260])  # also labels beyond 8 and 15 bits
@pytest.mark.parametrize("params", [only(*GEOMETRY), *[only(name) for name in GEOMETRY]], ids=["all", *GEOMETRY])
def test_labels_follow_the_pixels(params, factor):
    ids = block_ids(264)
    pixels, labels = np.repeat(ids[..., None], 3, axis=2).astype(np.uint8), (ids * factor).astype(np.int32)
    augmenter, checked = Augmenter(params, crop=64), 0
    for seed in SEEDS:
        moved, moved_labels = augmenter(pixels, labels, seed)
        assert set(np.unique(moved_labels)) <= set(np.unique(labels))
        grey = moved[..., 0].astype(int)
        # Every interpolation blends the pixels of a border with their neighbours: one alone, or three in a row.
        reach = 9 if params == only(*GEOMETRY) else 5
        same = ndimage.maximum_filter(moved_labels, reach) == ndimage.minimum_filter(moved_labels, reach)
        inner = np.pad(same[3:-3, 3:-3], 3)  # at the edge of the crop a border may be just outside
        wrong = (grey * factor != moved_labels)[inner].mean()
        assert wrong <= (0.01 if params.elastic else 0)  # an elastic warp may leave crumbs of a neighbour
        checked += inner.sum()
    assert checked > (0.25 if params == only(*GEOMETRY) else 0.4) * 64 * 64 * len(SEEDS)


@pytest.mark.parametrize(
    "params",
    [
        only(*GEOMETRY),
        only("scale", "elastic"),
        only("shear", scale=(0.5, 0.5)),
        only(shear=30.0),
        only(elastic=10.0),
    ],
)
@pytest.mark.parametrize("crop", [32, 128])
def test_nothing_from_outside_the_picture_is_seen(params, crop):
    pixels, labels = np.full((400, 400, 3), 200, np.uint8), np.full((400, 400), 70_000, np.int32)
    augmenter = Augmenter(params, crop)
    for seed in range(30):
        moved, moved_labels = augmenter(pixels, labels, seed)
        assert (moved == 200).all()
        assert (moved_labels == 70_000).all()


@pytest.mark.parametrize("params", [None, only()], ids=["none", "all off"])
@pytest.mark.parametrize("appearance", ["fluorescence", "tissue"])
def test_off_is_an_exact_window(params, appearance):
    pixels, labels = picture(appearance)
    for seed in SEEDS:
        crop, crop_labels = Augmenter(params, 32)(pixels, labels, seed)
        assert is_window_of(crop, pixels)
        assert is_window_of(crop_labels, labels)


@pytest.mark.parametrize("name", STRONG)
@pytest.mark.parametrize("appearance", ["fluorescence", "tissue"])
def test_each_setting_alone(name, appearance):
    """It changes something, it moves labels only if it is geometry, and it leaves grey pictures grey."""
    pixels, labels = picture(appearance)
    plain, changed = Augmenter(only(), 32), Augmenter(only(name), 32)
    changes = 0
    for seed in SEEDS:
        crop, crop_labels = changed(pixels, labels, seed)
        if name not in GEOMETRY:
            expected, expected_labels = plain(pixels, labels, seed)
            np.testing.assert_array_equal(crop_labels, expected_labels)
            changes += (crop != expected).any()
        else:
            changes += not is_window_of(crop, pixels)
        if appearance == "fluorescence" and name != "tint":
            assert (crop == crop[..., :1]).all()
    grey = appearance == "fluorescence"
    assert (changes == 0) == (name in COLOUR if grey else name == "tint")


def test_plain_crops_keep_their_pixel_values():
    pixels, labels = picture("tissue")
    moved = {name: STRONG[name] for name in STRONG if name not in ("scale", "elastic", "shear")}
    plain = Augmenter(AugmentationParams(**{**OFF, **moved, "plain": 1.0}), 32)
    for seed in SEEDS:
        crop, crop_labels = plain(pixels, labels, seed)
        turns = [np.rot90(side, turn) for side in (crop, crop[:, ::-1]) for turn in range(4)]
        assert any(is_window_of(turned, pixels) for turned in turns)
        assert crop_labels.any()
    # Others change as they would, and about as many crops are plain as was asked for.
    half = Augmenter(AugmentationParams(**{**OFF, "brightness": 0.2, "invert": 1.0, "plain": 0.5}), 32)
    kept = sum(is_window_of(half(pixels, labels, seed)[0], pixels) for seed in range(60))
    assert 18 <= kept <= 42


def test_plain_crops_are_scaled_half_as_far():
    side = np.zeros((200, 200), np.int32)
    side[80:120, 80:120] = 1
    pixels = np.repeat((side * 200).astype(np.uint8)[..., None], 3, axis=2)
    wide = [_square(only(scale=(0.25, 4.0)), pixels, side, seed) for seed in range(40)]
    plain = [_square(only(scale=(0.25, 4.0), plain=1.0), pixels, side, seed) for seed in range(40)]
    assert (min(plain), max(plain)) == pytest.approx((20, 80), rel=0.15)
    assert min(wide) < 16
    assert max(wide) > 100


def _square(params, pixels, labels, seed):
    """Side of the only square in a crop of 200 pixels."""
    return np.sqrt((Augmenter(params, 200)(pixels, labels, seed)[1] == 1).sum())


def both(name, appearance="tissue", **settings):
    pixels, labels = picture(appearance)
    params = only(name, **settings)
    for seed in SEEDS:
        yield Augmenter(only(), 48)(pixels, labels, seed)[0], Augmenter(params, 48)(pixels, labels, seed)[0]


def test_invert_is_the_negative():
    for before, after in both("invert"):
        np.testing.assert_array_equal(after, 255 - before)


def test_brightness_is_a_shift_within_its_range():
    shifts = set()
    for before, after in both("brightness", "brightfield"):
        free = (after > 0) & (after < 255)  # the others were cut off
        shift = np.median(after[free].astype(int) - before[free])
        np.testing.assert_array_equal(after, np.clip(before.astype(int) + int(shift), 0, 255))
        shifts.add(shift)
    assert 0 < max(np.abs(list(shifts))) <= 0.2 * 255 + 1
    assert len(shifts) > 3


def test_contrast_turns_about_mid_grey():
    for before, after in both("contrast", contrast=(0.5, 0.5)):
        halved = 128 + 0.5 * (before.astype(float) - 128)
        assert np.abs(after - halved).max() <= 1 or (after == before).all()


def test_gamma_is_an_exponent():
    for before, after in both("gamma", gamma=(2.0, 2.0)):
        assert np.abs(after - 255 * (before / 255) ** 2).max() <= 1 or (after == before).all()


def test_noise_has_its_deviation_at_most():
    for before, after in both("noise", "brightfield"):
        assert (after.astype(float) - before).std() <= 1.1 * 0.08 * 255


def test_blur_loses_detail_and_keeps_the_mean():
    losses = 0
    for before, after in both("blur", blur=3.0):
        assert abs(after.mean() - before.mean()) < 2
        losses += (
            ndimage.laplace(after[..., 0].astype(float)).std() < ndimage.laplace(before[..., 0].astype(float)).std()
        )
    assert losses > 0


def test_hue_turns_by_so_many_degrees_at_most():
    turns = []
    for before, after in both("hue", hue=60.0):
        vivid = (np.ptp(before, axis=2) > 80) & (before.max(axis=2) > 150)
        turn = (rgb2hsv(after)[..., 0] - rgb2hsv(before)[..., 0])[vivid] * 360
        turns.append(np.median((turn + 180) % 360 - 180))
    assert 15 < max(np.abs(turns)) <= 62
    assert min(turns) < 0 < max(turns)


def test_scale_is_the_magnification():
    pixels, labels = np.full((64, 64, 3), 9, np.uint8), np.zeros((64, 64), np.int32)
    labels[22:42, 22:42] = 1  # in every window that twice the size allows; of its mirror images none is number 1
    for factor in (0.5, 0.7, 1.0, 1.6, 2.0):
        for seed in SEEDS:
            moved = Augmenter(only(scale=(factor, factor)), 90)(pixels, labels, seed)[1]
            assert (moved == 1).sum() == pytest.approx(400 * factor**2, rel=0.12)


def test_scale_is_even_on_a_log_scale():
    pixels, labels = np.full((32, 32, 3), 9, np.uint8), np.zeros((32, 32), np.int32)
    labels[4:28, 4:28] = 2
    augmenter = Augmenter(only(scale=(0.5, 2.0)), 64)
    areas = [(augmenter(pixels, labels, seed)[1] == 2).sum() for seed in range(1000, 1300)]
    factors = np.log2(np.sqrt(np.array(areas)) / 24)
    assert stats.kstest(factors, stats.uniform(-1, 2).cdf).statistic < 0.1


def test_shear_is_no_rotation():
    labels = np.zeros((200, 200), np.int32)
    labels[80:120, 80:120] = 1
    stretch = []
    for seed in SEEDS:
        moved = Augmenter(only(shear=12.0), 90)(np.zeros((200, 200, 3), np.uint8), labels, seed)[1]
        spread = np.linalg.eigvalsh(np.cov(np.nonzero(moved)))
        if moved.sum() > 1400:  # all of it is in the crop
            stretch.append(np.sqrt(spread[1] / spread[0]))
    slope = np.tan(np.deg2rad(12))
    assert len(stretch) > 3
    assert 1.1 < max(stretch) <= 1.02 * (1 + slope) / (1 - slope)


def test_flips_and_turns_reach_all_eight_orientations():
    pixels, labels = np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64), np.int32)
    labels[20:44, 20:28], labels[20:28, 20:36] = 1, 1  # an L
    shape = labels[20:44, 20:36]
    expected = {np.rot90(s, k).tobytes() for s in (shape, shape[:, ::-1]) for k in range(4)}
    seen = set()
    for seed in range(60):
        moved = Augmenter(only("flip", "quarter_turns"), 60)(pixels, labels, seed)[1]
        seen.add(moved[ndimage.find_objects(moved)[0]].tobytes())
    assert seen == expected


def test_nucleus_cut_in_two_keeps_its_number():
    labels = np.zeros((40, 40), np.int32)
    labels[15:25, 5:35], labels[10:30, 18:22] = 5, 6
    pixels = np.zeros((40, 40, 3), np.uint8)
    cut = [Augmenter(params, 32)(pixels, labels, seed)[1] for params in (None, only("flip")) for seed in SEEDS]
    assert all({5, 6} <= set(np.unique(moved)) for moved in cut)
    assert any(label(moved == 5, connectivity=2).max() == 2 for moved in cut)


def test_mirrored_nuclei_touching_theirs_are_one_and_others_are_new():
    labels = np.zeros((12, 12), np.int32)
    labels[4:8, :3], labels[4:7, 5:8] = 3, 8  # 3 touches the left border, 8 none
    pixels = np.repeat(labels[..., None], 3, axis=2).astype(np.uint8)
    joined = mirrored = 0
    for seed in range(40):
        crop, moved = Augmenter(None, 24)(pixels, labels, seed)
        numbers = set(np.unique(moved)) - {0}
        assert {3, 8} <= numbers
        # One number a component, one component a number; and the pixels know which nucleus it is a copy of.
        assert label(moved, background=0, connectivity=2).max() == len(numbers)
        assert (moved == 8).sum() == 9
        assert (moved == 3).sum() in (12, 16, 20, 24)
        joined += (moved == 3).sum() > 12
        for number in numbers - {3, 8}:
            assert number > 8
            assert len(np.unique(crop[moved == number])) == 1
            mirrored += 1
        np.testing.assert_array_equal(moved > 0, crop[..., 0] > 0)
    assert joined > 0
    assert mirrored > 0


@pytest.mark.parametrize("name", ["light", "default", "strong"])
def test_presets(project_root, name):
    path = project_root / "configs" / "augmentation" / f"{name}.yaml"
    assert list(yaml.safe_load(path.read_text())) == [field.name for field in fields(AugmentationParams)]
    parser = jsonargparse.ArgumentParser()
    parser.add_argument("--augmentation", type=AugmentationParams)
    params = parser.instantiate(parser.parse_args([f"--augmentation={path}"])).augmentation
    assert all(isinstance(value, tuple) for key, value in asdict(params).items() if isinstance(OFF[key], tuple))
    if name == "default":
        assert params == AugmentationParams()
    pixels, labels = picture(size=64)
    assert Augmenter(params, 32)(pixels, labels, 0)[0].shape == (32, 32, 3)


@pytest.mark.parametrize(
    "bad",
    [
        {"scale": (0.0, 1.0)},
        {"contrast": (1.5, 0.5)},
        {"gamma": (-1.0, 1.0)},
        {"saturation": (0.0, 0.0)},
        {"shear": 31.0},
        {"shear": -1.0},
        {"elastic": -0.1},
        {"noise": -1.0},
        {"mix": -0.1},
        {"grey": 1.1},
        {"tint": float("nan")},
        {"shading": 1.5},
        {"jpeg": 2.0},
        {"underexpose": 2.0},
        {"invert": 1.1},
        {"empty": -0.5},
    ],
)
def test_settings_out_of_range(bad):
    (name, value), *_ = bad.items()
    with pytest.raises(ParameterError) as caught:
        AugmentationParams(**bad)
    assert f"{name}={value}" in str(caught.value)
