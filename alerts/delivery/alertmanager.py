"""An Alertmanager: told of everything that fires, again and again; its silences are read and made through its API v2."""

from __future__ import annotations

import asyncio
import json
import math
import ssl
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import aiohttp

from alerts.delivery.apprise_sender import NotSent
from alerts.delivery.matchers import Labels, Matcher
from alerts.delivery.receivers import ReceiversRefused
from alerts.delivery.store import StoredSilence
from wattstat.config.alerts import Alertmanager as Settings
from wattstat.config.settings import Credentials

ALERTS_A_CALL = 500
MOST_REFUSED = 16
"""When it refuses so many alerts one by one, it is not one of them that is wrong."""
_OF_THE_ALERTS = frozenset({400, 413, 422})
"""Statuses by which it refuses what it was told, and not whoever tells."""

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """An alert as an Alertmanager is told of it."""

    labels: Labels
    annotations: Mapping[str, str]
    starts_at: float
    ends_at: float
    generator_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What an Alertmanager makes of an alert."""

    silenced_by: tuple[str, ...]
    inhibited_by: tuple[str, ...]
    """Its own fingerprints until they are `translated`."""
    receivers: tuple[str, ...]
    own_fingerprint: str

    def translated(self, ours: Mapping[str, str]) -> Seen:
        """With our fingerprints of the causes; one that we do not know was told to it by somebody else and stays as it is."""
        return replace(self, inhibited_by=tuple(ours.get(each, each) for each in self.inhibited_by))


class AlertsNotTaken(NotSent):
    """It refuses what it was told, or one of it: asked again it would refuse again."""


class AlertmanagerClient:
    """Calls one. Raises `NotSent` when it cannot be reached or refuses."""

    def __init__(self, settings: Settings, credentials: Mapping[str, Credentials]) -> None:
        """Raises `ReceiversRefused` for credentials or certificates that cannot be read."""
        self.url = settings.url
        self._timeout = aiohttp.ClientTimeout(total=settings.timeout_seconds)
        self._headers = _authorization(settings, credentials)
        self._ssl = _trust(settings)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def post(self, alerts: Sequence[Posted]) -> dict[int, str]:
        """Tell of these. It takes a call whole or not at all: found out by halves, one that it refuses costs only itself.

        Returns which were refused, by their place, and why.
        """
        refused: dict[int, str] = {}
        spans = [(first, min(first + ALERTS_A_CALL, len(alerts))) for first in range(0, len(alerts), ALERTS_A_CALL)]
        while spans:
            first, end = spans.pop(0)
            try:
                await self._call("POST", "/alerts", [_document(each) for each in alerts[first:end]])
            except AlertsNotTaken as err:
                if end - first == 1:
                    refused[first] = str(err)
                    if len(refused) > MOST_REFUSED:
                        raise
                    continue
                half = (first + end) // 2
                spans[:0] = [(first, half), (half, end)]
        if refused and len(refused) == len(alerts) > 1:
            raise NotSent(next(iter(refused.values())))
        return refused

    async def alerts(self) -> dict[frozenset[tuple[str, str]], Seen]:
        """What it makes of each alert that it knows, by the alert's labels."""
        # Of ten thousand alerts it has megabytes to say: read beside the loop.
        return await asyncio.to_thread(_all_seen, await self._call("GET", "/alerts"), self.url)

    async def silences(self) -> list[StoredSilence]:
        """All that it keeps; ended ones for as long as it keeps them."""
        return [_silence(each) for each in _json(await self._call("GET", "/silences"), self.url)]

    async def silence(
        self, matchers: Sequence[Matcher], *, starts_at: float, ends_at: float, created_by: str, comment: str
    ) -> str:
        """Make one; its id."""
        document = {
            "matchers": [
                {"name": each.name, "value": each.value, "isRegex": each.op in {"=~", "!~"}, "isEqual": each.op in {"=", "=~"}}
                for each in matchers
            ],
            "startsAt": _rfc3339(starts_at),
            "endsAt": _rfc3339(ends_at),
            "createdBy": created_by,
            "comment": comment,
        }
        return str(_json(await self._call("POST", "/silences", document), self.url)["silenceID"])

    async def expire(self, silence_id: str) -> None:
        """End one now."""
        await self._call("DELETE", f"/silence/{silence_id}")

    async def _call(self, method: str, path: str, body: object = None) -> bytes:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout, headers=self._headers)
        try:
            async with self._session.request(method, f"{self.url}/api/v2{path}", json=body, ssl=self._ssl) as answer:
                if answer.status >= 400:
                    refusal = AlertsNotTaken if answer.status in _OF_THE_ALERTS else NotSent
                    raise refusal(f"{self.url} answered {answer.status}: {(await answer.text())[:300].strip()}")
                return await answer.read()
        except TimeoutError as err:
            raise NotSent(f"{self.url} did not answer within {self._timeout.total:g} s") from err
        except (aiohttp.ClientError, OSError) as err:
            raise NotSent(f"{self.url} cannot be reached: {str(err) or type(err).__name__}") from err


def labels_key(labels: Labels) -> frozenset[tuple[str, str]]:
    """What an Alertmanager tells alerts apart by: it drops labels that are empty."""
    return frozenset((name, value) for name, value in labels.items() if value)


def _document(alert: Posted) -> dict[str, Any]:
    return {
        "labels": {name: value for name, value in alert.labels.items() if value},
        "annotations": {name: value for name, value in alert.annotations.items() if value},
        "startsAt": _rfc3339(alert.starts_at),
        # It refuses an end before the start, and a whole call for one such alert.
        "endsAt": _rfc3339(max(alert.ends_at, alert.starts_at)),
        "generatorURL": alert.generator_url,
    }


def _json(body: bytes, url: str) -> Any:
    try:
        return json.loads(body)
    except ValueError as err:
        raise NotSent(f"{url} answered with something that is no JSON; is there an Alertmanager?") from err


def _all_seen(body: bytes, url: str) -> dict[frozenset[tuple[str, str]], Seen]:
    return {labels_key(each["labels"]): _seen(each) for each in _json(body, url)}


def _seen(document: Mapping[str, Any]) -> Seen:
    status = document.get("status", {})
    return Seen(
        silenced_by=tuple(status.get("silencedBy") or ()),
        inhibited_by=tuple(status.get("inhibitedBy") or ()),
        receivers=tuple(each["name"] for each in document.get("receivers") or ()),
        own_fingerprint=document.get("fingerprint", ""),
    )


def _silence(document: Mapping[str, Any]) -> StoredSilence:
    return StoredSilence(
        id=document["id"],
        matchers=tuple(_matcher(each) for each in document["matchers"]),
        starts_at=_unix(document["startsAt"]),
        ends_at=_unix(document["endsAt"]),
        created_by=document.get("createdBy", ""),
        comment=document.get("comment", ""),
    )


def _matcher(document: Mapping[str, Any]) -> str:
    is_equal, is_regex = document.get("isEqual", True), document.get("isRegex", False)
    op: Any = {(True, False): "=", (False, False): "!=", (True, True): "=~", (False, True): "!~"}[is_equal, is_regex]
    return str(Matcher(document["name"], op, document["value"]))


def _rfc3339(at: float) -> str:
    return datetime.fromtimestamp(math.floor(at * 1000) / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _unix(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _authorization(settings: Settings, credentials: Mapping[str, Credentials]) -> dict[str, str]:
    if settings.credentials is None:
        return {}
    login = credentials.get(settings.credentials)
    if login is None:
        raise ReceiversRefused(f"alerts.alertmanagers: {settings.credentials!r} is no entry of credentials; add it there")
    try:
        secret = login.password().get_secret_value()
    except ValueError as err:
        raise ReceiversRefused(f"alerts.alertmanagers: the credentials {settings.credentials!r} cannot be read: {err}") from err
    basic = b64encode(f"{login.username}:{secret}".encode()).decode()
    return {"Authorization": f"Basic {basic}" if login.username else f"Bearer {secret}"}


def _trust(settings: Settings) -> ssl.SSLContext | aiohttp.Fingerprint | bool:
    tls = settings.tls
    if tls.fingerprint is not None:
        return aiohttp.Fingerprint(bytes.fromhex(tls.fingerprint))
    if not tls.verify:
        return False
    if tls.ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=tls.ca_file)
    except OSError as err:
        raise ReceiversRefused(f"alerts.alertmanagers: tls.ca_file {tls.ca_file} cannot be read: {err}") from err


async def first_answer(
    clients: Sequence[AlertmanagerClient], call: Callable[[AlertmanagerClient], Awaitable[Found]]
) -> tuple[Found, str]:
    """What the first of them that answers says, and its address. Raises `NotSent` with what all said."""
    refused = []
    for client in clients:
        try:
            return await call(client), client.url
        except NotSent as err:
            refused.append(str(err))
    raise NotSent("; ".join(refused))
