"""Each rule alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.ledger import rules
from energy.ledger.rules import Holder, Tenant
from wattstat.jobs import RunKey

A, B = RunKey("slurm", "1"), RunKey("slurm", "2")
joules = st.floats(0, 1e9)


def test_a_gpu_that_nobody_holds_is_nobodys():
    assert rules.whole_gpu(10.0, None, 0.9, 0.01) == rules.Part(None, 10.0)


@pytest.mark.parametrize(("activity", "suspended", "idle"), [(0.5, False, False), (0.001, False, True), (0.5, True, True)])
def test_a_held_gpu_is_its_runs_alone_and_idle_when_it_does_nothing(activity, suspended, idle):
    part = rules.whole_gpu(10.0, Holder(A, 1.0, suspended=suspended), activity, 0.01)
    assert (part.run, part.joules, part.is_idle) == (A, 10.0, idle)


def test_a_board_that_tells_no_activity_counts_as_used():
    assert not rules.whole_gpu(10.0, Holder(A, 1.0), None, 0.01).is_idle


def test_of_a_shared_gpu_work_pays_what_work_adds_and_the_unallocated_part_is_idle():
    parts = rules.shared_gpu(1000.0, 300.0, [Holder(A, 3 / 7, 0.4), Holder(B, 2 / 7, 0.1)], 0.01)
    by_run = {part.run: part.joules for part in parts}
    assert by_run[A] == pytest.approx(300 * 3 / 7 + 700 * 0.8)
    assert by_run[B] == pytest.approx(300 * 2 / 7 + 700 * 0.2)
    assert by_run[None] == pytest.approx(300 * 2 / 7)


def test_a_part_that_alone_was_active_has_all_the_dynamic_energy_for_sure():
    mine, other = rules.shared_gpu(1000.0, 300.0, [Holder(A, 0.5, 0.4), Holder(B, 0.5, 0.0)], 0.01)
    assert mine.joules == pytest.approx(850)
    assert mine.error == pytest.approx(0)
    assert other.is_idle


def test_without_any_activity_fractions_stand_for_it_and_the_error_says_how_little_that_is():
    mine, other = rules.shared_gpu(1000.0, 300.0, [Holder(A, 0.75), Holder(B, 0.25, 0.5)], 0.01)
    assert mine.joules == pytest.approx(750)
    assert (mine.error, other.error) == (pytest.approx(525), pytest.approx(525))


@given(total=joules, idle=joules, fractions=st.lists(st.floats(0.01, 1), min_size=1, max_size=7), data=st.data())
def test_the_parts_of_a_gpu_are_the_whole(total, idle, fractions, data):
    activity = st.one_of(st.none(), st.floats(0, 1))
    holders = [Holder(RunKey("s", str(number)), each, data.draw(activity)) for number, each in enumerate(fractions)]
    parts = rules.shared_gpu(total, idle, holders, 0.01)
    assert sum(part.joules for part in parts) == pytest.approx(total)
    assert all(part.joules >= 0 and part.error >= 0 for part in parts)


def test_processors_go_by_allocated_processors_else_by_gpus():
    assert rules.cpu_weights([Tenant(A, 48, 1), Tenant(B, 16, 1)], 8) == {A: 0.75, B: 0.25}
    assert rules.cpu_weights([Tenant(A, None, 2), Tenant(B, 16, 4)], 8) == {A: 0.25, B: 0.5, None: 0.25}
    assert rules.cpu_weights([], 8) == {None: 1.0}


def test_the_rest_follows_heat_and_without_heat_what_was_allocated():
    assert rules.rest_weights([Tenant(A, 8, 4, 750.0)], 250.0, 8) == {A: 0.75, None: 0.25}
    assert rules.rest_weights([Tenant(A, 8, 4, 0.0)], 0.0, 8) == {A: 0.5, None: 0.5}
    assert rules.rest_weights([Tenant(A, 8, 0), Tenant(B, 24, 0)], 0.0, 0) == {A: 0.25, B: 0.75}


@given(node=joules, devices=joules, deficit=st.floats(0, 1e6))
def test_the_rest_is_never_negative_and_its_deficit_is_carried(node, devices, deficit):
    rest, carried = rules.rest_of_node(node, devices, deficit)
    assert rest >= 0
    assert carried >= 0
    assert rest - carried == pytest.approx(node - devices - deficit, abs=1e-3)


@given(cpus=st.lists(st.one_of(st.none(), st.integers(1, 128)), max_size=5), gpus=st.integers(0, 8))
def test_weights_add_up_to_one(cpus, gpus):
    tenants = [Tenant(RunKey("s", str(number)), each, number % 3, number * 7.0) for number, each in enumerate(cpus)]
    for weights in (
        rules.cpu_weights(tenants, gpus),
        rules.gpu_weights(tenants, gpus),
        rules.rest_weights(tenants, 0.0, gpus),
        rules.rest_weights(tenants, 5.0, gpus),
    ):
        assert sum(weights.values()) == pytest.approx(1)
