"""The smoke recipe, as a user types it: the real command in a fresh process, no data needed."""

import csv
import subprocess
import sys
from pathlib import Path

from segmentation import Segmenter
from segmentation.examples import make_example
from segmentation.scores import foreground_iou, match


def test_synthetic_recipe_learns(tmp_path: Path, project_root: Path) -> None:
    command = [sys.executable, "-m", "lightning_modules.train", "fit", "--config", "configs/synthetic.yaml"]
    answer = subprocess.run(
        [*command, "--trainer.default_root_dir", str(tmp_path), "--trainer.enable_progress_bar", "false"],
        cwd=project_root,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert answer.returncode == 0, answer.stderr[-3000:]
    with (tmp_path / "logs" / "version_0" / "metrics.csv").open() as file:
        iou = [float(row["val/iou"]) for row in csv.DictReader(file) if row["val/iou"]]
    assert len(iou) == 20
    assert max(iou) > 0.75 > iou[0]
    segmenter = Segmenter.from_pretrained(tmp_path / "bundle", "cpu")
    unseen = make_example("fluorescence", 99_999, height=128, width=128, nuclei=10, radius=(5.0, 10.0))
    result = segmenter(unseen.pixels)
    assert foreground_iou(result.labels, unseen.labels) > 0.7
    assert match(result.labels, unseen.labels, (0.5,)).average_precision()[0] > 0.6
