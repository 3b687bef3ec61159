"""The bundle in checkpoints/nuclei: what it weighs, what it says of itself, and what it finds."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from benchmarks.false_nuclei import noise_pictures, one_nucleus
from segmentation import Segmenter
from segmentation.examples import make_example
from segmentation.scores import match

COUNT, CHECKSUM = 40, "26952336f987ceca"


@pytest.fixture(scope="module")
def shipped(project_root: Path) -> Segmenter:
    return Segmenter.from_pretrained(project_root / "checkpoints" / "nuclei", "cpu")


def test_small_enough_to_ship(shipped: Segmenter, project_root: Path) -> None:
    folder = project_root / "checkpoints" / "nuclei"
    assert sum(p.numel() for p in shipped.bundle.network.parameters()) <= 2_000_000
    assert sum(path.stat().st_size for path in folder.iterdir()) < 10e6
    assert {path.name for path in folder.iterdir()} == {"config.json", "model.safetensors", "README.md"}


def test_card_states_data_licence_scores_and_limits(project_root: Path, shipped: Segmenter) -> None:
    card = (project_root / "checkpoints" / "nuclei" / "README.md").read_text(encoding="utf-8")
    for words in ("license: apache-2.0", "BBBC038, CC0", "not for diagnosis", "held-out kaggle", "validation kaggle"):
        assert words in card
    assert shipped.bundle.scores["held-out pictures"] == 166


def test_golden_count_and_labels(shipped: Segmenter) -> None:
    """Pinned whole, so that no change of reading, preparing, network or decoding goes unseen."""
    drawn = make_example("fluorescence", 7, height=256, width=320, nuclei=40)
    result = shipped(drawn.pixels)
    # No pixel so near the threshold that another processor's last bits could tip it.
    assert np.abs(result.foreground - result.params.threshold).min() > 1e-6
    assert (result.count, hashlib.sha256(result.labels.tobytes()).hexdigest()[:16]) == (COUNT, CHECKSUM)
    assert match(result.labels, drawn.labels, (0.5,)).true_positives[0] >= 0.9 * drawn.labels.max()


@pytest.mark.parametrize("name", [name for name in noise_pictures(32) if "blurred by" not in name or "by 1 " in name])
def test_nothing_is_found_where_nothing_is(shipped: Segmenter, name: str) -> None:
    assert shipped(noise_pictures(256)[name]).count == 0


@pytest.mark.parametrize("level", [0, 5, 20])
def test_one_nucleus_in_noise(shipped: Segmenter, level: int) -> None:
    assert shipped(one_nucleus(level, 256)).count == 1


@pytest.mark.parametrize("diameter", [5, 9, 16, 30, 40, 60, 80, 100, 140])
def test_nuclei_of_any_size_survive(shipped: Segmenter, diameter: int) -> None:
    """Well apart, bright and smooth: size alone may not lose a nucleus, nor cut it in pieces; nothing has to be set."""
    size = max(6 * diameter, 96)
    rows, columns = np.mgrid[:size, :size]
    picture = np.full((size, size), 12.0)
    centres = [(size * a // 4, size * b // 4) for a in (1, 3) for b in (1, 3)]
    for y, x in centres:
        picture += 180 * np.clip((diameter / 2 - np.hypot(rows - y, columns - x)) / 2 + 0.5, 0, 1)
    picture += np.random.default_rng(0).normal(0, 2, picture.shape)
    found = shipped(np.clip(picture, 0, 255).astype(np.uint8))
    assert found.count == len(centres)
