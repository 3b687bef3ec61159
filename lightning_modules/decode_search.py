"""Searches the decode parameters on the validation pictures when training ends."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from segmentation.instance_maps import FOREGROUND, DecodeParams, MapName, cut_along, decode
from segmentation.scores import kaggle_score

THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9)
# Heights in the units of what is cut along: relative distances in [0, 1], or pixels.
SEPARATIONS: dict[MapName, tuple[float, ...]] = {
    "distance": (0.0, 0.04, 0.07, 0.1, 0.15, 0.2),
    "foreground": (0.0, 0.5, 0.75, 1.0, 1.5, 2.0),
}
# No more than this: pictures unlike the validation ones lose many nuclei above it (benchmarks/altered.py).
MIN_PROBABILITIES = (0.0, 0.7, 0.75, 0.8, 0.85)
MIN_AREAS = (6, 12, 18)  # a nucleus of 5 pixels across has 19: the search may not trade those for a better score


def search_decode(
    pictures: list[tuple[NDArray[np.float32], NDArray[np.int32]]],
    start: DecodeParams,
    names: Sequence[MapName] = FOREGROUND,
    *,
    progress: bool = True,
) -> tuple[DecodeParams, float]:
    """The parameters with the highest mean Kaggle score, and that score; ``start`` wins ties.

    Args:
        pictures: (maps ``(maps, H, W)``, true labels ``(H, W)``) of validation pictures, never of the test fold.
        start: tried first; its mode is kept.
        names: what the maps are.
        progress: show a bar.
    """
    best, best_score = start, _mean_score(pictures, start, names)
    fields: dict[str, tuple[float, ...]] = {"threshold": THRESHOLDS}
    if start.mode == "instances":
        fields = {
            "separation": SEPARATIONS[cut_along(names)],
            "threshold": THRESHOLDS,
            "min_area": MIN_AREAS,
            "min_probability": MIN_PROBABILITIES,
        }
    # Twice around, one parameter at a time: the score is smooth enough, and a full grid takes five times as long.
    steps = [(field, value) for field, values in (*fields.items(), *fields.items()) for value in values]
    for field, value in tqdm(steps, desc="searching decode parameters", disable=not progress, leave=False):
        candidate = DecodeParams(**{**asdict(best), field: value})
        if candidate == best:
            continue
        score = _mean_score(pictures, candidate, names)
        if score > best_score:
            best, best_score = candidate, score
    return best, best_score


def _mean_score(
    pictures: list[tuple[NDArray[np.float32], NDArray[np.int32]]], params: DecodeParams, names: Sequence[MapName]
) -> float:
    return float(np.mean([kaggle_score(decode(maps, params, names), truth) for maps, truth in pictures]))
