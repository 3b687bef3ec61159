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


NAMES = ("foreground", "boundary", "distance")


def three_maps() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    targets = torch.rand(2, 3, 9, 7, generator=generator)
    targets[:, :2] = (targets[:, :2] > 0.6).float()
    weights = 1 + 3 * torch.rand(2, 1, 9, 7, generator=generator)
    return torch.randn(2, 3, 9, 7, generator=generator), targets, weights


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (0, 2), (0,)])
def test_each_map_has_what_suits_it(order: tuple[int, ...]) -> None:
    """Foreground, boundary: cross-entropy and Dice; distance: cross-entropy with a soft target; in any order."""
    logits, targets, _ = three_maps()
    expected = 0.0
    for index in order:
        answer, truth = logits[:, index], targets[:, index]
        expected += F.binary_cross_entropy(answer.sigmoid(), truth).item()
        if NAMES[index] != "distance":
            p = answer.sigmoid()
            expected += 0.7 * (1 - (2 * (p * truth).sum() + 1) / (p.sum() + truth.sum() + 1)).item()
    chosen = [NAMES[index] for index in order]
    loss = segmentation_loss(logits[:, list(order)], targets[:, list(order)], chosen, dice_weight=0.7)
    assert loss.item() == pytest.approx(expected, abs=1e-5)


def test_weights_are_of_a_weighted_mean() -> None:
    logits, targets, weights = three_maps()
    expected = sum(
        F.binary_cross_entropy(logits[:, i].sigmoid(), targets[:, i], weights[:, 0], reduction="sum") / weights.sum()
        for i in range(3)
    )
    loss = segmentation_loss(logits, targets, NAMES, weights, dice_weight=0.0)
    assert loss.item() == pytest.approx(float(expected), abs=1e-5)
    same = segmentation_loss(logits, targets, NAMES, weights * 5, dice_weight=0.0)  # only their ratios count
    assert same.item() == pytest.approx(loss.item(), abs=1e-6)
    even = segmentation_loss(logits, targets, NAMES, torch.full_like(weights, 2.0))
    assert even.item() == pytest.approx(segmentation_loss(logits, targets, NAMES).item(), abs=1e-6)


def test_a_heavy_pixel_pulls_harder() -> None:
    logits, targets = torch.zeros(1, 1, 2, 2, requires_grad=True), torch.ones(1, 1, 2, 2)
    weights = torch.tensor([[[[4.0, 1.0], [1.0, 1.0]]]])
    segmentation_loss(logits, targets, weights=weights, dice_weight=0.0).backward()
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad, -0.5 * weights / weights.sum())


def test_the_true_maps_cost_least() -> None:
    _, targets, weights = three_maps()
    best = segmentation_loss(torch.logit(targets, eps=1e-6), targets, NAMES, weights)
    for change in (-0.2, 0.2):
        other = segmentation_loss(torch.logit((targets + change).clamp(0, 1), eps=1e-6), targets, NAMES, weights)
        assert other > best


def test_loss_of_probabilities_of_several_maps_equals_loss_of_logits() -> None:
    logits, targets, _ = three_maps()
    both = (
        probability_loss(logits.sigmoid(), targets, NAMES, 0.3),
        segmentation_loss(logits, targets, NAMES, dice_weight=0.3),
    )
    assert both[0].item() == pytest.approx(both[1].item(), abs=1e-5)
