"""A Hub on loopback: the HTTP that ``huggingface_hub`` speaks, and every fault a network can have.

The state is in ``hub_repositories``, what is answered in ``hub_answers``, what can go wrong on the way in
``hub_faults``. The client is unmodified.
"""

import re
import subprocess
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.hub_answers import Answers
from tests.hub_faults import Broken, Faults, MeteredReader, MeteredWriter
from tests.hub_repositories import Hub, Refused, Repository

Run = Callable[..., subprocess.CompletedProcess[str]]  # of the fixture ``python``
KIND = r"/api/(?P<kind>models|datasets|spaces)"
NAME = r"(?P<name>[^/]+/[^/]+)"
ROUTES = [
    ("GET", r"/api/whoami-v2", "whoami"),
    ("POST", r"/api/repos/create", "create"),
    ("POST", r"/api/validate-yaml", "validate"),
    ("GET", KIND, "listing"),
    ("GET", rf"{KIND}/{NAME}(/revision/(?P<revision>[^/]+))?", "info"),
    ("GET", rf"{KIND}/{NAME}/tree/(?P<revision>[^/]+)", "tree"),
    ("POST", rf"{KIND}/{NAME}/preupload/(?P<revision>[^/]+)", "preupload"),
    ("POST", rf"{KIND}/{NAME}/commit/(?P<revision>[^/]+)", "commit"),
    ("POST", rf"{KIND}/{NAME}/branch/(?P<revision>[^/]+)", "branch"),
    ("POST", rf"/(?P<prefix>datasets/|spaces/)?{NAME}\.git/info/lfs/objects/batch", "batch"),
    ("PUT", r"/storage/(?P<oid>[0-9a-f]{64})", "store"),
    ("POST", r"/api/verify", "verify"),
    ("GET", rf"/(?P<prefix>datasets/|spaces/)?{NAME}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", "resolve"),
    ("GET", r"/storage/(?P<oid>[0-9a-f]{64})", "stored"),
]


class HubServer(ThreadingHTTPServer):
    """Listens on a free port of 127.0.0.1 once started; ``with`` starts and stops it."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.hub, self.faults = Hub(), Faults()
        self.log: list[str] = []  # "METHOD path", as asked

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def storage(self) -> str:
        """Where large files are: another host than the Hub, as in life, to which no token may go."""
        return f"http://localhost:{self.server_port}/storage"

    def model(self, name: str, kind: str = "models") -> Repository:
        return self.hub.repositories[kind, name]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that was cut on purpose is no news."""


class Handler(Answers, BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or every answer waits 40 ms for the client's delayed acknowledgement
    server: HubServer

    def setup(self) -> None:
        super().setup()
        self.rfile = MeteredReader(self.connection, self.server.faults)  # type: ignore[assignment]
        self.wfile = MeteredWriter(self.connection, self.server.faults)  # type: ignore[assignment]

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (Broken, OSError):
            self.close_connection = True

    def do_GET(self) -> None:
        self.serve()

    do_HEAD = do_POST = do_PUT = do_GET

    def serve(self) -> None:
        parts = urlsplit(self.path)
        self.query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        self.server.log.append(f"{self.command} {parts.path}")
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.server.faults.taken(self.command, parts.path)
        self.wfile.fault = fault  # type: ignore[attr-defined]
        try:
            if fault is not None:
                self.server.faults.wait(fault.delay_s)
                if fault.status:
                    raise Refused(fault.status, fault.message)
            method = "GET" if self.command == "HEAD" else self.command
            for verb, pattern, name in ROUTES:
                found = re.fullmatch(pattern, parts.path)
                if verb == method and found is not None:
                    groups = {key: unquote(value) for key, value in found.groupdict().items() if value is not None}
                    getattr(self, name)(**groups)
                    return
            raise Refused(404, "Sorry, we can't find the page you are looking for.")
        except Refused as refusal:
            headers = {"X-Error-Message": refusal.message, **(fault.headers if fault is not None else {})}
            if refusal.code:
                headers["X-Error-Code"] = refusal.code
            self.answer({"error": refusal.message, **(refusal.body or {})}, refusal.status, headers)

    def send(self, data: bytes, status: int, headers: dict[str, str]) -> None:
        fault = self.wfile.fault  # type: ignore[attr-defined]
        data = data if fault is None else fault.altered(data)
        self.send_response(status)
        for key, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.body(data)  # type: ignore[attr-defined]
