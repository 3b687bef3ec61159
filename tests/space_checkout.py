"""A small project to deploy, with much beside it that is nobody's business."""

import shutil
from pathlib import Path

import pytest

from segmentation.bundle import CARD, CONFIG, WEIGHTS
from tests.hub_repositories import Repository
from tests.hub_server import HubServer

NAME, SPACE = "lab/nuclei", "lab/space"
README = """---
title: Nucleoscope
emoji: 🔬
sdk: gradio
tags: [nucleoscope]
---
# Nucleoscope

![The page](docs/page.png) ![theirs](https://example.org/x.png) [a page](docs/models.md)
"""
APP = {
    "app.py": "print('the app')\n",
    "LICENSE": "Apache-2.0\n",
    "README.md": README,
    "docs/page.png": "picture",
    "requirements.txt": "torch==2.13.0  # the network\npytorch-lightning==2.6.6\ngradio==6.31.0\n",
    "segmentation/segmenter.py": "",
    "segmentation/contact_sheet.html": "",
    "ui/page.py": "",
    "ui/static/main.js": "",
}
JUNK = (
    ".env",
    ".venv/lib/site.py",
    "checkpoints/last.ckpt",
    "checkpoints/nuclei/epoch=3.ckpt",
    "docs/models.md",
    "docs/other.png",
    "runs/mine/config.json",
    "segmentation/.secret.json",
    "segmentation/__pycache__/segmenter.json",
    "segmentation/notes.txt",
    "segmentation/segmenter.py~",
    "segmentation/web/index.html",
    "tests/test_app.py",
    "ui/.env",
)
BUNDLE = {f"checkpoints/nuclei/{name}" for name in (CONFIG, WEIGHTS, CARD)}


def write(root: Path, name: str, text: str = "keep me here") -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")


@pytest.fixture
def checkout(tmp_path: Path, bundle_folder: Path) -> Path:
    """Its folder."""
    root = tmp_path / "checkout"
    shutil.copytree(bundle_folder, root / "checkpoints" / "nuclei")
    for name, text in APP.items():
        write(root, name, text)
    for name in JUNK:
        write(root, name)
    return root


def space(hub: HubServer) -> Repository:
    return hub.model(SPACE, "spaces")


def held(hub: HubServer) -> dict[str, bytes]:
    return {path: file.data for path, file in space(hub).at("main").files.items()}
