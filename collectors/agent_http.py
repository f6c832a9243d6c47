"""How core asks an agent: one HTTP session for all of them, the token, and what an agent's refusals mean."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

import aiohttp

from collectors.frame.errors import AuthFailed, BadPayload, NotSupported, Throttled, Unreachable
from collectors.frame.tls import Contexts
from wattstat.config import Config
from wattstat.inventory import Node

_MOST_BYTES = 16 * 1024**2
# Longer answers are decoded aside. Two hours of a journal take 0.15 s, and a thousand of them come when core starts.
_LONG_BYTES = 64 * 1024

Done = TypeVar("Done")


@dataclass(kw_only=True)
class Sessions:
    """One HTTP session for all agents, open while any of them is watched."""

    contexts: Contexts = field(default_factory=Contexts)
    _users: int = 0
    _session: aiohttp.ClientSession | None = None
    _aside: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    def open(self) -> None:
        self._users += 1

    async def close(self) -> None:
        self._users -= 1
        if self._users == 0 and self._session is not None:
            session, self._session = self._session, None
            await session.close()

    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            # Two to an agent: its readings and its journal.
            connector = aiohttp.TCPConnector(limit=0, limit_per_host=2, keepalive_timeout=60)
            self._session = aiohttp.ClientSession(connector=connector, auto_decompress=True)
        return self._session

    async def aside(self, work: Callable[[], Done]) -> Done:
        """Do long work in a thread. One at a time: several would keep the interpreter from the event loop for long."""
        async with self._aside:
            return await asyncio.to_thread(work)


@dataclass(frozen=True, kw_only=True)
class Address:
    """An agent's URL, and with what it is asked."""

    url: str
    sessions: Sessions
    headers: Mapping[str, str] = field(default_factory=dict)
    tls: ssl.SSLContext | aiohttp.Fingerprint | bool = True

    @classmethod
    def of(cls, node: Node, config: Config, sessions: Sessions) -> Self:
        """The address of a node's agent. Raises `ValueError` for settings that cannot be used, `OSError` for missing files."""
        agent = node.agent
        if agent is None:
            raise ValueError(f"{node.name} has no agent")
        headers = {}
        if agent.credentials is not None:
            entry = config.credentials.get(agent.credentials)
            if entry is None:
                raise ValueError(f"node {node.name}: no credentials named {agent.credentials!r} in wattstat.yaml")
            headers["Authorization"] = f"Bearer {entry.password().get_secret_value()}"
        tls = sessions.contexts.of(agent.tls) if agent.url.startswith("https:") else True
        return cls(url=agent.url, sessions=sessions, headers=headers, tls=tls)

    async def get(
        self,
        path: str,
        *,
        timeout_seconds: float,
        parameters: Mapping[str, str] | None = None,
        answered: Callable[[], None] | None = None,
    ) -> Any:
        """The document at a path. Raises `CollectError` saying what was asked and why there is none.

        `answered` is called as soon as the answer begins, for reading and decoding may take long.
        """
        address = self.url.rstrip("/") + path
        try:
            async with self.sessions.session().get(
                address,
                params=parameters,
                headers=self.headers,
                timeout=aiohttp.ClientTimeout(total=timeout_seconds),
                ssl=self.tls,
                allow_redirects=False,
            ) as answer:
                if answered is not None:
                    answered()
                body = await _body(answer, address)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"{address}: {error or 'no answer in time'}") from error
        try:
            return json.loads(body) if len(body) < _LONG_BYTES else await self.sessions.aside(lambda: json.loads(body))
        except ValueError as error:
            raise BadPayload(f"{address}: not JSON ({error})") from error

    async def post(self, path: str, document: Mapping[str, Any], *, timeout_seconds: float) -> tuple[int, Any]:
        """The status and the JSON of what the agent answers to a document. Raises `CollectError` when it gives no JSON.

        A refusal with a document of its own (409: an older fencing token) is an answer, not an error.
        """
        address = self.url.rstrip("/") + path
        try:
            async with self.sessions.session().post(
                address,
                json=document,
                headers=self.headers,
                timeout=aiohttp.ClientTimeout(total=timeout_seconds),
                ssl=self.tls,
                allow_redirects=False,
            ) as answer:
                if answer.status == 409 and answer.content_type == "application/json":
                    return answer.status, await answer.json()
                body = await _body(answer, address)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"{address}: {error or 'no answer in time'}") from error
        try:
            return answer.status, json.loads(body)
        except ValueError as error:
            raise BadPayload(f"{address}: not JSON ({error})") from error


async def _body(answer: aiohttp.ClientResponse, address: str) -> bytes:
    if answer.status in (401, 403):
        raise AuthFailed(
            f"{address}: the agent refuses the token (HTTP {answer.status}): compare agent.token_file with credentials"
        )
    if answer.status == 404:
        raise NotSupported(f"{address}: not found: is this a Wattstat agent?")
    if answer.status in (429, 503):
        raise Throttled(f"{address}: HTTP {answer.status}")
    if answer.status != 200:
        raise BadPayload(f"{address}: HTTP {answer.status}, expected 200")
    body = await answer.content.read(_MOST_BYTES + 1)
    while not answer.content.at_eof() and len(body) <= _MOST_BYTES:
        body += await answer.content.read(_MOST_BYTES + 1 - len(body))
    if len(body) > _MOST_BYTES:
        raise BadPayload(f"{address}: more than {_MOST_BYTES} bytes")
    return body
