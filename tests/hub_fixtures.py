"""A Hub for each test, with the client of this process or of a fresh one pointed at it."""

import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import close_session, constants
from huggingface_hub.utils import _http

from segmentation import hub_push
from segmentation.bundle import CONFIG, WEIGHTS
from segmentation.hub_push import push
from tests.hub_repositories import Account
from tests.hub_server import HubServer, Run

TOKEN, READ_TOKEN = "hf_write", "hf_read"
NAME = "lab/nuclei"
ROOT = Path(__file__).resolve().parents[1]


def start() -> HubServer:
    server = HubServer()
    server.hub.accounts[READ_TOKEN] = Account("lab", "read")
    server.hub.accounts["hf_other"] = Account("somebody")
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server


@pytest.fixture
def server() -> Iterator[HubServer]:
    """A Hub with the accounts ``lab`` (tokens ``hf_write`` and ``hf_read``) and ``somebody`` (``hf_other``)."""
    with start() as running:
        yield running
        running.faults.end()
        running.shutdown()


@pytest.fixture
def waits() -> list[float]:
    """Seconds that the client slept between tries, or would have."""
    return []


@pytest.fixture
def hub(server: HubServer, waits: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """The same, with this process's client logged in to it as ``lab``, its cache empty and no time lost in waiting."""
    home = tmp_path / "home"
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.url + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
    clock = SimpleNamespace(sleep=waits.append)
    monkeypatch.setattr(_http, "time", clock)
    monkeypatch.setattr("huggingface_hub.file_download.time", clock)
    # Loading the machine's certificates takes longer than a whole push, and nothing here is encrypted.
    monkeypatch.setattr(
        "httpx2._transports.default.create_ssl_context", lambda *_, **__: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    )
    # So does writing packages for other programs: those who test that put it back.
    monkeypatch.setattr(hub_push, "exports", lambda *_: {})
    close_session()
    yield server
    close_session()


@pytest.fixture
def python(server: HubServer, tmp_path: Path) -> Run:
    """Run ``python ARGUMENTS...`` in a fresh process with ``HF_ENDPOINT`` set; ``home`` names its cache folder."""

    def run(
        *arguments: str, home: str = "fresh", token: str | None = TOKEN, **more: str
    ) -> subprocess.CompletedProcess:
        ours = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
        ours |= {"HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path / home), "OMP_NUM_THREADS": "1", **more}
        ours |= {"HF_TOKEN": token} if token else {}
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=ROOT, env=ours, capture_output=True, text=True, timeout=120)

    return run


@pytest.fixture
def published(hub: HubServer, bundle_folder: Path) -> HubServer:
    """A Hub that holds ``lab/nuclei``."""
    push(bundle_folder, NAME)
    hub.log.clear()
    return hub


def files(folder: Path) -> dict[str, bytes]:
    """A bundle's own files."""
    return {name: (folder / name).read_bytes() for name in (CONFIG, WEIGHTS)}


def downloads(server: HubServer) -> list[str]:
    """What was fetched of files, in order."""
    return [line for line in server.log if line.startswith("GET") and ("/resolve/" in line or "/storage/" in line)]
