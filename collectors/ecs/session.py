"""The one token that an ECS or ObjectScale gives us: fetched with the first request, renewed when it expired, always returned.

A user may hold about a hundred tokens; whoever leaks them locks the account out of the cluster for hours. So there is one login
at a time, a token that is refused is given back before another one is asked for, and a login whose collection was cancelled is
waited for, not lost. Source: ECS Management REST API, "Authenticate with the ECS Management REST API".
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from collectors.frame.errors import AuthFailed, BadPayload, CollectError
from collectors.frame.web import Answer, Web
from collectors.frame.web import refusal as http_refusal
from wattstat.config import Credentials
from wattstat.members import as_body, text

LOGIN, LOGOUT = "/login", "/logout"
TOKEN = "X-SDS-AUTH-TOKEN"  # noqa: S105 - the header's name
# The cluster's code for "Insufficient permissions", which it sends with HTTP 500.
NOT_PERMITTED = 6401
# Long enough for a login that is under way when the process ends, short enough for the end.
CLOSE_SECONDS = 4.0


class Refused(AuthFailed):
    """The user may log in but may not read this. Asking again does not help until somebody gives the user a role."""


class Ask(NamedTuple):
    """A question to the cluster; `body` goes as JSON."""

    path: str
    method: str = "GET"
    params: Mapping[str, str] | None = None
    body: Any = None


@dataclass(kw_only=True, eq=False)
class Token:
    """A token; `worked` says whether the cluster ever took it."""

    value: str
    worked: bool = False


@dataclass(kw_only=True, eq=False)
class Session:
    """A cluster's session. Safe for questions at the same time: they share one login."""

    web: Web
    credentials: Credentials
    _token: Token | None = None
    _login: asyncio.Task[Token] | None = None

    async def ask(self, question: Ask) -> Any:
        """The document that answers. Raises a `CollectError`; a token that expired is renewed, once."""
        token = await self._admitted()
        answer = await self._sent(question, token)
        if answer.status == 401:
            await self._returned(token)
            # A token that never was good for anything is refused for another reason than its age.
            if token.worked:
                token = await self._admitted()
                answer = await self._sent(question, token)
                if answer.status == 401:
                    await self._returned(token)
        token.worked = token.worked or answer.status != 401
        if (error := refusal(answer)) is not None:
            raise error
        return await answer.document()

    async def close(self) -> None:
        """Return the token and close the connections; called once, also when nothing was ever opened."""
        try:
            if self._login is not None and not self._login.done():
                await asyncio.wait([self._login], timeout=CLOSE_SECONDS)
            if self._token is not None:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._returned(self._token)
        except TimeoutError:
            pass  # a cluster that is away drops the token by itself, after two hours without use
        finally:
            await self.web.close()

    async def _sent(self, question: Ask, token: Token) -> Answer:
        return await self.web.ask(
            question.method, question.path, params=question.params, body=question.body, headers={TOKEN: token.value}
        )

    async def _admitted(self) -> Token:
        """The token. A collection that is cancelled leaves the login running: nobody else would know its token."""
        if self._token is not None:
            return self._token
        if self._login is None or self._login.done():
            self._login = asyncio.ensure_future(self._logged_in())
            self._login.add_done_callback(_looked_at)
        return await asyncio.shield(self._login)

    async def _logged_in(self) -> Token:
        try:
            secret = self.credentials.password().get_secret_value()
        except ValueError as error:
            raise AuthFailed(f"{self.web.url}: no password: {error}") from error
        basic = base64.b64encode(f"{self.credentials.username}:{secret}".encode()).decode()
        answer = await self.web.ask("GET", LOGIN, headers={"Authorization": f"Basic {basic}"})
        if answer.status == 401:
            raise AuthFailed(
                f"{answer.url}: user or password is refused (HTTP 401), or the user holds too many tokens; "
                "check `credentials`, and that the user has the role System Monitor"
            )
        if (refused := refusal(answer) or http_refusal(answer)) is not None:
            raise refused
        value = next((value for name, value in answer.headers.items() if name.upper() == TOKEN), "")
        if not value:
            raise BadPayload(f"{answer.url}: the answer holds no {TOKEN}; is this the management address of an ECS?")
        self._token = Token(value=value)
        return self._token

    async def _returned(self, token: Token) -> None:
        """Give a token back, as far as the cluster takes it. Who asked at the same time may have done that already."""
        if token is self._token:
            self._token = None
            with suppress(CollectError):
                await self.web.ask("GET", LOGOUT, headers={TOKEN: token.value})


def refusal(answer: Answer) -> CollectError | None:
    """What the cluster's own error envelope stands for; None where HTTP's status says enough.

    A missing right comes as HTTP 500 with `{"code": 6401, "retryable": false}`, an error in a query as HTTP 500 with `error`.
    """
    if answer.status < 400:
        return None
    envelope = _envelope(answer)
    said = text(envelope.get("details")) or text(envelope.get("description")) or text(envelope.get("error"))
    if envelope.get("code") in {NOT_PERMITTED, str(NOT_PERMITTED)} or answer.status == 403:
        return Refused(
            f"{answer.url}: not permitted ({said or f'HTTP {answer.status}'}); "
            "give the user the role System Monitor (SYSTEM_MONITOR), which may read and nothing else"
        )
    if answer.status == 500 and said:
        return BadPayload(f"{answer.url}: HTTP 500: {' '.join(said.split())[:200]}")
    return None


def _envelope(answer: Answer) -> dict[str, Any]:
    try:
        return as_body(json.loads(answer.body))
    except ValueError:
        return {}


def _looked_at(login: asyncio.Task[Token]) -> None:
    """Look at the outcome, also when nobody waits for it any more."""
    if not login.cancelled():
        login.exception()  # noqa: LOG004 - a task's, not a logger's
