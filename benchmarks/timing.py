"""What scripts that time things share."""

import time
from collections.abc import Callable
from statistics import median


def timed(work: Callable[[], object], repeats: int) -> float:
    """Median of the seconds that ``work`` takes, after one round that warms up."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return median(times)
