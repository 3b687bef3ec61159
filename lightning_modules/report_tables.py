"""The numbers of a test report: one small record a picture, sums over pictures, and the CSV files."""

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from operator import add
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap

from data_modules.pictures import KINDS, Kind
from segmentation.error_analysis import SIZE_EDGES, ErrorCounts, SizeCounts, errors_by_cause, recall_by_size
from segmentation.scores import THRESHOLDS, MatchCounts, average_precision, match
from segmentation.spreadsheet import spreadsheet_safe

CAUSES = ("found", "outline", "merged", "split", "missed")


@dataclass(frozen=True, eq=False)
class PictureScores:
    """All that is kept of a picture; a few hundred bytes, so that a fold of any size fits, and travels.

    Attributes:
        name: unique in its source.
        kind: see :func:`data_modules.pictures.kind_of_picture`.
        counts: objects matched at each IoU threshold.
        foreground: pixels of nuclei in both label images, in the predicted one, and in the true one.
        errors: true nuclei by what became of them.
        sizes: true nuclei by size.
    """

    name: str
    kind: Kind
    counts: MatchCounts
    foreground: tuple[int, int, int]
    errors: ErrorCounts
    sizes: SizeCounts

    @property
    def nuclei(self) -> int:
        """Number of true nuclei."""
        return int(self.counts.true_positives[0] + self.counts.false_negatives[0])

    @property
    def predicted(self) -> int:
        """Number of predicted nuclei."""
        return int(self.counts.true_positives[0] + self.counts.false_positives[0])

    @property
    def kaggle(self) -> float:
        """Mean average precision over the IoU thresholds, in [0, 1]."""
        return float(self.counts.average_precision().mean())

    @property
    def ap50(self) -> float:
        """Average precision at IoU 0.5, in [0, 1]."""
        return float(self.counts.average_precision()[0])


def judge_picture(preds: NDArray, target: NDArray, name: str, kind: Kind) -> PictureScores:
    """Judge one picture: two label images ``(H, W)``, 0 the background."""
    foreground = int(np.sum((preds > 0) & (target > 0))), int(np.sum(preds > 0)), int(np.sum(target > 0))
    errors, sizes = errors_by_cause(preds, target), recall_by_size(preds, target)
    return PictureScores(name, kind, match(preds, target), foreground, errors, sizes)


@dataclass(frozen=True, eq=False)
class Summary:
    """Scores over several pictures, as :class:`lightning_modules.metrics.Scoreboard` defines them.

    Attributes:
        kind: of the pictures, or "all".
        pictures: how many.
        nuclei: true ones in them.
        predicted: nuclei in the answers.
        kaggle: mean over pictures.
        kaggle_interval: where that mean lies for 95 of 100 such sets of pictures; NaN for a single one.
        iou: of the foreground, pixels of all pictures pooled.
        dice: likewise.
        ap: ``(10,)`` at each of ``THRESHOLDS``, nuclei of all pictures pooled.
        errors: true nuclei by what became of them.
        sizes: true nuclei by size.
    """

    kind: str
    pictures: int
    nuclei: int
    predicted: int
    kaggle: float
    kaggle_interval: tuple[float, float]
    iou: float
    dice: float
    ap: NDArray[np.float64]
    errors: ErrorCounts
    sizes: SizeCounts


def summarise(pictures: Sequence[PictureScores]) -> list[Summary]:
    """Over all pictures (one at least) first, then over each kind of which there is one."""
    groups = {"all": list(pictures)} | {kind: [p for p in pictures if p.kind == kind] for kind in KINDS}
    return [_summary(kind, members) for kind, members in groups.items() if members]


def _summary(kind: str, pictures: list[PictureScores]) -> Summary:
    counts = [p.counts for p in pictures]
    pooled = [
        sum(getattr(c, name) for c in counts) for name in ("true_positives", "false_positives", "false_negatives")
    ]
    both, predicted, true = (sum(p.foreground[part] for p in pictures) for part in range(3))
    either, total = predicted + true - both, predicted + true
    kaggle = [p.kaggle for p in pictures]
    return Summary(
        kind,
        pictures=len(pictures),
        nuclei=sum(p.nuclei for p in pictures),
        predicted=sum(p.predicted for p in pictures),
        kaggle=float(np.mean(kaggle)),
        kaggle_interval=interval_of_mean(kaggle),
        iou=both / either if either else 1.0,
        dice=2 * both / total if total else 1.0,
        ap=average_precision(*map(np.asarray, pooled)),
        errors=reduce(add, (p.errors for p in pictures)),
        sizes=reduce(add, (p.sizes for p in pictures)),
    )


def interval_of_mean(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of a mean, by the bootstrap's percentiles (Efron, 1979); the same each time.

    It tells what another draw of as many pictures would change. Pictures of one field are alike, so where a set holds
    several of each, the truth is wider.

    Args:
        values: scores of pictures; of a single one nothing is known, and both ends are NaN.
    """
    if len(values) < 2:
        return math.nan, math.nan
    drawn = bootstrap((np.asarray(values),), np.mean, method="percentile", batch=100, rng=np.random.default_rng(0))
    return float(drawn.confidence_interval.low), float(drawn.confidence_interval.high)


def size_names() -> list[str]:
    """The classes of ``SIZE_EDGES`` in words, in pixels: "0 to 8", ..., "80 and more"."""
    closed = [f"{low} to {high}" for low, high in pairwise(SIZE_EDGES)]
    return [*closed, f"{SIZE_EDGES[-1]} and more"]


def write_tables(folder: Path, pictures: Sequence[PictureScores], summaries: Sequence[Summary]) -> None:
    """Write scores.csv, pictures.csv, errors.csv and sizes.csv; scores have six decimals, unknown ones are empty."""
    aps = [f"ap{round(100 * threshold)}" for threshold in THRESHOLDS]
    _write(
        folder / "scores.csv",
        ["kind", "pictures", "nuclei", "predicted", "kaggle", "kaggle_low", "kaggle_high", "iou", "dice", *aps],
        (
            [s.kind, s.pictures, s.nuclei, s.predicted, s.kaggle, *s.kaggle_interval, s.iou, s.dice, *s.ap]
            for s in summaries
        ),
    )
    _write(
        folder / "pictures.csv",
        ["name", "kind", "nuclei", "predicted", "kaggle", "ap50"],
        ([p.name, p.kind, p.nuclei, p.predicted, p.kaggle, p.ap50] for p in pictures),
    )
    _write(
        folder / "errors.csv",
        ["kind", "nuclei", *CAUSES, "predicted", "spurious"],
        (
            [s.kind, s.nuclei, *(getattr(s.errors, cause) for cause in CAUSES), s.predicted, s.errors.spurious]
            for s in summaries
        ),
    )
    _write(
        folder / "sizes.csv",
        ["kind", "diameter_px", "nuclei", "found_iou50", "found_iou75"],
        (
            [s.kind, name, nuclei, *found]
            for s in summaries
            for name, nuclei, found in zip(size_names(), s.sizes.nuclei, s.sizes.found.T, strict=True)
        ),
    )


def _write(path: Path, header: list[str], rows: Iterable[list]) -> None:
    # Names of pictures are names of files, which hold whatever their owner wrote.
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(
            [_number(cell) if isinstance(cell, float) else spreadsheet_safe(cell) for cell in row] for row in rows
        )


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6f}"
