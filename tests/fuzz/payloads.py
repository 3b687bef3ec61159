"""What programs may send to the endpoints: whole requests in which some values are wrong."""

from pathlib import Path
from typing import Any

import numpy as np

from tests.fuzz.byte_mutations import BYTES
from tests.fuzz.seeds import LABEL_FILES, case_bytes, cases, suffix
from tests.fuzz.values import odd

ENDPOINTS = ("describe", "segment", "measure", "score", "correct", "look_inside", "model")
FORMATS = ("labels", "npy", "png", "overlay", "svg", "csv", "rois", "geojson", "coco", "run", "exe", "../x")


def make_payload(rng: np.random.Generator, endpoint: str, folder: Path) -> dict[str, Any]:
    """Arguments of an endpoint, most of them right; the files that they name are in ``folder``."""
    files = {"picture": _picture, "labels": _labels, "truth": _labels}
    sent: dict[str, Any] = {}
    for name in PARAMETERS[endpoint]:
        if name in files:
            data, ending = files[name](rng)
            if rng.integers(5) == 0:
                data = list(BYTES.values())[rng.integers(len(BYTES))](data, rng)
            path = folder / f"{name}{ending}"
            path.write_bytes(data)
            sent[name] = str(path)
        else:
            sent[name] = GOOD[name][rng.integers(len(GOOD[name]))]
    for name in rng.permutation(list(sent))[: int(rng.integers(0, 3))]:
        sent[str(name)] = corrections(rng) if name == "corrections" and rng.integers(3) else odd(rng)
    return sent


def corrections(rng: np.random.Generator) -> Any:
    """Gestures, many of them impossible."""
    made = []
    for _ in range(int(rng.integers(0, 6))):
        kind = ("delete", "merge", "split", "draw", "undo", "")[rng.integers(6)]
        count = int(rng.integers(0, 40))
        points: list[Any] = (rng.normal(20, 10.0 ** rng.integers(0, 8), (count, 2))).tolist()
        labels: list[Any] = rng.integers(-1, 15, int(rng.integers(0, 4))).tolist()
        one: dict[str, Any] = {"kind": kind, "labels": labels, "points": points}
        if kind in ("delete", "split") and rng.integers(2):
            one["labels"] = labels[:1]
        if kind in ("delete", "merge") and rng.integers(2):
            one["points"] = []
        if rng.integers(4) == 0:
            one[("kind", "labels", "points")[rng.integers(3)]] = odd(rng)
        if rng.integers(8) == 0 and points:
            points[rng.integers(len(points))] = odd(rng)
        made.append(one if rng.integers(12) else odd(rng))
    return made


def _picture(rng: np.random.Generator) -> tuple[bytes, str]:
    kind = ("png", "tiff", "jpeg", "npy")[rng.integers(4)]
    found = cases(kind)
    return case_bytes(found[rng.integers(len(found))]), suffix(kind)


def _labels(rng: np.random.Generator) -> tuple[bytes, str]:
    ending, make = LABEL_FILES[rng.integers(len(LABEL_FILES))]
    return make(), ending


GOOD: dict[str, tuple[Any, ...]] = {
    "threshold": (None, 0.5, 0.9),
    "separation": (None, 0.0, 2.0),
    "min_area": (None, 0, 12),
    "max_area": (None, 0, 500),
    "drop_border": (None, True, False),
    "min_probability": (None, 0, 0.8),
    "channel": ("", "0", "2", "DAPI"),
    "projection": ("", "max", "mean"),
    "pixel_size": (None, 0, 0.5),
    "accurate": (False, True),
    "magnification": (None, 0, 1, 0.5),
    "formats": (["labels", "csv", "run"], list(FORMATS[:10]), ["svg"], [], ["exe"]),
    "model": ("", "good"),
    "corrections": ([], [{"kind": "delete", "labels": [1], "points": []}]),
}
PARAMETERS: dict[str, tuple[str, ...]] = {
    "describe": ("picture",),
    "segment": ("picture", *list(GOOD)[:11], "formats", "model"),
    "measure": ("picture", "labels", "pixel_size"),
    "score": ("labels", "truth"),
    "correct": ("labels", "corrections"),
    "look_inside": ("picture", "model"),
    "model": ("model",),
}
