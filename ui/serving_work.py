"""One request's work as the log and the metrics tell it, and the turns that requests take at the network."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal

from segmentation.errors import NucleoscopeError

Stage = Literal["wait", "read", "network", "decode", "export"]
STAGES: tuple[Stage, ...] = ("wait", "read", "network", "decode", "export")
POLL_S = 1.0  # how often who waits is told how many come first
LOST = (
    "Your pictures are no longer here: the server was restarted, or they were not used for too long. Drop them again "
    "to go on."
)
LOST_FILES = (
    "A file that was sent is no longer here: the server was restarted, or it was kept long enough. Reload the page, or "
    "take that file off the list, and drop it again."
)
CLOSING = "This page is being restarted, and your request was not done: try again in a minute."


class TimeLimitError(NucleoscopeError):
    """A picture took longer than this server allows."""


class ClosingError(NucleoscopeError):
    """The server is about to end, and begins nothing new."""


@dataclass(eq=False)
class Work:
    """What one request is, and has taken so far.

    Attributes:
        request: the id that the answer's header ``X-Request-ID`` tells.
        action: the name of what was asked for, such as "segment".
        program: it came through the API rather than from the page.
        time_limit: seconds for one picture; it is then given up.
        seconds: of each stage. Reading is what lies before the network; exporting is what follows the decoding, in
            requests that write files (there, reading the later pages of a stack counts as exporting).
        pictures: that were segmented.
        pixels: of them together.
        nuclei: in them together.
        outcome: "ok", "refused" (by an error of the project), "failed" (by a fault), "busy", "closing", "left".
        failures: how often each class of error was met.
    """

    request: str
    action: str
    program: bool = False
    time_limit: float = float("inf")
    seconds: Counter[Stage] = field(default_factory=Counter)
    pictures: int = 0
    pixels: int = 0
    nuclei: int = 0
    outcome: str = "ok"
    failures: Counter[str] = field(default_factory=Counter)
    began: float = field(default_factory=time.perf_counter)
    _mark: float = field(default_factory=time.perf_counter)
    _deadline: float = float("inf")

    def begin_picture(self) -> None:
        """The time limit counts from now, and so does reading."""
        self.skip()
        self._deadline = self._mark + self.time_limit

    def skip(self) -> None:
        """All time since the last stage belongs to none."""
        self._mark = time.perf_counter()

    def reach(self, stage: Stage) -> None:
        """All time since the last such call went into that stage."""
        now = time.perf_counter()
        self.seconds[stage] += now - self._mark  # type: ignore[assignment]
        self._mark = now

    def check_time(self) -> None:
        """Give up when the picture at hand has had its time.

        Raises:
            TimeLimitError: naming the limit.
        """
        if time.perf_counter() > self._deadline:
            raise TimeLimitError(
                f"Given up after {self.time_limit:g} seconds, which is what this server allows for one picture: crop "
                "it, or lower the magnification."
            )

    def note(self, error: BaseException) -> None:
        """Count an error by its class."""
        self.failures[type(error).__name__] += 1


_current: ContextVar[Work | None] = ContextVar("work", default=None)


def current_work() -> Work | None:
    """The work that this thread or task is doing, if the server gave it."""
    return _current.get()


def note_error(error: BaseException) -> None:
    """Count an error of one picture by its class, where the work goes on with others."""
    if work := current_work():
        work.note(error)


def set_current_work(work: Work) -> None:
    """From now on, this task and the threads that it starts do that work."""
    _current.set(work)


class Turns:
    """Who may use the network now: first come, first served, picture by picture.

    Args:
        places: pictures that are worked on at the same time.
    """

    def __init__(self, places: int = 1) -> None:
        self._free, self._closed = places, False
        self._line: deque[_Place] = deque()
        self._lock = threading.Lock()

    @contextmanager
    def taken(self, tell: Callable[[int], None] | None = None) -> Iterator[None]:
        """A turn, once those that came before have had theirs.

        Args:
            tell: called with how many come first, about every second of waiting.

        Raises:
            ClosingError: if the server ends before it is our turn.
        """
        self._wait(tell)
        try:
            yield
        finally:
            with self._lock:
                if self._line:
                    self._line.popleft().give()  # the place goes on to who waited longest
                else:
                    self._free += 1

    def _wait(self, tell: Callable[[int], None] | None) -> None:
        with self._lock:
            if self._closed:
                raise ClosingError(CLOSING)
            if self._free:
                self._free -= 1
                return
            ours = _Place()
            self._line.append(ours)
        while not ours.decided.wait(POLL_S):
            with self._lock:
                ahead = self._line.index(ours) + 1 if ours in self._line else 0
            if tell and ahead:
                tell(ahead)
        if not ours.given:
            raise ClosingError(CLOSING)

    def close(self) -> None:
        """Begin nothing new; who waits is told so, and who has a turn keeps it."""
        with self._lock:
            self._closed = True
            while self._line:
                self._line.popleft().decided.set()


@contextmanager
def turn_at(turns: Turns, tell: Callable[[int], None] | None = None) -> Iterator[None]:
    """A turn for one picture of the work at hand, whose time limit begins with it; see :meth:`Turns.taken`."""
    work = current_work()
    if work:
        work.skip()
    with turns.taken(tell):
        if work:
            work.reach("wait")
            work.begin_picture()
        yield


def by_turns(
    turns: Turns, steps: Iterator[None], count: int, tell: Callable[[float | None, str], None]
) -> Iterator[None]:
    """Each step when it is its turn: between two files of one visitor, others have one.

    Args:
        turns: at the network.
        steps: one for each file.
        count: of the steps.
        tell: called with None, since nothing is done, and what we wait for.

    Raises:
        ClosingError: if the server ends before all is done.
    """

    def waiting(ahead: int) -> None:
        tell(None, f"Waiting: {ahead} picture{'s' * (ahead > 1)} of others first")

    for _ in range(count):
        with turn_at(turns, waiting):
            next(steps)
        yield


class _Place:
    """One who waits."""

    def __init__(self) -> None:
        self.decided, self.given = threading.Event(), False

    def give(self) -> None:
        self.given = True
        self.decided.set()
