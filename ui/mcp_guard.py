"""Gradio's MCP server, so that its callers decide neither whom it asks nor which files of this machine it reads."""

import asyncio
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from ui.headers import route_path

PATH = "/gradio_api/mcp"


class McpGuard:
    """ASGI middleware around a page with MCP tools.

    The tools call the page as a client of it. Left alone, Gradio takes the address for that from the first request,
    where the page is mounted in another application, sends the machine's Hugging Face token along, and uploads what a
    caller's arguments name as a file, from this machine's own disk.

    Args:
        app: the application inside.
        authorization: header that the page's own login takes; empty where there is none.
    """

    def __init__(self, app: ASGIApp, authorization: str = "") -> None:
        self._app, self._authorization = app, authorization
        self._lock = asyncio.Lock()
        self._guarded = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and not self._guarded and route_path(scope).startswith(PATH):
            async with self._lock:
                server = getattr(scope["app"].blocks, "mcp_server_obj", None)
                if server is not None and not self._guarded:
                    server._client_instance = await asyncio.to_thread(self._client, server, scope)
                    server.convert_strings_to_filedata = _checked(server.convert_strings_to_filedata)
                self._guarded = True
        await self._app(scope, receive, send)

    def _client(self, server: Any, scope: Scope) -> Any:
        from gradio_client import Client  # type: ignore[import-untyped]  # loaded already, where there are tools

        host, port = scope["server"]
        encrypted = scope["scheme"] == "https"
        headers = {"x-gradio-user": "mcp"} | ({"authorization": self._authorization} if self._authorization else {})
        return Client(
            server.local_url or f"{'https' if encrypted else 'http'}://{host}:{port}/",
            token=False,  # as huggingface_hub understands it: none, whatever is stored
            download_files=False,
            verbose=False,
            analytics_enabled=False,
            headers=headers,
            ssl_verify=False,  # to itself, by whatever name the certificate has
            _skip_components=False,
        )


def _checked(convert: Any) -> Any:
    def checked(value: Any, positions: Any) -> Any:
        if _names_a_file(value):
            raise ValueError("A file is given as a data: URI or as an address, not as a path of the server.")
        return convert(value, positions)

    return checked


def _names_a_file(value: Any) -> bool:
    """Whether somewhere in it is what Gradio's client takes for a file of its own disk."""
    if isinstance(value, dict):
        return "path" in value or "_type" in value or any(map(_names_a_file, value.values()))
    return isinstance(value, list) and any(map(_names_a_file, value))
