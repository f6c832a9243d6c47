"""Client of core's live calls: what the hall holds now, for the dashboard, the public API and the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from wattstat.catalogue.metric import Metric


class CoreUnavailable(Exception):
    """Core does not answer. The message says where it was asked and what to do."""


@dataclass(frozen=True, slots=True)
class LiveSample:
    """One reading: labels by name, the value in the metric's unit, its age in seconds when core was asked."""

    labels: Mapping[str, str]
    value: float
    age_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSnapshot:
    """Part of the hall at one moment (Unix seconds). A metric that nobody reads has no entry."""

    taken_at: float
    metrics: Mapping[str, tuple[LiveSample, ...]]

    def find(self, metric: Metric, **labels: str) -> list[LiveSample]:
        """Samples of a metric whose labels have the given values."""
        wanted = labels.items()
        return [sample for sample in self.metrics.get(metric.name, ()) if wanted <= sample.labels.items()]

    def value(self, metric: Metric, **labels: str) -> float | None:
        """The first matching value, or None: absent is never zero."""
        return next((sample.value for sample in self.find(metric, **labels)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorState:
    """One tier of one target as the collector frame sees it. Times are Unix seconds."""

    collector: str
    target: str
    tier: str
    every_seconds: float
    success: bool | None
    supported: bool
    duration_seconds: float | None
    last_success: float | None
    failing_since: float | None
    error: str
    resource_errors: Mapping[str, str]
    samples: int
    circuit_open_until: float | None


class Live:
    """Asks one core process. Share one instance; close it at the end."""

    def __init__(self, core_url: str, *, timeout_seconds: float = 10) -> None:
        self._url = core_url.rstrip("/")
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._session: aiohttp.ClientSession | None = None

    async def hall(self, metrics: Sequence[Metric] = (), node: str | None = None) -> LiveSnapshot:
        """The newest readings of the metrics (all when empty), of one node or of all. Raises `CoreUnavailable`."""
        params = {"metric": ",".join(metric.name for metric in metrics)} if metrics else {}
        if node is not None:
            params["node"] = node
        return parse_hall(await self._get("/live/hall", params))

    async def inventory(self) -> dict[str, Any]:
        """The inventory as core has it, in the shape of inventory.yaml. Raises `CoreUnavailable`."""
        found: dict[str, Any] = await self._get("/live/inventory")
        return found

    async def collectors(self) -> list[CollectorState]:
        """What each collector sees of each target. Raises `CoreUnavailable`."""
        return [CollectorState(**item) for item in (await self._get("/live/collectors"))["items"]]

    async def ledger(self) -> dict[str, Any]:
        """How the ledger is. Raises `CoreUnavailable`."""
        found: dict[str, Any] = await self._get("/live/ledger")
        return found

    async def premises(self, what: str) -> dict[str, Any]:
        """The `racks`, `fabric`, `storage` or `pdus` of this moment. Raises `CoreUnavailable`."""
        found: dict[str, Any] = await self._get(f"/live/{what}")
        return found

    async def text(self, path: str, params: Mapping[str, str] | None = None) -> tuple[int, str, str]:
        """Forward a call: status, content type, body. Raises `CoreUnavailable`."""
        try:
            async with self._client().get(self._url + path, params=params) as answer:
                return answer.status, answer.headers.get("Content-Type", "text/plain"), await answer.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._unavailable(error) from error

    async def close(self) -> None:
        """Close connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        try:
            async with self._client().get(self._url + path, params=params) as answer:
                answer.raise_for_status()
                return await answer.json()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise self._unavailable(error) from error

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        return self._session

    def _unavailable(self, error: Exception) -> CoreUnavailable:
        reason = str(error) or type(error).__name__
        return CoreUnavailable(f"core at {self._url} does not answer ({reason}); is `wattstat serve` running?")


def parse_hall(body: Mapping[str, Any]) -> LiveSnapshot:
    """The answer of /live/hall as a snapshot."""
    metrics: dict[str, tuple[LiveSample, ...]] = {}
    for name, family in body["metrics"].items():
        names = family["labels"]
        metrics[name] = tuple(
            LiveSample(dict(zip(names, values, strict=True)), value, age) for values, value, age in family["samples"]
        )
    return LiveSnapshot(taken_at=body["taken_at"], metrics=metrics)
