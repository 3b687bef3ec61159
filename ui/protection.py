"""All that stands between the page and the network, in its order, for ``launch(app_kwargs={"middleware": ...})``."""

import base64
import secrets

from starlette.middleware import Middleware

from ui.auth import Users
from ui.fetching import limit_fetching
from ui.gate import LoginGate
from ui.headers import SecurityHeaders
from ui.mcp_guard import McpGuard


def protection(users: Users | None, *, fetches: bool, most_bytes: int) -> list[Middleware]:
    """The middleware, outermost first.

    Args:
        users: who may log in; None lets everybody in. ``launch`` takes the same users, as ``auth=users.login``.
        fetches: whether files are fetched from public addresses that callers of the tools name.
        most_bytes: of a file that is fetched.
    """
    limit_fetching(allowed=fetches, most_bytes=most_bytes)
    if users is None:
        return [Middleware(SecurityHeaders, login=False), Middleware(McpGuard)]
    own = "Basic " + base64.b64encode(f"page:{secrets.token_urlsafe(32)}".encode()).decode()
    return [
        Middleware(SecurityHeaders, login=True),
        Middleware(LoginGate, users=users, own=own),
        Middleware(McpGuard, authorization=own),
    ]
