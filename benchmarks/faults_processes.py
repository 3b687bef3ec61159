"""Commands of the project in processes of their own, killed at a moment of choice."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GONE_S = 15.0  # for the processes of a killed one to notice, and end
LIMIT_S = 600.0  # after which a command hangs


@dataclass
class Ended:
    """How a command ended.

    Attributes:
        code: its exit code; below 0 the signal that ended it.
        seconds: that it ran.
        said: its output and its errors, together.
        orphans: command lines of processes of its own that were there yet, a while after its end.
    """

    code: int
    seconds: float
    said: str
    orphans: list[str]

    @property
    def killed(self) -> bool:
        """Whether it was killed before it ended by itself."""
        return self.code == -signal.SIGKILL

    def fault(self, codes: Sequence[int] = (0,)) -> str:
        """What is wrong with such an end, in a few words; empty if nothing is."""
        if self.orphans:
            return f"a process stayed behind: {self.orphans[0][:80]}"
        if "Traceback" in self.said:
            return f"a traceback: {self.said.strip().splitlines()[-1][:120]}"
        if not self.killed and self.code not in codes:
            last = (self.said.strip() or "no output").splitlines()[-1]
            return f"exit code {self.code}: {last[:120]}"
        return ""


def run(words: Sequence[str], kill_after: float | None = None, *, killing: "WorkerKiller | None" = None) -> Ended:
    """Run ``python WORDS...`` to its end, or kill it (SIGKILL) after so many seconds, which it cannot notice.

    Args:
        words: what follows ``python``.
        kill_after: seconds; None to let it end.
        killing: kills processes below it meanwhile.

    Raises:
        TimeoutError: if it hangs; it is killed then.
    """
    start = time.monotonic()
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "GRADIO_ANALYTICS_ENABLED": "False"}
    running = subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    if killing is not None:
        killing.watch(running)
    try:
        said, _ = running.communicate(timeout=LIMIT_S if kill_after is None else kill_after)
    except subprocess.TimeoutExpired:
        running.kill()
        if kill_after is None:
            _end_group(running.pid)
            raise TimeoutError(f"{' '.join(words[:4])} hangs") from None
        seconds = time.monotonic() - start
        orphans = _left(running.pid)  # before the output is read to its end, which orphans would hold open
        _end_group(running.pid)
        said, _ = running.communicate()
        return Ended(running.returncode, seconds, said, orphans)
    return Ended(running.returncode, time.monotonic() - start, said, _left(running.pid))


class WorkerKiller:
    """Kills the working processes of a batch, one at a time, at random moments.

    Args:
        random: says when, and which.
        most: processes to kill altogether.
        pause: seconds between two of them, at most.
    """

    def __init__(self, random: random.Random, most: int, pause: float) -> None:
        self._random, self._most, self._pause = random, most, pause
        self.killed = 0

    def watch(self, running: subprocess.Popen[str]) -> None:
        """Kill, in a thread, until the command ends."""
        import threading

        threading.Thread(target=self._kill, args=(running,), daemon=True).start()

    def _kill(self, running: subprocess.Popen[str]) -> None:
        while running.poll() is None and self.killed < self._most:
            time.sleep(self._random.uniform(0.05, self._pause))
            workers = [pid for pid in _children(running.pid) if "spawn_main" in _command_line(pid)]
            if workers and running.poll() is None:
                with suppress(ProcessLookupError):
                    os.kill(self._random.choice(workers), signal.SIGKILL)
                    self.killed += 1


def _children(pid: int) -> Iterator[int]:
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            yield from map(int, (task / "children").read_text().split())


def _command_line(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


def _left(group: int) -> list[str]:
    """Command lines of the processes of a group that do not end within a while."""
    deadline = time.monotonic() + GONE_S
    while True:
        left = [line for pid in _members(group) if (line := _command_line(pid))]  # a zombie has none
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.1)


def _members(group: int) -> Iterator[int]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with suppress(OSError, IndexError, ValueError):
                after_name = (folder / "stat").read_text().rpartition(")")[2].split()
                if int(after_name[2]) == group:
                    yield int(folder.name)


def _end_group(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
