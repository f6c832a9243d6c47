"""The ways to ask: commands through the JSON API of MLNX-OS, resources through NVUE of NVOS."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import Any, Protocol

from collectors.frame.errors import AuthFailed, BadPayload, CollectError, NotSupported
from collectors.frame.web import Answer, Web, refusal
from wattstat.members import text

_LOGIN = "/admin/launch?script=rh&template=json-request&action=json-login"
_ASK = "/admin/launch?script=json"
_LOGOUT = "/admin/launch?script=rh&template=logout&action=logout"
_NOT_FOUND = 404
# The login page is where a session that ended leads.
_ENDED = frozenset({301, 302, 303, 307, 401, 403})
_NO_SESSION = re.compile(r"log(?:ged)?[ -]?in|session|authenticat|authoriz", re.IGNORECASE)
_UNKNOWN = re.compile(r"unrecognized|invalid command|unknown command|not supported|incomplete command", re.IGNORECASE)


class Asked(Protocol):
    """Something that answers commands."""

    async def ask(self, command: str) -> Any:
        """The data of an answer. Raises a `CollectError`."""

    async def close(self) -> None:
        """Give back what the switch holds for us."""


class JsonApi:
    """The JSON API of MLNX-OS: a login, its cookie, one command a request and one request at a time.

    Nvidia's MLNX-OS User Manual, "JSON API". A session that ended is opened once more.
    """

    def __init__(self, web: Web, username: str, password: str) -> None:
        self._web = web
        self._login = {"username": username, "password": password}
        self._cookies = ""
        self._path = _ASK
        self._turn = asyncio.Lock()

    async def ask(self, command: str) -> Any:
        """The `data` of a command's answer. Tiers that ask at the same time share a login."""
        async with self._turn:
            fresh = not self._cookies
            if fresh:
                await self._open()
            answer = await self._send(command)
            if _is_ended(answer) and not fresh:
                if answer.status not in _ENDED:  # an error of words may be about rights: the session may go on
                    with contextlib.suppress(CollectError):
                        await self._leave()
                await self._open()
                answer = await self._send(command)
        return await _data(answer, command)

    async def close(self) -> None:
        """Log out; the switch keeps few sessions."""
        try:
            await self._leave()
        finally:
            await self._web.close()

    async def _leave(self) -> None:
        cookies, self._cookies = self._cookies, ""
        if cookies:
            await self._web.ask("GET", _LOGOUT, headers={"Cookie": cookies})

    async def _open(self) -> None:
        answer = await self._web.ask("POST", _LOGIN, body=self._login)
        status = text((await _body(answer)).get("status"))
        if status.upper() != "OK" or not answer.cookies:
            raise AuthFailed(f"{answer.url}: login refused ({status or 'no cookie'}); check the credentials")
        self._cookies = "; ".join(f"{name}={value}" for name, value in answer.cookies.items())

    async def _send(self, command: str) -> Answer:
        answer = await self._web.ask("POST", self._path, body={"cmd": command}, headers={"Cookie": self._cookies})
        if answer.status == _NOT_FOUND and self._path == _ASK:  # some releases take commands where they take logins
            self._path = _LOGIN
            return await self._send(command)
        return answer


class Nvue:
    """NVUE of NVOS. Commands of MLNX-OS are asked for as the resources that tell the same."""

    _PATHS = {  # noqa: RUF012 - it is never written
        "show power": "/nvue_v1/platform/environment/psu",
        "show fan": "/nvue_v1/platform/environment/fan",
        "show temperature": "/nvue_v1/platform/environment/temperature",
        "show version": "/nvue_v1/system",
    }

    def __init__(self, web: Web) -> None:
        self._web = web

    async def ask(self, command: str) -> Any:
        """The resource."""
        path = self._PATHS.get(command)
        if path is None:
            raise NotSupported(f"{self._web.url}: NVUE is not asked for what `{command}` tells")
        return await self._web.get(path)

    async def close(self) -> None:
        """Nothing is held."""
        await self._web.close()


def _is_ended(answer: Answer) -> bool:
    if answer.status in _ENDED:
        return True
    head = answer.body[:400].decode("utf-8", errors="replace")
    return '"ERROR"' in head and bool(_NO_SESSION.search(head))


async def _data(answer: Answer, command: str) -> Any:
    body = await _body(answer)
    results = body.get("results")
    if isinstance(results, list) and results and isinstance(results[0], dict):
        body = results[0]
    if text(body.get("status")).upper() != "OK":
        said = text(body.get("status_message")) or text(body.get("status_msg")) or "no status"
        where = f"{answer.url}: `{command}`: {said[:200]}"
        if _NO_SESSION.search(said):
            raise AuthFailed(f"{where}; check the credentials and the rights of their role")
        raise NotSupported(where) if _UNKNOWN.search(said) else BadPayload(where)
    return body.get("data")


async def _body(answer: Answer) -> dict[str, Any]:
    if answer.status in _ENDED:
        raise AuthFailed(f"{answer.url}: HTTP {answer.status}; check the credentials and whether the JSON API is enabled")
    if (error := refusal(answer)) is not None:
        raise error
    document = await answer.document()
    if not isinstance(document, dict):
        raise BadPayload(f"{answer.url}: expected an object, got {type(document).__name__}")
    return document
