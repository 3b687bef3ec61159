"""Slows down who guesses: tries at one name come one after the other, and later the more of them were wrong."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

FREE = 3  # wrong tries before there is a wait
LONGEST_WAIT = 30.0  # seconds between two tries
PATIENCE = 10.0  # seconds that a try waits for its turn; one that would wait longer is refused
FORGOTTEN = 900.0  # seconds without a try, after which a name starts anew
KEPT = 10_000  # names


@dataclass
class _Tries:
    count: int = 0  # since the last right one
    turn: float = 0.0  # when the next may be judged
    last: float = 0.0


class Throttle:
    """Tries by name, bounded in memory. Safe to use from several threads.

    Args:
        clock: seconds that only grow.
        sleep: waits for seconds.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock, self.sleep = clock, sleep
        self._tries: OrderedDict[str, _Tries] = OrderedDict()
        self._lock = threading.Lock()

    def reserve(self, name: str) -> float | None:
        """Take the next turn of a name: seconds to wait for it, or None where too many wait already."""
        now = self._clock()
        with self._lock:
            tries = self._find(name, now)
            wait = max(tries.turn - now, 0.0)
            if wait > PATIENCE:
                return None
            # Counted as wrong until it is judged, or a crowd of tries at once would all be the first.
            tries.count += 1
            tries.turn = now + wait + _pause(tries.count)
            tries.last = now + wait
            return wait

    def right(self, name: str) -> None:
        """A try was right: the name starts anew."""
        with self._lock:
            self._tries.pop(_short(name), None)

    def __len__(self) -> int:
        return len(self._tries)

    def _find(self, name: str, now: float) -> _Tries:
        tries = self._tries.pop(_short(name), None)
        if tries is None or now - tries.last > FORGOTTEN:
            tries = _Tries(last=now)
        self._tries[_short(name)] = tries
        while len(self._tries) > KEPT:
            self._tries.popitem(last=False)
        return tries


def _pause(wrong: int) -> float:
    return 0.0 if wrong < FREE else min(2.0 ** (wrong - FREE), LONGEST_WAIT)


def _short(name: str) -> str:
    return name[:64]
