"""A slide from disk to disk is what the whole picture is in memory: labels, table and outlines to the last byte."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

import segmentation.segmenter
from segmentation import DecodeParams, Segmenter, read_image
from segmentation.batch_settings import Settings
from segmentation.errors import ImageReadError, NucleoscopeError
from segmentation.exports import write_geojson, write_table
from segmentation.measurements import measure
from segmentation.slide_segment import SLIDE_FORMATS, SlideResult, segment_slide
from tests.conftest import bright_is_nucleus
from tests.segmentation.slides import contents, drawn, write_slide

Do = Callable[..., SlideResult]
KINDS: dict[str, tuple[np.ndarray, dict[str, Any]]] = {
    "fluorescence": (drawn("fluorescence"), {}),
    "16 bit, with a pixel size": (
        drawn("fluorescence", 1).astype(np.uint16) * 200,
        {"resolution": (20_000.0, 25_000.0), "resolutionunit": "CENTIMETER"},
    ),
    "tissue": (drawn("tissue"), {"tile": (64, 48)}),
    "crowded": (np.clip(drawn("fluorescence", 2) * 1.6, 0, 255).astype(np.uint8), {}),
    "float": (drawn("fluorescence", 3).astype(np.float32) / 7, {}),
}


@pytest.fixture
def segmenter() -> Segmenter:
    return Segmenter(bright_is_nucleus(threshold=0.3, separation=0.7, min_area=20), "cpu", "pytorch")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles, strips and windows so small that seams occur everywhere."""
    monkeypatch.setattr(segmentation.segmenter, "TILE", 48)
    monkeypatch.setattr(segmentation.segmenter, "OVERLAP", 16)
    monkeypatch.setattr("segmentation.slide_segment.STRIP", 190 * 21)
    monkeypatch.setattr("segmentation.slide_pyramid.TILE", 64)
    monkeypatch.setattr("segmentation.slide_ledger._BYTES_ANYHOW", 0)


@pytest.fixture
def do(segmenter: Segmenter, tmp_path: Path) -> Do:
    def run(path: Path, out: str = "out", *, resume: bool = False, full: bool = False, **more: Any) -> SlideResult:
        params = more.pop("params", None)
        settings = Settings(tmp_path / out, params, SLIDE_FORMATS, resume=resume, full=full)
        return segment_slide(path, settings, more.pop("segmenter", segmenter), model="bright", **more)

    return run


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_equal_to_the_whole(kind: str, full: bool, do: Do, segmenter: Segmenter, tmp_path: Path) -> None:
    pixels, options = KINDS[kind]
    path = write_slide(tmp_path / "slide.tif", pixels, **options)
    seen: list[float] = []
    result = do(path, full=full, progress=seen.append)
    whole = segmenter(path)
    assert result.count == whole.count > 10
    stored = tifffile.imread(tmp_path / "out" / "slide_labels.tif")
    assert stored.dtype == np.uint32
    np.testing.assert_array_equal(stored, whole.labels)
    table = measure(whole.labels, whole.image.pixels, pixel_size=whole.image.pixel_size, full=full)
    write_table(tmp_path / "whole.csv", table)
    write_geojson(tmp_path / "whole.geojson", whole.labels, table)
    assert (tmp_path / "out" / "slide_nuclei.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert (tmp_path / "out" / "slide_nuclei.geojson").read_bytes() == (tmp_path / "whole.geojson").read_bytes()
    assert seen == sorted(seen)
    assert 0 < seen[0] < 0.1
    assert seen[-1] == 1
    assert not list((tmp_path / "out").glob(".*"))  # nothing of what was needed meanwhile is left


@pytest.mark.parametrize("magnification", [0.5, 1.4])
def test_magnified_and_accurate(magnification: float, do: Do, segmenter: Segmenter, tmp_path: Path) -> None:
    path = write_slide(tmp_path / "slide.tif", drawn("tissue", 4, (90, 101)))
    settings = Settings(tmp_path / "out", formats=("labels",), accurate=True, magnification=magnification)
    segment_slide(path, settings, segmenter)
    whole = segmenter(path, accurate=True, magnification=magnification)
    assert whole.count > 3
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out" / "slide_labels.tif"), whole.labels)


def test_a_nucleus_across_four_tiles_is_one(do: Do, segmenter: Segmenter, tmp_path: Path) -> None:
    pixels = np.full((150, 190), 20, np.uint8)
    y, x = np.mgrid[:150, :190]
    for row in (32, 40, 64):  # where tiles of 48 with 16 in common begin and end
        for column in (32, 96, 160):
            pixels[np.hypot(y - row - 26, x - column) < 9 + row / 20] = 200
    path = write_slide(tmp_path / "slide.tif", pixels)
    result = do(path)
    assert result.count == segmenter(path).count
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out" / "slide_labels.tif"), segmenter(path).labels)


@pytest.mark.parametrize("params", [DecodeParams(threshold=0.2), DecodeParams(mode="mask", threshold=0.2)])
def test_what_is_taller_than_nuclei(
    params: DecodeParams, do: Do, segmenter: Segmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segmentation.slide_windows.TALL", 30)
    path = write_slide(
        tmp_path / "slide.tif", drawn("fluorescence", 2), resolution=(9000.0, 7000.0), resolutionunit="CENTIMETER"
    )
    result = do(path, params=params, full=True)
    whole = segmenter(path, params)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out" / "slide_labels.tif"), whole.labels)
    rows = (tmp_path / "out" / "slide_nuclei.csv").read_text().splitlines()
    told = pd.read_csv(tmp_path / "out" / "slide_nuclei.csv")
    truth = measure(whole.labels, whole.image.pixels, pixel_size=whole.image.pixel_size, full=True)
    assert len(rows) == result.count + 1
    assert list(told.columns) == list(truth.columns)
    tall = truth["bbox_height_px"] > 30
    assert tall.any()
    assert told["label"].tolist() == [*truth["label"][~tall], *truth["label"][tall]]  # these come last
    order = told["label"].tolist()
    told = told.set_index("label").sort_index()
    for name in told.columns:
        empty = name.startswith(("perimeter", "solidity", "circularity", "feret"))
        assert told[name][tall.to_numpy()].isna().all() == empty
        got, true = told[name], truth.set_index("label")[name]
        np.testing.assert_allclose(got[got.notna()], true[got.notna()], rtol=1e-12)
    features = json.loads((tmp_path / "out" / "slide_nuclei.geojson").read_text())["features"]
    assert [int(each["properties"]["name"]) for each in features] == order


def test_labels_are_a_pyramid_with_the_pixel_size(do: Do, tmp_path: Path) -> None:
    pixels, options = KINDS["16 bit, with a pixel size"]
    do(write_slide(tmp_path / "slide.tif", pixels, **options))
    path = tmp_path / "out" / "slide_labels.tif"
    with tifffile.TiffFile(path) as tiff:
        assert tiff.is_ome
        levels = tiff.series[0].levels
        assert [level.shape for level in levels] == [(150, 190), (75, 95), (38, 48)]
        assert all(level.keyframe.is_tiled and level.dtype == np.uint32 for level in levels)
        base = levels[0].asarray()
        for number, level in enumerate(levels):
            np.testing.assert_array_equal(level.asarray(), base[:: 2**number, :: 2**number])
    size = read_image(path).pixel_size
    assert size is not None
    assert (size.y, size.x) == pytest.approx((0.4, 0.5))


@pytest.mark.parametrize("shape", [(64, 64), (128, 192), (65, 63), (300, 20)])
def test_sides_that_tiles_fill_or_not(shape: tuple[int, int], do: Do, segmenter: Segmenter, tmp_path: Path) -> None:
    path = write_slide(tmp_path / "slide.tif", drawn("fluorescence", 6, shape))
    do(path)
    with tifffile.TiffFile(tmp_path / "out" / "slide_labels.tif") as tiff:
        base = tiff.series[0].levels[0].asarray()
        np.testing.assert_array_equal(base, segmenter(path).labels)
        for number, level in enumerate(tiff.series[0].levels):
            np.testing.assert_array_equal(level.asarray(), base[:: 2**number, :: 2**number])


def test_record_overview_and_thumbnail(do: Do, segmenter: Segmenter, tmp_path: Path) -> None:
    path = write_slide(tmp_path / "slide.tif", drawn("tissue"))
    result = do(path)
    record = json.loads((tmp_path / "out" / "slide_run.json").read_text())
    assert record["result"]["nuclei"] == result.count == record["batch"]["row"]["nuclei"]
    assert (record["picture"]["width"], record["picture"]["height"], record["picture"]["channels"]) == (190, 150, 3)
    assert record["settings"]["decode"]["separation"] == 0.7
    assert len(record["picture"]["sha256"]) == 64
    areas = np.bincount(segmenter(path).labels.ravel())[1:]
    assert result.page.median_area_px == np.median(areas)
    overview = np.asarray(Image.open(tmp_path / "out" / "slide_overlay.png"))
    assert overview.shape == (150, 190, 3)
    assert Image.open(tmp_path / "out" / "thumbnails" / "slide.jpg").size == (190, 150)


def test_nothing_found_is_no_fault(do: Do, tmp_path: Path) -> None:
    path = write_slide(tmp_path / "slide.tif", np.full((150, 190), 9, np.uint8))
    result = do(path)
    assert result.count == 0
    assert result.tiles == 0
    assert not tifffile.imread(tmp_path / "out" / "slide_labels.tif").any()
    assert json.loads((tmp_path / "out" / "slide_nuclei.geojson").read_text())["features"] == []
    assert len((tmp_path / "out" / "slide_nuclei.csv").read_text().splitlines()) == 1


def test_empty_tiles_are_skipped_and_change_nothing(do: Do, segmenter: Segmenter, tmp_path: Path) -> None:
    pixels = np.full((300, 190), 12, np.uint8)
    pixels[100:160, 60:120] = drawn()[:60, :60]
    pixels[290:297, 180:188] = 230
    path = write_slide(tmp_path / "slide.tif", pixels)
    skipped, all_ = do(path, "a"), do(path, "b", skip_empty=False)
    assert skipped.count == all_.count == segmenter(path).count > 2
    assert all_.skipped == 0
    assert skipped.tiles + skipped.skipped == all_.tiles
    assert skipped.tiles < all_.tiles / 3
    a, b = contents(tmp_path / "a"), contents(tmp_path / "b")
    assert {name: data for name, data in a.items() if not name.endswith(("json", "labels.tif"))} == {
        name: data for name, data in b.items() if not name.endswith(("json", "labels.tif"))
    }
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a" / "slide_labels.tif"), segmenter(path).labels)


def test_faint_noise_is_empty_if_asked_for(do: Do, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(100, 104, (300, 190)).astype(np.uint8)
    pixels[100:150, 60:120] = drawn()[:50, :60]
    pixels[20:30, 20:30] = 255
    path = write_slide(tmp_path / "slide.tif", pixels)
    plain, asked = do(path, "a"), do(path, "b", empty_contrast=0.05)
    assert plain.skipped == 0
    assert asked.skipped > asked.tiles
    assert plain.count == asked.count > 2


def test_a_damaged_tile_is_one_sentence_and_what_is_done_stays(do: Do, tmp_path: Path) -> None:
    path = write_slide(tmp_path / "slide.tif", drawn("tissue"))
    whole = path.read_bytes()
    with tifffile.TiffFile(path) as tiff:
        offset, count = tiff.pages[0].dataoffsets[7], tiff.pages[0].databytecounts[7]
    path.write_bytes(whole[: offset + 2] + bytes(count - 2) + whole[offset + count :])
    with pytest.raises(ImageReadError, match=r"slide.tif: the file is damaged or cut short .* from its source\."):
        do(path)
    assert not (tmp_path / "out" / "slide_run.json").exists()


def test_too_little_space_is_said_before_anything_is_done(
    do: Do, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segmentation.slide_ledger._BYTES_ANYHOW", 1e18)
    path = write_slide(tmp_path / "slide.tif", drawn())
    with pytest.raises(
        NucleoscopeError, match=r"may need .* GB there and .* GB are free; free some, or name another --out"
    ):
        do(path)
    assert not list((tmp_path / "out").iterdir())
