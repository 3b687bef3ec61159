"""The real page, served by the real entry point, as a process or inside of the test's own."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from segmentation import MicroscopyImage, Segmenter
from segmentation.limits import Limits
from ui.examples import write_examples
from ui.models import Models
from ui.serving_files import ServerFolder
from ui.serving_options import Options


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@dataclass
class Process:
    """``python app.py`` that answers.

    Attributes:
        address: of the page.
        process: that serves it.
        log: what it said.
    """

    address: str
    process: subprocess.Popen
    log: Path

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(40)


@contextmanager
def started(project_root: Path, logs: Path, *options: str, **environment: str) -> Iterator[Process]:
    """``python app.py`` on a free port; it is ended with the block, if not before."""
    port, log = free_port(), logs / "log.txt"
    command = [sys.executable, "app.py", "--port", str(port), "--device", "cpu", *options]
    address = f"http://127.0.0.1:{port}/"
    with log.open("a") as file:
        server = subprocess.Popen(
            command, cwd=project_root, stdout=file, stderr=subprocess.STDOUT, env={**os.environ, **environment}
        )
        try:
            for _ in range(600):
                if server.poll() is not None:
                    pytest.fail(f"app.py ended with {server.returncode}:\n{log.read_text()}")
                try:
                    urllib.request.urlopen(address, timeout=1).close()
                    break
                except OSError:
                    time.sleep(0.25)
            else:
                pytest.fail("app.py does not answer after 150 seconds")
            yield Process(address, server, log)
        finally:
            server.terminate()
            server.wait(40)


@contextmanager
def serve(project_root: Path, logs: Path, *options: str, **environment: str) -> Iterator[str]:
    """``python app.py`` on a free port, and its address, while the block runs."""
    with started(project_root, logs, *options, **environment) as server:
        yield server.address


def until(true: Callable[[], bool]) -> None:
    """Wait for something that happens soon."""
    for _ in range(400):
        if true():
            return
        time.sleep(0.02)
    pytest.fail("this did not happen within 8 seconds")


class Held(Segmenter):
    """A Segmenter whose network waits until the test lets it go on.

    Args:
        inner: what does the work.
    """

    def __init__(self, inner: Segmenter) -> None:
        self._inner = inner
        self.bundle, self.device, self.engine = inner.bundle, inner.device, inner.engine
        self.go_on, self.seen = threading.Event(), list[int]()  # widths of the pictures, as they come
        self.go_on.set()

    def predict_maps(self, image: MicroscopyImage, **named: Any) -> NDArray[np.float32]:
        """See :meth:`segmentation.Segmenter.predict_maps`."""
        self.seen.append(image.shape[1])
        assert self.go_on.wait(60)
        progress = named.get("progress")
        if progress:
            progress(0.5)
        return self._inner.predict_maps(image, **named)


@dataclass
class Inside:
    """A server in the test's own process.

    Attributes:
        address: of the page.
        server: that serves it.
        network: of its one model; can be held.
    """

    address: str
    server: Any
    network: Held
    closed: bool = field(default=False)

    def get(self, path: str, **headers: str) -> tuple[int, str, dict[str, str]]:
        """Status, text and headers (names in small letters) of an answer."""
        request = urllib.request.Request(
            self.address + path, headers={k.replace("_", "-"): v for k, v in headers.items()}
        )
        try:
            answer = urllib.request.urlopen(request, timeout=20)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return answer.status, answer.read().decode(), {key.lower(): value for key, value in answer.headers.items()}

    def number(self, name: str) -> float:
        """What /metrics says of one series, 0 if nothing."""
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.get("metrics")[1], re.MULTILINE)
        return float(found[1]) if found else 0.0


@contextmanager
def inside(bundle_folder: Path, folder: Path, **options: Any) -> Iterator[Inside]:
    """The page served by this process, with a network that can be held."""
    from ui.serving import Server

    write_examples()  # once for all servers of this process, so not in the folder of the first
    place = ServerFolder(folder)
    models = Models([bundle_folder], "cpu", concurrency=options.get("concurrency", 1))
    watched = models.segmenter()
    network = watched._inner = Held(watched._inner)  # type: ignore[attr-defined]
    server = Server(models, Options(port=free_port(), **options), Limits(), None, place)
    served = Inside(server.start(), server, network)
    try:
        yield served
    finally:
        network.go_on.set()
        if not served.closed:
            server.close()
        place.close()
