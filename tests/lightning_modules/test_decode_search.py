import numpy as np
import pytest

from lightning_modules.decode_search import SEPARATIONS, search_decode
from segmentation.instance_maps import DecodeParams, encode


def picture(inside: float) -> tuple[np.ndarray, np.ndarray]:
    """Two nuclei at probability ``inside``, joined by a haze a little below it."""
    labels = np.zeros((40, 60), np.int32)
    labels[10:25, 5:20], labels[10:25, 24:44] = 1, 2
    maps = np.where(labels > 0, inside, 0.1).astype(np.float32)[None]
    maps[0, 10:25, 20:24] = inside - 0.2
    return maps, labels


def test_finds_the_threshold_that_parts_two_nuclei() -> None:
    pictures = [picture(0.75), picture(0.72)]
    found, score = search_decode(pictures, DecodeParams(), progress=False)
    assert 0.55 < found.threshold <= 0.72
    assert score == 1.0


def test_start_wins_ties_and_mode_is_kept() -> None:
    start = DecodeParams(mode="mask", threshold=0.45)
    mask = (picture(0.9)[0] * 0 + 1)[..., :40]
    found, score = search_decode([(mask, np.ones((40, 40), np.int32))], start, progress=False)
    assert (found, score) == (start, 1.0)


@pytest.mark.parametrize("second", ["distance", None])
def test_separation_is_searched_in_the_units_of_the_map(second: str | None) -> None:
    """Two squares that touch: only a separation that suits the map parts them."""
    labels = np.zeros((40, 50), np.int32)
    labels[8:30, 5:24], labels[8:30, 24:43] = 1, 2
    labels[12:26, 24:43] = 2
    labels[8:12, 20:28] = labels[26:30, 20:28] = 0  # a waist, for the distance to the background alone
    names = ("foreground", second) if second else ("foreground",)
    pictures = [(encode(labels, names), labels)]
    whole = DecodeParams(separation=0.0)
    found, score = search_decode(pictures, whole, names, progress=False)
    assert found.separation in SEPARATIONS[second or "foreground"]
    assert found.separation > 0
    assert score > 0.8 > search_decode(pictures, DecodeParams(mode="mask"), names, progress=False)[1]


def test_order_of_the_names_is_the_order_of_the_maps() -> None:
    labels = np.zeros((40, 50), np.int32)
    labels[8:30, 5:24], labels[8:30, 24:43] = 1, 2
    for names in (("distance", "foreground"), ("foreground", "distance")):
        found, score = search_decode([(encode(labels, names), labels)], DecodeParams(), names, progress=False)
        assert score == 1.0
        assert found.separation > 0
