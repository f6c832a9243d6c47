"""Fetches a page of metrics over HTTP."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp

from collectors.frame.errors import AuthFailed, BadPayload, NotSupported, Throttled, Unreachable

_MOST_BYTES = 8 * 1024**2


@dataclass(kw_only=True)
class Pages:
    """One session for the pages of a source."""

    timeout_seconds: float
    headers: Mapping[str, str] = field(default_factory=dict)
    tls: ssl.SSLContext | aiohttp.Fingerprint | bool = True
    _session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def get(self, url: str) -> str:
        """The text. Raises `CollectError`s."""
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=self.timeout_seconds)
            self._session = aiohttp.ClientSession(timeout=timeout, headers=self.headers)
        try:
            async with self._session.get(url, ssl=self.tls, allow_redirects=False) as answer:
                return await _text(answer, url)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"{url}: {error or 'no answer in time'}") from error


async def _text(answer: aiohttp.ClientResponse, url: str) -> str:
    if answer.status in (401, 403):
        raise AuthFailed(f"{url}: refused (HTTP {answer.status}): does it want `credentials`?")
    if answer.status == 404:
        raise NotSupported(f"{url}: not found: NIM has its metrics under /v1/metrics, Triton on port 8002")
    if answer.status in (429, 503):
        raise Throttled(f"{url}: HTTP {answer.status}")
    if answer.status != 200:
        raise BadPayload(f"{url}: HTTP {answer.status}, expected 200")
    body = b""
    while not answer.content.at_eof() and len(body) <= _MOST_BYTES:
        body += await answer.content.read(_MOST_BYTES + 1 - len(body))
    if len(body) > _MOST_BYTES:
        raise BadPayload(f"{url}: more than {_MOST_BYTES} bytes")
    return body.decode("utf-8", errors="replace")
