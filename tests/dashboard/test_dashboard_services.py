"""What is asked, how often, and what happens when nobody answers."""

import asyncio

import pytest
from fixture_hall import NOW, FakeLive, FakeStore

from dashboard.problems import Level, Problem
from dashboard.services import SINCE_SPAN_SECONDS, Services, run_began
from dashboard.shared import Shared
from dashboard.timerange import Span
from wattstat.api.live import CoreUnavailable
from wattstat.store.protocol import QueryError, Series

SPAN = Span(start=NOW - 3600, end=NOW, step=60)


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


async def test_ten_viewers_cost_as_much_as_one():
    store = FakeStore()
    services = Services(store, FakeLive(), Clock())

    await asyncio.gather(*(services.range("up", SPAN) for _ in range(10)))

    assert store.asked == ["up"]


async def test_an_answer_is_asked_for_again_when_it_is_old():
    clock, live = Clock(), FakeLive()
    services = Services(FakeStore(), live, clock)
    await services.hall()
    asked = live.asked
    await services.hall()
    assert live.asked == asked

    clock.now += 2
    await services.hall()

    assert live.asked > asked


async def test_a_failure_is_not_kept():
    store = FakeStore(broken=True)
    services = Services(store, FakeLive(), Clock())
    with pytest.raises(QueryError):
        await services.range("up", SPAN)
    store.broken = False

    assert (await services.range("up", SPAN)).kind == "matrix"


async def test_a_silent_core_is_said_and_not_remembered():
    live = FakeLive(down=True)
    services = Services(FakeStore(), live, Clock())
    with pytest.raises(CoreUnavailable):
        await services.hall()
    live.down = False

    assert (await services.hall()).nodes


async def test_a_viewer_who_leaves_does_not_take_the_answer_from_the_others():
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow() -> int:
        begun.set()
        await go.wait()
        return 7

    shared = Shared(Clock())
    leaving = asyncio.ensure_future(shared.get("key", 5, slow))
    staying = asyncio.ensure_future(shared.get("key", 5, slow))
    await begun.wait()
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    go.set()

    assert await staying == 7


async def test_kept_answers_do_not_grow_without_bound():
    clock = Clock()
    shared = Shared(clock)

    async def answer() -> int:
        return 1

    for number in range(1000):
        await shared.get(number, 60, answer)

    assert len(shared._kept) <= 256


async def test_problems_get_their_dates_from_history():
    services = Services(FakeStore(), FakeLive(), Clock())
    lost = Problem(level=Level.CRITICAL, kind="lost", what="GPU lost", node="gpu-01", gpu="2")
    ill = Problem(level=Level.CRITICAL, kind="health", what="PSU", node="gpu-02")
    unknown = Problem(level=Level.CRITICAL, kind="recovery", what="reset", node="gpu-77", gpu="0")

    dated = {problem.kind: problem for problem in await services.dated([lost, ill, unknown])}

    end = NOW // 60 * 60
    assert dated["lost"].since == end - 41 * 60
    assert not dated["lost"].at_least
    assert dated["health"].since == end - SINCE_SPAN_SECONDS
    assert dated["health"].at_least
    assert dated["recovery"].since is None


async def test_without_history_problems_stay_without_dates():
    services = Services(FakeStore(broken=True), FakeLive(), Clock())
    lost = Problem(level=Level.CRITICAL, kind="lost", what="GPU lost", node="gpu-01", gpu="2")

    assert await services.dated([lost]) == [lost]


@pytest.mark.parametrize(
    ("ends", "began"),
    [([0, 1, 2, 3], 3), ([0, 1, 3], 3), ([0, 1, 4, 5], 1), ([5, 6], None), ([], None)],
    ids=["unbroken", "one late scrape", "recovered between", "over", "never"],
)
def test_a_run_is_what_lasts_until_now(ends, began):
    times = sorted(NOW - 60 * end for end in ends)
    series = Series(labels={}, times=times, values=[1.0] * len(times))

    assert (None if began is None else NOW - 60 * began) == run_began(series, SPAN)


async def test_a_question_that_takes_long_is_asked_less_often():
    now = [NOW]

    class Slow(FakeStore):
        async def query(self, expression, at=None):
            now[0] += 2.0  # the hall is large
            return await super().query(expression, at)

    store = Slow()
    services = Services(store, FakeLive(), lambda: now[0])
    for wait in (0, 30, 30, 30, 30):
        now[0] += wait
        await services.instant("up")

    assert store.asked == ["up", "up"]  # the first time nobody knew
