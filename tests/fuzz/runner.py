"""Runs cases in processes that may die, and measures the time and memory of each."""

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from segmentation.isolated_reading_watch import resident
from tests.fuzz.targets import limits_for

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0  # seconds on the clock that a case is waited for: other programs may need the processor too
LOAD_S = 600.0  # for what cases of a kind need, once
SECONDS, MEMORY = 10.0, 2 * 2**30  # that a case may take
BUGS = ("wrong", "fault", "memory", "slow", "crash", "hang")


@dataclass(frozen=True)
class Result:
    """What came of a case.

    Attributes:
        case: its name.
        outcome: "right", "refused" (the project's own error), or one of ``BUGS``: a wrong result, another exception,
            too much memory, too slow, the process died, or never answered.
        seconds: of a processor that it took.
        memory: bytes that the process held at most while the case ran, beyond what it held before.
        error: its words.
        trace: where it came from, for a bug.
    """

    case: str
    outcome: str
    seconds: float
    memory: int
    error: str = ""
    trace: str = ""

    @property
    def is_bug(self) -> bool:
        """Whether something has to be mended."""
        return self.outcome in BUGS


class _Process:
    """One process, with a watch on its memory."""

    def __init__(self, seconds: float, memory: int, patience: float) -> None:
        self.seconds, self.memory, self.patience = seconds, memory, patience
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 (as long as the process)
        self.process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "-m", "tests.fuzz.worker", str(memory)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env={**os.environ, **limits_for(memory), "OMP_NUM_THREADS": "1", "GRADIO_ANALYTICS_ENABLED": "False"},
        )
        self.lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()
        if self.lines.get() != "ready\n":
            raise RuntimeError(f"the process that runs cases did not start: {self._last_words()}")

    def run(self, case: str) -> Result:
        """Run a case; after a death the process must be replaced."""
        before = most = resident(self.process.pid)
        assert self.process.stdin is not None
        self.process.stdin.write(case + "\n")
        self.process.stdin.flush()
        # A case that is too slow is let go on for a while, to know whether it ends at all.
        end = time.monotonic() + LOAD_S
        while time.monotonic() < end:
            try:
                line = self.lines.get(timeout=0.02)
            except queue.Empty:
                most = max(most, resident(self.process.pid))
                continue
            if line in ("ready\n", "loaded\n"):
                before = most = resident(self.process.pid)
                end = time.monotonic() + self.patience
                continue
            if not line:
                self.process.wait()
                words = f"ended with {self.process.returncode}"
                return Result(case, "crash", 0.0, most - before, words, self._last_words())
            told = json.loads(line)
            result = Result(**told, memory=most - before)
            if told["outcome"] in ("right", "refused"):
                late, large = result.seconds > self.seconds, result.memory > self.memory
                kind = "slow" if late else "memory" if large else told["outcome"]
                result = Result(**{**told, "outcome": kind}, memory=result.memory)
            return result
        self.close()
        return Result(case, "hang", self.patience, most - before, "no answer", self._last_words())

    @property
    def alive(self) -> bool:
        """Whether it can run another case."""
        return self.process.poll() is None

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put("")

    def _last_words(self) -> str:
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")[-3000:]


def run_cases(
    cases: Iterable[str],
    workers: int = 1,
    seconds: float = SECONDS,
    memory: int = MEMORY,
    patience: float = PATIENCE,
) -> Iterator[Result]:
    """Run cases by name in so many processes; results come as they are ready."""
    waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    done: queue.SimpleQueue[Result | BaseException | None] = queue.SimpleQueue()
    for case in cases:
        waiting.put(case)
    for _ in range(workers):
        waiting.put(None)

    def work() -> None:
        process = None
        try:
            while (case := waiting.get()) is not None:
                if process is None or not process.alive:
                    process = _Process(seconds, memory, patience)
                result = process.run(case)
                if result.outcome == "memory":  # once more without what the cases before have left in its heap
                    process.close()
                    process = _Process(seconds, memory, patience)
                    result = process.run(case)
                done.put(result)
            done.put(None)
        except BaseException as error:
            done.put(error)
        finally:
            if process is not None:
                process.close()

    for _ in range(workers):
        threading.Thread(target=work, daemon=True).start()
    left = workers
    try:
        while left:
            result = done.get()
            if isinstance(result, BaseException):
                raise result
            if result is None:
                left -= 1
            else:
                yield result
    finally:
        while not waiting.empty():  # closed before its end
            waiting.get()
        for _ in range(workers):
            waiting.put(None)
