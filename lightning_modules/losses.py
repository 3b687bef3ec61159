"""Losses in plain torch."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from segmentation.instance_maps import FOREGROUND, MapName

VECTOR_WEIGHT = 4.0  # an error of a whole radius counts about as much as a pixel on the wrong side


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


def segmentation_loss(
    logits: Tensor,
    targets: Tensor,
    names: Sequence[MapName] = FOREGROUND,
    weights: Tensor | None = None,
    dice_weight: float = 1.0,
) -> Tensor:
    """The sum over the maps of what suits each; a scalar.

    Foreground and boundary: binary cross-entropy plus ``dice_weight`` times the soft Dice loss. Distance: binary
    cross-entropy with the distance as a soft target (as StarDist learns it, arXiv:1806.03535). Flow and offset: the
    mean absolute error on nuclei.

    Args:
        logits: ``(N, maps, H, W)``.
        targets: the same shape, in [0, 1]; see :func:`segmentation.instance_maps.encode`.
        names: what each map is.
        weights: ``(N, 1, H, W)``, how much each pixel counts in the cross-entropies; equal if None.
        dice_weight: of the soft Dice loss.
    """
    logits, targets = logits.float(), targets.float()
    weights = torch.ones_like(targets[:, :1]) if weights is None else weights
    inside = targets[:, names.index("foreground")]
    total = logits.new_zeros(())
    for index, name in enumerate(names):
        answer, truth = logits[:, index : index + 1], targets[:, index : index + 1]
        if name.startswith(("flow", "offset")):
            error = (answer.sigmoid() - truth).abs()[:, 0] * inside
            total = total + VECTOR_WEIGHT * error.sum() / (inside.sum() + 1)
            continue
        entropy = F.binary_cross_entropy_with_logits(answer, truth, reduction="none")
        total = total + (entropy * weights).sum() / weights.sum()
        if name != "distance" and dice_weight:
            total = total + dice_weight * dice_loss(answer, truth)
    return total


def probability_loss(
    probabilities: Tensor, targets: Tensor, names: Sequence[MapName] = FOREGROUND, dice_weight: float = 1.0
) -> Tensor:
    """:func:`segmentation_loss` of probabilities, for where the network's logits are gone."""
    return segmentation_loss(torch.logit(probabilities.float(), eps=1e-6), targets, names, dice_weight=dice_weight)
