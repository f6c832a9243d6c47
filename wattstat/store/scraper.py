"""Fills the embedded store: scrapes core's `/metrics` as Prometheus would."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

import aiohttp
import structlog

from wattstat.store.protocol import StoreError
from wattstat.store.text_format import ExpositionError

_log = structlog.get_logger(__name__)

_ALIGNED_WITHIN = 0.01
"""A scrape that starts this share of the interval late still carries the scheduled time, so that times stay regular."""


class Sink(Protocol):
    """Where scrapes go: the embedded store."""

    async def ingest(self, body: str | None, time_ms: int, duration_seconds: float) -> None:
        """Write one scrape; None says that it failed."""


class Scraper:
    """Scrapes one address at a steady interval. A failed scrape is written, too: `up` is 0 and its series end."""

    def __init__(self, sink: Sink, url: str, *, every_seconds: float = 10, clock: Callable[[], float] = time.time) -> None:
        self._sink = sink
        self._url = url
        self._every = every_seconds
        self._clock = clock
        self._failure: str | None = None

    async def run(self) -> None:
        """Scrape until cancelled."""
        timeout = aiohttp.ClientTimeout(total=self._every)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                due = (self._clock() // self._every + 1) * self._every
                await asyncio.sleep(max(due - self._clock(), 0))
                await self.scrape(session, due)

    async def scrape(self, session: aiohttp.ClientSession, due: float) -> None:
        """One scrape, written with the scheduled time unless it starts late."""
        began = self._clock()
        moment = due if abs(began - due) <= self._every * _ALIGNED_WITHIN else began
        body, failure = await self._fetch(session)
        took = self._clock() - began
        time_ms = round(moment * 1000)
        try:
            try:
                await self._sink.ingest(body, time_ms, took)
            except ExpositionError as err:
                failure = f"not in the text format: {err}"
                await self._sink.ingest(None, time_ms, took)
        except StoreError as err:
            failure = str(err)  # a full disk may have room again for the next one
        self._report(failure)

    async def _fetch(self, session: aiohttp.ClientSession) -> tuple[str | None, str | None]:
        """The body, or why there is none."""
        try:
            async with session.get(self._url, headers={"Accept": "text/plain;version=0.0.4"}) as response:
                if response.status != 200:
                    return None, f"HTTP status {response.status}"
                return (await response.read()).decode(), None
        except (aiohttp.ClientError, TimeoutError) as err:
            return None, f"{type(err).__name__}: {err}"
        except UnicodeDecodeError as err:
            return None, f"the body is not UTF-8: {err}"

    def _report(self, failure: str | None) -> None:
        """Log a change of state once."""
        if failure is not None and self._failure is None:
            _log.warning("scrape_failed", url=self._url, reason=failure)
        if failure is None and self._failure is not None:
            _log.info("scrape_works_again", url=self._url)
        self._failure = failure
