"""Arrows point down only: each floor, imported in a fresh interpreter, loads nothing of the floors above."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIGHTNING = ("pytorch_lightning", "lightning", "lightning_modules", "data_modules", "imgaug")
PAGE = ("gradio", "ui")


def loaded_by(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint('\\n'.join(sorted({{name.split('.')[0] for name in sys.modules}})))"
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(answer.stdout.split())


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        ("import segmentation, segmentation.__main__", (*LIGHTNING, *PAGE)),
        ("import app, ui.page, ui.segment_tab", LIGHTNING),
        ("import data_modules", ("lightning_modules", *PAGE)),
        ("import lightning_modules.train", PAGE),
    ],
)
def test_a_floor_loads_nothing_from_above(statement: str, forbidden: tuple[str, ...]) -> None:
    assert loaded_by(statement) & set(forbidden) == set()


def test_every_module_of_the_core_is_free_of_frameworks() -> None:
    modules = sorted(path.stem for path in (ROOT / "segmentation").glob("*.py") if path.stem != "__init__")
    statement = "import " + ", ".join(f"segmentation.{name}" for name in modules)
    assert loaded_by(statement) & {*LIGHTNING, *PAGE} == set()


def test_loading_a_bundle_needs_no_training_code() -> None:
    statement = "from segmentation import Segmenter\nSegmenter.from_pretrained('checkpoints/nuclei', 'cpu')"
    assert loaded_by(statement) & {*LIGHTNING, *PAGE} == set()


SEGMENTED = """
import numpy as np
from segmentation import Segmenter
assert Segmenter.from_pretrained("checkpoints/nuclei", "cpu")(np.zeros((64, 64), np.uint8)).engine == "openvino"
"""


@pytest.mark.parametrize("statement", ["import app, ui.page", "import segmentation.batch_command", SEGMENTED])
def test_what_serves_on_processors_does_without_pytorch(statement: str) -> None:
    """Loading it takes longer than finding the nuclei of a picture."""
    assert "torch" not in loaded_by(statement)


def test_openvino_tells_nobody_of_its_use() -> None:
    """Its telemetry would tell Google Analytics of every import."""
    assert "openvino" in loaded_by(SEGMENTED)
    assert "openvino_telemetry" not in loaded_by(
        SEGMENTED + "sys.modules = {k: v for k, v in sys.modules.items() if v}"
    )
    for path in (ROOT / "segmentation").glob("*.py"):
        if path.name != "quiet_openvino.py":
            assert not re.search(r"^\s*(import|from) openvino\b", path.read_text(encoding="utf-8"), re.MULTILINE), path
