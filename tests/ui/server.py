"""The real page, served by the real entry point."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def serve(project_root: Path, logs: Path, *options: str, **environment: str) -> Iterator[str]:
    """``python app.py`` on a free port, and its address, while the block runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "app.py", "--port", str(port), "--device", "cpu", *options]
    address = f"http://127.0.0.1:{port}/"
    with (logs / "log.txt").open("w+") as log:
        server = subprocess.Popen(
            command, cwd=project_root, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **environment}
        )
        try:
            for _ in range(600):
                if server.poll() is not None:
                    log.seek(0)
                    pytest.fail(f"app.py ended with {server.returncode}:\n{log.read()}")
                try:
                    urllib.request.urlopen(address, timeout=1).close()
                    break
                except OSError:
                    time.sleep(0.25)
            else:
                pytest.fail("app.py does not answer after 150 seconds")
            yield address
        finally:
            server.terminate()
            server.wait(20)
