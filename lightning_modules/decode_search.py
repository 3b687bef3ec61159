"""Searches the decode parameters on the validation pictures when training ends."""

from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from segmentation.instance_maps import DecodeParams, decode
from segmentation.scores import kaggle_score

THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
SEPARATIONS = (0.0, 0.5, 0.75, 1.0, 1.5, 2.0)
MIN_AREAS = (12, 24, 40)


def search_decode(
    pictures: list[tuple[NDArray[np.float32], NDArray[np.int32]]], start: DecodeParams, *, progress: bool = True
) -> tuple[DecodeParams, float]:
    """The parameters with the highest mean Kaggle score, and that score; ``start`` wins ties.

    Args:
        pictures: (maps ``(1, H, W)``, true labels ``(H, W)``) of validation pictures, never of the test fold.
        start: tried first; its mode is kept.
        progress: show a bar.
    """
    best, best_score = start, _mean_score(pictures, start)
    fields: dict[str, tuple[float, ...]] = {"threshold": THRESHOLDS}
    if start.mode == "instances":
        fields = {"separation": SEPARATIONS, "threshold": THRESHOLDS, "min_area": MIN_AREAS}
    # Twice around, one parameter at a time: the score is smooth enough, and a full grid takes five times as long.
    steps = [(field, value) for field, values in (*fields.items(), *fields.items()) for value in values]
    for field, value in tqdm(steps, desc="searching decode parameters", disable=not progress, leave=False):
        candidate = DecodeParams(**{**asdict(best), field: value})
        if candidate == best:
            continue
        score = _mean_score(pictures, candidate)
        if score > best_score:
            best, best_score = candidate, score
    return best, best_score


def _mean_score(pictures: list[tuple[NDArray[np.float32], NDArray[np.int32]]], params: DecodeParams) -> float:
    return float(np.mean([kaggle_score(decode(maps, params), truth) for maps, truth in pictures]))
