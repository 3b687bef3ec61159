"""What browsers are told not to do with the page, and what the server does not take from other sites."""

import os
import re
import secrets
from collections.abc import Callable
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FILES = ("/gradio_api/file=", "/gradio_api/file/")
# Gradio offers these to pages of other kinds. Here nothing uses them, and each is a way in: a proxy, ffmpeg on uploads,
# copies of other people's pages, a dashboard, the login's cookie for scripts, addresses fetched for strangers.
CLOSED = (
    "/gradio_api/proxy=",
    "/gradio_api/process_recording",
    "/gradio_api/deep_link",
    "/gradio_api/stream/",
    "/gradio_api/custom_component/",
    "/gradio_api/token",
    "/gradio_api/vibe-",
    "/gradio_api/undo-vibe-edit",
    "/gradio_api/dev/",
    "/gradio_api/runs",
    "/gradio_api/run-history",
    "/monitoring",
    "/pwa_icon",
    "/openapi.json",
    *(f"{files}{scheme}" for files in FILES for scheme in ("http:", "https:")),
)
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=(), serial=(), "
    "display-capture=(), browsing-topics=()",
}
# A visitor's file is data: it runs nothing and asks nothing, whatever it is and however it is opened.
_FILE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'none'"
_FILE_HEADERS = frozenset(
    {b"content-type", b"content-length", b"content-range", b"content-disposition", b"accept-ranges", b"etag"}
)
_STATIC = ("/assets/", "/static/")
_FORWARDED = (b"x-forwarded-host", b"x-forwarded-proto")
_LOOPBACK = ("127.0.0.1", "::1", "localhost", None)
_SCRIPT = re.compile(rb"<script(?=[\s>])")


def on_a_space() -> bool:
    """Whether this runs as a Space, whose pages huggingface.co shows in a frame."""
    return bool(os.environ.get("SPACE_ID"))


def page_policy(nonce: str) -> str:
    """The Content-Security-Policy of the page: what it needs, from this server alone.

    Gradio compiles the page's own handlers from text, hence ``unsafe-eval``; but no markup can bring a script along,
    since inline scripts and handlers need the ``nonce``, which is new for every answer.
    """
    ancestors = "'self' https://huggingface.co" if on_a_space() else "'self'"
    return (
        f"default-src 'self'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; "
        "connect-src 'self' data: blob:; worker-src 'self' blob:; object-src 'none'; frame-src 'none'; "
        f"base-uri 'self'; form-action 'self'; frame-ancestors {ancestors}"
    )


class SecurityHeaders:
    """ASGI middleware: adds the headers, and refuses what other sites send and what no visitor of this page needs.

    Args:
        app: the application inside.
        login: whether the page asks for a password. A Space without one takes requests of other sites, as public
            Spaces do; nothing else does.
    """

    def __init__(self, app: ASGIApp, login: bool = False) -> None:
        self._app, self._login = app, login

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = route_path(scope)
        scope = {**scope, "headers": _believed(scope)}
        nonce = secrets.token_urlsafe(16)
        send = _with_headers(send, path, nonce)
        if path.startswith(CLOSED):
            await JSONResponse({"detail": "Not found"}, 404)(scope, receive, send)
        elif (self._login or not on_a_space()) and (stranger := _other_site(Headers(scope=scope))):
            told = f"Requests from {stranger} are refused; a proxy in front must pass the Host header on."
            await JSONResponse({"detail": told}, 403)(scope, receive, send)
        else:
            if path in ("", "/"):  # is changed on its way, so nobody may compress it before
                scope["headers"] = [item for item in scope["headers"] if item[0] != b"accept-encoding"]
            await self._app(scope, receive, rewriting(send, lambda page: _mark_scripts(page, nonce)))


def add_security_headers(app: FastAPI) -> None:
    """Wrap a page that is not served yet in :class:`SecurityHeaders`."""
    app.add_middleware(SecurityHeaders)


def route_path(scope: Scope) -> str:
    """The path as routes see it."""
    path, root = scope["path"], scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


def rewriting(send: Send, change: Callable[[bytes], bytes]) -> Send:
    """A ``send`` that passes HTML pages through ``change``, whole; everything else goes through as it comes."""
    held: list[Message] = []
    body = bytearray()

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = Headers(raw=message["headers"])
            if headers.get("content-type", "").startswith("text/html") and "content-encoding" not in headers:
                held.append(message)
                return
        elif held and message["type"] == "http.response.body":
            body.extend(message.get("body", b""))
            if message.get("more_body"):
                return
            start, page = held.pop(), change(bytes(body))
            if "content-length" in (headers := MutableHeaders(scope=start)) and body:  # none answers HEAD
                headers["content-length"] = str(len(page))
            await send(start)
            message = {**message, "body": page}
        await send(message)

    return sent


def _mark_scripts(page: bytes, nonce: str) -> bytes:
    # Data inside Gradio's template are JSON without <, so these are the template's own scripts.
    return _SCRIPT.sub(f'<script nonce="{nonce}"'.encode(), page)


def _with_headers(send: Send, path: str, nonce: str) -> Send:
    is_file = path.startswith(FILES)
    policy = _FILE_POLICY if is_file else page_policy(nonce)

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            if is_file:  # Gradio answers a request for a part of a file with the request's own headers, cookies too
                message["headers"] = [item for item in message["headers"] if item[0].lower() in _FILE_HEADERS]
            headers = MutableHeaders(scope=message)
            headers.update(_ALWAYS)
            headers["Content-Security-Policy"] = policy
            if not on_a_space():
                headers["X-Frame-Options"] = "SAMEORIGIN"  # for browsers without frame-ancestors
            if not path.startswith(_STATIC):
                headers["Cache-Control"] = "private, no-store"
        await send(message)

    return sent


def _believed(scope: Scope) -> list[tuple[bytes, bytes]]:
    """The headers without those in which a proxy says how it was called, where the request came from no proxy.

    From them Gradio makes the addresses in its answers, and keeps some of these for others.
    """
    host, port = scope.get("client") or (None, 0)
    # uvicorn puts a caller that a trusted proxy (FORWARDED_ALLOW_IPS) names in place of the proxy, at port 0.
    if host in _LOOPBACK or port == 0 or on_a_space():
        return list(scope["headers"])
    return [item for item in scope["headers"] if item[0] not in _FORWARDED]


def _other_site(headers: Headers) -> str:
    """The site whose page sent this, where it is not this one; else nothing. Only browsers tell."""
    origin = headers.get("origin")
    if origin is None:
        return ""
    own = {headers.get("host"), headers.get("x-forwarded-host"), os.environ.get("SPACE_HOST")}
    return "" if urlsplit(origin).netloc in own - {None, ""} else origin[:200]
