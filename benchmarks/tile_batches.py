"""Whether the network is faster on several tiles at a time: seconds a megapixel, by the side and number of tiles.

Run: ``python -m benchmarks.tile_batches [--sides 256 512 1024] [--batches 1 2 4] [--repeats 5]``.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.timing import timed
from segmentation import Bundle
from segmentation.devices import given_threads
from segmentation.openvino_graph import graph_of
from segmentation.quiet_openvino import ov

MODEL = Path(__file__).resolve().parents[1] / "checkpoints" / "nuclei"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="+", default=[256, 512, 1024])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    settings: dict[str, str | int] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    if threads := given_threads():
        settings["INFERENCE_NUM_THREADS"] = threads
    model = ov.Core().compile_model(graph_of(Bundle.load(MODEL).stored), "CPU", settings)
    request = model.create_infer_request()
    print("| side | " + " | ".join(f"{batch} at a time, s a megapixel" for batch in options.batches) + " |")
    print("| --- " * (1 + len(options.batches)) + "|", flush=True)
    random = np.random.default_rng(0)
    for side in options.sides:
        cells = []
        for batch in options.batches:
            tiles = random.random((batch, side, side, model.inputs[0].partial_shape[3].get_length()), np.float32)
            seconds = timed(partial(request.infer, [tiles], share_inputs=True), options.repeats)
            cells.append(f"{seconds / (batch * side**2) * 1e6:.3f}")
        print(f"| {side} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
