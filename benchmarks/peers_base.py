"""What the tools that are timed have in common; needs NumPy alone, since it runs in every tool's environment."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray


class Clock:
    """A function that adds up the seconds spent in it.

    Attributes:
        seconds: since it was last set to 0.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.seconds = 0.0

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """What the function answers."""
        start = time.perf_counter()
        try:
            return self._function(*arguments, **named)
        finally:
            self.seconds += time.perf_counter() - start


class Tool:
    """One tool, which loads in its constructor.

    Attributes:
        version: its own, and that of what its network runs on.
        parameters: of its network, 0 without one.
        weights_bytes: size of its weights on the disk, 0 without any.
        network: adds up the seconds of the network; None where there is none.
    """

    version: str
    parameters = 0
    weights_bytes = 0
    network: Clock | None = None

    def prepare(self, labels: NDArray) -> None:
        """Do before the clock starts what is no part of the tool, given the true labels ``(H, W)``."""

    def __call__(self, pixels: NDArray) -> NDArray | None:
        """Pixels ``(H, W)``, uint8 -> labels ``(H, W)``, or None where only the network runs."""
        raise NotImplementedError


def peak_memory() -> int | None:
    """Largest resident memory that this process has had so far, in bytes; None where that cannot be known."""
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    # Not on Linux, where this counts what the parent process had as well.
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024
