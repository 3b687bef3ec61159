"""Losses in plain torch."""

import torch
from torch import Tensor
from torch.nn import functional as F


def dice_loss(logits: Tensor, targets: Tensor, smooth: float = 1.0) -> Tensor:
    """Soft Dice loss, 1 - (2 sum(p t) + s) / (sum(p) + sum(t) + s), over the whole batch; a scalar in [0, 1].

    Milletari et al., V-Net, 2016 (arXiv:1606.04797), with plain sums. Over the batch rather than per crop, so that a
    crop without nuclei does not swing the loss. Computed in float32: half precision overflows on such sums.

    Args:
        logits: ``(N, maps, H, W)``.
        targets: the same shape, in [0, 1].
        smooth: keeps empty batches defined.
    """
    probabilities, targets = logits.float().sigmoid(), targets.float()
    dimensions = (0, 2, 3)
    overlap = (probabilities * targets).sum(dimensions)
    total = probabilities.sum(dimensions) + targets.sum(dimensions)
    return (1 - (2 * overlap + smooth) / (total + smooth)).mean()


def segmentation_loss(logits: Tensor, targets: Tensor, dice_weight: float = 1.0) -> Tensor:
    """Binary cross-entropy plus ``dice_weight`` times the soft Dice loss; a scalar."""
    cross_entropy = F.binary_cross_entropy_with_logits(logits.float(), targets.float())
    return cross_entropy + dice_weight * dice_loss(logits, targets) if dice_weight else cross_entropy


def probability_loss(probabilities: Tensor, targets: Tensor, dice_weight: float = 1.0) -> Tensor:
    """:func:`segmentation_loss` of probabilities, for where the network's logits are gone."""
    return segmentation_loss(torch.logit(probabilities.float(), eps=1e-6), targets, dice_weight)
