"""A batch on the command line: pictures a second, peak memory, and the share of its parts.

Run: ``python -m benchmarks.batch [--pictures 200] [--jobs 1 2] [--format labels,overlay,csv] [--model FOLDER]``.
The throughput and the memory are those of the real command in processes of its own, its start included. The parts are
those of one process, timed where it passes from one to the next. Memory is read from ``/proc`` and so only on Linux:
what all processes of the command hold at the same time, shared pages counted once.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import torch
from PIL import Image

import segmentation.segmenter
from segmentation.batch import Batch
from segmentation.batch_inputs import find_files, plan
from segmentation.batch_settings import Settings, parse_formats
from segmentation.command_options import COMMAND_FORMATS, DEFAULT_MODEL
from segmentation.examples import make_example
from segmentation.segmenter import Segmenter

HEIGHT, WIDTH, NUCLEI = 520, 696, 80  # as in the Broad Bioimage Benchmark Collection
ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--format", default=COMMAND_FORMATS)
    parser.add_argument("--model", default=str(DEFAULT_MODEL))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        pictures = _draw(Path(scratch) / "in", options.pictures)
        print(f"{options.pictures} pictures of {WIDTH} x {HEIGHT}, torch {torch.__version__}, {os.cpu_count()} cores\n")
        print("| jobs | first output, s | all, s | pictures a second | peak memory, MiB |\n" + "| --- " * 5 + "|")
        for jobs in options.jobs:
            out = Path(scratch) / f"out{jobs}"
            words = [str(pictures), "--out", str(out), "--jobs", str(jobs), "--format", options.format]
            first, seconds, memory = _command([*words, "--model", options.model])
            rate = options.pictures / seconds
            peak = f"{memory / 2**20:,.0f}" if memory else "not known here"
            print(f"| {jobs} | {first:.1f} | {seconds:.1f} | {rate:.2f} | {peak} |", flush=True)
        settings = Settings(Path(scratch) / "parts", formats=parse_formats(options.format))
        batch = Batch.of(Segmenter.from_pretrained(options.model, "cpu"), settings, "benchmark")
        _parts(batch, pictures)


def _draw(folder: Path, pictures: int) -> Path:
    """Pictures of twenty fields: drawing takes longer than segmenting, and the bytes of each file are its own."""
    folder.mkdir()
    fields = [
        make_example("fluorescence", seed, height=HEIGHT, width=WIDTH, nuclei=NUCLEI).pixels[..., 0]
        for seed in range(min(20, pictures))
    ]
    for index in range(pictures):
        pixels = fields[index % len(fields)].copy()
        pixels[0, 0] = index // len(fields) % 256
        Image.fromarray(pixels).save(folder / f"field{index:05d}.png")
    return folder


def _command(words: list[str]) -> tuple[float, float, int]:
    """Seconds to the first output and in all, and peak memory in bytes, 0 where that cannot be known."""
    start = time.perf_counter()
    running = subprocess.Popen(
        [sys.executable, "-m", "segmentation", *words], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    peak = [0]

    def watch() -> None:
        while running.poll() is None:
            peak[0] = max(peak[0], _memory(running.pid))
            time.sleep(0.2)

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert running.stdout is not None
    running.stdout.readline()
    first = time.perf_counter() - start
    running.stdout.read()
    code = running.wait()
    seconds = time.perf_counter() - start
    watcher.join()
    if code:
        sys.exit(f"the command ended with code {code}")
    return first, seconds, peak[0]


def _memory(pid: int) -> int:
    """Bytes that a process and all below it hold, each page they share divided among those who share it."""
    total = 0
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += sum(_memory(int(child)) for child in (task / "children").read_text().split())
    except (OSError, ValueError):
        return total  # it ended meanwhile, or this is not Linux
    return total


def _parts(batch: Batch, pictures: Path) -> None:
    """Time the parts of one process, after one picture to warm up."""
    decoding = 0.0

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            nonlocal decoding
            start = time.perf_counter()
            result = function(*arguments, **more)
            decoding += time.perf_counter() - start
            return result

        return call

    segmentation.segmenter.decode = timed(segmentation.segmenter.decode)  # of this process alone, which ends here
    tasks, _ = plan(find_files([pictures]), Path("unused"))
    batch.process(tasks[0])
    decoding = 0.0
    start, cpu = time.perf_counter(), time.process_time()
    seconds = dict.fromkeys(("read", "segment", "measure", "write"), 0.0)
    for task in tasks:
        outcome = batch.process(task)
        if outcome.error:
            sys.exit(outcome.error)
        for part in seconds:
            seconds[part] += outcome.parts[part]
    whole, cpu = time.perf_counter() - start, time.process_time() - cpu
    shares = {
        "read": seconds["read"],
        "network": seconds["segment"] - decoding,
        "decode": decoding,
        "measure": seconds["measure"],
        "write": seconds["write"],
        "hash, headers, resume": whole - sum(seconds.values()),
    }
    print(f"\nOne process, {torch.get_num_threads()} threads of PyTorch, {cv2.getNumThreads()} of OpenCV:\n")
    print("| part | ms a picture | share |\n| --- | --- | --- |")
    for part, total in shares.items():
        print(f"| {part} | {1000 * total / len(tasks):.1f} | {total / whole:.1%} |")
    print(f"\n{whole / len(tasks):.2f} s a picture, of which the processor worked {cpu / len(tasks):.2f} s.")


if __name__ == "__main__":
    main()
