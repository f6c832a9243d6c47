"""A Unified Fabric Manager: its REST interface, and the telemetry beside it."""

from __future__ import annotations

import asyncio
import base64
import functools
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from yarl import URL

from collectors.frame.errors import BadPayload, CollectError, NotSupported
from collectors.frame.source import Collected, Fetched, Source, Tier
from collectors.frame.tls import Contexts
from collectors.frame.unusable import made
from collectors.frame.web import Web, refusal
from collectors.ufm import rest, telemetry
from collectors.ufm.samples import Fabric, Reading, samples
from wattstat.catalogue.metric import Samples
from wattstat.config import Config
from wattstat.config.devices import Ufm
from wattstat.inventory import Inventory, Tls

# Longer pages of telemetry are taken apart aside, so that the event loop is not held.
_LONG_PAGE = 256 * 1024
_MANY_PORTS = 500
# Telemetry that does not move for so many of our readings, or of its own samples, is frozen.
_FROZEN_READINGS, _FROZEN_SAMPLES = 5, 3
_SLOWEST_SAMPLES_SECONDS = 600.0


@dataclass(kw_only=True)
class UfmSource(Source[Reading]):
    """One manager. `base` is the path of its interface, which depends on how callers say who they are."""

    collector: ClassVar[str] = "ufm"

    target: str
    tiers: tuple[Tier, ...]
    web: Web
    base: str
    counters: Web | None
    counters_path: str
    fabric: Fabric
    every_seconds: float
    monotonic: Callable[[], float] = time.monotonic
    _newest: float | None = None
    _moved_at: float = 0.0
    _rhythm: float = 0.0
    _choice: dict[str, str] = field(default_factory=lambda: {"sys_type": "Switch"})

    async def close(self) -> None:
        await self.web.close()
        if self.counters is not None:
            await self.counters.close()

    def renew(self, successor: Source[Any]) -> None:
        """Take over what the new inventory calls switches and servers; what ports are called is known until it is read anew."""
        if isinstance(successor, UfmSource):
            self.fabric = successor.fabric.taught(self.fabric)

    async def fetch(self, tier: str) -> Fetched:
        """The documents of a tier. Raises when none of them could be read."""
        if tier == "ports":
            wanted: dict[str, Awaitable[Any]] = {"ports": self._ports()}
            wanted["telemetry"] = self._telemetry()
        else:
            wanted = {
                "systems": self._get("/resources/systems", type="switch", chassis="true"),
                "links": self._get("/resources/links"),
                "alarms": self._get("/app/alarms"),
            }
        answers = await asyncio.gather(*wanted.values(), return_exceptions=True)
        documents: dict[str, Any] = {}
        errors: dict[str, CollectError] = {}
        for name, answer in zip(wanted, answers, strict=True):
            if isinstance(answer, CollectError):
                errors[name] = answer
            elif isinstance(answer, BaseException):
                raise answer
            else:
                documents[name] = answer
        if not documents:
            error = next((each for each in errors.values() if not isinstance(each, NotSupported)), None)
            # Not `NotSupported`, after which the frame never asks again: while UFM starts, the server before it answers 404.
            raise error or BadPayload(f"{next(iter(errors.values()))}; is this a UFM, and is it running?")
        return Fetched(documents=documents, errors=errors)

    async def collect(self, tier: str) -> Collected:
        """As every source; what is told of a large fabric is taken apart aside, so that the event loop is not held."""
        fetched = await self.fetch(tier)
        if len(fetched.documents.get("telemetry", ())) < _MANY_PORTS:
            return Collected(samples=self.samples(self.parse(tier, fetched.documents)), errors=fetched.errors)
        found = await asyncio.to_thread(lambda: self.samples(self.parse(tier, fetched.documents)))
        return Collected(samples=found, errors=fetched.errors)

    def parse(self, tier: str, documents: Mapping[str, Any]) -> Reading:
        """Typed readings."""
        rows = documents.get("telemetry")
        return Reading(
            is_ports=tier == "ports",
            ports=rest.ports(documents.get("ports")),
            rows=rows if isinstance(rows, tuple) else (),
            systems=rest.systems(documents.get("systems")),
            cables=rest.cables(documents.get("links")),
            alarms=rest.alarms(documents.get("alarms")),
        )

    def samples(self, reading: Reading) -> Samples:
        """Series of switches, ports, cables and alarms."""
        fabric = self.fabric  # which another thread may exchange meanwhile
        fabric.learn(reading)
        return samples(self.target, fabric, reading)

    async def _ports(self) -> Any:
        """The ports of switches; all of them from a manager that cannot choose, and hosts' are left out later."""
        try:
            return await self._get("/resources/ports", **self._choice)
        except BadPayload:
            if not self._choice:
                raise
            found = await self._get("/resources/ports")
            self._choice = {}
            return found

    async def _get(self, path: str, **params: str) -> Any:
        document = await self.web.get(self.base + path, params=params)
        if not isinstance(document, list):
            raise BadPayload(f"{self.web.url}{self.base}{path}: expected a list, got {type(document).__name__}")
        return document

    async def _telemetry(self) -> tuple[telemetry.Row, ...]:
        """The ports' counters. Raises `BadPayload` when there are none, or when they stand still."""
        if self.counters is not None:
            answer = await self.counters.ask("GET", self.counters_path)
        else:
            answer = await self.web.ask("GET", f"{self.base}/monitoring/session/0/data")
        if (error := refusal(answer)) is not None:
            raise error
        page = answer.text
        rows = await asyncio.to_thread(telemetry.parse, page) if len(page) > _LONG_PAGE else telemetry.parse(page)
        if not rows:
            raise BadPayload(f"{answer.url}: no counters of ports; expected Prometheus text, CSV or JSON of UFM Telemetry")
        self._check_moves(telemetry.newest(rows), answer.url)
        return rows

    def _check_moves(self, newest: float | None, url: str) -> None:
        """Telemetry keeps showing its last values when the collecting behind it has died."""
        now = self.monotonic()
        if newest is None or newest != self._newest:
            if newest is not None and self._newest is not None:  # by its own clock: a slow telemetry samples every five minutes
                self._rhythm = min(max(newest - self._newest, 0.0), _SLOWEST_SAMPLES_SECONDS)
            self._newest, self._moved_at = newest, now
        elif now - self._moved_at > max(_FROZEN_READINGS * self.every_seconds, _FROZEN_SAMPLES * self._rhythm):
            seconds = now - self._moved_at
            raise BadPayload(f"{url}: the same sample for {seconds:.0f} s; is UFM Telemetry still collecting?")


def sources(config: Config, inventory: Inventory) -> list[Source[Any]]:
    """One source for each manager. One whose credentials or TLS settings cannot be used fails with the reason."""
    contexts = Contexts()
    return [
        made(
            functools.partial(_source, config, settings, inventory, contexts),
            collector=UfmSource.collector,
            target=settings.name,
            tier=_tiers(settings)[0],
        )
        for settings in config.collectors.ufm
    ]


def _tiers(settings: Ufm) -> tuple[Tier, ...]:
    limit = settings.timeout_seconds + 2
    return Tier("systems", settings.slow_seconds, limit), Tier("ports", settings.every_seconds, limit)


def _source(config: Config, settings: Ufm, inventory: Inventory, contexts: Contexts) -> UfmSource:
    entry = config.credentials.get(settings.credentials)
    if entry is None:
        raise ValueError(f"ufm {settings.name}: no credentials named {settings.credentials!r} in wattstat.yaml")
    secret = entry.password().get_secret_value()
    tls = settings.tls
    try:
        trust = contexts.of(Tls(verify=tls.verify, ca_file=tls.ca_file, fingerprint=tls.fingerprint))
    except (ValueError, OSError) as error:
        raise ValueError(f"ufm {settings.name}: tls: {error}") from error
    shown = base64.b64encode(f"{entry.username}:{secret}".encode()).decode() if entry.username else secret
    web = functools.partial(Web, timeout_seconds=settings.timeout_seconds, tls=trust)
    where = URL(settings.telemetry_url) if settings.telemetry_url is not None else None
    return UfmSource(
        target=settings.name,
        tiers=_tiers(settings),
        # UFM takes access tokens under a path of their own, and calls them basic.
        web=web(url=settings.url.rstrip("/"), headers={"Authorization": f"Basic {shown}"}),
        base="/ufmRest" if entry.username else "/ufmRestV3",
        counters=None if where is None else web(url=str(where.origin())),
        counters_path="" if where is None else where.path_qs,
        fabric=Fabric.of(inventory, config.collectors.in_band.switches if config.collectors.in_band else ()),
        every_seconds=settings.every_seconds,
    )
