"""HTTP around the page: a request's id and its line in the log; /healthz, /readyz and /metrics, for machines."""

import ipaddress
import logging
import re
import secrets
import time
from collections.abc import Callable
from functools import lru_cache

import fastapi
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.headers import route_path
from ui.logs import log
from ui.metrics import CONTENT_TYPE, Metrics

HEADER = "x-request-id"
FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")  # a proxy stands between, and this computer's address is its
_GIVEN = re.compile(r"[A-Za-z0-9._-]{8,64}")  # ids that a proxy has chosen; nothing that could break a line of a log
_OFTEN = ("/assets/", "/static/", "/svelte/", "/theme.css", "/healthz", "/readyz", "/metrics", "/favicon", "/manifest")
_STREAMS = ("/queue/data", "/heartbeat/", "/call/", "/mcp", "/upload_progress", "/dev/reload")


def request_id(request: Request) -> str:
    """The id of a request, as its answer's header says; made up where no middleware has given one."""
    state = request.scope.setdefault("state", {})
    return str(state.setdefault("request_id", secrets.token_hex(8)))


class RequestIds:
    """ASGI middleware: gives each request an id, says it in the answer's header, counts and logs the request.

    Args:
        app: what answers.
        metrics: where requests are counted.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics
        self.open = 0  # requests being answered, streams apart
        self.last = time.monotonic()  # when one ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Request(scope).headers.get(HEADER, "")
        found = given if _GIVEN.fullmatch(given) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = found
        start, status = time.perf_counter(), 0
        stream = any(part in scope["path"] for part in _STREAMS)
        self.open += not stream

        async def answered(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (HEADER.encode(), found.encode())]
            await send(message)

        try:
            await self._app(scope, receive, answered)
        except Exception as error:
            log("fault", {"request": found, "route": _route(scope)}, logging.ERROR, error=error)
            if status:
                raise
            text = f"Something went wrong here. Tell whoever runs this page: request {found}."
            await JSONResponse({"error": text, "detail": text}, 500)(scope, receive, answered)
        finally:
            self.open -= not stream
            self.last = time.monotonic()
            route = _route(scope)
            self._metrics.answered(scope["method"], route, status)
            often = any(part in scope["path"] for part in (*_OFTEN, "/heartbeat/"))
            told = {
                "request": found,
                "method": scope["method"],
                "route": route,
                "status": status,
                "seconds": round(time.perf_counter() - start, 4),
            }
            log("http", told, logging.DEBUG if often and status < 400 else logging.INFO)


def _route(scope: Scope) -> str:
    """The fixed part of the route that a path fits: the rest of the path holds names of files and keys of visitors."""
    path = route_path(scope)
    fits = (known for known, whole in _known(scope["app"]) if path == known or (not whole and path.startswith(known)))
    return next(fits, "other")


@lru_cache(maxsize=4)
def _known(app: fastapi.FastAPI) -> list[tuple[str, bool]]:
    """The fixed parts of all routes, the longest first, and whether they are whole."""
    included = [getattr(route, "original_router", None) for route in app.routes]
    routes = [*app.routes, *(route for router in included if router is not None for route in router.routes)]
    paths = [str(getattr(route, "path", "")) for route in routes]
    cut = {(re.split(r"[{=]", path)[0], not re.search(r"[{=]", path)) for path in paths if path}
    return sorted(cut, key=lambda each: (-len(each[0]), not each[1]))


def probes(metrics: Metrics, reasons: Callable[[], list[str]], seen_by: str) -> list[BaseRoute]:
    """The routes /healthz, /readyz and /metrics.

    Args:
        metrics: what /metrics tells.
        reasons: why the server cannot take work now; none if it can.
        seen_by: who may see the metrics: "local" (this computer alone), "open" (everybody) or "off".
    """

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok")

    def readyz(_request: Request) -> Response:
        found = reasons()
        return JSONResponse({"ready": not found, "reasons": found}, 503 if found else 200)

    def numbers(request: Request) -> Response:
        if seen_by == "off" or (seen_by == "local" and not from_this_computer(request)):
            return PlainTextResponse("Not shown here; see --metrics.", 404)
        return Response(metrics.text(), media_type=CONTENT_TYPE)

    return [Route(path, answer) for path, answer in (("/healthz", healthz), ("/readyz", readyz), ("/metrics", numbers))]


def from_this_computer(request: Request) -> bool:
    """Whether a request began on this computer: from its own address, and through no proxy that runs on it."""
    client = request.client
    # uvicorn puts who a proxy speaks for in the place of the proxy, at port 0.
    if client is None or client.port == 0 or any(name in request.headers for name in FORWARDED):
        return False
    try:
        return ipaddress.ip_address(client.host).is_loopback
    except ValueError:
        return False
