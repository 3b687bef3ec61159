"""Pictures magnified before the network: the answer keeps the picture's own size, and travels with the bundle."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from segmentation import Bundle, Segmenter
from segmentation.__main__ import main
from segmentation.bundle import CONFIG, check_magnification
from segmentation.errors import BundleError, ParameterError
from segmentation.residual_unet import ResidualUNet


@pytest.fixture(scope="module")
def residual() -> Segmenter:
    return Segmenter(Bundle(ResidualUNet(channels=(4, 8)).eval()), "cpu")


@pytest.mark.parametrize("factor", [0.5, 1.5, 2.0])
def test_the_network_sees_the_magnified_picture(residual: Segmenter, factor: float) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (40, 52, 3)).astype(np.uint8)
    prepared = residual.bundle.preprocessing(picture)
    smooth = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    larger = cv2.resize(prepared, (int(52 * factor), int(40 * factor)), interpolation=smooth)
    expected = cv2.resize(residual.predict_prepared(larger)[0], (52, 40), interpolation=cv2.INTER_LINEAR)
    found = residual(picture, magnification=factor)
    np.testing.assert_allclose(found.foreground, expected, atol=1e-6)
    own = Segmenter(replace(residual.bundle, magnification=factor), "cpu")(picture)
    np.testing.assert_array_equal(own.maps, found.maps)


@pytest.mark.parametrize("accurate", [False, True])
@pytest.mark.parametrize("factor", [0.1, 0.7, 1.0, 1.3, 8.0])
@pytest.mark.parametrize("shape", [(1, 1), (3, 17), (50, 31)])
def test_any_size_keeps_its_shape(residual: Segmenter, shape: tuple[int, int], factor: float, accurate: bool) -> None:
    picture = np.random.default_rng(1).integers(0, 255, shape).astype(np.uint8)
    result = residual(picture, magnification=factor, accurate=accurate)
    assert result.maps.shape == (1, *shape)
    assert result.labels.shape == shape


def test_one_is_the_picture_as_it_is(residual: Segmenter, six_squares: np.ndarray) -> None:
    np.testing.assert_array_equal(residual(six_squares, magnification=1.0).maps, residual(six_squares).maps)


@pytest.mark.parametrize("factor", [0.5, 1.5, 3.0])
def test_tiles_agree_with_one_pass(bundle: Bundle, monkeypatch: pytest.MonkeyPatch, factor: float) -> None:
    """The hand-set network looks at one pixel alone, so tiling shows nowhere but in the resampling at tile borders."""
    rows, columns = np.mgrid[:300, :410]
    picture = (127 + 120 * np.sin(rows / 15) * np.cos(columns / 17)).astype(np.uint8)
    whole = Segmenter(bundle, "cpu")(picture, magnification=factor)
    monkeypatch.setattr("segmentation.segmenter.TILE", 128)
    monkeypatch.setattr("segmentation.segmenter.OVERLAP", 32)
    tiled = Segmenter(bundle, "cpu")(picture, magnification=factor)
    assert tiled.count == whole.count
    np.testing.assert_allclose(tiled.maps, whole.maps, atol=0.05)


def test_travels_with_the_bundle(bundle: Bundle, tmp_path: Path) -> None:
    folder = replace(bundle, magnification=1.5).save(tmp_path / "bundle")
    assert Bundle.load(folder).magnification == 1.5
    config = json.loads((folder / CONFIG).read_text())
    del config["magnification"]
    config["format_version"] = 1  # bundles of the first format knew none
    (folder / CONFIG).write_text(json.dumps(config))
    assert Bundle.load(folder).magnification == 1.0
    (folder / CONFIG).write_text(json.dumps({**config, "magnification": -1}))
    with pytest.raises((BundleError, ParameterError), match="magnification=-1"):
        Bundle.load(folder)


@pytest.mark.parametrize("value", [0, -1, 0.05, 9, float("nan"), float("inf")])
def test_out_of_range_is_refused(residual: Segmenter, six_squares: np.ndarray, value: float) -> None:
    with pytest.raises(ParameterError, match=r"from 0\.1 to 8"):
        check_magnification(value)
    with pytest.raises(ParameterError, match=r"from 0\.1 to 8"):
        residual(six_squares, magnification=value)


def test_command_line(bundle_folder: Path, six_squares: np.ndarray, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "squares.png"), six_squares)
    common = [str(tmp_path / "squares.png"), "--model", str(bundle_folder), "--device", "cpu"]
    assert main([*common, "--out", str(tmp_path / "out"), "--magnification", "2"]) == 0
    assert (tmp_path / "out" / "summary.csv").read_text().splitlines()[1].startswith("squares,6,")
    assert main([*common, "--out", str(tmp_path / "bad"), "--magnification", "99"]) == 1
