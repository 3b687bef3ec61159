"""Where a login is asked for, nothing but the login itself is given to those who have not passed it."""

import base64
import binascii
import hmac
import re
import secrets
import time
from collections import OrderedDict
from typing import Any

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.auth import Users
from ui.headers import on_a_space, rewriting, route_path

LASTS = 7 * 24 * 3600.0  # seconds that a login is good for
_KEPT = 10_000  # logins; the oldest go first
# What the form to log in is made of, and what tells nothing of anybody.
OPEN = frozenset(
    {
        "",
        "/",
        "/login",
        "/login/",
        "/logout",
        "/config",  # says itself that a login is needed, in the words that Gradio's clients know
        "/config/",
        "/theme.css",
        "/favicon.ico",
        "/manifest.json",
        "/robots.txt",
        "/gradio_api/theme.css",
        "/gradio_api/login_check",
        "/gradio_api/login_check/",
        "/gradio_api/startup-events",
        "/healthz",
        "/readyz",
    }
)
OPEN_FOLDERS = ("/assets/", "/static/", "/svelte/")
# Programs that know no form send name and password along (RFC 7617).
_ASKED = ("/metrics", "/gradio_api/mcp")
_API_INFO = re.compile(rb"window\.gradio_api_info = .*?;</script>", re.DOTALL)


class Logins(dict[str, str]):
    """User by token, as Gradio keeps them, for as long as a login is good for."""

    def __init__(self) -> None:
        super().__init__()
        self._since: OrderedDict[str, float] = OrderedDict()

    def __setitem__(self, token: str, user: str) -> None:
        super().__setitem__(token, user)
        self._since[token] = time.monotonic()
        while len(self._since) > _KEPT:
            self.pop(next(iter(self._since)), None)

    def __delitem__(self, token: str) -> None:
        super().__delitem__(token)
        self._since.pop(token, None)

    def pop(self, token: str, *default: Any) -> Any:
        """Forget one."""
        self._since.pop(token, None)
        return super().pop(token, *default)

    def get(self, token: str | None, default: Any = None) -> Any:
        """The user, or the default where the token is unknown or too old."""
        if token is None or token not in self:
            return default
        if time.monotonic() - self._since[token] > LASTS:
            del self[token]
            return default
        return self[token]


class LoginGate:
    """ASGI middleware around Gradio's own login, which leaves some routes open: MCP, streams, cancelling, health.

    Args:
        app: the application inside; Gradio's, with ``auth`` set to :meth:`ui.auth.Users.login`.
        users: who may log in.
        own: an ``Authorization`` header that always passes: of the server's requests to itself.
    """

    def __init__(self, app: ASGIApp, users: Users, own: str) -> None:
        self._app, self._users, self._own = app, users, own
        self._key = secrets.token_bytes(32)
        self._programs: OrderedDict[bytes, str] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path, gradio, headers = route_path(scope), scope["app"], Headers(scope=scope)
        if not isinstance(gradio.tokens, Logins):
            gradio.tokens = Logins()
        try:
            token = _cookie(headers, gradio) or await self._program(headers, gradio)
        except HTTPException as error:
            await JSONResponse({"detail": error.detail}, error.status_code)(scope, receive, send)
            return
        if token is not None:
            scope = {**scope, "headers": _with_cookie(scope, gradio, token)}
        elif path in OPEN or path.startswith(OPEN_FOLDERS):
            send = rewriting(send, _without_api)
        else:
            asked = (
                {"WWW-Authenticate": 'Basic realm="Nucleoscope", charset="UTF-8"'} if path.startswith(_ASKED) else {}
            )
            await JSONResponse({"detail": "Not authenticated"}, 401, asked)(scope, receive, send)
            return
        await self._app(scope, receive, _with_safe_cookies(send, scope) if path.startswith("/log") else send)

    async def _program(self, headers: Headers, gradio: Any) -> str | None:
        """The token of a program that sent name and password along, or None. A right password is hashed once."""
        sent = headers.get("authorization", "")
        own = hmac.compare_digest(sent.encode(), self._own.encode())
        name, password = ("page", "") if own else _name_and_password(sent)
        if not name:
            return None
        seen = hmac.digest(self._key, sent.encode(), "sha256")
        token = self._programs.get(seen)
        if token is not None and gradio.tokens.get(token) is not None:
            return token
        if not own and not await self._users.login(name, password):
            return None
        token = self._programs[seen] = secrets.token_urlsafe(32)
        gradio.tokens[token] = name
        while len(self._programs) > 1000:
            self._programs.popitem(last=False)
        return token


def _cookie(headers: Headers, gradio: Any) -> str | None:
    """The token in the cookies, where it is one."""
    cookies = cookie_parser(headers.get("cookie", ""))
    for name in _cookie_names(gradio):
        if gradio.tokens.get(cookies.get(name)) is not None:
            return cookies[name]
    return None


def _cookie_names(gradio: Any) -> tuple[str, str]:
    return f"access-token-{gradio.cookie_id}", f"access-token-unsecure-{gradio.cookie_id}"


def _with_cookie(scope: Scope, gradio: Any, token: str) -> list[tuple[bytes, bytes]]:
    """The headers with the login where Gradio itself looks for it."""
    cookies = [value for name, value in scope["headers"] if name == b"cookie"]
    cookies.insert(0, f"{_cookie_names(gradio)[0]}={token}".encode())
    return [*(item for item in scope["headers"] if item[0] != b"cookie"), (b"cookie", b"; ".join(reversed(cookies)))]


def _name_and_password(authorization: str) -> tuple[str, str]:
    """What ``Basic ...`` says; two empty texts where it says nothing."""
    kind, _, text = authorization.partition(" ")
    if kind.lower() != "basic" or len(text) > 4096:
        return "", ""
    try:
        name, _, password = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return name, password


def _with_safe_cookies(send: Send, scope: Scope) -> Send:
    """Gradio sends its login along with requests of other sites; here only the frame of a Space needs that."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start" and not on_a_space():
            message["headers"] = [
                (name, _strict(value, scope["scheme"] == "https") if name.lower() == b"set-cookie" else value)
                for name, value in message["headers"]
            ]
        await send(message)

    return sent


def _strict(cookie: bytes, encrypted: bool) -> bytes:
    cookie = re.sub(rb"samesite=none", b"SameSite=lax", cookie, flags=re.IGNORECASE)
    return cookie if not encrypted or b"secure" in cookie.lower().split(b"; ") else cookie + b"; Secure"


def _without_api(page: bytes) -> bytes:
    """The form to log in, without the description of what is behind it, names of models included."""
    return _API_INFO.sub(b'window.gradio_api_info = {"named_endpoints": {}, "unnamed_endpoints": {}};</script>', page)
