"""Sessions of the OneFS API: a cookie, a CSRF token that belongs to it, and two time-outs."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass

IDLE_SECONDS = 900.0
ABSOLUTE_SECONDS = 14_400.0


@dataclass(slots=True, kw_only=True)
class Session:
    """Somebody who logged in."""

    user: str
    csrf: str
    opened_at: float
    used_at: float


class Sessions:
    """Those that are open. `clock` gives seconds that never jump."""

    def __init__(self, credentials: tuple[str, str], clock: Callable[[], float]) -> None:
        self.idle_seconds = IDLE_SECONDS
        self.absolute_seconds = ABSOLUTE_SECONDS
        self.logins = 0
        self._credentials = credentials
        self._clock = clock
        self._open: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._open)

    def login(self, user: object, password: object) -> tuple[str, Session] | None:
        """A new cookie and its session; None for a wrong user or password."""
        if (user, password) != self._credentials:
            return None
        self.logins += 1
        now = self._clock()
        cookie = secrets.token_urlsafe(24)
        session = Session(user=str(user), csrf=str(uuid.uuid4()), opened_at=now, used_at=now)
        self._open[cookie] = session
        return cookie, session

    def use(self, cookie: str) -> Session | None:
        """The session of a cookie that is still good; using it keeps it from falling idle."""
        session = self._open.get(cookie)
        if session is None:
            return None
        now = self._clock()
        if now - session.used_at > self.idle_seconds or now - session.opened_at > self.absolute_seconds:
            del self._open[cookie]
            return None
        session.used_at = now
        return session

    def end(self, cookie: str) -> None:
        """Somebody logged out."""
        self._open.pop(cookie, None)

    def end_all(self) -> None:
        """The service was started anew: no cookie is good any longer."""
        self._open.clear()
