"""When groups are evaluated."""

from __future__ import annotations

import asyncio
import time

from alerts.evaluation.schedule import Slots


def test_groups_of_one_interval_are_spread_over_it():
    moments = {Slots(f"rules.yml;g{number}", 30).after(1_700_000_000) for number in range(50)}
    assert len(moments) > 40
    assert all(1_700_000_000 < moment <= 1_700_000_030 for moment in moments)


def test_the_moments_of_a_group_are_the_same_after_a_restart():
    first = Slots("rules.yml;g", 30).after(1_700_000_000)
    assert Slots("rules.yml;g", 30).after(first) == first + 30
    assert Slots("rules.yml;g", 30).after(first + 3000.5) == first + 3030


def test_moments_that_passed_while_one_was_worked_on_are_missed():
    slots = Slots("g", 10)
    assert [slots.missed(100, now) for now in (100, 109, 110, 125, 99)] == [0, 0, 1, 2, 0]


async def test_a_clock_that_is_put_back_makes_nobody_wait():
    slots, began = Slots("g", 0.05), time.monotonic()
    clock = lambda: 1_700_000_000 + time.monotonic() - began  # noqa: E731
    reached = await asyncio.wait_for(slots.wait(clock() + 3600, clock, asyncio.Event()), 60)
    assert reached is not None
    assert 1_700_000_000 < reached <= clock()


async def test_waiting_ends_when_it_is_to_stop():
    stop = asyncio.Event()
    stop.set()
    assert await Slots("g", 30).wait(2e9, lambda: 1.9e9, stop) is None
