"""Where the network's time goes: milliseconds by level of the network, as OpenVINO measures each of its layers.

Beside each level stand its floating-point operations and how many a second that is, relative to a matrix product on
the same cores in the same run: what is far below 1 waits for memory or leaves parts of the vector registers empty.

Run: ``python -m benchmarks.layers [--side 1536] [--model checkpoints/nuclei] [--repeats 5]``.
"""

import argparse
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from segmentation.bundle import Bundle
from segmentation.command_options import DEFAULT_MODEL
from segmentation.openvino_graph import graph_of
from segmentation.quiet_openvino import ov

Key = tuple[int, str]  # side of what comes out in pixels, kind of layer


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=1536, help="of the picture that the network sees, in pixels")
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL, help="a bundle (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    stored = Bundle.load(options.model).stored
    side = -(-options.side // stored.stride) * stored.stride
    graph = graph_of(stored)
    graph.reshape([1, side, side, stored.inputs])
    compiled = ov.Core().compile_model(graph, "CPU", {"PERF_COUNT": "YES", "INFERENCE_PRECISION_HINT": "f32"})
    request = compiled.create_infer_request()
    pixels = np.random.default_rng(0).random((1, side, side, stored.inputs), np.float32)
    rounds = []
    for repeat in range(options.repeats + 1):
        request.infer([pixels])
        if repeat:  # the first round warms up
            rounds.append(_milliseconds(compiled))
    product = _product()
    print(f"{side} x {side} pixels; the product of two 2048 x 2048 matrices: {product:.0f} GFLOP/s\n")
    print("| what comes out has a side of | layers | number | ms | share | GFLOP | GFLOP/s x product |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    counts, work = _counts(compiled), _work(compiled)
    time_of = {key: float(np.median([each[key] for each in rounds])) for key in counts}
    for key in sorted(counts, reverse=True):
        spent = time_of[key]
        speed = f"{work[key]:.1f} | {work[key] / spent * 1000 / product:.2f}" if work[key] else " | "
        share = spent / sum(time_of.values())
        print(f"| {key[0]} | {key[1]} | {counts[key]} | {spent:.1f} | {share:.0%} | {speed} |")


def _layers(compiled: Any) -> list[tuple[Key, Any]]:
    """The layers that take time, with the row that each belongs to."""
    rows = []
    for layer in compiled.get_runtime_model().get_ordered_ops():
        info = layer.get_rt_info()
        if layer.get_output_size() and str(info["execTimeMcs"].astype(str)) != "not_executed":
            shape = layer.get_output_partial_shape(0).to_shape()
            side = int(shape[2]) if len(shape) == 4 else 0
            kind = "convolutions" if str(info["layerType"].astype(str)) == "Convolution" else "all else"
            rows.append(((side, kind), layer))
    return rows


def _milliseconds(compiled: Any) -> dict[Key, float]:
    spent: dict[Key, float] = defaultdict(float)
    for key, layer in _layers(compiled):
        spent[key] += int(str(layer.get_rt_info()["execTimeMcs"].astype(str))) / 1000
    return spent


def _counts(compiled: Any) -> dict[Key, int]:
    counts: dict[Key, int] = defaultdict(int)
    for key, _ in _layers(compiled):
        counts[key] += 1
    return counts


def _work(compiled: Any) -> dict[Key, float]:
    """GFLOP of the convolutions: two for each weight and pixel."""
    work: dict[Key, float] = defaultdict(float)
    for key, layer in _layers(compiled):
        if key[1] == "convolutions":
            height, width = list(layer.get_output_partial_shape(0).to_shape())[2:]
            weights = int(np.prod(list(layer.input_value(1).get_partial_shape().to_shape())))
            work[key] += 2 * weights * int(height) * int(width) / 1e9
    return work


def _product() -> float:
    """GFLOP/s of a product of two matrices."""
    matrix = np.random.default_rng(0).random((2048, 2048), np.float32)
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        matrix @ matrix
        best = min(best, time.perf_counter() - start)
    return 2 * 2048**3 / best / 1e9


if __name__ == "__main__":
    main()
