"""Every column against scikit-image's regionprops, and by hand where that has none."""

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from skimage.measure import regionprops_table

from segmentation import label_geometry
from segmentation.errors import ImageShapeError, ParameterError
from segmentation.measurements import measure, summary
from segmentation.pixel_size import PixelSize

SHAPE_COLUMNS = [
    *("label", "centroid_x_px", "centroid_y_px", "bbox_left_px", "bbox_top_px", "bbox_width_px", "bbox_height_px"),
    *("area_px", "equivalent_diameter_px", "major_axis_px", "minor_axis_px", "orientation_deg", "eccentricity"),
]
FULL_COLUMNS = ["perimeter_px", "solidity", "circularity", "feret_diameter_max_px"]
INTENSITY_COLUMNS = ["mean_intensity", "min_intensity", "max_intensity", "integrated_intensity"]


def blobs(seed: int, shape: tuple[int, int] = (83, 121), smooth: float = 2.0) -> np.ndarray:
    """Blobs that touch each other and the border, some with holes, some of one pixel; labels are dense."""
    generator = np.random.default_rng(seed)
    field, cuts = (ndimage.gaussian_filter(generator.standard_normal(shape), smooth) for _ in range(2))
    return np.where(field > 0, ndimage.label(cuts > 0)[0] + 1, ndimage.label(cuts > cuts.std())[0] * 2)


def rings_and_pieces() -> np.ndarray:
    labels = np.zeros((41, 55), np.uint16)
    radius = np.hypot(*(np.mgrid[:41, :55] - np.array([20, 25]).reshape(2, 1, 1)))
    labels[(radius > 8) & (radius < 13)] = 7
    labels[radius < 5] = 900
    labels[0, 0] = labels[3, 50] = labels[40, 2] = 65_535  # far apart, under one number
    labels[5, 5:17] = 3
    labels[10:30, 1] = 4
    labels[35, 40] = 5
    labels[range(30, 38), range(45, 53)] = 8
    labels[range(30, 38), range(44, 36, -1)] = 9
    labels[1:3, 20:22] = 10
    return labels


LABELS = {
    "blobs": blobs(0),
    "specks": blobs(1, smooth=0.6),
    "noise": np.random.default_rng(2).integers(0, 6, (37, 29)).astype(np.uint8),
    "large blobs": blobs(3, (150, 97), 6.0),
    "one value all over": np.ones((9, 14), np.int32),
    "one row": np.array([[0, 1, 1, 0, 2, 3, 3]]),
    "one column": np.array([[1], [1], [0], [4]], np.int64),
    "rings and pieces": rings_and_pieces(),
    "wide gaps": blobs(4).astype(np.uint32) * 50_000_000,
}
SPACINGS = {"pixels": None, "square": PixelSize(0.25, 0.25), "tall": PixelSize(1.7, 0.4)}


def pixels_of(labels: np.ndarray, channels: int = 1, dtype: str = "uint8") -> np.ndarray:
    values = np.random.default_rng(5).normal(90, 30, (*labels.shape, channels))
    return values.clip(0, 255).astype(dtype)


def oracle(labels: np.ndarray, *properties: str, spacing: PixelSize | None = None) -> dict[str, np.ndarray]:
    # numbered anew: it takes memory for each value up to the largest
    values, dense = np.unique(labels, return_inverse=True)
    dense = dense.reshape(labels.shape) + (values[0] > 0)
    return regionprops_table(dense, properties=properties, spacing=spacing)


@pytest.mark.parametrize("name", LABELS)
@pytest.mark.parametrize("spacing", SPACINGS)
def test_shape_equals_regionprops(name: str, spacing: str) -> None:
    labels, size = LABELS[name], SPACINGS[spacing]
    table = measure(labels, pixels_of(labels), pixel_size=size, full=True)
    unit, area_unit = ("px", "px") if size is None else ("um", "um2")
    same = {
        f"area_{area_unit}": "area",
        f"equivalent_diameter_{unit}": "equivalent_diameter_area",
        f"centroid_x_{unit}": "centroid-1",
        f"centroid_y_{unit}": "centroid-0",
        f"major_axis_{unit}": "axis_major_length",
        f"minor_axis_{unit}": "axis_minor_length",
        "eccentricity": "eccentricity",
        "solidity": "solidity",
        f"feret_diameter_max_{unit}": "feret_diameter_max",
    }
    square = size is None or size.x == size.y
    if square:  # it has no perimeter of other pixels
        same[f"perimeter_{unit}"] = "perimeter"
    wanted = {name.split("-")[0] for name in same.values()}
    expected = oracle(labels, *wanted, "bbox", "orientation", spacing=size)
    for column, property_ in same.items():
        # the smaller axis of a line is the root of what rounding left of 0
        np.testing.assert_allclose(table[column], expected[property_], rtol=1e-9, atol=1e-5, err_msg=column)
    np.testing.assert_allclose(table["solidity"], expected["solidity"], rtol=1e-12)

    assert table["label"].tolist() == np.unique(labels[labels > 0]).tolist()
    top, left, bottom, right = (expected[f"bbox-{side}"] for side in range(4))
    for column, box in (("left", left), ("top", top), ("width", right - left), ("height", bottom - top)):
        np.testing.assert_array_equal(table[f"bbox_{column}_px"], box)
    at_border = (top == 0) | (left == 0) | (bottom == labels.shape[0]) | (right == labels.shape[1])
    np.testing.assert_array_equal(table["touches_border"], at_border)

    # radians from the downward axis, turning towards the right -> degrees from the horizontal, turning the same way
    turned = np.degrees(expected["orientation"]) % 180 - 90
    away = np.abs((table["orientation_deg"] - turned + 90) % 180 - 90)
    assert (away[table["eccentricity"] > 1e-3] < 1e-6).all()
    assert table["orientation_deg"].between(-90, 90, inclusive="left").all()

    if square:
        with np.errstate(divide="ignore"):
            circularity = np.minimum(4 * np.pi * expected["area"] / expected["perimeter"] ** 2, 1)
        np.testing.assert_allclose(table["circularity"], circularity, rtol=1e-9)


def test_the_pictures_above_hold_what_they_should() -> None:
    tables = [measure(labels, pixels_of(labels), full=True) for labels in LABELS.values()]
    table = pd.concat(tables)
    assert len(table) > 500
    assert (table["area_px"] == 1).sum() > 20
    assert 0.1 < table["touches_border"].mean() < 0.9
    assert (table["solidity"] < 0.7).sum() > 20
    assert table["circularity"].between(0.2, 0.99).sum() > 50
    assert set(np.sign(table["orientation_deg"])) == {-1, 0, 1}


@pytest.mark.parametrize("direction", ["rows", "columns"])
def test_perimeter_of_pixels_that_are_not_square(direction: str) -> None:
    labels, size = np.zeros((20, 30), int), PixelSize(2.0, 0.5)
    labels[3:10, 5:25] = 1  # from centre to centre of the outermost pixels
    labels[range(11, 19), range(1, 9)] = 2  # six steps aslant: the ends do not count
    expected = [2 * (6 * 2.0 + 19 * 0.5), 6 * np.hypot(2.0, 0.5)]
    if direction == "columns":
        labels, size = labels.T, PixelSize(size.x, size.y)
    table = measure(labels, pixels_of(labels), pixel_size=size, full=True)
    np.testing.assert_allclose(table["perimeter_um"], expected)


def test_orientation_as_seen_on_the_screen() -> None:
    labels = np.zeros((60, 60), np.uint8)
    labels[2, 5:20] = 1
    labels[10:25, 2] = 2
    labels[range(25, 15, -1), range(20, 30)] = 3  # rises to the right
    labels[range(30, 40), range(20, 30)] = 4
    labels[45:55, 5:15] = 5
    labels[58, 58] = 6
    rows, columns = range(44, 34, -1), range(30, 50, 2)
    labels[rows, columns] = labels[rows, range(31, 51, 2)] = 7  # two to the right, one up
    angles = measure(labels, pixels_of(labels))["orientation_deg"].to_numpy()
    np.testing.assert_allclose(angles[:6], [0, -90, 45, -45, 0, 0], atol=1e-9)
    assert angles[6] == pytest.approx(np.degrees(np.arctan(1 / 2)), abs=1)
    for radius in range(3, 30):  # rounding must not give a disc a direction
        disc = (np.hypot(*(np.mgrid[:60, :60] - 30)) < radius).astype(int)
        assert measure(disc, pixels_of(disc), pixel_size=PixelSize(0.3, 0.3))["orientation_deg"][0] == 0


@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "uint16", "uint32", "int16", "int64", "float16", "float32", "float64"]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_intensity_equals_regionprops(dtype: str, channels: int) -> None:
    labels, generator = LABELS["blobs"], np.random.default_rng(6)
    low, high = {"b": (0, 2), "u": (0, 200), "i": (-300, 300), "f": (-1, 1)}[np.dtype(dtype).kind]
    pixels = generator.uniform(low, high, (*labels.shape, channels)).astype(dtype)
    table = measure(labels, pixels)
    expected = regionprops_table(
        labels, pixels.astype(np.float64), properties=("area", "intensity_mean", "intensity_min", "intensity_max")
    )
    for channel, suffix in enumerate([""] if channels == 1 else ["_red", "_green", "_blue"]):
        for name in ("mean", "min", "max"):
            column = table[f"{name}_intensity{suffix}"]
            np.testing.assert_allclose(column, expected[f"intensity_{name}-{channel}"], rtol=1e-12, atol=1e-12)
        total = expected[f"intensity_mean-{channel}"] * expected["area"]
        np.testing.assert_allclose(table[f"integrated_intensity{suffix}"], total, rtol=1e-10, atol=1e-10)
    names = [*SHAPE_COLUMNS, "touches_border", *INTENSITY_COLUMNS]
    assert channels == 3 or list(table.columns) == names


@pytest.mark.parametrize("dtype", ["uint16", "uint32"])
def test_sums_of_large_values_are_exact(dtype: str) -> None:
    highest = np.iinfo(dtype).max
    table = measure(np.ones((301, 299), np.uint8), np.full((301, 299, 1), highest, dtype))[INTENSITY_COLUMNS]
    assert table.iloc[0].tolist() == [highest, highest, highest, 301 * 299 * int(highest)]
    assert table.dtypes.tolist() == ["float64", "int64", "int64", "int64"]


@pytest.mark.parametrize("together", [1, 50, 1000])
def test_strips_do_not_show(together: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("blobs", "noise", "rings and pieces", "wide gaps"):
        labels = LABELS[name]
        whole = measure(labels, pixels_of(labels, 3, "float32"), full=True)
        with monkeypatch.context() as patch:
            patch.setattr(label_geometry, "STRIP", together)
            pd.testing.assert_frame_equal(measure(labels, pixels_of(labels, 3, "float32"), full=True), whole)


@pytest.mark.parametrize("dtype", ["uint8", "uint32", "float32"])
@pytest.mark.parametrize("full", [False, True])
def test_no_nuclei_have_the_same_columns(dtype: str, full: bool) -> None:
    labels = LABELS["blobs"]
    some, pixels = measure(labels, pixels_of(labels, dtype=dtype), full=full), pixels_of(labels, dtype=dtype)
    none = measure(np.zeros_like(labels), pixels, full=full)
    assert len(none) == 0
    assert none.dtypes.to_dict() == some.dtypes.to_dict()
    expected = SHAPE_COLUMNS + FULL_COLUMNS * full + ["touches_border", *INTENSITY_COLUMNS]
    assert list(none.columns) == expected
    assert np.isnan(summary(none, labels.shape)["median_area_px"])


def test_channel_names_become_columns() -> None:
    labels = LABELS["one row"]
    names = ["Hoechst 33342 (blue)", "GFP", "gfp", "gfp 2", " "]
    table = measure(labels, pixels_of(labels, 5), channel_names=names)
    means = [column for column in table.columns if column.startswith("mean")]
    stems = ["hoechst_33342_blue", "gfp", "gfp_2", "gfp_2_2", "channel"]
    assert means == [f"mean_intensity_{stem}" for stem in stems]
    assert "mean_intensity_channel_2" in measure(labels, pixels_of(labels, 2))
    assert "max_intensity_dapi" in measure(labels, pixels_of(labels), channel_names=["DAPI"])


def test_summary() -> None:
    labels = np.zeros((100, 200), int)
    labels[1:3, 1:3], labels[5:9, 5:9], labels[20:26, 20:26] = 1, 2, 3
    plain = summary(measure(labels, pixels_of(labels)), labels.shape)
    assert plain == {"count": 3, "density_per_megapixel": pytest.approx(150), "median_area_px": 16}
    size = PixelSize(2.0, 0.5)  # 100 x 200 pixels are 200 x 100 micrometres
    table = measure(labels, pixels_of(labels), pixel_size=size)
    expected = {"count": 3, "density_per_mm2": pytest.approx(150), "median_area_um2": pytest.approx(16)}
    assert summary(table, labels.shape, size) == expected
    with pytest.raises(ParameterError, match="no area_px; measure"):
        summary(table, labels.shape)


def test_wrong_arguments_are_refused() -> None:
    labels = LABELS["one row"]
    pixels = pixels_of(labels, 3)
    for bad in (labels[0], labels[:0], labels.astype(float), labels > 0):
        with pytest.raises(ImageShapeError, match=r"must be .H, W. integers"):
            measure(bad, pixels)
    with pytest.raises(ImageShapeError, match="down to -2: "):
        measure(labels - 2, pixels)
    for bad in (pixels[:, 1:], pixels[..., 0], pixels[..., :0], pixels.astype(complex)):
        with pytest.raises(ImageShapeError, match=r"must be .H, W, C. real numbers"):
            measure(labels, bad)
    for names in (["a", "b"], "rgb", []):
        with pytest.raises(ParameterError, match="the picture has 3 channels; give one name for each"):
            measure(labels, pixels, channel_names=names)
    with pytest.raises(ParameterError, match="both are above 0"):
        measure(labels, pixels, pixel_size=PixelSize(0, 1))
