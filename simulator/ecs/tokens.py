"""Tokens of the management API. A user may hold a hundred; whoever never returns them cannot log in any more."""

from __future__ import annotations

import secrets
from collections.abc import Callable

IDLE_SECONDS = 2 * 3600.0
ABSOLUTE_SECONDS = 8 * 3600.0
MOST = 100


class Tokens:
    """Those that were given out. `clock` gives seconds that never jump."""

    def __init__(self, credentials: tuple[str, str], clock: Callable[[], float]) -> None:
        self.logins = 0
        self._credentials = credentials
        self._clock = clock
        self._given: dict[str, tuple[float, float]] = {}

    def __len__(self) -> int:
        return len(self._given)

    def login(self, user: str, password: str) -> str | None:
        """A new token; None for a wrong user or password, and for one who holds too many."""
        self._forget_old()
        if (user, password) != self._credentials or len(self._given) >= MOST:
            return None
        self.logins += 1
        token = secrets.token_urlsafe(40)
        self._given[token] = (self._clock(), self._clock())
        return token

    def use(self, token: str) -> bool:
        """Whether a token is good; using it keeps it from falling idle."""
        self._forget_old()
        if token not in self._given:
            return False
        self._given[token] = (self._given[token][0], self._clock())
        return True

    def logout(self, token: str) -> None:
        """Somebody returned a token."""
        self._given.pop(token, None)

    def end_all(self) -> None:
        """The service was started anew: no token is good any longer."""
        self._given.clear()

    def _forget_old(self) -> None:
        now = self._clock()
        for token, (given, used) in list(self._given.items()):
            if now - used > IDLE_SECONDS or now - given > ABSOLUTE_SECONDS:
                del self._given[token]
