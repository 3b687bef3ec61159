"""The processes that read strangers' files: lent one by one, given back, replaced when a file ended one."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from segmentation.errors import ImageReadError
from segmentation.isolated_reading_answers import AnswerError, Fill
from segmentation.isolated_reading_process import Died, NeverBegan, ReadingProcess
from segmentation.limits import Limits

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Pool:
    """Processes, of which a few are kept while nobody needs them.

    Args:
        allowed: how many read at a time, and what each may take.
        command: what is run as the process, for tests.
    """

    def __init__(self, allowed: Limits, command: list[str] | None = None) -> None:
        self._allowed, self._command = allowed, command
        self._idle: list[ReadingProcess] = []
        self._lent: set[ReadingProcess] = set()
        self._lock, self._closed = threading.Lock(), False
        self._turns = threading.BoundedSemaphore(allowed.readers)

    @property
    def pids(self) -> list[int]:
        """Numbers of all processes, the idle ones first."""
        with self._lock:
            return [process.pid for process in (*self._idle, *self._lent)]

    def warm(self) -> None:
        """See that a process is there, or on its way."""
        with self._lock:
            if not self._idle and not self._lent and not self._closed:
                self._idle.append(self._start())

    def close(self) -> None:
        """End all processes; what is being read fails."""
        with self._lock:
            self._closed = True
            for process in (*self._idle, *self._lent):
                process.kill()
            while self._idle:
                self._idle.pop().end()

    @contextmanager
    def process(self) -> Iterator[ReadingProcess]:
        """A process of one's own, until it is given back."""
        process = self._lend()
        try:
            yield process
        finally:
            process.rest()
            keep = process.alive and not process.bloated
            with self._lock:
                self._lent.discard(process)
                if keep := keep and not self._closed and len(self._idle) < self._allowed.readers:
                    self._idle.append(process)
                elif not self._idle and not self._closed:
                    self._idle.append(self._start())  # so that the next file need not wait
            if not keep:
                process.end()

    def ask(
        self,
        process: ReadingProcess,
        request: dict[str, Any],
        path: Path,
        seconds: float,
        take: Callable[[dict[str, Any], Fill], T],
    ) -> T:
        """Ask a process as soon as it is its turn; see :meth:`ReadingProcess.ask`.

        Raises:
            NucleoscopeError: what the process says of the file, or what became of the process.
        """
        with self._turns:
            try:
                return process.ask(request, path.name, seconds, take)
            except NeverBegan as error:
                _log.error("a process that reads files could not start: %s", error)
                raise ImageReadError(
                    f"{path.name}: the process that reads files could not start ({error}); try again later, or tell "
                    "whoever runs this page."
                ) from error
            except Died as error:
                _log.warning("a file crashed the process that read it: %s", error)
                raise ImageReadError(
                    f"{path.name}: the file crashed its reader ({error}), as damaged files alone do; export it again "
                    "from its source."
                ) from error
            except AnswerError as error:
                _log.error("a process that reads files gave an answer that makes no sense: %s", error)
                raise ImageReadError(
                    f"{path.name}: the file confused its reader; export it again from its source."
                ) from error
            except MemoryError as error:
                raise ImageReadError(f"{path.name}: too large for the memory that is left; crop it.") from error

    def _lend(self) -> ReadingProcess:
        while True:
            with self._lock:
                waiting = bool(self._idle)
                process = self._idle.pop() if waiting else self._start()
                self._lent.add(process)
            if not waiting or process.greets():
                return process
            with self._lock:
                self._lent.discard(process)
            process.end()

    def _start(self) -> ReadingProcess:
        try:
            return ReadingProcess(self._allowed.read_memory, self._command)
        except OSError as error:
            raise ImageReadError(
                f"No process that reads files can be started here ({error.strerror or error}); whoever runs this page "
                "has to allow it more processes, or another Python."
            ) from error


def of_kind(header: dict[str, Any], kind: str, path: Path) -> dict[str, Any]:
    """An answer of the kind that was asked for.

    Raises:
        ImageReadError: if there was a fault of ours.
        AnswerError: for another answer.
    """
    if header["kind"] == "fault":
        _log.error("unexpected fault while reading a file: %s", str(header.get("trace"))[:4000])
        reason = " ".join(f"{header.get('type')}: {header.get('message')}".split())[:200]
        raise ImageReadError(f"{path.name}: an unexpected fault ({reason}); please report it with the picture.")
    if header["kind"] != kind:
        raise AnswerError(f"{header['kind'][:20]} for {kind}")
    return header
