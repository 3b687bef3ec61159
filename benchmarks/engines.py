"""What runs the network fastest here: PyTorch, ONNX Runtime and OpenVINO, alone and beside another process.

Run: ``python -m benchmarks.engines [--model FOLDER] [--sides 256 1024 1536] [--threads 1 2] [--repeats 5]``.
Each engine and number of threads gets a process of its own, since libraries keep their threads. Times are medians of
the network alone on one picture, beside those of a matrix product of 60 GFLOP with as many threads in the same process.
Under "loaded", a second process multiplies matrices with as many threads all the while. ONNX Runtime is no part of
the app and is left out where it is not installed.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from importlib import metadata, util
from pathlib import Path
from typing import Any

from benchmarks.timing import timed

ROOT = Path(__file__).resolve().parents[1]
ENGINES = {"pytorch": "torch", "onnxruntime": "onnxruntime", "openvino": "openvino", "openvino-bf16": "openvino"}
# Ends with the process that started it, however that ends.
LOAD = """
import os
import numpy as np
parent, matrix = os.getppid(), np.ones((2048, 2048), np.float32)
while os.getppid() == parent:
    matrix @ matrix
"""


def main() -> None:
    """Print the tables; with ``--one``, what one process measured, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(ROOT / "checkpoints" / "nuclei"))
    parser.add_argument("--sides", type=int, nargs="+", default=[256, 1024, 1536])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--one", choices=ENGINES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(_measure(options.one, options.model, options.sides, options.threads[0], options.repeats)))
        return
    print("| engine | threads | side | quiet, s | x 60 GFLOP | loaded, s | start, s | largest difference |")
    print("| --- " * 8 + "|", flush=True)
    for threads in options.threads:
        for engine in ENGINES:
            if util.find_spec(ENGINES[engine]) is None:
                continue
            found = _apart(engine, threads, options)
            with _busy(threads):
                loaded = _apart(engine, threads, options)
            for side in map(str, options.sides):
                seconds = found["seconds"][side]
                print(
                    f"| {engine} | {threads} | {side} | {seconds:.3f} | {seconds / found['product']:.2f} | "
                    f"{loaded['seconds'][side]:.3f} | {found['start']:.2f} | {found['difference']:.0e} |",
                    flush=True,
                )
    for package in dict.fromkeys(ENGINES.values()):
        if util.find_spec(package) is not None:
            print(f"{package} {metadata.version(package)}: {_installed(package) / 2**20:,.0f} MiB installed")


def _apart(engine: str, threads: int, options: argparse.Namespace) -> dict[str, Any]:
    words = ["--one", engine, "--model", options.model, "--threads", str(threads), "--repeats", str(options.repeats)]
    command = [sys.executable, "-m", "benchmarks.engines", *words, "--sides", *map(str, options.sides)]
    done = subprocess.run(command, cwd=ROOT, env=_environment(threads), stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _environment(threads: int) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}


@contextmanager
def _busy(threads: int) -> Any:
    """Another process on the same cores."""
    other = subprocess.Popen([sys.executable, "-c", LOAD], env=_environment(threads))
    try:
        yield
    finally:
        other.kill()
        other.wait()


def _measure(engine: str, model: str, sides: list[int], threads: int, repeats: int) -> dict[str, Any]:
    import numpy as np
    import torch

    from segmentation.bundle import Bundle
    from segmentation.engine import make_runner

    torch.set_num_threads(threads)
    network = Bundle.load(model).network
    cpu = "cpu"
    start = time.perf_counter()
    known: Any = engine  # one of those that the app has
    run: Callable[[Any], Any] = (
        _onnxruntime(model, threads) if engine == "onnxruntime" else make_runner(network, cpu, known)
    )
    run(np.zeros((32, 32, 3), np.float32))
    ready = time.perf_counter() - start
    reference = make_runner(network, cpu, "pytorch")
    random = np.random.default_rng(0)
    seconds = {}
    for side in sides:
        seconds[side] = timed(partial(run, random.random((side, side, 3), np.float32)), repeats)
    matrix = random.random((2500, 2500), np.float32)
    product = timed(lambda: matrix @ matrix, repeats) * 60e9 / (2 * 2500**3)
    picture = random.random((100, 130, 3), np.float32)
    difference = float(np.abs(run(picture) - reference(picture)).max())
    return {"seconds": seconds, "start": ready, "product": product, "difference": difference}


def _onnxruntime(model: str, threads: int) -> Callable[[Any], Any]:
    import numpy as np
    import onnxruntime

    from segmentation.bundle import Bundle
    from segmentation.onnx_export import onnx_bytes

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(onnx_bytes(Bundle.load(model)), settings, ["CPUExecutionProvider"])
    return lambda picture: session.run(None, {"image": np.ascontiguousarray(picture.transpose(2, 0, 1))[None]})[0][0]


def _installed(package: str) -> int:
    paths = (Path(str(file.locate())) for file in metadata.files(package) or [])
    return sum(path.stat().st_size for path in paths if path.exists())


if __name__ == "__main__":
    main()
