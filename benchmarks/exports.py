"""Processor seconds, peak memory and size of every file of a picture with very many nuclei, each in its own process.

Run: ``python -m benchmarks.exports [--size 8192] [--nuclei 100000] [--formats csv rois]``.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segmentation import DecodeParams, MicroscopyImage, Segmentation
from segmentation.exports import FORMATS, write_all
from segmentation.measurements import measure
from segmentation.pixel_size import PixelSize

PIXEL_SIZE = PixelSize(0.5, 0.5)
NOTHING, CHEAP, FULL = "nothing (programs and picture loaded)", "measure", "measure, full"


def discs(size: int, count: int) -> NDArray[np.uint32]:
    """``(size, size)`` labels 1..count: discs of changing radius on a square grid; adjacent, not touching."""
    side = int(np.ceil(np.sqrt(count)))
    step = size / side
    radii = np.random.default_rng(0).uniform(0.25, 0.48, count) * step
    labels = np.zeros((size, size), np.uint32)
    for index, radius in enumerate(radii):
        y, x = (index // side + 0.5) * step, (index % side + 0.5) * step
        top, left = int(y - radius), int(x - radius)
        box = labels[top : int(y + radius) + 2, left : int(x + radius) + 2]
        rows, columns = np.ogrid[top : top + box.shape[0], left : left + box.shape[1]]
        box[(rows - y) ** 2 + (columns - x) ** 2 < max(radius, 0.8) ** 2] = index + 1
    return labels


def child(what: str, labels_file: Path, folder: Path) -> dict[str, float]:
    """Do one thing in this process, and say what it took."""
    labels = np.load(labels_file)
    pixels = np.random.default_rng(0).integers(0, 256, (*labels.shape, 1), dtype=np.uint8)
    # The network's answer, which no file needs, takes no memory here.
    maps = np.broadcast_to(np.float32(0), (1, *labels.shape))
    image = MicroscopyImage(pixels, "many", pixel_size=PIXEL_SIZE)
    result = Segmentation(image, maps, ("foreground",), labels, DecodeParams(), 0.0)
    record = {"picture": {"file_name": "many.tif", "pixel_size_um": PIXEL_SIZE._asdict()}}
    actions: dict[str, Callable[[], object]] = {
        NOTHING: lambda: None,
        CHEAP: lambda: measure(labels, pixels, pixel_size=PIXEL_SIZE),
        FULL: lambda: measure(labels, pixels, pixel_size=PIXEL_SIZE, full=True),
    }
    size = 0
    if what in FORMATS:
        table = measure(labels, pixels, pixel_size=PIXEL_SIZE, full=True)  # in the memory of each, as on the page
        start = time.process_time()
        [path] = write_all(folder, "many", result, table, record, [what])
        seconds, size = time.process_time() - start, path.stat().st_size
    else:
        start = time.process_time()
        actions[what]()
        seconds = time.process_time() - start
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return {"seconds": seconds, "megabytes": kilobytes / 1024, "size": size / 1e6}


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=8192, help="height and width in pixels")
    parser.add_argument("--nuclei", type=int, default=100_000)
    parser.add_argument("--formats", nargs="+", choices=list(FORMATS), default=list(FORMATS))
    parser.add_argument("--keep", type=Path, help="folder for the files; else they are removed")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        what, labels_file, folder = options.child
        print(json.dumps(child(what, Path(labels_file), Path(folder))))
        return
    print(f"{options.size} x {options.size} pixels of one channel and 8 bits, {options.nuclei:,} nuclei\n")
    print("| what | processor seconds | peak memory (MiB) | file (MB) |\n| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as scratch:
        labels_file = Path(scratch) / "labels.npy"
        np.save(labels_file, discs(options.size, options.nuclei))
        for what in (NOTHING, CHEAP, FULL, *options.formats):
            command = [sys.executable, "-m", "benchmarks.exports", "--child", what, str(labels_file)]
            done = subprocess.run([*command, str(options.keep or scratch)], check=True, capture_output=True, text=True)
            row = json.loads(done.stdout)
            size = f"{row['size']:.1f}" if row["size"] else ""
            print(f"| {what} | {row['seconds']:.1f} | {row['megabytes']:.0f} | {size} |", flush=True)


if __name__ == "__main__":
    main()
