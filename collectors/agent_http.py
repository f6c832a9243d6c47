"""How core asks an agent: one HTTP session for all of them, the token, and what an agent's refusals mean."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp

from collectors.frame.errors import AuthFailed, BadPayload, NotSupported, Throttled, Unreachable
from collectors.frame.tls import Contexts
from wattstat.config import Config
from wattstat.inventory import Node

_MOST_BYTES = 16 * 1024**2


@dataclass(kw_only=True)
class Sessions:
    """One HTTP session for all agents, open while any of them is watched."""

    contexts: Contexts = field(default_factory=Contexts)
    _users: int = 0
    _session: aiohttp.ClientSession | None = None

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

    async def get(self, path: str, *, timeout_seconds: float, parameters: Mapping[str, str] | None = None) -> Any:
        """The document at a path. Raises `CollectError` saying what was asked and why there is none."""
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
                return await _document(answer, address)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"{address}: {error or 'no answer in time'}") from error


async def _document(answer: aiohttp.ClientResponse, address: str) -> Any:
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
    try:
        return json.loads(body)
    except ValueError as error:
        raise BadPayload(f"{address}: not JSON ({error})") from error
