"""Magnification by the size of the nuclei: measured at a first look, the same for a picture and a slide, and noted."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from skimage.measure import label, regionprops

from data_modules.augmentation import AugmentationParams, Augmenter
from data_modules.pictures import LabelledPicture
from lightning_modules.magnification_search import search_diameter
from lightning_modules.segmentation_module import SegmentationModule
from segmentation import Bundle, MicroscopyImage, Segmenter
from segmentation.__main__ import main
from segmentation.automatic_magnification import (
    FACTORS,
    largest_factor,
    suited_factor,
    typical_diameter,
    windows_to_look_at,
)
from segmentation.batch_settings import Settings, fingerprint
from segmentation.bundle import CONFIG
from segmentation.errors import BundleError, ParameterError
from segmentation.examples import make_example
from segmentation.slide_segment import segment_slide
from tests.conftest import bright_is_nucleus, squares


@pytest.fixture
def choosing(bundle: Bundle) -> Segmenter:
    return Segmenter(replace(bundle, diameter=20.0), "cpu")


def test_the_median_diameter_is_scikit_images() -> None:
    labels = make_example("fluorescence", 3, height=200, width=300, nuclei=31).labels
    labels[labels == 5] = 0  # numbers may be missing
    expected = np.median([region.equivalent_diameter_area for region in regionprops(labels)])
    assert typical_diameter([labels]) == pytest.approx(expected)
    assert typical_diameter([labels[:, :150], np.zeros((4, 4), int), labels[:, 150:]]) > 0
    assert typical_diameter([np.zeros((4, 4), int)]) == 0


def test_factors_bring_nuclei_to_the_size_that_suits() -> None:
    assert suited_factor(30, 30) == 1
    assert suited_factor(30, 20) == 1.5
    assert suited_factor(30, 15) == suited_factor(30, 1) == max(FACTORS) == 2
    assert suited_factor(30, 15, 1.5) == suited_factor(30, 1, 1.5) == 1.5
    assert suited_factor(30, 3000) == min(FACTORS)
    for diameter in np.geomspace(17, 100, 40):
        assert 0.8 < suited_factor(30, diameter) * diameter / 30 < 1.25


@pytest.mark.parametrize("shape", [(1, 1), (700, 700), (725, 725), (40, 90_000), (30_000, 20_000)])
def test_windows_lie_in_the_picture(shape: tuple[int, int]) -> None:
    asked = []
    found = windows_to_look_at(*shape, lambda tile: asked.append(tile) or -float(tile[1].start))
    assert all(
        0 <= part.start < part.stop <= extent for tile in found for part, extent in zip(tile, shape, strict=True)
    )
    if shape[0] * shape[1] <= 2**19:
        assert found == [(slice(0, shape[0]), slice(0, shape[1]))]
    else:
        assert len(found) <= 4
        assert sum((tile[0].stop - tile[0].start) * (tile[1].stop - tile[1].start) for tile in found) <= 4 * 256**2
    if len(asked) > 4:  # those that look most promising, here the ones to the left
        assert max(tile[1].start for tile in found) <= min(t[1].start for t in asked if t not in found)


@pytest.mark.parametrize(("side", "factor"), [(6, 2.0), (10, 1.75), (17, 1.0), (24, 0.7)])
def test_larger_nuclei_are_magnified_less(choosing: Segmenter, side: int, factor: float) -> None:
    picture = squares(96, 128, side)
    result = choosing(picture)
    assert (result.count, result.magnification) == (6, factor)
    np.testing.assert_array_equal(result.maps, choosing(picture, magnification=factor).maps)
    np.testing.assert_array_equal(result.maps, choosing.predict_maps(result.image))
    assert choosing(picture, magnification=1.25).magnification == 1.25


def test_accurate_mode_magnifies_small_nuclei_in_large_pictures_more(choosing: Segmenter) -> None:
    picture = np.tile(squares(96, 128, 6), (7, 7))
    assert largest_factor(*picture.shape) == 1.5
    for accurate, factor in ((False, 1.5), (True, 2.0)):
        result = choosing(picture, accurate=accurate)
        assert (result.count, result.magnification) == (6 * 49, factor)
        np.testing.assert_array_equal(result.maps, choosing.predict_maps(result.image, accurate=accurate))


def test_own_parameters_do_not_change_it(choosing: Segmenter) -> None:
    """Or a moved slider, which does not run the network again, would show something else than the command line."""
    picture = squares()
    picture[40, 40] = 220  # one pixel: no nucleus to the bundle
    lax = replace(choosing.bundle.decode, min_area=1)
    assert choosing(picture, lax).magnification == choosing(picture).magnification


def test_nothing_found_leaves_the_bundles_own(bundle: Bundle) -> None:
    segmenter = Segmenter(replace(bundle, diameter=20.0, magnification=1.5), "cpu")
    assert segmenter(np.zeros((30, 40), np.uint8)).magnification == 1.5
    assert Segmenter(replace(bundle, magnification=1.5), "cpu")(squares()).magnification == 1.5


def test_a_large_picture_is_measured_where_something_is(choosing: Segmenter) -> None:
    picture = np.full((2000, 1800), 10, np.uint8)
    picture[1200:1488, 1500:1756] = np.tile(squares(96, 128, 6), (3, 2))
    assert choosing(picture).magnification == 1.5


def test_a_slide_gets_what_the_picture_gets(choosing: Segmenter, tmp_path: Path) -> None:
    picture = squares(96, 128, 6)
    tifffile.imwrite(tmp_path / "slide.tif", picture, tile=(32, 32))
    settings = Settings(tmp_path / "out", None, ("labels", "run"))
    segment_slide(tmp_path / "slide.tif", settings, choosing)
    whole = choosing(picture)
    np.testing.assert_array_equal(tifffile.imread(next((tmp_path / "out").glob("*label*"))), whole.labels)
    record = json.loads(next((tmp_path / "out").glob("*run.json")).read_text())
    assert record["settings"]["magnification"] == whole.magnification == 2


def test_the_command_line_notes_it(tmp_path: Path) -> None:
    folder = replace(bright_is_nucleus(), diameter=20.0).save(tmp_path / "model")
    tifffile.imwrite(tmp_path / "squares.tif", squares(96, 128, 24))
    assert main([str(tmp_path / "squares.tif"), "--model", str(folder), "--out", str(tmp_path / "out")]) == 0
    record = json.loads(next((tmp_path / "out").glob("*run.json")).read_text())
    assert record["settings"]["magnification"] == 0.7


def test_travels_with_the_bundle(bundle: Bundle, tmp_path: Path) -> None:
    folder = replace(bundle, diameter=31.0).save(tmp_path / "bundle")
    assert Bundle.load(folder).diameter == 31
    config = json.loads((folder / CONFIG).read_text())
    for wrong in (-1, 1e9, float("nan"), "31"):
        (folder / CONFIG).write_text(json.dumps({**config, "diameter": wrong}))
        with pytest.raises((BundleError, ParameterError), match=r"diameter|TypeError"):
            Bundle.load(folder)
    del config["diameter"]  # as older bundles have none
    (folder / CONFIG).write_text(json.dumps(config))
    assert Bundle.load(folder).diameter == 0


def test_results_of_another_choice_are_done_again(bundle: Bundle) -> None:
    settings, choosing = Settings(Path()), replace(bundle, diameter=31.0)
    assert fingerprint(settings, bundle) != fingerprint(settings, choosing)
    given = replace(settings, magnification=1.5)
    assert fingerprint(given, bundle) == fingerprint(given, choosing)


def test_a_module_takes_the_bundles(bundle: Bundle, tmp_path: Path) -> None:
    folder = str(replace(bundle, diameter=31.0).save(tmp_path / "bundle"))
    assert SegmentationModule(bundle=folder).to_bundle().diameter == 31
    assert SegmentationModule(bundle=folder, magnification=1.5).to_bundle().diameter == 0  # asked for by name
    assert SegmentationModule(bundle=folder, magnification=1.5, diameter=20).to_bundle().diameter == 20
    with pytest.raises(ParameterError, match="from 4 to 200"):
        SegmentationModule(diameter=1)


class _SharpAt(Segmenter):
    """Finds everything at one magnification, and nothing at others; sees nuclei of 10 pixels at a first look."""

    factor = 1.5

    def diameter_of(self, *_: object, **_named: object) -> float:
        return 10.0

    def predict_maps(self, image: MicroscopyImage, *, magnification: float | None = None, **_: object) -> np.ndarray:
        found = image.pixels.mean(axis=2)[None].astype(np.float32) / 255
        return found if magnification == self.factor else np.zeros_like(found)


def test_the_search_finds_the_size_that_suits(bundle: Bundle) -> None:
    picture = np.where(squares() > 100, 255, 0).astype(np.uint8)
    truth = np.where(picture > 0, np.arange(96) // 30 + 1, 0).astype(np.int32)
    truth[30:] += np.where(truth[30:] > 0, 10, 0)
    pictures = [LabelledPicture(np.dstack([picture] * 3), truth, "squares", "fluorescence")]
    segmenter = _SharpAt(bundle, "cpu")
    assert search_diameter(segmenter, pictures, (5, 15, 8)) == (15, 1)
    segmenter.factor = bundle.magnification
    assert search_diameter(segmenter, pictures, (5, 15, 8)) == (0, 1)


@pytest.mark.parametrize("side", [8, 12, 24])
def test_crops_can_be_brought_to_that_size(side: int) -> None:
    picture = np.dstack([squares(128, 128, side)] * 3)
    labels = label(picture[..., 0] > 100).astype(np.int32)
    plain = AugmentationParams(scale=(1, 1), shear=0, elastic=0, diameter=20.0)
    found = [typical_diameter([Augmenter(plain, 128)(picture, labels, seed)[1]]) for seed in range(12)]
    assert 15 < max(found) < 25  # the border cuts some
