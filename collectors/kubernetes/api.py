"""The API server, over HTTP: what is listed, page by page, and how we show who we are."""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from collectors.frame.errors import AuthFailed, BadPayload, NotSupported, Throttled, Unreachable
from collectors.frame.tls import Contexts
from collectors.kubernetes.pods import items, mapping, text
from wattstat.config import Config
from wattstat.config.schedulers import Kubernetes
from wattstat.inventory import Tls

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
PAGE = 500
_MOST_BYTES = 64 * 1024**2
_MOST_PAGES = 1000


class Expired(Exception):
    """The list that was being paged through is too old by now (HTTP 410): begin anew."""


@dataclass(frozen=True, kw_only=True)
class Access:
    """Where the API server is, and how to be let in. `token` is read anew for each request: service accounts' tokens rotate."""

    url: str
    token: Callable[[], str]
    tls: ssl.SSLContext | aiohttp.Fingerprint | bool


@dataclass(kw_only=True)
class Api:
    """One API server. Open while a source is watched."""

    access: Access
    timeout_seconds: float
    _session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def all_of(self, path: str, parameters: Mapping[str, str] | None = None) -> list[Any]:
        """All items of a list, however many pages it has. Raises `CollectError`s."""
        for _ in range(2):
            try:
                return await self._pages(path, dict(parameters or {}))
            except Expired:
                continue
        raise Throttled(f"{self.access.url}{path}: lists expire while they are read: is the API server overloaded?")

    async def _pages(self, path: str, parameters: dict[str, str]) -> list[Any]:
        found: list[Any] = []
        asked = {**parameters, "limit": str(PAGE)}
        for _ in range(_MOST_PAGES):
            document = mapping(await self._get(path, asked))
            if not isinstance(document.get("items"), list):
                raise BadPayload(f"{self.access.url}{path}: expected a list with `items`")
            found += items(document["items"])
            following = text(mapping(document.get("metadata")).get("continue"))
            if not following:
                return found
            asked = {**parameters, "limit": str(PAGE), "continue": following}
        raise BadPayload(f"{self.access.url}{path}: more than {_MOST_PAGES} pages")

    async def _get(self, path: str, parameters: Mapping[str, str]) -> Any:
        address = self.access.url.rstrip("/") + path
        headers = {"Authorization": f"Bearer {self._token()}", "Accept": "application/json"}
        timeout = aiohttp.ClientTimeout(total=self.timeout_seconds)
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=8))
        try:
            async with self._session.get(
                address, params=parameters, headers=headers, timeout=timeout, ssl=self.access.tls, allow_redirects=False
            ) as answer:
                body = await answer.content.read(_MOST_BYTES + 1) if answer.status == 200 else b""
                while not answer.content.at_eof() and 0 < len(body) <= _MOST_BYTES:
                    body += await answer.content.read(_MOST_BYTES + 1 - len(body))
                return _document(answer, body, address)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"{address}: {error or 'no answer in time'}") from error

    def _token(self) -> str:
        try:
            return self.access.token()
        except (ValueError, OSError) as error:
            raise AuthFailed(f"{self.access.url}: {error}") from error


def access(config: Config, settings: Kubernetes, contexts: Contexts, account: Path = SERVICE_ACCOUNT) -> Access | None:
    """How to reach the API server: as configured, else by the pod's own service account; None where there is neither.

    Raises `ValueError` or `OSError` for settings that cannot be used.
    """
    url = str(settings.url) if settings.url is not None else _in_cluster(account)
    if url is None:
        return None
    tls = settings.tls
    authority = tls.ca_file
    if tls == Kubernetes().tls and (account / "ca.crt").is_file():
        authority = account / "ca.crt"
    trust = contexts.of(Tls(verify=tls.verify, ca_file=authority, fingerprint=tls.fingerprint))
    return Access(url=url, token=_token(config, settings, account), tls=trust if url.startswith("https:") else True)


def _token(config: Config, settings: Kubernetes, account: Path) -> Callable[[], str]:
    if settings.credentials is None:
        path = account / "token"
        if not path.is_file():
            raise ValueError("schedulers.kubernetes: no token; name `credentials` with a bearer token")
        return lambda: path.read_text(encoding="ascii").strip()
    entry = config.credentials.get(settings.credentials)
    if entry is None:
        raise ValueError(f"schedulers.kubernetes: no credentials named {settings.credentials!r} in wattstat.yaml")
    return lambda: entry.password().get_secret_value()


def _in_cluster(account: Path) -> str | None:
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not (account / "token").is_file():
        return None
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


def _document(answer: aiohttp.ClientResponse, body: bytes, address: str) -> Any:
    if answer.status == 401:
        raise AuthFailed(f"{address}: the token is refused (HTTP 401): has it expired?")
    if answer.status == 403:
        raise AuthFailed(f"{address}: not allowed (HTTP 403): bind the ClusterRole of deploy/kubernetes to the account")
    if answer.status == 404:
        raise NotSupported(f"{address}: not found: is this a Kubernetes API server, and does it have this API?")
    if answer.status == 410:
        raise Expired
    if answer.status in (429, 503):
        raise Throttled(f"{address}: HTTP {answer.status}")
    if answer.status != 200:
        raise BadPayload(f"{address}: HTTP {answer.status}, expected 200")
    if len(body) > _MOST_BYTES:
        raise BadPayload(f"{address}: more than {_MOST_BYTES} bytes")
    try:
        return json.loads(body)
    except ValueError as error:
        raise BadPayload(f"{address}: not JSON ({error})") from error
