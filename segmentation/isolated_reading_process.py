"""A process that reads strangers' files, seen from the one that asks it: started, asked, watched, ended."""

import json
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from segmentation.errors import ImageReadError, NucleoscopeError
from segmentation.isolated_reading_answers import AnswerError, Fill, to_error
from segmentation.isolated_reading_watch import Watch, resident, too_much

START_S = 60.0  # to load what reading needs: a fifth of a second, unless the machine is very busy
KEPT_MEMORY = 2**29  # bytes: an idle process that holds more is replaced
_DYING_S = 0.1
_PIPE = 2**20  # bytes; the usual 64 KiB make a picture wait a hundred times for the other side
_LONGEST_HEADER = 2**24  # bytes
_ROOT = Path(__file__).resolve().parents[1]
# Of the server's environment; tokens and passwords in it are nothing to a process that strangers may take over.
_INHERITED = ("LANG", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "VIRTUAL_ENV")
_PREFIXES = ("DYLD_", "LC_", "NUCLEOSCOPE_MAX_", "OMP_", "OPENBLAS_", "PYTHONH")
T = TypeVar("T")

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


class Died(Exception):
    """The process is gone; the text says how."""


class NeverBegan(Died):
    """The process was gone before it could be asked anything."""


class ReadingProcess:
    """One process.

    Args:
        memory: bytes that it may take.
        command: what is run instead, for tests.
    """

    def __init__(self, memory: int, command: list[str] | None = None) -> None:
        self.memory = memory
        self._ended_for: ImageReadError | None = None
        own = [sys.executable, "-P", "-m", "segmentation.isolated_reading_worker"]
        path = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        # A new interpreter: a fork would inherit locks of the server's threads, and its memory.
        self._process = subprocess.Popen(
            [*(command or own), str(memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={**_environment(), "PYTHONPATH": path},
            start_new_session=True,  # Ctrl-C is the server's to hear; its end closes the pipe
        )
        self.pid, self._ready = self._process.pid, False
        with suppress(OSError, AttributeError):  # Linux alone has it, and not more of it than the system allows
            fcntl.fcntl(self._process.stdout, fcntl.F_SETPIPE_SZ, _PIPE)  # type: ignore[arg-type]

    @property
    def alive(self) -> bool:
        """Whether the process runs, as far as is known."""
        return self._process.poll() is None

    def greets(self) -> bool:
        """Whether it answers; the system may have ended it, and a file is not to be blamed for that."""
        try:
            if self._ready:
                self._send({"do": "greet"})
                self._ready = False
            self._get_ready()
        except (Died, OSError):
            return False
        return True

    def ask(self, request: dict[str, Any], label: str, seconds: float, take: Callable[[dict[str, Any], Fill], T]) -> T:
        """Ask for something and take the answer.

        Args:
            request: what to do, see :mod:`segmentation.isolated_reading_worker`.
            label: the file, for messages.
            seconds: that it may take.
            take: makes something of the answer's header; given the header, and what fetches its numbers.

        Raises:
            NucleoscopeError: what the reader says of the file, or that it took too long or too much memory.
            Died: the process is gone, for whatever reason; it must not be asked again.
            AnswerError: neither; the process is ended.
        """
        self._get_ready()
        with self._watch(label, seconds):
            try:
                self._send({**request, "seconds": seconds})
                header = self._header()
                if header["kind"] == "error":
                    raise to_error(header)
                if header["kind"] == "memory":
                    self._end_for(too_much(label, self.memory))
                    raise EOFError
                return take(header, self._fill)
            except NucleoscopeError:
                raise  # the process is well
            except (EOFError, OSError) as error:
                self.end()
                if self._ended_for is not None:
                    raise self._ended_for from error
                raise Died(_manner(self._process.returncode)) from error
            except BaseException:  # half of an answer may be left in the pipe
                self.kill()
                self.end()
                raise

    def rest(self) -> None:
        """Let it close its file."""
        if self.alive:
            with suppress(OSError):  # it died meanwhile
                self._send({"do": "rest"})

    def kill(self) -> None:
        """End it from any thread, also while another one waits for its answer."""
        self._process.kill()

    def end(self) -> None:
        """End it, whatever it does."""
        try:
            self._process.wait(_DYING_S)  # it may be dying by itself, and how is worth knowing
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    @property
    def bloated(self) -> bool:
        """Whether it holds more memory than an idle one should."""
        return resident(self.pid) > KEPT_MEMORY

    def _get_ready(self) -> None:
        """Wait for its first word."""
        if self._ready:
            return
        try:
            with self._watch("", START_S):
                self._ready = self._header()["kind"] == "ready"
        except (EOFError, OSError, AnswerError) as error:
            self.end()
            raise NeverBegan(_manner(self._process.returncode)) from error

    def _watch(self, label: str, seconds: float) -> Watch:
        return Watch(self.pid, self.memory, seconds, label, self._end_for)

    def _end_for(self, reason: ImageReadError) -> None:
        self._ended_for = self._ended_for or reason
        self._process.kill()

    def _send(self, request: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        left = memoryview(json.dumps(request).encode() + b"\n")
        while left:
            left = left[self._process.stdin.write(left) :]

    def _header(self) -> dict[str, Any]:
        (length,) = struct.unpack("<I", self._exactly(4))
        if length > _LONGEST_HEADER:
            raise AnswerError("a header of no end")
        try:
            header = json.loads(self._exactly(length))
        except (ValueError, RecursionError) as error:
            raise AnswerError("no JSON") from error
        if not isinstance(header, dict) or not isinstance(header.get("kind"), str):
            raise AnswerError("no header")
        return header

    def _exactly(self, length: int) -> bytearray:
        data = bytearray(length)
        self._fill(memoryview(data))
        return data

    def _fill(self, numbers: memoryview) -> None:
        assert self._process.stdout is not None
        left = numbers
        while left:
            count = self._process.stdout.readinto(left)  # type: ignore[attr-defined]
            if not count:
                raise EOFError
            left = left[count:]


def _environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key in _INHERITED or key.startswith(_PREFIXES)}


def _manner(code: int | None) -> str:
    if code is not None and code < 0:
        try:
            return f"ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"ended by signal {-code}"
    return f"ended with code {code}"
