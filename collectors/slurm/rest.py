"""Slurm asked by slurmrestd."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from collectors.frame.errors import AuthFailed, BadPayload, CollectError, NotSupported, Throttled, Unreachable
from collectors.slurm import document, large
from collectors.slurm.reading import Answer

# Twenty thousand jobs in a queue make a hundred megabytes.
_MOST_BYTES = 512 * 1024**2
_OPENAPI = ("/openapi/v3", "/openapi")
_PATH = re.compile(r"/slurm/v(\d+(?:\.\d+)+)/(jobs|nodes)/?")
_UNIX = "unix:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """Where a version's jobs and nodes are."""

    version: str
    jobs: str
    nodes: str


@dataclass(kw_only=True)
class Rest:
    """A slurmrestd at `http://…`, `https://…` or `unix:/…`. `headers` are made anew for every request: tokens expire."""

    url: str
    timeout_seconds: float
    headers: Callable[[], Mapping[str, str]] = field(default=dict)
    tls: ssl.SSLContext | aiohttp.Fingerprint | bool = True
    paths: Paths | None = None
    _session: aiohttp.ClientSession | None = None

    @property
    def way(self) -> str:
        """slurmrestd and the version of its answers; empty until one was found."""
        return f"slurmrestd {self.paths.version}" if self.paths is not None else ""

    @way.setter
    def way(self, _: str) -> None:
        self.paths = None

    async def open(self) -> None:
        """The session opens with the first request."""

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def jobs(self) -> Answer:
        """All jobs. Raises a `CollectError`."""
        return await self._read((await self._found()).jobs)

    async def nodes(self) -> Answer:
        """All nodes. Raises a `CollectError`."""
        return await self._read((await self._found()).nodes)

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The answer to a document that changes something. Raises a `CollectError`; nothing is ever sent twice."""
        return await self._ask("POST", path, body)

    async def get(self, path: str) -> Any:
        """The document at a path. Raises a `CollectError`."""
        return await self._ask("GET", path)

    async def _found(self) -> Paths:
        if self.paths is None:
            self.paths = await self._newest()
        return self.paths

    async def _newest(self) -> Paths:
        for path in _OPENAPI:
            try:
                described = await self.get(path)
            except NotSupported:
                continue
            found = newest(described)
            if found is not None:
                return found
            raise BadPayload(f"{self.url}{path} lists no version with jobs and nodes: does slurmrestd load openapi/slurmctld?")
        raise BadPayload(f"{self.url} has no {' or '.join(_OPENAPI)}: is this slurmrestd?")

    async def _read(self, path: str) -> Answer:
        try:
            found = await self.get(path)
        except NotSupported as error:
            self.paths = None  # another release of Slurm: its versions are asked for at the next collection
            raise BadPayload(f"{error}; its versions will be asked for again") from error
        return Answer(form="json", body=found)

    async def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        address = f"{self.url}{path}"
        base = "http://localhost" if self.url.startswith(_UNIX) else self.url
        timeout = aiohttp.ClientTimeout(total=self.timeout_seconds)
        try:
            async with self._transport().request(
                method, base + path, json=body, headers=self._headers(), timeout=timeout, ssl=self.tls, allow_redirects=False
            ) as answer:
                status, content = answer.status, await answer.content.read(_MOST_BYTES + 1)
                while not answer.content.at_eof() and len(content) <= _MOST_BYTES:
                    content += await answer.content.read(_MOST_BYTES + 1 - len(content))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"{address}: {str(error) or 'no answer in time'}") from error
        if len(content) > _MOST_BYTES:
            raise BadPayload(f"{address}: more than {_MOST_BYTES} bytes")
        return await asyncio.to_thread(_document, address, status, content)

    def _headers(self) -> Mapping[str, str]:
        try:
            return self.headers()
        except ValueError as error:
            raise AuthFailed(str(error)) from error

    def _transport(self) -> aiohttp.ClientSession:
        if self._session is None:
            is_unix = self.url.startswith(_UNIX)
            connector = aiohttp.UnixConnector(self.url.removeprefix(_UNIX)) if is_unix else aiohttp.TCPConnector(limit=2)
            self._session = aiohttp.ClientSession(connector=connector)
        return self._session


def newest(described: Any) -> Paths | None:
    """The newest version of an OpenAPI document that has jobs and nodes of slurmctld."""
    listed = described.get("paths") if isinstance(described, Mapping) else None
    versions: dict[str, dict[str, str]] = {}
    for path in listed if isinstance(listed, Mapping) else ():
        found = _PATH.fullmatch(path) if isinstance(path, str) else None
        if found is not None:
            versions.setdefault(found[1], {})[found[2]] = path
    complete = [version for version, paths in versions.items() if len(paths) == 2]
    if not complete:
        return None
    best = max(complete, key=lambda version: [int(part) for part in version.split(".")])
    return Paths(version=f"v{best}", jobs=versions[best]["jobs"], nodes=versions[best]["nodes"])


def _document(address: str, status: int, content: bytes) -> Any:
    """The document, or a `CollectError` for what is wrong. A list beside an error is empty, whatever there is in truth."""
    try:
        found = large.loads(content)
    except ValueError as error:
        raise _refusal(address, status, "") or BadPayload(f"{address}: not JSON ({error})") from error
    wrong = document.errors(found)
    refusal = _refusal(address, status, wrong)
    if refusal is not None:
        raise refusal
    return found


def _refusal(address: str, status: int, wrong: str) -> CollectError | None:
    if status in {401, 403} or "uthenticat" in wrong:
        why = f" ({wrong})" if wrong else ""
        return AuthFailed(
            f"{address}: slurmrestd refuses user or token (HTTP {status}){why}: make one with `scontrol token username=… "
            "lifespan=…` and put it where schedulers.slurm[].credentials points"
        )
    if status == 404:
        return NotSupported(f"{address}: not found")
    if status in {429, 503}:
        return Throttled(f"{address}: HTTP {status}")
    if wrong:
        return Unreachable(f"{address}: slurmrestd answers, Slurm does not: {wrong}")
    return BadPayload(f"{address}: HTTP {status}, expected 200") if status != 200 else None
