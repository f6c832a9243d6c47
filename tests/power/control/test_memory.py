"""What is remembered, and that it survives a fleet that was made anew."""

from __future__ import annotations

import numpy as np

from power.audit.packing import pack, unpack
from power.control.allocator import propose
from power.control.memory import Memory
from power.control.tuning import Tuning
from power.model import Proposal
from tests.support.fleets import Over, Server, fleet, intent, view


def after_some_seconds(names: list[str]) -> tuple[Proposal, Memory]:
    made = fleet([Server(name=name) for name in names], [Over(name="row", kind="row", nodes=names)])
    memory = Memory(seed=4)
    for second in range(5):
        now = view(made, gpu_watts=600.0, gpu_limit_watts=500.0, monotonic=1000.0 + second)
        proposal, memory = propose(made, now, intent(made, limits={"row": 4800.0 * len(names)}), Tuning(), memory)
    return proposal, memory


def test_the_same_hall_made_anew_is_decided_the_same():
    _, memory = after_some_seconds(["a", "b", "c"])
    made = memory.state.layout.fleet
    anew = fleet([Server(name=name) for name in "abc"], [Over(name="row", kind="row", nodes=list("abc"))])
    now = view(made, gpu_watts=600.0, gpu_limit_watts=500.0, monotonic=1008.0)
    one, _ = propose(made, now, intent(made, limits={"row": 14_400.0}), Tuning(), memory)
    other, _ = propose(anew, now, intent(anew, limits={"row": 14_400.0}), Tuning(), memory)
    np.testing.assert_array_equal(one.gpu_watts, other.gpu_watts)
    np.testing.assert_array_equal(one.limit_expected_watts, other.limit_expected_watts)


def test_a_server_that_is_new_takes_nobodys_memory():
    _, memory = after_some_seconds(["a", "b"])
    names = ["x", "b", "a"]
    anew = fleet([Server(name=name) for name in names], [Over(name="row", kind="row", nodes=names)])
    state = memory.of(anew, 1005.0)
    assert np.isnan(state.asked.watts[:8]).all()
    np.testing.assert_array_equal(state.asked.watts[8:16], memory.state.asked.watts[8:16])
    np.testing.assert_array_equal(state.asked.watts[16:24], memory.state.asked.watts[:8])


def test_a_memory_that_was_put_away_decides_the_same():
    _, memory = after_some_seconds(["a", "b", "c"])
    made = memory.state.layout.fleet
    again = unpack(pack(memory))
    now = view(made, gpu_watts=600.0, gpu_limit_watts=500.0, monotonic=1008.0)
    one, _ = propose(made, now, intent(made, limits={"row": 14_400.0}), Tuning(), memory)
    other, _ = propose(made, now, intent(made, limits={"row": 14_400.0}), Tuning(), again)
    np.testing.assert_array_equal(one.gpu_watts, other.gpu_watts)
