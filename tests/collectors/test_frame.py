"""The collector frame: single flight, breaker, bounds, and what a bad target may cost."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from collectors.frame import AuthFailed, BadPayload, Fetched, NotSupported, Source, Throttled, Tier, Unreachable
from collectors.frame.breaker import AUTH_BACKOFF_SECONDS, FAILURES_TO_OPEN, LONGEST_BACKOFF_SECONDS, Breaker
from collectors.frame.runner import RETRY_SECONDS, Runner, reconcile
from collectors.frame.unusable import made
from wattstat.catalogue import node, own
from wattstat.catalogue.metric import Samples
from wattstat.hall import Hall

FAST = Tier("fast", every_seconds=10, timeout_seconds=0.2)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Scripted(Source[float]):
    """A source that answers as told: a number, an error to raise, or an event to wait for."""

    collector = "scripted"
    tiers = (FAST,)

    def __init__(self, target: str, answer: Any, host: str = "") -> None:
        self.target, self.answer, self.host = target, answer, host
        self.fetches = 0
        self.closed = 0

    async def fetch(self, tier: str) -> Fetched:
        self.fetches += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        if isinstance(self.answer, asyncio.Event):
            await self.answer.wait()
        errors = {"thermal": BadPayload("not JSON")} if self.answer == "partial" else {}
        return Fetched(documents={"watts": 500.0}, errors=errors)

    def parse(self, tier: str, documents: Mapping[str, Any]) -> float:
        return float(documents["watts"])

    def samples(self, reading: float) -> Samples:
        out = Samples()
        out.add(node.NODE_POWER_WATTS, reading, self.target, "system")
        return out

    async def close(self) -> None:
        self.closed += 1


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def hall(clock):
    return Hall(clock=clock)


@pytest.fixture
async def runner(hall, clock):
    made = Runner(hall, concurrency=2, per_host=1, clock=clock, monotonic=clock, random=Random(1))
    yield made
    await made.stop()


def power(hall, target):
    return hall.snapshot().value(node.NODE_POWER_WATTS, node=target)


def own_value(runner, metric, *labels):
    return next((each.value for each in runner.own_samples() if each.metric is metric and each.labels == labels), None)


async def collect(runner, source):
    await runner.collect_now(source.collector, source.target, "fast")


async def test_a_good_target_reaches_the_hall(runner, hall):
    source = Scripted("a", "good")
    await runner.add(source)

    await collect(runner, source)

    assert power(hall, "a") == 500
    assert own_value(runner, own.COLLECTOR_SUCCESS, "scripted", "a", "fast") == 1
    assert own_value(runner, own.COLLECTOR_INTERVAL_SECONDS, "scripted", "a", "fast") == 10


async def test_a_target_never_collected_claims_neither_success_nor_failure(runner):
    await runner.add(Scripted("a", "good"))

    assert own_value(runner, own.COLLECTOR_SUCCESS, "scripted", "a", "fast") is None
    assert own_value(runner, own.COLLECTOR_INTERVAL_SECONDS, "scripted", "a", "fast") is None


async def test_a_failing_target_keeps_its_last_reading_until_three_intervals_passed(runner, hall, clock):
    source = Scripted("a", "good")
    await runner.add(source)
    await collect(runner, source)
    source.answer = Unreachable("gone")
    clock.now += 30
    await collect(runner, source)

    assert power(hall, "a") == 500
    clock.now += 0.1
    assert power(hall, "a") is None
    assert own_value(runner, own.COLLECTOR_SUCCESS, "scripted", "a", "fast") == 0
    assert own_value(runner, own.COLLECTOR_ERRORS_TOTAL, "scripted", "a", "unreachable") == 1


async def test_a_hanging_target_ends_at_its_timeout_and_delays_nobody(runner):
    hanging = [Scripted(f"hangs{each}", asyncio.Event()) for each in range(4)]
    good = Scripted("good", "good")
    for source in (*hanging, good):
        await runner.add(source)
    await collect(runner, good)
    good_fetches = good.fetches

    stuck = [asyncio.ensure_future(collect(runner, source)) for source in hanging]
    while sum(source.fetches for source in hanging) < 2:
        await asyncio.sleep(0)
    await asyncio.wait_for(collect(runner, good), timeout=0.1)

    assert good.fetches == good_fetches + 1
    await asyncio.gather(*stuck)
    assert own_value(runner, own.COLLECTOR_ERRORS_TOTAL, "scripted", "hangs0", "unreachable") == 1


async def test_one_collection_at_a_time_serves_all_who_ask(runner):
    gate = asyncio.Event()
    source = Scripted("a", gate)
    await runner.add(source)

    both = [asyncio.ensure_future(collect(runner, source)) for _ in range(2)]
    while not source.fetches:
        await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(*both)

    assert source.fetches == 1


async def test_a_bad_resource_costs_only_itself(runner, hall):
    source = Scripted("a", "partial")
    await runner.add(source)

    await collect(runner, source)

    assert power(hall, "a") == 500
    assert own_value(runner, own.COLLECTOR_RESOURCE_ERRORS_TOTAL, "scripted", "a", "thermal") == 1
    assert runner.statuses()[0][0].resource_errors == {"thermal": "not JSON"}


async def test_a_bug_in_a_collector_is_counted_and_contained(runner):
    source = Scripted("a", ZeroDivisionError("oops"))
    await runner.add(source)

    await collect(runner, source)

    assert own_value(runner, own.COLLECTOR_ERRORS_TOTAL, "scripted", "a", "other") == 1
    assert "ZeroDivisionError" in runner.statuses()[0][0].error


async def test_what_is_not_supported_is_not_asked_again(runner):
    source = Scripted("a", NotSupported("no such thing"))
    await runner.add(source)

    await collect(runner, source)
    await runner._due(runner._watched["scripted", "a"], FAST)

    assert source.fetches == 1
    assert own_value(runner, own.COLLECTOR_ERRORS_TOTAL, "scripted", "a", "not_supported") is None


async def test_what_was_told_before_and_is_not_supported_now_fails_and_is_asked_again(runner):
    source = Scripted("a", "good")
    await runner.add(source)
    await collect(runner, source)

    source.answer = NotSupported("404 of a proxy, while the service behind it starts")
    await collect(runner, source)
    assert own_value(runner, own.COLLECTOR_SUCCESS, "scripted", "a", "fast") == 0

    source.answer = "good"
    await runner._due(runner._watched["scripted", "a"], FAST)
    assert source.fetches == 3
    assert own_value(runner, own.COLLECTOR_SUCCESS, "scripted", "a", "fast") == 1


async def test_repeated_failures_open_the_circuit_and_a_success_closes_it(runner, clock):
    source = Scripted("a", Unreachable("gone"))
    await runner.add(source)
    for _ in range(FAILURES_TO_OPEN):
        await collect(runner, source)

    await collect(runner, source)
    assert source.fetches == FAILURES_TO_OPEN
    assert own_value(runner, own.COLLECTOR_CIRCUIT_OPEN, "scripted", "a") == 1

    clock.now += LONGEST_BACKOFF_SECONDS
    source.answer = "good"
    await collect(runner, source)
    assert own_value(runner, own.COLLECTOR_CIRCUIT_OPEN, "scripted", "a") == 0


async def test_stopping_closes_every_source_once(hall, clock):
    runner = Runner(hall, concurrency=2, per_host=1, clock=clock, monotonic=clock)
    sources = [Scripted("a", "good"), Scripted("b", asyncio.Event())]
    for source in sources:
        await runner.add(source)
    flight = asyncio.ensure_future(collect(runner, sources[1]))
    await asyncio.sleep(0)

    await runner.stop()
    await asyncio.gather(flight, return_exceptions=True)

    assert [source.closed for source in sources] == [1, 1]


async def test_reconcile_adds_removes_and_renews(runner, hall):
    kept, gone = Scripted("kept", "good"), Scripted("gone", "good")
    for source in (kept, gone):
        await runner.add(source)
        await collect(runner, source)
    renewed, new = Scripted("kept", "good"), Scripted("new", "good")

    await reconcile(runner, [renewed, new], changed=frozenset({("scripted", "kept")}))

    assert runner.targets == {("scripted", "kept"), ("scripted", "new")}
    assert (kept.closed, gone.closed) == (1, 1)
    assert power(hall, "gone") is None


async def test_the_scheduler_collects_by_itself():
    now = asyncio.get_running_loop().time
    hall = Hall(clock=now)
    runner = Runner(hall, concurrency=2, per_host=1, clock=now, random=Random(1))
    source = Scripted("a", "good")
    source.tiers = (Tier("fast", every_seconds=0.05, timeout_seconds=1),)
    await runner.add(source)
    runner.start()

    async with asyncio.timeout(10):
        while source.fetches < 3:
            await asyncio.sleep(0.01)
    await runner.stop()


async def test_what_failed_is_asked_again_soon_when_the_target_answers(hall):
    slow = Tier("slow", every_seconds=900, timeout_seconds=0.2)
    source = Scripted("gpu001", Unreachable("no route"))
    source.tiers = (FAST, slow)
    watching = Runner(hall, concurrency=2, per_host=2, random=Random(1))
    watching.start()
    await watching.add(source)
    job = watching._scheduler.get_job("scripted\0gpu001\0slow")
    await watching.collect_now("scripted", "gpu001", "slow")
    job.modify(next_run_time=datetime.now(UTC) + timedelta(seconds=900))

    source.answer = 500.0
    await watching.collect_now("scripted", "gpu001", "fast")

    due = watching._scheduler.get_job(job.id).next_run_time - datetime.now(UTC)
    await watching.stop()
    assert due <= timedelta(seconds=RETRY_SECONDS)


class TestBreaker:
    def test_backs_off_longer_each_time_up_to_a_limit(self, clock):
        breaker = Breaker(monotonic=clock, random=Random(1))
        waits = []
        for _ in range(12):
            breaker.failed(Unreachable("gone"))
            waits.append((breaker.open_until or clock.now) - clock.now)

        assert waits[: FAILURES_TO_OPEN - 1] == [0, 0]
        assert waits[FAILURES_TO_OPEN - 1] > 0
        assert max(waits) <= LONGEST_BACKOFF_SECONDS
        assert waits[-1] >= LONGEST_BACKOFF_SECONDS / 2

    def test_a_refused_login_is_not_repeated_soon(self, clock):
        breaker = Breaker(monotonic=clock, random=Random(1))
        breaker.failed(AuthFailed("401"))

        clock.now += AUTH_BACKOFF_SECONDS * 0.79
        assert not breaker.allows()

    def test_retry_after_is_honoured(self, clock):
        breaker = Breaker(monotonic=clock, random=Random(1))
        breaker.failed(Throttled("busy", retry_after_seconds=60))

        clock.now += 60
        assert not breaker.allows()
        clock.now += 13
        assert breaker.allows()


async def test_a_target_whose_settings_cannot_be_used_fails_with_the_reason(runner):
    def broken():
        raise ValueError("node a: no credentials named 'x' in wattstat.yaml")

    source = made(broken, collector="scripted", target="a", tier=FAST)
    await runner.add(source)

    await collect(runner, source)

    ((status, _),) = runner.statuses()
    assert (status.success, status.error) == (False, "node a: no credentials named 'x' in wattstat.yaml")
    assert own_value(runner, own.COLLECTOR_ERRORS_TOTAL, "scripted", "a", "configuration") == 1


class TwoTiers(Scripted):
    """Power at once; the inventory when its event comes."""

    tiers = (FAST, Tier("slow", every_seconds=900, timeout_seconds=60))

    async def fetch(self, tier: str) -> Fetched:
        if tier == "slow":
            await self.answer.wait()
        return Fetched(documents={"watts": 500.0})


async def test_power_waits_for_no_inventory_neither_of_its_own_server_nor_of_others(runner, hall):
    arrived = asyncio.Event()
    for name in ("a", "b", "c", "d"):
        await runner.add(TwoTiers(name, arrived))
    slow = [asyncio.ensure_future(runner.collect_now("scripted", name, "slow")) for name in ("a", "b", "c")]
    await asyncio.sleep(0)

    for name in ("a", "b", "c", "d"):
        await asyncio.wait_for(runner.collect_now("scripted", name, "fast"), 5)

        assert power(hall, name) == 500.0
    assert not any(task.done() for task in slow)
    arrived.set()
    await asyncio.gather(*slow)
