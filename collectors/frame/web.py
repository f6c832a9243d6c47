"""Asks a device's or a manager's web interface for documents: bounded, with a time-out, and with its refusals told apart."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from collectors.frame.errors import AuthFailed, BadPayload, CollectError, NotSupported, Throttled, Unreachable

MOST_BYTES = 64 * 1024**2
# Longer answers are decoded aside, so that the event loop is not held.
_LONG_BYTES = 256 * 1024
# What a refusal may say of itself: enough for a sentence, too little for a page of HTML.
_TOLD_CHARACTERS = 200


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a device answered: HTTP status, headers, cookies it set, and the body as it came."""

    url: str
    status: int
    headers: Mapping[str, str]
    cookies: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", errors="replace")

    async def document(self) -> Any:
        """The JSON of a good answer. Raises the `CollectError` of its status, and `BadPayload` for what is no JSON."""
        if (error := refusal(self)) is not None:
            raise error
        try:
            if len(self.body) > _LONG_BYTES:
                return await asyncio.to_thread(json.loads, self.body)
            return json.loads(self.body)
        except ValueError as error:
            raise BadPayload(f"{self.url}: no JSON ({len(self.body)} bytes): {error}") from error


@dataclass(kw_only=True)
class Web:
    """One HTTP session with one device. Opens with the first request; no redirects, no retries, no cookies kept by itself.

    `url` has no slash at its end. `tls` is what `Contexts.of` gives. `requests` bounds connections; who waits for one of them
    does not spend its time for an answer yet.
    """

    url: str
    timeout_seconds: float
    tls: ssl.SSLContext | aiohttp.Fingerprint | bool = True
    requests: int = 2
    headers: Mapping[str, str] = field(default_factory=dict)
    _session: aiohttp.ClientSession | None = None
    _turns: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._turns = asyncio.Semaphore(self.requests)

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Answer:
        """One answer, whatever its status; `body` goes as JSON. Raises `Unreachable`; `BadPayload` for an endless answer."""
        address = self.url + path
        try:
            async with (
                self._turns,
                self._opened().request(
                    method,
                    address,
                    params=params,
                    json=body,
                    headers={"Accept": "application/json", **self.headers, **(headers or {})},
                    ssl=self.tls,
                    allow_redirects=False,
                ) as answer,
            ):
                content = await _bounded(answer, address)
                cookies = {name: morsel.value for name, morsel in answer.cookies.items()}
                return Answer(url=address, status=answer.status, headers=dict(answer.headers), cookies=cookies, body=content)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"{address}: {str(error) or 'no answer in time'}") from error

    async def get(self, path: str, **more: Any) -> Any:
        """The JSON document at a path. Raises a `CollectError`."""
        return await (await self.ask("GET", path, **more)).document()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self.requests, keepalive_timeout=90),
                timeout=aiohttp.ClientTimeout(total=self.timeout_seconds),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


def refusal(answer: Answer) -> CollectError | None:
    """What a status stands for; None for a good one."""
    if 200 <= answer.status < 300:
        return None
    said = " ".join(answer.text.split())[:_TOLD_CHARACTERS] if "json" in answer.headers.get("Content-Type", "") else ""
    what = f"{answer.url}: HTTP {answer.status}" + (f": {said}" if said else "")
    if answer.status in {401, 403}:
        return AuthFailed(f"{what}; check the credentials and the rights of their role")
    if answer.status in {404, 405, 501}:
        return NotSupported(what)
    if answer.status in {429, 503}:
        return Throttled(what, retry_after_seconds=_seconds(answer.headers.get("Retry-After", "")))
    return BadPayload(what)


def _seconds(written: str) -> float | None:
    return float(written) if written.isdecimal() and len(written) < 6 else None


async def _bounded(answer: aiohttp.ClientResponse, address: str) -> bytes:
    content = b""
    while not answer.content.at_eof() and len(content) <= MOST_BYTES:
        content += await answer.content.read(MOST_BYTES + 1 - len(content))
    if len(content) > MOST_BYTES:
        raise BadPayload(f"{address}: more than {MOST_BYTES} bytes")
    return content
