"""Thin torchmetrics classes over segmentation/scores.py."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import BinaryF1Score, BinaryJaccardIndex

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

    def __init__(self) -> None:
        super().__init__()
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

    def __init__(self) -> None:
        # Dice is the F1 score of pixels: 2 TP / (2 TP + FP + FN).
        super().__init__({"iou": BinaryJaccardIndex(), "dice": BinaryF1Score()}, compute_groups=False)


def _numpy(tensor: Tensor) -> NDArray:
    return tensor.detach().cpu().numpy()
