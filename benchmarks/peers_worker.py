"""The process that one tool is timed in: questions in, answers out, a line of JSON each.

Run by ``benchmarks.peers`` in the tool's environment: ``python -m benchmarks.peers_worker TOOL THREADS WEIGHTS``. It
first says that it is ready; then each line ``{"picture": PATH, "labels": PATH or null}`` is answered with the seconds,
those of the network, the nuclei found and the peak memory so far, or with ``{"error": ...}``. It ends with its input.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers_base import Tool, peak_memory
from benchmarks.peers_tools import TOOLS


def answer(tool: Tool, question: dict[str, Any]) -> dict[str, Any]:
    """Segment one picture; the clock runs from pixels in memory to labels."""
    with np.load(question["picture"]) as file:
        pixels: NDArray = file["pixels"]
        tool.prepare(file["labels"])
    if tool.network is not None:
        tool.network.seconds = 0.0
    start = time.perf_counter()
    labels = tool(pixels)
    seconds = time.perf_counter() - start
    nuclei = None
    if labels is not None:
        nuclei = len(np.unique(labels[labels > 0]))
        if question["labels"]:
            np.save(question["labels"], labels)
    network = tool.network.seconds if tool.network is not None else None
    return {"seconds": seconds, "network": network, "nuclei": nuclei, "peak": peak_memory()}


def _same_cores(threads: int) -> None:
    """As many cores as threads, where the system allows it: not every library can be told its number of threads."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def main() -> None:
    """Answer until the input ends."""
    name, threads, weights = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    _same_cores(threads)
    # Libraries print; what they print must not mix with the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def tell(told: dict[str, Any]) -> None:
        print(json.dumps(told), file=answers, flush=True)

    try:
        tool = TOOLS[name](weights)
        keys = ("version", "parameters", "weights_bytes")
        tell({**{key: getattr(tool, key) for key in keys}, "peak": peak_memory()})
    except Exception as error:  # whatever a library raises is a row of the table
        tell({"error": f"{type(error).__name__}: {error}"})
        return
    for line in sys.stdin:
        try:
            tell(answer(tool, json.loads(line)))
        except Exception as error:
            tell({"error": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main()
