import pytest
import torch
from torch.nn import functional as F

from lightning_modules.losses import dice_loss, probability_loss, segmentation_loss


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 1, 9, 7, generator=generator)
    return logits, (torch.rand(2, 1, 9, 7, generator=generator) > 0.6).float()


def test_dice_loss_equals_its_formula() -> None:
    logits, targets = batch()
    p = logits.sigmoid()
    expected = 1 - (2 * (p * targets).sum() + 1) / (p.sum() + targets.sum() + 1)
    assert dice_loss(logits, targets).item() == pytest.approx(expected.item(), abs=1e-6)


@pytest.mark.parametrize(("target", "worst"), [(1.0, False), (0.0, True)])
def test_dice_loss_is_near_0_when_right_and_near_1_when_wrong(target: float, worst: bool) -> None:
    logits = torch.full((1, 1, 32, 32), 20.0)
    loss = dice_loss(logits, torch.full_like(logits, target)).item()
    assert loss == pytest.approx(1.0 if worst else 0.0, abs=1e-3)


def test_empty_target_and_empty_prediction_cost_nothing() -> None:
    logits = torch.full((1, 1, 8, 8), -30.0)
    assert segmentation_loss(logits, torch.zeros_like(logits)).item() == pytest.approx(0, abs=1e-6)


def test_loss_is_cross_entropy_plus_weighted_dice() -> None:
    logits, targets = batch()
    cross_entropy = F.binary_cross_entropy(logits.sigmoid(), targets)
    expected = cross_entropy + 0.5 * dice_loss(logits, targets)
    assert segmentation_loss(logits, targets, dice_weight=0.5).item() == pytest.approx(expected.item(), abs=1e-5)
    assert segmentation_loss(logits, targets, dice_weight=0.0).item() == pytest.approx(cross_entropy.item(), abs=1e-5)


def test_loss_of_probabilities_equals_loss_of_logits() -> None:
    logits, targets = batch()
    both = probability_loss(logits.sigmoid(), targets), segmentation_loss(logits, targets)
    assert both[0].item() == pytest.approx(both[1].item(), abs=1e-5)


def test_half_precision_does_not_overflow() -> None:
    logits = torch.full((8, 1, 256, 256), 3.0, dtype=torch.float16)  # sums of 500,000: over float16's 65,504
    assert torch.isfinite(segmentation_loss(logits, torch.ones_like(logits)))
