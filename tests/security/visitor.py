"""Someone who speaks to the page's server without its page, and means no good."""

import asyncio
import io
import json
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import numpy as np
from PIL import Image


class Visitor:
    """A client with cookies of its own."""

    def __init__(self, address: str, **headers: str) -> None:
        self.http = httpx.Client(base_url=address, timeout=60, trust_env=False, headers=headers)

    def upload(self, name: str, content: bytes) -> str:
        """The path that the server gives a file."""
        answer = self.http.post("gradio_api/upload", files={"files": (name, content)})
        assert answer.status_code == 200, answer.text
        return str(answer.json()[0])

    def file(self, path: str, **headers: str) -> httpx.Response:
        return self.http.get(f"gradio_api/file={path}", headers=headers)

    def call(self, endpoint: str, *values: Any) -> tuple[str, Any]:
        """What an endpoint answers: ``complete`` or ``error``, and the data."""
        joined = self.http.post(f"gradio_api/call/{endpoint}", json={"data": list(values)})
        if joined.status_code != 200:
            return "error", joined.json()
        with self.http.stream("GET", f"gradio_api/call/{endpoint}/{joined.json()['event_id']}") as answer:
            event = ""
            for line in answer.iter_lines():
                kind, _, text = line.partition(": ")
                event = text if kind == "event" else event
                if kind == "data" and event in ("complete", "error"):
                    return event, json.loads(text)
        raise AssertionError("the stream ended without an answer")

    def tool(self, name: str, **arguments: Any) -> tuple[int, str]:
        """Status and text of an MCP tool's answer."""
        question = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
        answer = self.http.post(
            "gradio_api/mcp/", json=question, headers={"accept": "application/json, text/event-stream"}
        )
        return answer.status_code, answer.text


def sent(path: str, **more: Any) -> dict[str, Any]:
    """A file in a payload, as Gradio's clients write it."""
    return {"path": path, "meta": {"_type": "gradio.FileData"}, **more}


def png(value: int = 200, side: int = 64) -> bytes:
    """A picture of one bright square."""
    pixels = np.full((side, side), 10, np.uint8)
    pixels[20:30, 20:30] = value
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


@contextmanager
def canary() -> Iterator[tuple[str, list[str]]]:
    """A server that nobody may ask for anything: its address, and what it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(png())

        do_HEAD = do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/secret.png", asked
        server.shutdown()


def in_other_thread(work: Coroutine[Any, Any, Any]) -> Any:
    """What it gives; a browser's client, once started, keeps a loop running in this thread."""
    with ThreadPoolExecutor(1) as other:
        return other.submit(asyncio.run, work).result()
