"""Silence of each party, a reset and a jump of the clock, while jobs run."""

import pytest

from energy.model import Method
from tests.energy.hall import START
from tests.energy.oracle import Job, Truth
from tests.energy.test_conservation import Play, Trouble, check, gpu_joules
from wattstat.jobs import RunKey

LONG = Job(RunKey("slurm", "1"), (0, 1), START + 100.4, START + 1500.7, told=True)


def _methods(bench, key) -> Method:
    found = Method(0)
    for posting in bench.books.postings:
        if posting.run == key:
            found |= posting.methods
    return found


def _played(trouble: Trouble, **more):
    truth = Truth(seed=3, seconds=1700, jobs=[LONG], **more)
    bench = Play(truth, trouble).run()
    check(bench, truth)
    got = sum(posting.gpu_joules + posting.idle_joules for posting in bench.books.postings if posting.run == LONG.key)
    return truth, bench, got


def test_a_job_with_true_start_and_end_is_exact_to_a_step_of_the_counter():
    truth, _, got = _played(Trouble())
    assert got == pytest.approx(truth.job_joules(LONG, START + 1700), abs=0.2 * 1400)


def test_ten_minutes_without_core_cost_nothing_for_the_journal_remembers():
    truth, bench, got = _played(Trouble(core=((600, 1200),)))
    assert got == pytest.approx(truth.job_joules(LONG, START + 1700), abs=0.2 * 1400)
    assert Method.ESTIMATED in _methods(bench, LONG.key)  # the node's own meter was not read: its rest is an estimate


def test_ten_minutes_without_the_scheduler_are_waited_for():
    truth, _, got = _played(Trouble(scheduler=((1200, 1690),)))
    assert got == pytest.approx(truth.job_joules(LONG, START + 1700), abs=0.2 * 1400)


def test_while_the_scheduler_is_silent_nothing_is_settled_beyond_its_word():
    truth = Truth(seed=3, seconds=1500, jobs=[LONG])
    bench = Play(truth, Trouble(scheduler=((900, 5000),))).run()
    assert bench.settled_steady() < START + 900


def test_a_reset_during_a_job_is_filled_by_power_and_marked():
    truth, bench, got = _played(Trouble(), resets=[(0, START + 700.3)])
    assert got == pytest.approx(truth.job_joules(LONG, START + 1700), rel=1e-3)
    assert Method.ESTIMATED in _methods(bench, LONG.key)


@pytest.mark.parametrize("by", [-86400.0, -3600.0, -3.0, 3.0, 86400.0])
def test_a_clock_that_jumps_during_a_job_changes_nothing(by):
    truth, _, got = _played(Trouble(jumps=((800, by),)))
    assert got == pytest.approx(truth.job_joules(LONG, START + 1700), abs=0.2 * 1400)


@pytest.mark.parametrize("by", [-7200.0, 7200.0])
def test_a_clock_that_was_set_while_core_was_down_is_told_by_the_agents_own_seconds(by):
    truth, _, got = _played(Trouble(core=((600, 700),), jumps=((650, by),)))
    assert got == pytest.approx(truth.job_joules(LONG, START + 1700), abs=0.2 * 1400)


def test_an_agent_that_restarts_loses_shape_but_no_joule():
    truth, bench, _ = _played(Trouble(agent=((500, 700),)), boots=[START + 650.0])
    until = bench.settled_steady()
    counted = sum(truth.counter(index, until) - truth.counter(index, START + 0.37) for index in range(2))
    assert gpu_joules(bench) == pytest.approx(counted, abs=1500)
