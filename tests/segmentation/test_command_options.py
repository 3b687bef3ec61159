"""The command line's help, its first words, and what it says when it is to be quiet."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segmentation.__main__ import main
from segmentation.command_options import COMMAND_FORMATS
from segmentation.exports import FORMATS


def test_help_names_every_format(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert f"between: {', '.join(FORMATS)}, or all (default: {COMMAND_FORMATS})" in said


def test_nothing_but_failures_and_totals_when_quiet(
    six_squares: np.ndarray, bundle_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    Image.fromarray(six_squares).save(tmp_path / "a.png")
    words = [str(tmp_path / "a.png"), "--out", str(tmp_path / "out"), "--model", str(bundle_folder), "--quiet"]
    assert main(words) == 0
    said = capsys.readouterr()
    assert said.out.startswith("6 nuclei in 1 picture")
    assert said.err == ""


def test_first_words_come_before_what_takes_long_to_load(project_root: Path) -> None:
    """Nothing is printed on the way in but by ``main``, and neither Lightning nor Gradio is loaded on the way out."""
    code = (
        "import sys, builtins\n"
        "from segmentation.__main__ import main\n"
        "said = []\n"
        "builtins.print = lambda *text, **_: said.append((text, 'segmentation.batch_command' in sys.modules))\n"
        "main(['nowhere.png', '--out', 'nowhere'])\n"
        "assert said[0] == (('Looking for pictures',), False), said\n"
        "assert said[-1][0][0].startswith('error: nowhere.png'), said\n"
        "loaded = {name.split('.')[0] for name in sys.modules}\n"
        "assert not loaded & {'pytorch_lightning', 'lightning', 'gradio', 'lightning_modules', 'ui'}, loaded\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=project_root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
