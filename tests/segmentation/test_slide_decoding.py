"""Maps and nuclei that are made strip by strip are those that are made at once, number for number."""

from collections.abc import Iterator

import numpy as np
import pytest
from scipy import ndimage

from segmentation.instance_maps import DecodeParams, MapName, decode
from segmentation.slide_graph import number_nuclei
from segmentation.slide_maps import stream_maps
from segmentation.slide_watershed import Strip, margin_of, split_strip
from segmentation.tiling import Tile, predict_tiled

BOTH: tuple[MapName, ...] = ("foreground", "distance")
ONE: tuple[MapName, ...] = ("foreground",)


def landscape(seed: int, shape: tuple[int, int] = (97, 83), sigma: float = 2.5, ties: bool = False) -> np.ndarray:
    """Two smooth random maps in [0, 1]; with ``ties``, of few levels, so that most neighbours are equal."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((2, *shape)), (0, sigma, sigma))
    maps = np.clip(0.5 + noise / (4 * noise.std()), 0, 1).astype(np.float32)
    return np.round(maps * 4).astype(np.float32) / 4 if ties else maps


def by_strips(maps: np.ndarray, params: DecodeParams, names: tuple[MapName, ...], rows: int) -> np.ndarray:
    """Labels, decoded in strips of so many rows, each seeing no more of the maps than its margin."""
    height, margin = maps.shape[1], margin_of(params, names)
    strips: list[Strip] = []
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        first = max(top - margin, 0)
        view = maps[:, first : min(bottom + margin, height)].copy()
        above = strips[-1] if strips else None
        strips.append(split_strip(view, first, slice(top, bottom), height, params, names, above))
    numbering = number_nuclei(iter(strips), params)
    labels = np.concatenate([table[strip.ids] for table, strip in zip(numbering.tables, strips, strict=True)])
    np.testing.assert_array_equal(np.bincount(labels.ravel())[1:], numbering.area[1:])
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        assert box is not None
        assert numbering.reach[number].tolist() == [box[0].start, box[0].stop - 1]
    return labels


@pytest.mark.parametrize("rows", [1, 2, 7, 32, 97])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(
    "params",
    [
        DecodeParams(separation=0.1, min_area=0),
        DecodeParams(separation=0.02, threshold=0.3, min_area=9, max_area=400),
        DecodeParams(separation=0.05, threshold=0.01, drop_border=True),
        DecodeParams(separation=0, min_area=5),
        DecodeParams(separation=0.02, threshold=0.3, min_probability=0.55),
        DecodeParams(separation=0, min_area=5, threshold=0.4, min_probability=0.6),
        DecodeParams(separation=0, drop_border=True, threshold=0.55),
        DecodeParams(mode="mask"),
    ],
    ids=str,
)
def test_strips_give_the_labels_of_the_whole(params: DecodeParams, ties: bool, rows: int) -> None:
    for seed in range(3):
        maps = landscape(seed, ties=ties)
        truth = decode(maps, params, BOTH)
        assert truth.max() > 0 or params.drop_border
        np.testing.assert_array_equal(by_strips(maps, params, BOTH, rows), truth)


def test_one_component_over_the_whole_slide() -> None:
    """Tissue without a gap: every pixel hangs together with every other."""
    maps = landscape(5, (160, 60), 3.0)
    maps[0] = 1
    params = DecodeParams(separation=0.03, min_area=0)
    truth = decode(maps, params, BOTH)
    assert truth.max() > 10
    np.testing.assert_array_equal(by_strips(maps, params, BOTH, 8), truth)


def test_a_snake_that_crosses_every_seam_again_and_again() -> None:
    maps = np.zeros((2, 60, 60), np.float32)
    for column in range(0, 60, 4):  # up and down, joined at alternate ends
        maps[0, :, column : column + 2] = 1
        end = slice(0, 2) if column % 8 else slice(58, 60)
        maps[0, end, column : column + 5] = 1
    maps[1] = maps[0] * np.linspace(0.2, 1, 60)[None, :]
    for params in (DecodeParams(separation=0.5), DecodeParams()):
        truth = decode(maps, params, BOTH)
        assert truth.max() == 1
        np.testing.assert_array_equal(by_strips(maps, params, BOTH, 5), truth)


@pytest.mark.parametrize("rows", [3, 20])
def test_without_a_map_of_distances(rows: int) -> None:
    params = DecodeParams(separation=0.4, min_area=0)
    for seed in range(3):
        maps = landscape(seed, (300, 60), 4.0)[:1]
        truth = decode(maps, params, ONE)
        assert truth.max() > 20
        np.testing.assert_array_equal(by_strips(maps, params, ONE, rows), truth)


def test_thick_nuclei_without_a_map_of_distances_stay_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the reach of the margin the landscape is flat: nuclei may differ from the whole, but are never doubled."""
    monkeypatch.setattr("segmentation.slide_watershed.EDT_REACH", 6)
    y, x = np.mgrid[:90, :70]
    maps = ((np.hypot(y - 45, x - 35) < 30)[None]).astype(np.float32)
    labels = by_strips(maps, DecodeParams(separation=1.0), ONE, 7)
    assert labels.max() == 1
    np.testing.assert_array_equal(labels > 0, maps[0] > 0)
    full = np.ones((1, 40, 30), np.float32)
    np.testing.assert_array_equal(
        by_strips(full, DecodeParams(separation=1.0), ONE, 7), decode(full, DecodeParams(separation=1.0), ONE)
    )


@pytest.mark.parametrize(("tile", "overlap"), [(32, 8), (32, 0), (16, 8), (64, 32), (200, 20)])
@pytest.mark.parametrize("shape", [(97, 83), (64, 32), (5, 130), (33, 33)])
def test_bands_are_the_maps_of_the_whole(shape: tuple[int, int], tile: int, overlap: int) -> None:
    answers = np.random.default_rng(0)
    known: dict[str, np.ndarray] = {}

    def predict(part: Tile) -> np.ndarray:
        size = part[0].stop - part[0].start, part[1].stop - part[1].start
        return known.setdefault(str(part), answers.random((2, *size), np.float32))

    height, width = shape
    whole = predict_tiled(predict, 2, height, width, tile=tile, overlap=overlap)
    for first in (0, height // 3, height - 1):
        covered = np.full_like(whole, np.nan)
        seen: list[tuple[int, int]] = []
        after = first
        for band in _bands(predict, shape, tile, overlap, first, seen):
            assert band.start == after
            after = band.top + band.maps.shape[1]
            covered[:, band.start : after] = band.maps[:, band.start - band.top :]
            reach = max(band.top, first)
            np.testing.assert_array_equal(band.maps[:, reach - band.top :], whole[:, reach:after])
            assert band.top == max(band.start - 7, 0) or band.start == first
        assert after == height
        np.testing.assert_array_equal(covered[:, first:], whole[:, first:])
        assert seen[-1][0] == seen[-1][1]


def _bands(predict, shape: tuple[int, int], tile: int, overlap: int, first: int, seen: list) -> Iterator:
    return stream_maps(
        predict, 2, *shape, tile=tile, overlap=overlap, context=7, first=first, progress=lambda *at: seen.append(at)
    )
