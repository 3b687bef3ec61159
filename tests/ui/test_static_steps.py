"""Each step of the static page's JavaScript gives what its Python model gives, in a real browser."""

import math
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page
from scipy import ndimage
from skimage.measure import regionprops

from segmentation import DecodeParams, Preprocessing, Segmenter, read_image
from segmentation import segmenter as segmenter_module
from segmentation.automatic_magnification import largest_factor, suited_factor, windows_to_look_at
from segmentation.instance_maps import MapName, decode
from segmentation.tiling import Tile, blend_weights, predict_tiled
from segmentation.watershed import split_by_landscape
from tests.conftest import bright_is_nucleus
from tests.ui.static_site import call, serve_folder

pytestmark = pytest.mark.browser
SHAPES = [(1, 1), (1, 7), (3, 2), (9, 5), (37, 53)]


@pytest.fixture(scope="module")
def page(browser: Browser, project_root: Path) -> Iterator[Page]:
    """The page's modules, from the source folder; without a model, none of what needs one."""
    with serve_folder(project_root / "segmentation" / "web") as address:
        page = browser.new_page()
        page.goto(address)
        yield page
        page.close()


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
@pytest.mark.parametrize("channels", [1, 3])
def test_preprocessing_is_the_same_to_the_last_bit(page: Page, dtype: str, channels: int) -> None:
    pixels = (random().random((150, 201, channels)) * (200 if dtype == "uint8" else 30_000)).astype(dtype)
    if dtype == "int16":
        pixels -= np.int16(9000)
    preprocessing = Preprocessing(block=64)  # parts of unequal sizes
    intensity = preprocessing.measure(pixels)
    picture = {"width": 201, "height": 150, "planes": [pixels[..., channel].copy() for channel in range(channels)]}
    assert call(page, "preprocessing", "measure", picture, asdict(preprocessing)) == asdict(intensity)
    part = {"top": 10, "bottom": 60, "left": 20, "right": 90}
    prepared = call(page, "preprocessing", "apply", picture, part, asdict(intensity))
    expected = preprocessing.apply(pixels[10:60, 20:90], intensity)
    for channel in range(channels):
        np.testing.assert_array_equal(prepared[channel], expected[..., channel].ravel())


def test_a_picture_of_one_value_becomes_zero(page: Page) -> None:
    picture = {"width": 4, "height": 3, "planes": [np.full(12, 7, np.uint16)]}
    part = {"top": 0, "bottom": 3, "left": 0, "right": 4}
    assert not call(page, "preprocessing", "apply", picture, part, {"low": 7, "high": 7})[0].any()


@pytest.mark.parametrize("percents", [[0.05, 99.95], [0, 100], [37.5, 50]])
@pytest.mark.parametrize("count", [1, 2, 3, 1000])
def test_percentiles_are_numpys(page: Page, percents: list[float], count: int) -> None:
    for dtype in (np.uint8, np.float32):
        values = (random(count).random(count) * 255).astype(dtype)
        assert call(page, "percentiles", "percentiles", values, percents) == np.percentile(values, percents).tolist()


@pytest.mark.parametrize(
    ("name", "interpolation", "sizes"),
    [
        ("resizeLinear", cv2.INTER_LINEAR, [(1, 1, 2, 2), (37, 53, 56, 80), (5, 9, 50, 18), (56, 80, 37, 53)]),
        ("resizeArea", cv2.INTER_AREA, [(37, 53, 11, 16), (3, 1, 1, 1), (60, 60, 30, 30), (56, 80, 37, 53)]),
    ],
)
def test_resizing_is_opencvs(page: Page, name: str, interpolation: int, sizes: list[tuple[int, ...]]) -> None:
    for height, width, new_height, new_width in sizes:
        plane = random().random((height, width), np.float32)
        resized = call(page, "resize", name, plane, width, height, new_width, new_height)
        expected = cv2.resize(plane, (new_width, new_height), interpolation=interpolation)
        np.testing.assert_allclose(resized, expected.ravel(), atol=1e-5)


@pytest.mark.parametrize("value", [0.5, 1.5, 2.5, 55.5, 79.5, 3.4999, 3.6, 7])
def test_halves_are_rounded_to_even(page: Page, value: float) -> None:
    assert call(page, "numbers", "roundHalfEven", value) == round(value)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_smoothing_is_scipys(page: Page, shape: tuple[int, int], dtype: Any) -> None:
    plane = random().random(shape, dtype)
    smoothed = call(page, "gaussian", "smooth", plane, shape[1], shape[0])
    assert smoothed.dtype == dtype
    np.testing.assert_allclose(smoothed, ndimage.gaussian_filter(plane, 1.0).ravel(), rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("shape", [*SHAPES[1:], (90, 41)])
def test_distances_are_scipys(page: Page, shape: tuple[int, int]) -> None:
    for filled in (0.5, 0.9, 0.99):
        mask = random().random(shape) < filled
        mask.flat[mask.size // 3] = False
        distance = call(page, "distance", "distanceInside", mask.astype(np.uint8), shape[1], shape[0])
        np.testing.assert_array_equal(distance, ndimage.distance_transform_edt(mask).ravel())


@pytest.mark.parametrize("shape", SHAPES)
def test_components_are_scipys(page: Page, shape: tuple[int, int]) -> None:
    mask = random().random(shape) < 0.4
    found = call(page, "components", "components", mask.astype(np.uint8), shape[1], shape[0])
    expected, count = ndimage.label(mask, np.ones((3, 3)))
    assert found["count"] == count
    np.testing.assert_array_equal(found["labels"], expected.ravel())


@pytest.mark.parametrize("seed", range(12))
def test_splitting_is_the_same_where_everything_ties(page: Page, seed: int) -> None:
    landscape = np.rint(random(seed).integers(0, (3, 5, 9, 30)[seed % 4], (61, 83))).astype(np.float32)
    mask, rise = random(seed + 99).random((61, 83)) < 0.9, (1, 0.5, 2)[seed % 3]
    labels = call(page, "splitting", "splitByLandscape", mask.astype(np.uint8), landscape, rise, 83, 61)
    np.testing.assert_array_equal(labels, split_by_landscape(mask, landscape, rise).ravel())


def hills(seed: int, shape: tuple[int, int]) -> NDArray[np.float32]:
    smooth = ndimage.gaussian_filter(random(seed).random(shape), 2)
    return ((smooth - smooth.min()) / max(float(np.ptp(smooth)), 1e-9)).astype(np.float32)


CASES = [
    (("foreground", "distance"), DecodeParams(threshold=0.45, separation=0.1), (200, 180)),
    (("foreground", "distance"), DecodeParams(threshold=0.45, separation=0.3, drop_border=True), (64, 96)),
    (("foreground", "distance"), DecodeParams(threshold=0.4, separation=0.1, max_area=300, min_area=0), (37, 53)),
    (("foreground", "distance"), DecodeParams(separation=0.1, min_area=1), (1, 1)),
    (("foreground", "distance"), DecodeParams(threshold=0.4, separation=0.1, min_probability=0.6), (64, 96)),
    (("distance", "foreground"), DecodeParams(threshold=0.45), (64, 96)),
    (("foreground",), DecodeParams(threshold=0.45, separation=0.5), (90, 120)),
    (("foreground",), DecodeParams(threshold=1e-9, separation=0.5), (20, 30)),
    (("foreground",), DecodeParams(threshold=0.45, mode="mask"), (64, 96)),
]


@pytest.mark.parametrize(("names", "params", "shape"), CASES)
def test_decoding_is_the_same_to_the_pixel(
    page: Page, names: tuple[MapName, ...], params: DecodeParams, shape: tuple[int, int]
) -> None:
    maps = np.stack([hills(3 + index, shape) for index in range(len(names))])
    expected = decode(maps, params, names)
    found = call(page, "decode", "decode", dict(zip(names, maps, strict=True)), asdict(params), shape[1], shape[0])
    np.testing.assert_array_equal(found["labels"], expected.ravel())
    assert found["labels"].dtype == expected.dtype
    assert found["count"] == expected.max()


def test_measurements_are_scikit_images(page: Page) -> None:
    labels = decode(hills(3, (64, 96))[None], DecodeParams(threshold=0.6))
    table = call(page, "measurements", "measureNuclei", labels, int(labels.max()), 96, 64)
    regions = regionprops(labels)
    np.testing.assert_allclose(table["area"], [region.area for region in regions])
    np.testing.assert_allclose(np.stack([table["y"], table["x"]], 1), [region.centroid for region in regions])


@pytest.mark.parametrize(
    ("height", "width", "tile", "overlap"), [(100, 230, 64, 16), (50, 64, 64, 32), (65, 129, 64, 0)]
)
def test_tiles_are_the_same(page: Page, height: int, width: int, tile: int, overlap: int) -> None:
    for length in (height, width):
        weights = call(page, "tiling", "blendWeights", length, tile, overlap)
        for own, expected in zip(weights, blend_weights(length, tile, overlap), strict=True):
            np.testing.assert_allclose(own, expected, atol=1e-7)
    # Each tile answers with a number of its own, so that the blending shows.
    blended = page.evaluate(
        """async ([height, width, tile, overlap]) => {
            const { predictTiled } = await import(new URL("js/tiling.js", document.baseURI));
            const done = [], progress = (part) => done.push(part);
            const predict = async ({ top, left, bottom, right }) =>
                new Float32Array((bottom - top) * (right - left)).fill(top + 2 * left);
            const result = await predictTiled(predict, { maps: 1, width, height, tile, overlap, progress });
            return [Array.from(result), done.at(-1) ?? 1];
        }""",
        [height, width, tile, overlap],
    )

    def predict(place: Tile) -> NDArray[np.float32]:
        rows, columns = place
        shape = (1, rows.stop - rows.start, columns.stop - columns.start)
        return np.full(shape, rows.start + 2 * columns.start, np.float32)

    expected = predict_tiled(predict, 1, height, width, tile=tile, overlap=overlap)
    np.testing.assert_allclose(blended[0], expected.ravel(), rtol=1e-6)
    assert math.isclose(blended[1], 1)


@pytest.mark.parametrize("shape", [(1, 1), (724, 724), (725, 725), (40, 90_000), (3000, 2000), (9000, 8000)])
def test_windows_and_factors_of_the_first_look(page: Page, shape: tuple[int, int]) -> None:
    def contrast(top: int, left: int) -> float:
        return float((top * 31 + left * 17) % 1009)

    asked = """async ([height, width, diameters]) => {
        const js = await import(new URL("js/magnification.js", document.baseURI));
        const { largestFactor, suitedFactor, windowsToLookAt } = js;
        const places = windowsToLookAt(height, width, ({ top, left }) => (top * 31 + left * 17) % 1009);
        const edges = places.map(({ top, bottom, left, right }) => [top, bottom, left, right]);
        return [edges, diameters.map((diameter) => suitedFactor(30, diameter, largestFactor(height, width)))];
    }"""
    diameters = np.geomspace(0.5, 500, 200)
    places, factors = page.evaluate(asked, [*shape, diameters.tolist()])
    expected = windows_to_look_at(*shape, lambda tile: contrast(tile[0].start, tile[1].start))
    assert places == [[rows.start, rows.stop, columns.start, columns.stop] for rows, columns in expected]
    assert factors == [suited_factor(30, diameter, largest_factor(*shape)) for diameter in diameters]


# A network that answers with what it is given, and notes it.
_PREDICT = """async ([model, width, height]) => {
    const { predictMaps } = await import(new URL("js/network.js", document.baseURI));
    const plane = Uint16Array.from({ length: width * height }, (_, at) => (at * 7919) % 4001), seen = [];
    const run = async ({ image }) => {
        seen.push([...image.dims.slice(2)]);
        return { maps: { data: image.data.slice(0, image.dims[2] * image.dims[3]), dispose() {} } };
    };
    const maps = await predictMaps({ run }, { width, height, planes: [plane] }, model, () => {});
    return [seen, Array.from(maps.foreground)];
}"""


@pytest.mark.parametrize("magnification", [0.4, 1.0, 1.5, 3.0])
def test_tiles_of_any_magnification_are_the_same(
    page: Page, magnification: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    height, width, seen = 70, 401, []

    def echo(prepared: NDArray[np.float32]) -> NDArray[np.float32]:
        seen.append(list(prepared.shape[:2]))
        return prepared[None, ..., 0].copy()

    monkeypatch.setattr(segmenter_module, "TILE", 64)
    monkeypatch.setattr(segmenter_module, "OVERLAP", 16)
    segmenter = Segmenter(replace(bright_is_nucleus(), magnification=magnification), "cpu")
    monkeypatch.setattr(segmenter, "predict_prepared", echo)
    picture = (np.arange(height * width) * 7919 % 4001).astype(np.uint16).reshape(height, width)
    expected = segmenter.predict_maps(read_image(picture))
    preprocessing = asdict(segmenter.bundle.preprocessing)
    model = {"tile": 64, "overlap": 16, "magnification": magnification, "maps": ["foreground"]}
    shapes, maps = page.evaluate(_PREDICT, [{**model, "preprocessing": preprocessing}, width, height])
    assert shapes == seen
    np.testing.assert_allclose(maps, expected.ravel(), atol=1e-5)
