import numpy as np
import pytest
import torch
from stardist.matching import matching_dataset

from lightning_modules.metrics import ForegroundScores, InstanceScores
from segmentation.scores import THRESHOLDS, foreground_dice, foreground_iou, kaggle_score


def label_pairs(count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    generator = np.random.default_rng(0)
    pairs = []
    for _ in range(count):
        target = np.kron(generator.permutation(36).reshape(6, 6) % 20, np.ones((6, 6), int))
        preds = np.roll(target, tuple(generator.integers(0, 3, 2)), (0, 1)) * (generator.random(target.shape) > 0.05)
        pairs.append((preds, target))
    return pairs


def test_pooled_precision_equals_stardist_over_the_data_set() -> None:
    pairs = label_pairs(5)
    metric = InstanceScores()
    for preds, target in pairs:
        metric.update(torch.from_numpy(preds), torch.from_numpy(target))
    scores = metric.compute()
    for threshold in THRESHOLDS:
        oracle = matching_dataset([t for _, t in pairs], [p for p, _ in pairs], threshold, show_progress=False)
        assert scores[f"ap{round(100 * threshold)}"].item() == pytest.approx(oracle.accuracy, abs=1e-6)
    mean = np.mean([kaggle_score(preds, target) for preds, target in pairs])
    assert scores["kaggle"].item() == pytest.approx(mean, abs=1e-6)


def test_two_processes_add_up_to_one() -> None:
    pairs = label_pairs(4)
    one, parts = InstanceScores(), [InstanceScores(), InstanceScores()]
    for index, (preds, target) in enumerate(pairs):
        for metric in (one, parts[index % 2]):
            metric.update(torch.from_numpy(preds), torch.from_numpy(target))
    merged = InstanceScores()
    for name in ("score_sum", "pictures", "counts"):
        setattr(merged, name, getattr(parts[0], name) + getattr(parts[1], name))
    merged._update_count = 4
    assert {k: v.item() for k, v in merged.compute().items()} == pytest.approx(
        {k: v.item() for k, v in one.compute().items()}
    )


def test_foreground_scores_of_one_picture_equal_the_pure_functions() -> None:
    preds, target = label_pairs(1)[0]
    metric = ForegroundScores()
    metric.update(torch.from_numpy(preds > 0), torch.from_numpy(target > 0))
    scores = metric.compute()
    assert scores["iou"].item() == pytest.approx(foreground_iou(preds, target), abs=1e-6)
    assert scores["dice"].item() == pytest.approx(foreground_dice(preds, target), abs=1e-6)
