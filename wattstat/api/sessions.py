"""Sessions of people at the pages: a signed cookie that names a token's entry. No secret is in it, and none is kept."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass

COOKIE = "wattstat_session"
MOST_ENDED = 10_000

_VALUE = re.compile(r"1\.([0-9a-f]{64})\.([0-9a-f]{16})\.([0-9]{1,12})\.([0-9a-f]{64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Whose token logged in, and until when (Unix seconds) that holds."""

    token_sha256: str
    number: str
    until: int


class Sessions:
    """Makes and reads the cookie."""

    def __init__(self, key: bytes, *, seconds: float, clock: Callable[[], float]) -> None:
        self._key, self._seconds, self._clock = key, seconds, clock
        self._ended: dict[str, int] = {}

    def begin(self, token_sha256: str) -> str:
        """The cookie's value for somebody who showed this token."""
        until = int(self._clock() + self._seconds)
        # The digest of the token is the name of its entry in the settings; it lets nobody in.
        told = f"1.{token_sha256}.{secrets.token_hex(8)}.{until}"
        return f"{told}.{self._signature(told)}"

    def read(self, value: str) -> Session | None:
        """The session of a cookie; None where it is not ours, was changed, is over or was ended."""
        found = _VALUE.fullmatch(value)
        if found is None or not hmac.compare_digest(found[4], self._signature(value.rpartition(".")[0])):
            return None
        session = Session(token_sha256=found[1], number=found[2], until=int(found[3]))
        is_over = session.until <= self._clock() or session.number in self._ended
        return None if is_over else session

    def end(self, value: str) -> None:
        """Log out: the cookie is worth nothing any more, wherever a copy of it is."""
        session = self.read(value)
        if session is None:
            return
        now = self._clock()
        self._ended = {number: until for number, until in self._ended.items() if until > now}
        if len(self._ended) >= MOST_ENDED:
            self._ended.pop(next(iter(self._ended)))
        self._ended[session.number] = session.until

    @property
    def seconds(self) -> int:
        """How long a session lasts."""
        return int(self._seconds)

    def _signature(self, told: str) -> str:
        return hmac.new(self._key, told.encode(), hashlib.sha256).hexdigest()
