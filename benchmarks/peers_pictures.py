"""The pictures that ``benchmarks.peers`` times, trains and judges with: drawn, or those of a labelled archive."""

from argparse import Namespace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.held_out import pictures as archived
from data_modules.pictures import LabelledPicture
from segmentation.examples import make_example

NUCLEI = 500 / 1024**2  # a pixel, in timed pictures
TRAIN, VALIDATION, JUDGED = 40, 8, 12  # drawn pictures of 256 x 256; their seeds never meet
SEEDS = {"train": 20_000, "validation": 30_000, "test": 40_000, "timed": 1}


def timed_picture(side: int, folder: Path) -> Path:
    """A drawn fluorescence picture with 500 nuclei a 1024 x 1024 pixels; the same for the same side."""
    nuclei = max(1, round(NUCLEI * side**2))
    drawn = make_example("fluorescence", SEEDS["timed"], height=side, width=side, nuclei=nuclei)
    return _save(folder / f"timed-{side}.npz", drawn.pixels, drawn.labels)


def labelled(part: str, folder: Path, options: Namespace) -> list[Path]:
    """Fluorescence pictures of one ``part``, "train", "validation" or "test", one file each.

    With ``options.data`` those of the archive, split as our own training splits it; without, drawn ones.
    """
    if options.data is None:
        count = {"train": TRAIN, "validation": VALIDATION, "test": JUDGED}[part]
        drawn = (_draw(SEEDS[part] + index) for index in range(count))
        return [_save(folder / f"{part}-{i:03d}.npz", p.pixels, p.labels) for i, p in enumerate(drawn)]
    where = Namespace(root=options.data, cache=None, fold=0, fold_table=options.fold_table)
    bright = [picture for picture in archived(where, part) if picture.kind == "fluorescence"]
    return [_save(folder / f"{part}-{i:03d}.npz", p.pixels, p.labels) for i, p in enumerate(bright)]


def _draw(seed: int) -> LabelledPicture:
    nuclei = int(np.random.default_rng(seed).integers(5, 45))
    drawn = make_example("fluorescence", seed, nuclei=nuclei)
    return LabelledPicture(drawn.pixels, drawn.labels, f"drawn{seed}", "fluorescence")


def _save(path: Path, pixels: NDArray, labels: NDArray) -> Path:
    np.savez(path, pixels=pixels.mean(axis=2).astype(pixels.dtype), labels=labels)
    return path
