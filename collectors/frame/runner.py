"""Runs sources: when, how many at once, what happens when they fail. Only `execute` times, catches and counts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from types import MappingProxyType
from typing import Any

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from collectors.frame.breaker import Breaker
from collectors.frame.errors import CollectError, NotSupported, Unreachable
from collectors.frame.pools import Pools
from collectors.frame.source import Collected, Source, Tier
from collectors.frame.status import Counts, TierStatus, count_samples, status_samples
from wattstat.catalogue import own
from wattstat.catalogue.metric import Samples
from wattstat.hall import Block, BlockKey, Hall

JITTER_RATIO = 0.1
# Under the supervisor's patience of 15 s: a thousand controllers log out within it.
CLOSE_SECONDS = 10.0
# When a target answers, what failed before is asked again after this time, however rarely it is read otherwise.
RETRY_SECONDS = 30.0

log = structlog.get_logger(__name__)


@dataclass(kw_only=True, eq=False)
class Watched:
    """A source under the frame's care."""

    source: Source[Any]
    breaker: Breaker
    tiers: dict[str, TierStatus]
    flights: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        return self.source.collector, self.source.target

    @property
    def host(self) -> str:
        return self.source.host or f"{self.source.collector} {self.source.target}"


class Runner:
    """Collects from sources into the hall, each tier at its own interval.

    `clock` gives Unix seconds (for people), `monotonic` seconds that never jump (for intervals).
    """

    def __init__(
        self,
        hall: Hall,
        *,
        concurrency: int,
        per_host: int,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        random: Random | None = None,
    ) -> None:
        self._hall = hall
        self._clock = clock
        self._monotonic = monotonic
        self._random = random or Random()  # noqa: S311 - spreads load, guards nothing
        self._pools = Pools(concurrency=concurrency, per_host=per_host)
        self._watched: dict[tuple[str, str], Watched] = {}
        self._counts = Counts()
        self._scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )

    def start(self) -> None:
        """Begin to collect. Needs a running event loop."""
        self._scheduler.start()

    async def add(self, source: Source[Any]) -> None:
        """Watch a source from now on; its first collections are spread over (at most) ten seconds of the interval.

        Raises `ValueError` when the target is already watched by the same collector.
        """
        watched = Watched(
            source=source,
            breaker=Breaker(monotonic=self._monotonic, random=self._random, longest_seconds=source.longest_backoff_seconds),
            tiers={
                tier.name: TierStatus(
                    collector=source.collector, target=source.target, tier=tier.name, every_seconds=tier.every_seconds
                )
                for tier in source.tiers
            },
        )
        if watched.key in self._watched:
            raise ValueError(f"{source.collector} already watches {source.target}")
        self._watched[watched.key] = watched
        await source.open()
        for tier in source.tiers:
            delay = self._random.uniform(0, min(tier.every_seconds, 10.0))
            self._scheduler.add_job(
                self._due,
                "interval",
                args=(watched, tier),
                id=_job_id(watched, tier),
                seconds=tier.every_seconds,
                jitter=tier.every_seconds * JITTER_RATIO,
                next_run_time=datetime.fromtimestamp(time.time() + delay, UTC),
            )

    def renew(self, source: Source[Any]) -> None:
        """Tell a watched source what has become of the inventory."""
        self._watched[source.collector, source.target].source.renew(source)

    async def remove(self, collector: str, target: str) -> None:
        """Stop watching a target; its readings leave the hall."""
        watched = self._watched.pop((collector, target), None)
        if watched is None:
            return
        for tier in watched.source.tiers:
            self._scheduler.remove_job(_job_id(watched, tier))
        await self._close(watched)
        self._hall.forget(collector, target)
        self._counts.forget(collector, target)
        self._pools.forget(watched.host)

    async def stop(self) -> None:
        """Stop collecting and give back what devices hold for us, all at once and within `CLOSE_SECONDS`."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        await asyncio.gather(*(self._close(watched) for watched in self._watched.values()))
        self._watched.clear()

    @property
    def targets(self) -> frozenset[tuple[str, str]]:
        """(collector, target) of everything that is watched."""
        return frozenset(self._watched)

    @property
    def sources(self) -> tuple[Source[Any], ...]:
        """Everything that is watched."""
        return tuple(watched.source for watched in self._watched.values())

    def statuses(self) -> list[tuple[TierStatus, float | None]]:
        """Every tier's status and, while the target's circuit is open, until when (Unix seconds)."""
        return [(status, self._open_until(watched)) for watched in self._watched.values() for status in watched.tiers.values()]

    def own_samples(self) -> Samples:
        """What the frame says about itself."""
        out = count_samples(self._counts)
        for watched in self._watched.values():
            out.add(own.COLLECTOR_CIRCUIT_OPEN, not watched.breaker.allows(), *watched.key)
            for status in watched.tiers.values():
                out.extend(status_samples(status))
        for key, count in self._hall.duplicates.items():
            out.add(own.DUPLICATE_SAMPLES_TOTAL, count, *key)
        return out

    async def collect_now(self, collector: str, target: str, tier: str) -> None:
        """Collect once, or wait for the collection that is under way."""
        watched = self._watched[collector, target]
        await self._flight(watched, next(each for each in watched.source.tiers if each.name == tier))

    async def _due(self, watched: Watched, tier: Tier) -> None:
        if not watched.tiers[tier.name].supported:
            return
        if tier.name in watched.flights or not watched.breaker.allows():
            self._counts.skipped[(*watched.key, tier.name)] += 1
            return
        await self._flight(watched, tier)

    async def _flight(self, watched: Watched, tier: Tier) -> None:
        """Single flight: whoever asks while a collection is under way gets that one."""
        flight = watched.flights.get(tier.name)
        if flight is None:
            flight = asyncio.ensure_future(self._in_slot(watched, tier))
            watched.flights[tier.name] = flight
            flight.add_done_callback(lambda _: watched.flights.pop(tier.name, None))
        await asyncio.shield(flight)

    async def _in_slot(self, watched: Watched, tier: Tier) -> None:
        proven = watched.breaker.healthy and watched.tiers[tier.name].success is True
        async with self._pools.slot(watched.host, proven=proven, first=tier is watched.source.tiers[0]):
            # Tiers of one target queue at their host; what the first of them learnt holds for the rest.
            if watched.breaker.allows():
                await self.execute(watched, tier)

    async def execute(self, watched: Watched, tier: Tier) -> None:
        """One collection, whatever happens in it."""
        begin = self._monotonic()
        error: CollectError | None = None
        collected: Collected | None = None
        try:
            async with asyncio.timeout(tier.timeout_seconds):
                collected = await watched.source.collect(tier.name)
        except CollectError as caught:
            error = caught
        except TimeoutError:
            error = Unreachable(f"no complete answer within {tier.timeout_seconds:g} s")
        except Exception as caught:
            # A bug in one collector must not stop the others; it is told with its trace and counted as such.
            log.exception("collector has a bug", collector=watched.source.collector, target=watched.source.target)
            error = CollectError(f"bug in the collector: {caught!r}")
        status = watched.tiers[tier.name]
        status.duration_seconds = self._monotonic() - begin
        if collected is not None:
            self._succeed(watched, tier, collected)
        elif isinstance(error, NotSupported) and status.last_success is None:
            # What it told before is missing for another reason (it starts, or is being upgraded), and must be told and retried.
            status.supported, status.error = False, str(error)
            log.info("not supported by the target", collector=status.collector, target=status.target, tier=tier.name)
        elif error is not None:
            self._fail(watched, tier, error)

    def _succeed(self, watched: Watched, tier: Tier, collected: Collected) -> None:
        now = self._clock()
        status = watched.tiers[tier.name]
        if status.success is False:
            log.info("target is back", collector=status.collector, target=status.target, tier=tier.name)
        for resource in collected.errors:
            self._counts.resource_errors[(*watched.key, resource)] += 1
        status.success, status.last_success, status.failing_since, status.error = True, now, None, ""
        status.resource_errors = MappingProxyType({name: str(reason) for name, reason in collected.errors.items()})
        status.samples = len(collected.samples) + sum(len(part.samples) for part in collected.parts)
        watched.breaker.succeeded()
        self._retry_failed(watched, tier)
        self._post(watched, tier.name, collected.samples, now, tier.every_seconds)
        for part in collected.parts:
            interval = max(part.interval_seconds, tier.every_seconds)
            self._post(watched, f"{tier.name}/{part.name}", part.samples, now - part.age_seconds, interval)

    def _retry_failed(self, watched: Watched, answered: Tier) -> None:
        """A target that answers is soon asked for the rest, too: nothing is called silent for a quarter of an hour in vain."""
        for tier in watched.source.tiers:
            if tier is answered or watched.tiers[tier.name].success is not False:
                continue
            job = self._scheduler.get_job(_job_id(watched, tier))
            soon = datetime.now(UTC) + timedelta(seconds=RETRY_SECONDS)
            if job is not None and job.next_run_time is not None and job.next_run_time > soon:
                job.modify(next_run_time=soon)

    def _post(self, watched: Watched, part: str, samples: Samples, taken_at: float, interval_seconds: float) -> None:
        key = BlockKey(*watched.key, part)
        self._hall.post(Block(key=key, samples=tuple(samples), taken_at=taken_at, interval_seconds=interval_seconds))

    def _fail(self, watched: Watched, tier: Tier, error: CollectError) -> None:
        status = watched.tiers[tier.name]
        if status.success is not False:
            status.failing_since = self._clock()
            log.warning(
                "target fails",
                collector=status.collector,
                target=status.target,
                tier=tier.name,
                kind=error.kind,
                why=str(error),
            )
        status.success, status.error = False, str(error)
        self._counts.errors[(*watched.key, error.kind)] += 1
        watched.breaker.failed(error)

    async def _close(self, watched: Watched) -> None:
        for flight in list(watched.flights.values()):
            flight.cancel()
        await asyncio.gather(*watched.flights.values(), return_exceptions=True)
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await watched.source.close()
        except (TimeoutError, CollectError) as error:
            log.warning("target was not closed cleanly", collector=watched.key[0], target=watched.key[1], why=str(error))

    def _open_until(self, watched: Watched) -> float | None:
        if watched.breaker.open_until is None or watched.breaker.allows():
            return None
        return self._clock() + watched.breaker.open_until - self._monotonic()


async def reconcile(runner: Runner, wanted: Iterable[Source[Any]], *, changed: frozenset[tuple[str, str]]) -> None:
    """Make the runner watch exactly `wanted`; targets in `changed` are watched anew with their new settings."""
    sources = {(source.collector, source.target): source for source in wanted}
    for key in runner.targets:
        if key not in sources or key in changed:
            await runner.remove(*key)
    for key, source in sources.items():
        if key in runner.targets:
            runner.renew(source)
        else:
            await runner.add(source)


def _job_id(watched: Watched, tier: Tier) -> str:
    return "\0".join((*watched.key, tier.name))
