"""What the tests of batches share: pictures to segment, and output folders to compare."""

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from tests.conftest import squares


def six_pictures(folder: Path) -> Path:
    """Six small pictures of different size and number of squares, one in a folder of its own, and one broken file."""
    (folder / "deep").mkdir(parents=True)
    for index in range(5):
        Image.fromarray(squares()[: 40 + 6 * index]).save(folder / f"p{index}.png")
    Image.fromarray(squares()).save(folder / "deep" / "p0.tif")
    (folder / "broken.png").write_bytes((folder / "p0.png").read_bytes()[:70])
    return folder


def contents(out: Path) -> dict[str, Any]:
    """Every file by its path, without what tells one run from another: time of day and seconds."""
    found: dict[str, Any] = {}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        if name.endswith("_run.json"):
            record = json.loads(path.read_text())
            del record["created"], record["result"]["seconds"], record["batch"]["row"]["seconds"]
            found[name] = record
        elif name == "summary.csv":
            found[name] = summary(out).drop(columns="seconds").to_csv()
        elif name.endswith("index.html"):
            found[name] = re.sub(f"(<h1>|: ){out.name}</", "", path.read_text())
        elif path.is_file():
            found[name] = path.read_bytes()
    return found


def summary(out: Path) -> pd.DataFrame:
    return pd.read_csv(out / "summary.csv")


def modified(out: Path) -> dict[str, int]:
    """When each result was last written."""
    return {str(path): path.stat().st_mtime_ns for path in out.rglob("*_*") if path.is_file()}
