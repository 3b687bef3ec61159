import numpy as np

from lightning_modules.decode_search import search_decode
from segmentation.instance_maps import DecodeParams


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
