"""What is remembered, and that it survives a fleet that was made anew."""

from __future__ import annotations

from dataclasses import replace

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


def test_what_a_server_draws_before_its_gpus_are_known_is_not_taken_for_its_rest():
    blind = fleet([Server(name="a", gpus=0), Server(name="b", gpus=0)], [Over(name="row", kind="row", nodes=["a", "b"])])
    _, memory = propose(
        blind,
        view(blind, node_watts=np.full(2, 7000.0), monotonic=1000.0),
        intent(blind, limits={"row": 20_000.0}, guaranteed=False),
        Tuning(),
        Memory(),
    )
    made = fleet([Server(name="a"), Server(name="b")], [Over(name="row", kind="row", nodes=["a", "b"])])
    state = memory.of(made, 1001.0)
    assert np.isnan(state.rest.highest).all()
    assert np.isnan(state.ratio.highest).all()


def test_a_peak_from_before_a_cut_is_not_taken_for_rest_after_it():
    made = fleet([Server(name="a")], [Over(name="row", kind="row", nodes=["a"])])
    now = view(made, gpu_watts=300.0, gpu_limit_watts=300.0, node_watts=300.0 * 8 * made.loss + 600.0, monotonic=1000.0)
    now = replace(now, node_peak_watts=now.node_peak_watts + 3000.0)
    _, memory = propose(made, now, intent(made, limits={"row": 20_000.0}), Tuning(), Memory())
    np.testing.assert_allclose(memory.state.rest.highest, [600.0])


def test_servers_that_have_told_nothing_teach_nothing():
    made = fleet([Server(name="a")], [Over(name="row", kind="row", nodes=["a"])])
    silent = replace(view(made, monotonic=1000.0), gpu_age=np.full(8, np.inf), node_age=np.full(1, np.inf))
    _, memory = propose(made, silent, intent(made, limits={"row": 20_000.0}, guaranteed=False), Tuning(), Memory())
    assert np.isnan(memory.state.rest.highest).all()
    assert np.isnan(memory.state.ratio.highest).all()


def test_the_most_that_counts_until_a_meter_tells_is_forgotten_when_it_has():
    made = fleet([Server(name="a")], [Over(name="row", kind="row", nodes=["a"])])
    gpus = 300.0 * 8 * made.loss
    memory = Memory()
    for second, rest in enumerate([made.rest_watts, np.array([400.0])]):
        now = view(made, gpu_watts=300.0, gpu_limit_watts=300.0, node_watts=gpus + rest, monotonic=1000.0 + second)
        _, memory = propose(made, now, intent(made, limits={"row": 20_000.0}), Tuning(), memory)
    np.testing.assert_allclose(memory.state.rest.highest, [400.0])
