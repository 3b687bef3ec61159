"""A web server that misbehaves as told, and the real archive, prepared once for all tests that need it."""

import http.server
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from data_modules import Dsb2018


@dataclass(frozen=True)
class Answer:
    """How one request is answered; the defaults are an honest server that honours ranges."""

    status: int | None = None  # answer with this error
    ranges: bool = True
    send: int | None = None  # cut the connection after so many bytes of the body
    claim: int = 0  # added to the true Content-Length
    chunked: bool = False
    stall_s: float = 0.0  # silence before the connection is cut
    garbage: bool = False  # no HTTP at all


@dataclass
class Site:
    """A file at ``url``; ``ranges`` collects the Range header of every request."""

    content: bytes
    answers: list[Answer]
    url: str = ""
    ranges: list[str | None] = field(default_factory=list)

    def handle(self, request: http.server.BaseHTTPRequestHandler) -> None:
        answer = self.answers[min(len(self.ranges), len(self.answers) - 1)]
        asked = request.headers.get("Range")
        self.ranges.append(asked)
        request.close_connection = True
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and answer.ranges else 0
        if answer.garbage:
            request.wfile.write(b"this is not HTTP\r\n\r\n")
        elif answer.status or (start and start >= len(self.content)):
            request.send_error(answer.status or 416)
        else:
            body = self.content[start:]
            request.send_response(206 if start else 200)
            if answer.chunked:
                request.send_header("Transfer-Encoding", "chunked")
            else:
                request.send_header("Content-Length", str(len(body) + answer.claim))
            request.end_headers()
            if answer.chunked:
                request.wfile.write(b"%x\r\n" % len(body))
            request.wfile.write(body[: answer.send])
            if answer.chunked and answer.send is None:
                request.wfile.write(b"\r\n0\r\n\r\n")
            time.sleep(answer.stall_s)


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Site]]:
    """``serve(content, *answers)``: each request gets the next answer, and the last one for good."""
    monkeypatch.setenv("no_proxy", "*")
    servers = []

    def start(content: bytes, *answers: Answer) -> Site:
        site = Site(content, list(answers) or [Answer()])

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                site.handle(self)

            def log_message(self, *_: object) -> None: ...

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        site.url = f"http://127.0.0.1:{server.server_port}/stage1_train.zip"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return site

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def answer() -> type[Answer]:
    return Answer


@pytest.fixture(scope="session")
def real_source(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Dsb2018:
    """The real archive, prepared: about a minute, once."""
    source = Dsb2018(str(real_data / "stage1_train.zip"), cache=str(tmp_path_factory.mktemp("dsb2018")))
    source.prepare()
    source.setup()
    return source
