"""How long it takes to begin: from a cold process to labels, to the page, and what importing costs, package by package.

Run: ``python -m benchmarks.startup [--repeats 3]``. A product of two 2048 x 2048 matrices in NumPy, in the same run,
says how fast the computer is.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from docs.served import served
from segmentation.examples import make_example

ROOT = Path(__file__).resolve().parents[1]
LINE = re.compile(r"import time:\s*(\d+) \|\s*\d+ \|\s*([\w.]+)")
SHOWN = 10  # packages


def main() -> None:
    """Print a table and a list."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    product = min(_product() for _ in range(5))
    print("| from a cold process to | seconds (median) | products | goal |\n| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "cells.png"
        pixels = make_example("fluorescence", 1, height=512, width=512, nuclei=125).pixels
        Image.fromarray(pixels.squeeze()).save(picture)
        rows = {
            "`python -m segmentation --help`": (["-m", "segmentation", "--help"], 3),
            "labels of a 512 x 512 picture": (
                ["-m", "segmentation", str(picture), "--out", str(Path(folder) / "out"), "--format", "labels"],
                3,
            ),
        }
        for name, (words, goal) in rows.items():
            seconds = median(_run(words) for _ in range(repeats))
            print(f"| {name} | {seconds:.2f} | {seconds / product:.0f} | {goal} |", flush=True)
    seconds = median(_page() for _ in range(repeats))
    print(f"| the page, first answer | {seconds:.2f} | {seconds / product:.0f} | 6 |\n")
    for what in ("segmentation.batch_command", "ui.page"):
        costs = _imports(what)
        listed = ", ".join(f"{name} {ms:,.0f}" for name, ms in costs.most_common(SHOWN))
        print(f"Importing {what}: {costs.total() / 1000:.2f} s; ms by package: {listed}")


def _product() -> float:
    matrix = np.ones((2048, 2048), np.float32)
    start = time.perf_counter()
    matrix @ matrix
    return time.perf_counter() - start


def _run(words: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *words], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def _page() -> float:
    start = time.perf_counter()
    with served():
        return time.perf_counter() - start


def _imports(module: str) -> Counter[str]:
    """Milliseconds that each top-level package takes by itself, without what it imports."""
    command = [sys.executable, "-X", "importtime", "-c", f"import {module}"]
    told = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, check=True).stderr
    costs: Counter[str] = Counter()
    for match in LINE.finditer(told):
        costs[match[2].partition(".")[0]] += int(match[1]) / 1000  # type: ignore[assignment]
    return costs


if __name__ == "__main__":
    main()
