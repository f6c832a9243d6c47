"""Caps in the hall: what changes at once, what stands still in time, what is gone no more."""

import pytest

from power.posting import INTERVAL_SECONDS, CapBlocks
from wattstat.catalogue.metric import Samples
from wattstat.catalogue.power import CAP_CONFIRMED_WATTS
from wattstat.hall import Hall


class Clock:
    def __init__(self):
        self.now = 1_790_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def hall(clock):
    return Hall(clock=clock)


@pytest.fixture
def caps(hall, clock):
    return CapBlocks(hall=hall, clock=clock)


def of(watts, node="a"):
    out = Samples()
    out.add(CAP_CONFIRMED_WATTS, watts, node, "0")
    return {node: out}


def shown(hall):
    return {found.sample.labels[0]: found.sample.value for found in hall.snapshot().find(CAP_CONFIRMED_WATTS)}


def test_what_stands_still_is_never_forgotten(hall, caps, clock):
    caps.post(of(500.0))
    caps.post(of(600.0, "b"))
    for _ in range(300):
        clock.now += 1
        caps.post({})
        assert shown(hall) == {"a": 500, "b": 600}


def test_what_stands_still_is_not_posted_each_second(hall, caps, clock):
    caps.post(of(500.0))
    seen = set()
    for _ in range(int(INTERVAL_SECONDS) * 4):
        clock.now += 1
        caps.post({})
        seen |= {block.taken_at for block in hall.snapshot().blocks}
    assert 4 <= len(seen) <= 9


def test_a_server_that_is_gone_has_no_caps(hall, caps):
    caps.post(of(500.0))
    caps.post({"a": Samples(), "never": Samples()})
    assert shown(hall) == {}


def test_a_clock_that_was_set_back_keeps_nothing_alive_and_loses_nothing(hall, caps, clock):
    caps.post(of(500.0))
    clock.now -= 7200
    for _ in range(100):
        clock.now += 1
        caps.post({})
        assert shown(hall) == {"a": 500}


def test_one_series_is_told_once(hall, caps):
    twice = of(500.0)["a"]
    twice.add(CAP_CONFIRMED_WATTS, 510.0, "a", "0")
    caps.post({"a": twice})
    assert shown(hall) == {"a": 510}
    assert not hall.duplicates
