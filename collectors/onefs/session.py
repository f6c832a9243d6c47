"""One session with a cluster's OneFS API: cookie and CSRF token, renewed before it ends, given back at the end.

A session belongs to the node that gave it, and a name of SmartConnect leads to another node each time: therefore there is one
connection at most. How sessions work: OneFS API Reference, "Session-based authentication"; tokens against forged requests
are asked for since OneFS 8.2.2.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from collectors.frame.errors import AuthFailed, BadPayload, CollectError, NotSupported
from collectors.frame.web import Answer, Web, refusal
from wattstat.config import Credentials
from wattstat.members import between, member, text

LOGIN = "/session/1/session"
# Told by the cluster at login; these hold where it tells nothing.
_IDLE_SECONDS = 900.0
_ABSOLUTE_SECONDS = 14_400.0
# A session is renewed this long before it ends.
_MARGIN_SECONDS = 60.0
# A list of more pages than this is an endless one.
_MOST_PAGES = 200

# What the role of the user lacks where a document is refused, by the beginning of its path.
_PRIVILEGES: Mapping[str, str] = {
    "/platform/1/statistics/": "ISI_PRIV_STATISTICS",
    "/platform/3/statistics/": "ISI_PRIV_STATISTICS",
    "/platform/3/cluster/nodes": "ISI_PRIV_DEVICES",
    "/platform/3/cluster/config": "ISI_PRIV_CLUSTER",
    "/platform/3/storagepool/": "ISI_PRIV_SMARTPOOLS",
    "/platform/3/event/": "ISI_PRIV_EVENT",
    "/platform/1/quota/": "ISI_PRIV_QUOTA",
    "/platform/1/snapshot/": "ISI_PRIV_SNAPSHOT",
}


class Forbidden(AuthFailed):
    """The session is good and its user may not read this: asking for other documents helps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """A session as the cluster gave it. Times are of the session's clock."""

    headers: Mapping[str, str]
    opened_at: float
    idle_seconds: float
    absolute_seconds: float


@dataclass(kw_only=True)
class Session:
    """`get` and `pages` log in where there is no session, and once more where the cluster has forgotten it."""

    web: Web
    credentials: Credentials
    monotonic: Callable[[], float] = time.monotonic
    logins: int = 0
    _held: _Held | None = None
    _used_at: float = 0.0
    _logging_in: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def is_open(self) -> bool:
        """Whether there is a session; none after a login that failed."""
        return self._held is not None

    async def close(self) -> None:
        """Give the session back: a cluster keeps few for one user."""
        held, self._held = self._held, None
        try:
            if held is not None:
                await self._end(held)
        finally:
            await self.web.close()

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """A JSON document. Raises a `CollectError`: `Forbidden` where the user's role lacks a privilege."""
        held = await self._session(None)
        answer = await self._ask(held, path, params)
        if answer.status == 401:
            # Forgotten before its time: the service was started anew, or another node answers. Once more, and no more.
            answer = await self._ask(await self._session(held), path, params)
        if answer.status == 403:
            raise Forbidden(f"{refusal(answer)}{_lacking(path)}")
        return await answer.document()

    async def pages(self, path: str, name: str, params: Mapping[str, str] | None = None) -> list[Any]:
        """All items of a list called `name`, page by page. Raises `BadPayload` where the pages do not end."""
        found: list[Any] = []
        seen: set[str] = set()
        for _ in range(_MOST_PAGES):
            document = await self.get(path, params)
            items = member(document, name)
            if not isinstance(items, list):
                raise BadPayload(f"{self.web.url}{path}: no list called {name!r}")
            found += items
            token = text(member(document, "resume"))
            if not token:
                return found
            if token in seen:
                break
            seen.add(token)
            params = {"resume": token}  # carries all other arguments, and is refused beside them
        raise BadPayload(f"{self.web.url}{path}: pages without an end, {len(found)} items so far")

    async def _ask(self, held: _Held, path: str, params: Mapping[str, str] | None) -> Answer:
        answer = await self.web.ask("GET", path, params=params, headers=held.headers)
        self._used_at = self.monotonic()
        return answer

    async def _session(self, refused: _Held | None) -> _Held:
        """The session to use: a new one where there is none, where it is about to end, and where it is the `refused` one."""
        async with self._logging_in:
            held = self._held
            if held is not None and held is not refused and not self._ends(held):
                return held
            self._held = None
            if held is not None and held is not refused:
                await self._end(held)
            self._held = await self._login()
            return self._held

    def _ends(self, held: _Held) -> bool:
        now = self.monotonic()
        return (
            now - held.opened_at > held.absolute_seconds - _MARGIN_SECONDS
            or now - self._used_at > held.idle_seconds - _MARGIN_SECONDS
        )

    async def _login(self) -> _Held:
        password: SecretStr = self.credentials.password()
        user = self.credentials.username
        body = {"username": user, "password": password.get_secret_value(), "services": ["platform"]}
        self.logins += 1
        answer = await self.web.ask("POST", LOGIN, body=body)
        if answer.status in {401, 403}:
            raise AuthFailed(
                f"{self.web.url}: login of {user!r} refused (HTTP {answer.status}); check the password,"
                " and that the user's role has ISI_PRIV_LOGIN_PAPI in the System zone"
            )
        try:
            told = await answer.document()
        except NotSupported as error:
            raise BadPayload(f"{error}; is this a OneFS API?") from error
        cookie, csrf = answer.cookies.get("isisessid"), answer.cookies.get("isicsrf")
        if not cookie:
            raise BadPayload(f"{self.web.url}{LOGIN}: no cookie isisessid in the answer; is this a OneFS API?")
        now = self._used_at = self.monotonic()
        headers = {"Cookie": f"isisessid={cookie}", "Referer": self.web.url}
        if csrf:  # before OneFS 8.2.2 there is none
            headers |= {"Cookie": f"isisessid={cookie}; isicsrf={csrf}", "X-CSRF-Token": csrf}
        return _Held(
            headers=headers,
            opened_at=now,
            idle_seconds=between(1, member(told, "timeout_inactive"), 1e9) or _IDLE_SECONDS,
            absolute_seconds=between(1, member(told, "timeout_absolute"), 1e9) or _ABSOLUTE_SECONDS,
        )

    async def _end(self, held: _Held) -> None:
        try:
            await self.web.ask("DELETE", LOGIN, headers=held.headers)
        except CollectError:
            return  # a cluster that is away forgets the session by itself


def _lacking(path: str) -> str:
    privilege = next((name for start, name in _PRIVILEGES.items() if path.startswith(start)), "")
    return f": add {privilege} (read) to it" if privilege else ""
