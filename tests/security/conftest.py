"""Two real servers: one that everybody may use, and one behind a login and a reverse proxy's path."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.security.visitor import Visitor, canary
from tests.ui.server import serve

NAME, PASSWORD = "ada", "a long enough password"
HUB_TOKEN = "hf_thisIsNobodysTokenAtAll000000000"
ROOT_PATH = "/nucleoscope"


@dataclass(frozen=True)
class Site:
    """A page that is served.

    Attributes:
        address: of the server itself.
        log: what it has written.
        lied_to: what a server was asked for that the very first caller of the tools claimed to have called.
    """

    address: str
    log: Path
    lied_to: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def open_site(project_root: Path, bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Without a login, with MCP tools."""
    logs = tmp_path_factory.mktemp("open")
    options = ["--model", str(bundle_folder), "--mcp", "--log-level", "debug"]
    with serve(project_root, logs, *options, HF_TOKEN=HUB_TOKEN) as address:
        with canary() as (url, asked):
            host = url.split("/")[2]
            Visitor(address, host=host, **{"x-forwarded-host": host}).tool("model", model="")
        yield Site(address, logs / "log.txt", asked)


@pytest.fixture(scope="session")
def users(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of one user, written by the command."""
    path = tmp_path_factory.mktemp("users") / "users.txt"
    command = [sys.executable, "-m", "ui.auth", str(path), NAME]
    subprocess.run(command, input=f"{PASSWORD}\n", text=True, check=True, capture_output=True)
    return path


@pytest.fixture(scope="session")
def locked_site(
    project_root: Path, bundle_folder: Path, users: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """With a login, with MCP tools, at the path of a reverse proxy."""
    logs = tmp_path_factory.mktemp("locked")
    options = ["--model", str(bundle_folder), "--mcp", "--auth", str(users), "--root-path", ROOT_PATH]
    with serve(project_root, logs, *options, "--log-level", "debug", HF_TOKEN=HUB_TOKEN) as address:
        yield Site(address, logs / "log.txt")


@pytest.fixture
def visitor(open_site: Site) -> Visitor:
    return Visitor(open_site.address)


@pytest.fixture
def stranger(locked_site: Site) -> Visitor:
    """Who has not logged in."""
    return Visitor(locked_site.address)


@pytest.fixture
def user(locked_site: Site) -> Visitor:
    """Who has."""
    visitor = Visitor(locked_site.address)
    answer = visitor.http.post("login", data={"username": NAME, "password": PASSWORD})
    assert answer.json() == {"success": True}
    return visitor
