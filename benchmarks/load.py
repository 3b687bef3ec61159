"""The page under load: programs that send pictures of many sizes, and files that are none, to one server at once.

A server of its own is started. 1, 8 and 32 clients (``gradio_client``, one thread each) send the same requests; every
answer must hold the labels that its own picture has, found beforehand without a server, and every bad file must be
refused by its own name, whatever the others sent. Then a server with a short queue is asked by all at once: those whom
it tells that it is busy try again. Exits with 1 if an answer was lost or another's, or a file was left.

Run: ``python -m benchmarks.load [--requests 500] [--memory-requests 1000]`` (20 minutes on two cores).
"""

import argparse
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from gradio_client import Client  # type: ignore[import-untyped]

from benchmarks.load_requests import SIDES, Request, make_requests, open_client, send

ROOT = Path(__file__).resolve().parents[1]
CLIENTS = (1, 8, 32)
SETTLE_S = 3.0  # before memory is looked at


@dataclass(frozen=True)
class Served:
    """A server: its address, process, and the folder that its temporary files go to."""

    address: str
    process: subprocess.Popen
    folder: Path

    def memory(self) -> float:
        """Megabytes that the server's process holds, as /metrics says."""
        with urllib.request.urlopen(self.address + "metrics") as answer:
            found = re.search(r"^process_resident_memory_bytes (\S+)$", answer.read().decode(), re.MULTILINE)
        return float(found[1]) / 1e6 if found else float("nan")

    def uploads(self) -> list[Path]:
        """Visitors' files and results on the disk, without the page's own pictures."""
        found = self.folder.glob("nucleoscope-server-*/gradio/*/*")
        return [path for path in found if path.is_file() and not path.name.startswith("example-")]


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[Served]:
    """``python app.py`` with these options, while the block runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "app.py", "--port", str(port), "--device", "cpu", "--log-level", "error", *options]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "TMPDIR": str(folder)}, stdout=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(480):
            try:
                urllib.request.urlopen(address + "readyz", timeout=5).close()
                break
            except OSError:
                time.sleep(0.25)
        else:
            raise SystemExit("error: the server does not answer")
        yield Served(address, process, folder)
    finally:
        process.terminate()
        process.wait(60)


def main() -> int:
    """Print the figures; returns 1 if something was lost, swapped or left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=500, help="for each number of clients")
    parser.add_argument("--memory-requests", type=int, default=1000, help="of 32 clients; a tenth of them come first")
    parser.add_argument("--largest", type=int, default=max(SIDES), help="side of the largest pictures")
    parser.add_argument("--keep-files", type=int, default=60, help="seconds, see app.py --help")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="load-") as scratch:
        folders = {name: Path(scratch) / name for name in ("pictures", "server", "short", "answers")}
        for folder in folders.values():
            folder.mkdir()
        sides = tuple(side for side in SIDES if side <= options.largest)
        requests = make_requests(folders["pictures"], max(options.requests, options.memory_requests), sides)
        wrong = []
        with serving(folders["server"], "--keep-files", str(options.keep_files)) as served:
            clients = [open_client(served.address, folders["answers"] / str(each)) for each in range(max(CLIENTS))]
            wrong += _memory(served, clients, requests[: options.memory_requests])
            wrong += _throughput(clients, requests[: options.requests])
            wrong += _expired(served, options.keep_files)
        wrong += _left(folders["server"])
        with serving(folders["short"], "--queue-size", "4", "--visits", "1") as served:
            wrong += _busy(
                [open_client(served.address, folders["answers"] / str(each)) for each in range(max(CLIENTS))], requests
            )
        wrong += _left(folders["short"])
    print("\n".join(wrong) or "\nNothing was lost, nothing was another's, nothing was left.")
    return 1 if wrong else 0


def _memory(served: Served, clients: list[Client], requests: list[Request]) -> list[str]:
    """What the server holds after a tenth of the requests, and after all."""
    first = len(requests) // 10
    wrong, held = [], []
    for part in (requests[:first], requests[first:]):
        wrong += send(clients, part).wrong
        time.sleep(SETTLE_S)
        held.append(served.memory())
    print(
        f"Memory after {first:,} requests {held[0]:,.0f} MB, after {len(requests):,} {held[1]:,.0f} MB: "
        f"{100 * (held[1] / held[0] - 1):+.1f} % (goal: at most +5 %).\n",
        flush=True,
    )
    return wrong


def _throughput(clients: list[Client], requests: list[Request]) -> list[str]:
    """A row for each number of clients."""
    print("| clients | requests a second | of one client's | p50 s | p95 s | wrong |")
    print("| --- | --- | --- | --- | --- | --- |")
    wrong, alone = [], 0.0
    for count in CLIENTS:
        outcome = send(clients[:count], requests)
        rate = len(outcome.seconds) / outcome.wall
        alone = alone or rate
        p50, p95 = np.percentile(outcome.seconds, [50, 95])
        print(
            f"| {count} | {rate:.2f} | {rate / alone:.2f} | {p50:.2f} | {p95:.2f} | {len(outcome.wrong)} |", flush=True
        )
        wrong += outcome.wrong
    print("\nGoal: 32 clients at least 0.90 of one client's.")
    return wrong


def _busy(clients: list[Client], requests: list[Request]) -> list[str]:
    """All at once, of a server where four may wait."""
    outcome = send(clients, requests[: 2 * len(clients)])
    print(f"A queue of 4, {len(clients)} clients: told {outcome.busy} times that it is busy, all answered in the end.")
    return outcome.wrong if outcome.busy else [*outcome.wrong, "nobody was told that the server is busy"]


def _expired(served: Served, keep: int) -> list[str]:
    """Visitors' files, once their time is over."""
    before = len(served.uploads())
    for _ in range(2 * keep + 30):
        if not (left := served.uploads()):
            break
        time.sleep(1)
    print(f"Files on the disk: {before} right after the work, {len(left)} once they have expired.")
    return [f"{path.name}: not removed in time" for path in left]


def _left(folder: Path) -> list[str]:
    """What a server that has ended leaves behind."""
    return [f"{path.relative_to(folder)}: left by the server" for path in folder.rglob("*")]


if __name__ == "__main__":
    sys.exit(main())
