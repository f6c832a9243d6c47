"""Devices go back to their operator when nothing is enforced any more: whole servers, as far as limits have room."""

import asyncio

import numpy as np
import pytest

from power.actuators.journal import Note
from power.desk.steering import Busy
from power.give_back import giving
from power.guard.guard import Rules
from power.model import Device, Fence, Mode
from power.policies.scope import Scope
from tests.support import fleets
from tests.support.fleets import Over, Server, fleet
from tests.support.power_service import FakeServer, Running, inventory

FENCE = Fence(token=7, holder="core-1", valid_until=np.inf)


def given(trip_safe, *, fence=FENCE, before=700.0):
    hall = fleet([Server(name=name, gpus=2) for name in "abc"], [Over(name="one", nodes="abc", trip_safe_watts=trip_safe)])
    view = fleets.view(hall, gpu_limit_watts=400.0)
    ours = dict.fromkeys(hall.gpus, before)
    return giving(hall, view, fleets.intent(hall), ours, rules=Rules(holder="core-1"), fence=fence, why="a test")


def worst(raised):
    """Three servers of 1 kW and two GPUs each, so many of them given back."""
    return 3 * 1000 + 1.05 * 2 * (400 * (3 - raised) + 700 * raised)


@pytest.mark.parametrize("servers", [0, 1, 2, 3])
def test_as_many_servers_as_the_breaker_has_room_for(servers):
    found = given(worst(servers) + 1)
    assert len(found.orders) == servers
    assert len(found.held_back) == 3 - servers
    assert all(len(order.release) == 2 and order.raises for order in found.orders)
    assert len(found.preview.changes) == 2 * servers


def test_what_the_operator_had_lower_goes_back_whatever_room_there_is():
    assert len(given(worst(0) - 500, before=300.0).orders) == 3


def test_who_does_not_lead_orders_nothing_and_says_so():
    found = given(1e6, fence=None)
    assert found.orders == ()
    assert any("leads" in note for note in found.preview.notes)


async def test_caps_that_an_enforcing_core_left_are_named_and_given_back(tmp_path):
    servers = [FakeServer("a"), FakeServer("b")]
    async with Running(tmp_path, inventory(budget=6000), servers) as running:
        held = running.service.hearing.executor
        await running.until(lambda status: status["ready"] and len(held.ours()) == 8)
        with pytest.raises(Busy, match="enforce"):
            running.service.give_back(Scope(), "a test", dry_run=True)
        before = {device: held.held(device) for device in held.ours()}
    assert len(before) == 8

    async with Running(tmp_path, inventory(budget=6000), servers, mode=Mode.OBSERVE) as running:
        await running.until(lambda status: status["ready"])
        running.service.hearing.executor._devices.recall(_notes(before.values()))
        for device in before:
            running.service.hearing.executor.held(device).recalled.clear()
        status = await running.until(lambda status: any(each["why"] == "left_behind" for each in status["findings"]))
        assert {each["node"] for each in status["findings"] if each["why"] == "left_behind"} <= {"a", "b"}
        limits = [dict(server.limits) for server in servers]
        tried = await asyncio.to_thread(running.service.give_back, Scope(), "a test", dry_run=True)
        assert tried.changes
        assert [server.limits for server in servers] == limits

        await asyncio.to_thread(running.service.give_back, Scope(), "a test", dry_run=False)
        await running.until(lambda status: not any(each["why"] == "left_behind" for each in status["findings"]))
        assert {watts for server in servers for watts in server.limits.values()} == {700.0}


def _notes(helds):
    return [
        Note(device=held.device, way=way, before_watts=held.before_watts[way], set_watts=watts)
        for held in helds
        for way, watts in held.set_watts.items()
    ]


def test_an_unknown_device_is_left_out():
    hall = fleet([Server(name="a", gpus=1)], [Over(name="one", nodes="a")])
    ours = {Device("gone", "GPU-9"): 700.0}
    found = giving(hall, fleets.view(hall), fleets.intent(hall), ours, rules=Rules(holder="core-1"), fence=FENCE, why="")
    assert (found.orders, found.held_back) == ((), ("gone",))
