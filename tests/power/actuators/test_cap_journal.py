"""What was set, and what the operator had before, outlives the process: restarted at any moment, nothing is fought or lost."""

import json

import pytest

from power.actuators.findings import Why
from power.actuators.journal import LEAST_LINES, Journal, Note
from power.model import ControlState, Device, NodeOrder, Outcome, Way
from tests.support.fake_actuator import FakeActuator

SERVER = Device("n1")
NOTE = Note(device=SERVER, way=Way.ATTRIBUTES, before_watts=None, to_watts=5000.0)


@pytest.fixture
def bmc():
    return FakeActuator(way=Way.ATTRIBUTES, limits={"": 6000.0}, least=4000, most=9000)


def whys(executor):
    return [finding.why for finding in executor.findings()]


async def restarted(make, old, *actuators):
    await old.close()
    return make(*actuators)


async def test_a_release_gives_back_what_the_operator_had_also_after_a_restart(make, bmc, fence):
    executor = make(bmc)
    await executor.carry_out([NodeOrder(node="n1", node_cap_watts=5000)], fence)
    await executor.carry_out([NodeOrder(node="n1", node_cap_watts=4500)], fence)
    executor = await restarted(make, executor, bmc)
    await executor.read_all()
    assert executor.findings() == ()

    (receipt,) = await executor.release(["n1"], fence, "policy withdrawn")

    assert (receipt.outcome, bmc.limits[""]) == (Outcome.CONFIRMED, 6000)
    assert await executor.release(["n1"], fence, "again") == ()
    await executor.close()


async def test_a_cap_that_was_switched_off_is_switched_off_again(make, bmc, fence):
    bmc.limits[""] = None
    executor = make(bmc)
    await executor.carry_out([NodeOrder(node="n1", node_cap_watts=5000)], fence)
    (receipt,) = await executor.release(["n1"], fence, "policy withdrawn")
    assert receipt.outcome is Outcome.CONFIRMED
    assert bmc.orders[-1].node_cap_watts == float("inf")
    await executor.close()


async def test_what_is_given_back_is_the_operators_when_it_changes(make, bmc, fence):
    executor = make(bmc)
    await executor.carry_out([NodeOrder(node="n1", node_cap_watts=5000)], fence)
    await executor.release(["n1"], fence, "policy withdrawn")
    bmc.limits[""] = 7000.0
    await executor.read_all()
    assert whys(executor) == [Why.ADOPTED]
    executor = await restarted(make, executor, bmc)
    await executor.carry_out([NodeOrder(node="n1", node_cap_watts=5000)], fence)
    await executor.release(["n1"], fence, "policy withdrawn")
    assert bmc.limits[""] == 7000
    await executor.close()


async def test_gpus_in_band_are_given_back_by_their_agent(make, fence):
    class Agent(FakeActuator):
        async def release(self, uuids, fence, why=""):
            self.limits |= dict.fromkeys(uuids, 650.0)
            self.outcomes = []
            return await super().write(NodeOrder(node="n1", gpu_watts=dict.fromkeys(uuids, 650.0)), fence)

    agent = Agent(limits={"GPU-0": 700.0, "GPU-1": 700.0})
    executor = make(agent)
    await executor.carry_out([NodeOrder(node="n1", gpu_watts={"GPU-0": 500.0})], fence)
    (receipt,) = await executor.release(["n1"], fence, "policy withdrawn")
    assert (receipt.device, receipt.outcome) == (Device("n1", "GPU-0"), Outcome.CONFIRMED)
    assert agent.limits == {"GPU-0": 650, "GPU-1": 700}
    await executor.close()


@pytest.mark.parametrize("found", [5000.0, 6000.0])
async def test_a_write_that_a_crash_cut_off_is_ours_whether_or_not_it_was_done(make, journal, bmc, found):
    journal.append([Note(device=SERVER, way=Way.ATTRIBUTES, before_watts=7000.0, set_watts=6000.0)])
    journal.append([Note(device=SERVER, way=Way.ATTRIBUTES, before_watts=7000.0, to_watts=5000.0)])
    bmc.limits[""] = found
    executor = make(bmc)
    await executor.read_all()
    held = executor.held(SERVER)
    assert (held.state, held.set_watts[Way.ATTRIBUTES], executor.findings()) == (ControlState.CONTROLLED, found, ())
    await executor.close()


async def test_a_first_write_that_was_not_done_leaves_the_cap_the_operators(make, journal, bmc, fence):
    journal.append([Note(device=SERVER, way=Way.ATTRIBUTES, before_watts=6000.0, to_watts=5000.0)])
    executor = make(bmc)
    await executor.read_all()
    assert whys(executor) == [Why.ADOPTED]
    assert await executor.release(["n1"], fence, "end") == ()
    assert bmc.limits[""] == 6000
    await executor.close()


async def test_a_change_while_nobody_watched_is_told_and_is_no_fight(make, journal, bmc):
    journal.append([Note(device=SERVER, way=Way.ATTRIBUTES, before_watts=7000.0, set_watts=5000.0)])
    executor = make(bmc)
    await executor.read_all()
    (finding,) = executor.findings()
    assert (finding.why, executor.held(SERVER).fights) == (Why.DRIFT, 0)
    assert "set to 5000 W" in finding.detail
    assert "found at 6000 W" in finding.detail
    await executor.close()


@pytest.mark.parametrize("garbage", [b"\x00\xff", b"{}", b'{"node": "n1"}', b'{"node":"n1","uuid":"","way":"x"}', b"[1]", b'"'])
def test_a_line_that_cannot_be_read_costs_itself_alone(tmp_path, garbage):
    path = tmp_path / "caps.journal"
    Journal(path).append([NOTE])
    whole = path.read_bytes()
    path.write_bytes(garbage + b"\n" + whole + garbage)
    notes = Journal(path).load()
    assert list(notes) == [(SERVER, Way.ATTRIBUTES)]
    assert path.read_bytes() == whole


def test_the_file_does_not_grow_without_bound(tmp_path):
    journal = Journal(tmp_path / "caps.journal")
    for _ in range(5):
        journal.append([NOTE] * LEAST_LINES)
    assert len(journal.path.read_bytes().splitlines()) < LEAST_LINES + 10
    assert json.loads(journal.path.read_bytes().splitlines()[0])["to"] == 5000
