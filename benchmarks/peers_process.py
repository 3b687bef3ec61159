"""A tool in a process of its own: asked in lines of JSON, waited for no longer than it may take."""

import json
import os
import queue
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.peers_environments import ROOT, last_words
from segmentation.errors import NucleoscopeError

# What the libraries of all tools read; cores are bound besides (peers_worker.py).
THREAD_SETTINGS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "OPENCV_FOR_THREADS_NUM",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)


class PeerError(NucleoscopeError):
    """A tool could not be run; its row says why."""


def environment(threads: int) -> dict[str, str]:
    """Variables that give every library as many threads, and keep tools from looking for a GPU or the network."""
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
    return {**os.environ, **quiet, **dict.fromkeys(THREAD_SETTINGS, str(threads))}


class Worker:
    """A running tool.

    Args:
        command: what starts it.
        variables: its environment.
        log: file for what it prints beside its answers.
        timeout: seconds that it may take to be ready.

    Attributes:
        ready: what it told of itself.
        start: seconds from a cold process until it was ready.

    Raises:
        PeerError: if it does not get ready.
    """

    def __init__(self, command: list[str], variables: dict[str, str], log: Path, timeout: float) -> None:
        begun = time.perf_counter()
        self._log = log
        with log.open("w", encoding="utf-8") as file:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file, text=True
            )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        try:
            self.ready = self._hear(timeout)
        except BaseException:
            self.close()
            raise
        self.start = time.perf_counter() - begun

    def ask(self, question: dict[str, Any], timeout: float) -> dict[str, Any]:
        """Its answer to ``question``.

        Raises:
            PeerError: if it fails, ends or does not answer in time; only after a failure can it be asked again.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise PeerError(self._ended()) from error
        return self._hear(timeout)

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def close(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")  # it ended

    def _hear(self, timeout: float) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=timeout)
        except queue.Empty:
            self.close()
            raise PeerError(f"no answer within {timeout:.0f} s") from None
        if not line:
            raise PeerError(self._ended())
        told: dict[str, Any] = json.loads(line)
        if "error" in told:
            raise PeerError(" ".join(str(told["error"]).split())[:200])
        return told

    def _ended(self) -> str:
        code = self._process.wait()
        if code == -9:  # on Linux, what the system does when memory runs out
            return "its process was killed, probably for want of memory"
        return f"its process ended with code {code} ({last_words(self._log.read_text(errors='replace'))})"


@contextmanager
def closing_all(workers: dict[str, Worker]) -> Iterator[None]:
    """End every worker, however the block ends."""
    try:
        yield
    finally:
        for worker in workers.values():
            worker.close()
