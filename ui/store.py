"""What the server keeps for each visitor between clicks and through a reload: bounded, and behind a key."""

import secrets
import threading
import time
from collections import OrderedDict

from segmentation.errors import NucleoscopeError
from ui.session import Session

KEPT_BYTES = 4 * 2**30  # of all visitors together
KEPT_SECONDS = 4 * 3600  # since the last use
FORGOTTEN = "These pictures are no longer kept: drop them again."


class VisitError(NucleoscopeError):
    """The visitor's pictures are gone."""


class Store:
    """Sessions by key. Whoever has the key sees the pictures, so it is long, random, and never shown.

    Args:
        kept_bytes: when the sessions take more, the least recently used are forgotten; the latest never is.
        kept_seconds: a session that long unused is forgotten.
    """

    def __init__(self, kept_bytes: int = KEPT_BYTES, kept_seconds: float = KEPT_SECONDS) -> None:
        self._kept_bytes, self._kept_seconds = kept_bytes, kept_seconds
        self._sessions: OrderedDict[str, tuple[float, Session]] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, replaces: str | None = None) -> tuple[str, Session]:
        """A new key and its empty session; the session that it ``replaces`` is forgotten."""
        key, session = secrets.token_urlsafe(24), Session()
        with self._lock:
            self._sessions.pop(replaces or "", None)
            self._sessions[key] = (time.monotonic(), session)
            self._forget()
        return key, session

    def find(self, key: str | None) -> Session | None:
        """The session of ``key`` that the page shows, or None; it counts as used now."""
        newest = self.newest(key)
        return newest.shown if newest else None

    def newest(self, key: str | None) -> Session | None:
        """The session of ``key``, also if a run under way has brought nothing for it yet."""
        with self._lock:
            self._forget()
            kept = self._sessions.pop(key or "", None)
            if kept is None:
                return None
            self._sessions[str(key)] = (time.monotonic(), kept[1])
            return kept[1]

    def stop(self, key: str | None) -> None:
        """No run will bring anything to the page any more: what it shows stays."""
        with self._lock:
            kept = self._sessions.get(key or "")
            if kept is not None:
                self._sessions[str(key)] = (kept[0], kept[1].shown)

    def get(self, key: str | None) -> Session:
        """The session of ``key``.

        Raises:
            VisitError: if it is unknown, or forgotten.
        """
        session = self.find(key)
        if session is None:
            raise VisitError(FORGOTTEN)
        return session

    def __len__(self) -> int:
        return len(self._sessions)

    def _forget(self) -> None:
        limit = time.monotonic() - self._kept_seconds
        taken = sum(session.nbytes for _, session in self._sessions.values())
        while self._sessions:
            key, (used, session) = next(iter(self._sessions.items()))
            if used >= limit and (taken <= self._kept_bytes or len(self._sessions) == 1):
                return
            taken -= session.nbytes
            del self._sessions[key]
