"""Starts and ends that nodes tell find the runs that schedulers tell, whoever speaks first and however little it knows."""

from __future__ import annotations

import pytest

from energy.ledger.roster import LATE_WORD_SECONDS, Roster
from wattstat.jobs import GpuHold, Observed, Placement, Run, RunKey, State
from wattstat.journal import Boundary, Edge

T0 = 1_800_000_000.0
GPUS = (GpuHold(uuid="GPU-1"),)


def run(job_id="1200_7", instance="0", *, number="1236", started=0.0, ended=None, scheduler="slurm", gpus=GPUS):
    return Run(
        key=RunKey(scheduler, job_id, instance),
        started=T0 + started,
        ended=None if ended is None else T0 + ended,
        state=State.RUNNING if ended is None else State.COMPLETED,
        placements=(Placement(node="n1", gpus=gpus),),
        labels={"slurm_job_id": number},
    )


def edge(at, which=Edge.START, *, job_id="1236", instance=""):
    return Boundary(
        id=f"{which}-{at}", edge=which, at=T0 + at, scheduler="slurm", job_id=job_id, instance=instance, gpus=("GPU-1",)
    )


def observe(roster, at, *runs, scheduler="slurm"):
    roster.observe(Observed(scheduler=scheduler, taken_at=T0 + at, runs=runs, nodes=frozenset({"n1"})), 0.0)


def stays(roster):
    return {key[1:]: (stay.start.at - T0, stay.end.at - T0) for key, stay in roster.stays.get("n1", {}).items()}


@pytest.mark.parametrize("job_id", ["1236", "1200_7"])
@pytest.mark.parametrize("node_first", [True, False])
def test_a_task_of_an_array_is_one_run_whoever_speaks_first_and_by_whatever_name(job_id, node_first):
    roster = Roster()
    observe(roster, -5)
    if node_first:
        roster.boundary("n1", edge(0.3, job_id=job_id), 0.0)
        assert stays(roster) == {}
    observe(roster, 5, run())
    if not node_first:
        roster.boundary("n1", edge(0.3, job_id=job_id), 0.0)
    assert stays(roster) == {("1200_7", "0"): (pytest.approx(0.3), float("inf"))}
    assert [each.key.job_id for each in roster.changed.values()] == ["1200_7"]


def test_a_prolog_need_not_know_the_cluster():
    roster = Roster()
    observe(roster, -5, scheduler="slurm:a")
    roster.boundary("n1", edge(0.3), 0.0)
    observe(roster, 5, run(scheduler="slurm:a"), scheduler="slurm:a")
    assert list(roster.stays["n1"]) == [RunKey("slurm:a", "1200_7", "0")]


def test_an_epilog_ends_the_run_that_had_begun_though_the_next_begins_soon():
    roster = Roster()
    observe(roster, 5, run())
    observe(roster, 3700, run(ended=3600), run(instance="1", started=3610))
    roster.boundary("n1", edge(3600.2, Edge.END), 0.0)
    assert stays(roster)["1200_7", "0"] == (0.5, pytest.approx(3600.2))
    assert stays(roster)["1200_7", "1"] == (3610.5, float("inf"))


def test_a_prolog_that_counts_restarts_starts_its_own_run():
    roster = Roster()
    observe(roster, 95, run())
    roster.boundary("n1", edge(100.2, instance="1"), 0.0)
    observe(roster, 110, run(ended=90), run(instance="1", started=100))
    assert stays(roster) == {("1200_7", "0"): (0.5, 90.5), ("1200_7", "1"): (pytest.approx(100.2), float("inf"))}


def test_a_job_shorter_than_an_asking_holds_what_its_prolog_says():
    roster = Roster()
    observe(roster, -5)
    roster.boundary("n1", edge(0.3), 0.0)
    roster.boundary("n1", edge(3.4, Edge.END), 0.0)
    observe(roster, 5, run(ended=3, gpus=()))
    [stay] = roster.stays["n1"].values()
    assert (stay.gpus, stay.start.at - T0, stay.end.at - T0) == (GPUS, pytest.approx(0.3), pytest.approx(3.4))
    assert roster.run(stay.run).gpus == 1


def test_a_node_that_no_scheduler_follows_up_is_believed_after_a_while():
    roster = Roster()
    observe(roster, -5)
    roster.boundary("n1", edge(0.3), 0.0)
    roster.place(T0 + LATE_WORD_SECONDS)
    assert stays(roster) == {}
    roster.place(T0 + LATE_WORD_SECONDS + 1)
    assert stays(roster) == {("1236", "0"): (pytest.approx(0.3), float("inf"))}


def test_a_node_is_believed_at_once_where_no_scheduler_speaks():
    roster = Roster()
    roster.boundary("n1", edge(0.3), 0.0)
    assert stays(roster) == {("1236", "0"): (pytest.approx(0.3), float("inf"))}
