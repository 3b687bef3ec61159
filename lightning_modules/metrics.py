"""Thin torchmetrics classes over segmentation/scores.py."""

import warnings
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import BinaryF1Score, BinaryJaccardIndex

from data_modules.pictures import KINDS, Kind
from segmentation.scores import THRESHOLDS, average_precision, match


class InstanceScores(Metric):
    """The competition's scores over pictures; sums only, so that several processes add up exactly.

    ``compute`` gives: ``kaggle`` (mean over pictures of the mean over thresholds of TP / (TP + FP + FN)), and
    ``ap50`` to ``ap95`` (the same ratio with objects of all pictures pooled).
    """

    full_state_update = False
    higher_is_better = True
    score_sum: Tensor
    pictures: Tensor
    counts: Tensor

    def __init__(self, across_processes: bool = True) -> None:
        super().__init__(sync_on_compute=across_processes)
        self.add_state("score_sum", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("pictures", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("counts", torch.zeros((3, len(THRESHOLDS)), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Two label images ``(H, W)`` of integers, 0 the background."""
        found = match(_numpy(preds), _numpy(target))
        counts = np.stack([found.true_positives, found.false_positives, found.false_negatives])
        self.score_sum += found.average_precision().mean()
        self.pictures += 1
        self.counts += torch.from_numpy(counts).to(self.counts.device)

    def compute(self) -> dict[str, Tensor]:
        """Named scores in [0, 1]."""
        pooled = average_precision(*_numpy(self.counts))
        scores = {"kaggle": self.score_sum / self.pictures}
        for threshold, value in zip(THRESHOLDS, pooled, strict=True):
            scores[f"ap{round(100 * threshold)}"] = torch.tensor(value)
        # float32: MPS has no float64, and loggers expect it
        return {name: value.to(self.score_sum.device, torch.float32) for name, value in scores.items()}


class ForegroundScores(MetricCollection):
    """IoU and Dice of the foreground, pixels of all pictures pooled: ``update`` takes boolean ``preds, target``."""

    def __init__(self, across_processes: bool = True) -> None:
        iou = BinaryJaccardIndex(sync_on_compute=across_processes)
        dice = BinaryF1Score(sync_on_compute=across_processes)  # the F1 score of pixels: 2 TP / (2 TP + FP + FN)
        super().__init__({"iou": iou, "dice": dice}, compute_groups=False)


class Scoreboard(nn.Module):
    """All scores of a set of pictures, over all of them and by kind.

    Args:
        across_processes: add up over all processes, which must then all call ``pop``; off for work of one process.
    """

    def __init__(self, across_processes: bool = True) -> None:
        super().__init__()
        self.everything = InstanceScores(across_processes)
        self.foreground = ForegroundScores(across_processes)
        self.kinds = nn.ModuleDict({kind: InstanceScores(across_processes) for kind in KINDS})

    def add(self, preds: NDArray, target: NDArray, kind: Kind) -> None:
        """Judge one picture: two label images ``(H, W)``, 0 the background."""
        labels, truth = torch.from_numpy(preds.astype(np.int64)), torch.from_numpy(target.astype(np.int64))
        self.everything.update(labels, truth)
        cast(InstanceScores, self.kinds[kind]).update(labels, truth)
        device = self.everything.device
        self.foreground.update((labels > 0).to(device), (truth > 0).to(device))

    def pop(self) -> dict[str, Tensor]:
        """Scores in [0, 1] of the pictures added so far, which are then forgotten.

        Names as in :class:`InstanceScores`, with ``iou`` and ``dice``, and ``kaggle_KIND`` and ``ap50_KIND`` for every
        kind of which there was a picture.
        """
        scores = {**self.everything.compute(), **self.foreground.compute()}
        for kind, metric in self.kinds.items():
            with warnings.catch_warnings():  # every process must take part, also where it saw no picture of the kind
                warnings.filterwarnings("ignore", message=".*was called before the ``update``.*")
                of_kind = cast(InstanceScores, metric).compute()
            if not of_kind["kaggle"].isnan():
                scores |= {f"{name}_{kind}": of_kind[name] for name in ("kaggle", "ap50")}
            cast(InstanceScores, metric).reset()
        self.everything.reset()
        self.foreground.reset()
        return scores


def _numpy(tensor: Tensor) -> NDArray:
    return tensor.detach().cpu().numpy()
