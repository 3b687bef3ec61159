"""Tiles cover every pixel once in total, whatever the sizes."""

import numpy as np
import pytest

from segmentation.errors import ParameterError
from segmentation.tiling import Tile, blend_weights, iter_tiles, predict_tiled, tile_starts

SIZES = [
    (length, tile, overlap)
    for length in (1, 5, 15, 16, 17, 24, 25, 31, 33, 100)
    for tile, overlap in ((16, 0), (16, 1), (16, 4), (16, 8), (7, 3))
]


@pytest.mark.parametrize(("length", "tile", "overlap"), SIZES)
def test_weights_sum_to_one(length: int, tile: int, overlap: int) -> None:
    total = np.zeros(length)
    starts = tile_starts(length, tile, overlap)
    for start, weight in zip(starts, blend_weights(length, tile, overlap), strict=True):
        assert (weight > 0).all()
        assert len(weight) <= tile
        total[start : start + len(weight)] += weight
    np.testing.assert_allclose(total, 1, atol=1e-6)
    assert starts == [index * (tile - overlap) for index in range(len(starts))]


def test_tiles_cover_everything_and_overlap() -> None:
    hits = np.zeros((50, 37), int)
    for tile in iter_tiles(50, 37, 16, 4):
        assert hits[tile].shape == tuple(part.stop - part.start for part in tile)
        hits[tile] += 1
    assert hits.min() == 1
    assert (hits[12:16, 12:16] == 4).all()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (16, 16), (17, 100), (63, 45)])
@pytest.mark.parametrize("overlap", [0, 4, 8])
def test_a_function_of_position_comes_back(height: int, width: int, overlap: int) -> None:
    truth = np.random.default_rng(0).random((2, height, width), np.float32)
    result = predict_tiled(lambda tile: truth[:, *tile], 2, height, width, tile=16, overlap=overlap)
    assert result.shape == truth.shape
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, truth, atol=1e-6)


def test_overlaps_are_blended_linearly() -> None:
    values = iter([0.0, 1.0])

    def predict(tile: Tile) -> np.ndarray:
        return np.full((1, 4, tile[1].stop - tile[1].start), next(values), np.float32)

    row = predict_tiled(predict, 1, 4, 12, tile=8, overlap=4)[0, 0]
    np.testing.assert_allclose(row, [0, 0, 0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1, 1, 1])


def test_progress_rises_to_one() -> None:
    seen: list[float] = []
    predict_tiled(
        lambda tile: np.zeros((1, tile[0].stop - tile[0].start, tile[1].stop - tile[1].start), np.float32),
        1,
        20,
        30,
        tile=16,
        overlap=4,
        progress=seen.append,
    )
    assert seen == pytest.approx([1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1])
    assert seen[-1] == 1


@pytest.mark.parametrize("overlap", [-1, 9, 16, 100])
def test_bad_overlap_is_refused(overlap: int) -> None:
    with pytest.raises(ParameterError, match=f"overlap={overlap}"):
        predict_tiled(lambda tile: np.zeros((1, 4, 4), np.float32), 1, 4, 4, tile=16, overlap=overlap)
