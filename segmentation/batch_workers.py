"""A batch over several processes of one machine. One that dies takes its picture with it, and not the batch."""

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import FrameType
from typing import Any

from segmentation.batch import Batch
from segmentation.batch_inputs import Task
from segmentation.batch_outcome import Outcome
from segmentation.batch_settings import Settings
from segmentation.devices import cuda_count, set_threads
from segmentation.errors import NucleoscopeError
from segmentation.segmenter import Segmenter
from segmentation.terminal import printable

GRACE_S = 5.0  # for a process that is told to stop, to clean up
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(frozen=True)
class Opening:
    """What a process needs to start on a batch.

    Attributes:
        folder: of the bundle.
        model: what people call it.
        device: see :class:`segmentation.Segmenter`; with "auto", several processes share out the GPUs.
        settings: of the batch.
    """

    folder: Path
    model: str
    device: str
    settings: Settings

    def open(self, number: int = 0) -> Batch:
        """Load the model, in process ``number``."""
        device = self.device
        if device == "auto" and cuda_count() > 1:
            device = f"cuda:{number % cuda_count()}"
        segmenter = Segmenter.from_pretrained(self.folder, device, engine=self.settings.engine)
        return Batch.of(segmenter, self.settings, self.model)


def cores() -> int:
    """Processor cores to use: ``OMP_NUM_THREADS`` if it is set, else those that the system lets this process have."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    if given.isdecimal() and int(given) > 0:
        return int(given)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_here(batch: Batch, tasks: Iterable[Task]) -> Generator[Outcome]:
    """Do tasks one after another in this process."""
    for task in tasks:
        yield batch.process(task)


def run_jobs(opening: Opening, tasks: Iterable[Task], jobs: int) -> Generator[Outcome]:
    """Do tasks in ``jobs`` processes, each with its share of the cores; outcomes come as they are ready.

    When the iterator is closed before its end, the processes are stopped; no file is left half written.

    Raises:
        NucleoscopeError: if a process cannot start.
        OSError: if nothing can be written any more: the disk is full or read-only.
    """
    waiting = deque(tasks)
    threads = max(cores() // jobs, 1)
    workers: list[_Worker] = []
    try:
        workers += [_Worker(opening, number, threads) for number in range(min(jobs, len(waiting)))]
        while workers:
            ready = wait([worker.connection for worker in workers])
            for worker in [worker for worker in workers if worker.connection in ready]:
                outcome = worker.hear()
                if outcome is not None:
                    yield outcome
                if waiting and not worker.ended:
                    worker.give(waiting.popleft())
                    continue
                worker.stop()
                workers.remove(worker)
                if waiting and worker.began:
                    workers.append(_Worker(opening, worker.number, threads))
        if waiting:
            raise NucleoscopeError(f"Every process of the batch {worker.end} before it began; use fewer --jobs.")
    finally:
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            worker.stop()


class _Worker:
    """One process, seen from the one that gives it tasks."""

    def __init__(self, opening: Opening, number: int, threads: int) -> None:
        self.number, self.began, self.end = number, False, ""
        self._task: Task | None = None
        context = multiprocessing.get_context("spawn")  # a fork would inherit locks of threads that stayed behind
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, opening, number, threads), daemon=True)
        with _environment(threads):
            self.process.start()
        theirs.close()  # or its end would not be noticed when the process dies

    @property
    def ended(self) -> bool:
        """Whether the process is known to be dead; ``end`` says how it died."""
        return bool(self.end)

    def give(self, task: Task) -> None:
        """Let the process do a task."""
        self._task = task
        with suppress(OSError):  # it died meanwhile, which hear() finds out
            self.connection.send(task)

    def hear(self) -> Outcome | None:
        """What the process says: an outcome, or that it is ready; its death is the outcome of what it was doing."""
        try:
            said: Any = self.connection.recv()
        except (EOFError, OSError):
            return self._died()
        if isinstance(said, Exception):
            raise said
        self.began, self._task = True, None
        return said if isinstance(said, Outcome) else None

    def _died(self) -> Outcome | None:
        self.process.join(GRACE_S)
        self.end = _manner(self.process.exitcode)
        task, self._task = self._task, None
        if task is None:
            return None
        name = printable(task.path.name)
        error = f"{name}: the process that worked on it {self.end}; give it alone, or use fewer --jobs."
        return Outcome(task.index, task.name, task.stem, error=error)

    def stop(self) -> None:
        """Wait for the process's end, and no longer than it needs to clean up."""
        self.connection.close()
        self.process.join(GRACE_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def _manner(code: int | None) -> str:
    if code == -getattr(signal, "SIGKILL", 9):
        return "was killed, most likely because memory ran out"
    if code is not None and code < 0:
        return f"was ended by signal {-code}"
    return f"ended with code {code}"


@contextmanager
def _environment(threads: int) -> Iterator[None]:
    """What a process that starts now inherits: libraries read it once, when they are loaded."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, str(threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _work(connection: "Connection[Any, Any]", opening: Opening, number: int, threads: int) -> None:
    """What a process does: open the batch, then one task after another until the connection is closed."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one says what to do
    signal.signal(signal.SIGTERM, _leave)
    import cv2

    set_threads(threads)
    cv2.setNumThreads(threads)
    try:
        batch = opening.open(number)
        connection.send(None)
        while True:
            connection.send(batch.process(connection.recv()))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except (NucleoscopeError, OSError) as error:
        connection.send(error)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it ends already; told again, its clean-up would be cut short


def _end_with_parent() -> None:
    """Do not outlive a killed parent by the rest of a picture: a resumed batch could be at work on the same one."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)  # what is half written goes when the next process writes there


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)  # by way of every "finally", which removes half-written files
