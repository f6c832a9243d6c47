"""Runs out of one asking after another."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.slurm.history import KEPT_SECONDS, Cluster, History
from tests.collectors.slurm.conftest import CLUSTER, NOW, by_id, job
from wattstat.jobs import ALIVE, State


class Watch:
    """A history that is asked at moments after NOW."""

    def __init__(self, cluster=CLUSTER):
        self.history = History()
        self.cluster = cluster

    def __call__(self, seconds, *jobs):
        return by_id(self.history.merge(jobs, self.cluster, NOW + seconds))


@pytest.fixture
def watch():
    return Watch()


def test_a_running_job_is_a_run_with_its_gpus(watch):
    run = watch(0, job())["7"]
    assert (run.state, run.started, run.ended, run.user, run.name) == (State.RUNNING, NOW - 100, None, "ada", "train")
    assert [gpu.minor for gpu in run.placements[0].gpus] == [0, 1]
    assert run.labels == {"slurm_job_id": "7"}


def test_nodes_are_told_by_the_inventorys_names():
    watch = Watch(Cluster(scheduler="slurm:a", order="pci", names={"gpu01": "xe9680-01"}))
    run = watch(0, job())["7"]
    assert (run.key.scheduler, run.nodes, run.placements[0].gpus[0].index) == ("slurm:a", ("xe9680-01",), 0)


@pytest.mark.parametrize("members", [{"started": None}, {"started": NOW + 3600}, {"nodes": (), "allocations": ()}])
def test_what_has_not_begun_is_no_run(watch, members):
    assert watch(0, job(**members)) == {}


def test_a_waiting_job_is_no_run_whatever_start_slurm_expects(watch):
    assert watch(0, job(states="PENDING", started=NOW - 5)) == {}


def test_an_ended_job_keeps_what_its_record_has_forgotten(watch):
    watch(0, job())
    run = watch(10, job(states="COMPLETED", ended=NOW + 4, exit_code=0, allocations=()))["7"]
    assert (run.state, run.ended, run.exit_code, run.gpus) == (State.COMPLETED, NOW + 4, 0, 2)


@pytest.mark.parametrize(
    ("words", "state"),
    [("FAILED", State.FAILED), ("TIMEOUT", State.TIMEOUT), ("NODE_FAIL", State.NODE_FAIL), ("PREEMPTED", State.PREEMPTED),
     ("OUT_OF_MEMORY", State.OUT_OF_MEMORY), ("DEADLINE", State.CANCELLED), ("BOOT_FAIL", State.NODE_FAIL)],
)  # fmt: skip
def test_how_a_job_ended_is_told(watch, words, state):
    assert watch(0, job(states=words, ended=NOW - 1))["7"].state is state


def test_a_completing_job_holds_its_gpus_until_it_is_through(watch):
    watch(0, job())
    completing = job(states="COMPLETING", ended=NOW + 4, allocations=())
    run = watch(10, completing)["7"]
    assert (run.state, run.ended, run.gpus) == (State.RUNNING, None, 2)
    watch(20, completing)
    run = watch(30, job(states="CANCELLED", ended=NOW + 4, allocations=()))["7"]
    assert (run.state, run.ended) == (State.CANCELLED, NOW + 20)


def test_a_completing_job_ends_when_the_first_of_its_nodes_is_free(watch):
    both = job(nodes=("gpu01", "gpu02"), allocations=())
    watch(0, both)
    watch(10, job(states="COMPLETING", ended=NOW + 4, nodes=("gpu01", "gpu02"), allocations=()))
    run = watch(20, job(states="COMPLETING", ended=NOW + 4, nodes=("gpu02",), allocations=()))["7"]
    assert (run.ended, run.nodes) == (NOW + 10, ("gpu01", "gpu02"))
    assert watch(30, job(states="CANCELLED", ended=NOW + 4, allocations=()))["7"].ended == NOW + 10


def test_an_end_is_not_before_the_job_was_last_seen(watch):
    """Slurm's times are whole seconds of slurmctld's clock."""
    watch(0.9, job())
    assert watch(10, job(states="COMPLETED", ended=NOW))["7"].ended == NOW + 0.9


def test_a_requeued_job_ends_when_slurm_takes_it_for_submitted_anew(watch):
    watch(0, job())
    runs = watch(10, job(states="PENDING", restarts=1, submitted=NOW + 6, started=NOW + 20, nodes=(), allocations=()))
    assert (runs["7"].key.instance, runs["7"].state, runs["7"].ended, runs["7"].gpus) == ("0", State.REQUEUED, NOW + 6, 2)
    runs = watch(30, job(restarts=1, submitted=NOW + 6, started=NOW + 20))
    assert [(key, run.state) for key, run in runs.items()] == [("7/0", State.REQUEUED), ("7/1", State.RUNNING)]


def test_while_a_requeued_jobs_nodes_are_cleaned_its_old_run_goes_on(watch):
    watch(0, job())
    cleaning = job(states="COMPLETING", restarts=1, started=NOW + 10, ended=NOW + 1e9, allocations=())
    run = watch(10, cleaning)["7"]
    assert (run.key.instance, run.state, run.started, run.gpus) == ("0", State.RUNNING, NOW - 100, 2)
    run = watch(20, job(states="PENDING", restarts=1, submitted=NOW + 14, started=None, nodes=(), allocations=()))["7"]
    assert (run.state, run.ended) == (State.REQUEUED, NOW + 14)


def test_a_record_of_a_cleaned_run_that_nobody_saw_is_no_run(watch):
    assert watch(0, job(states="COMPLETING", restarts=1, started=NOW, ended=NOW + 1e9)) == {}


def test_a_job_requeued_and_started_between_two_askings_is_two_runs(watch):
    watch(0, job())
    runs = watch(60, job(restarts=1, submitted=NOW + 6, started=NOW + 20))
    assert (runs["7/0"].ended, runs["7/1"].started) == (NOW + 6, NOW + 20)


def test_a_preempted_and_requeued_run_says_so(watch):
    watch(0, job())
    runs = watch(10, job(states="PENDING", restarts=1, submitted=NOW + 6, preempted=NOW + 5, nodes=(), allocations=()))
    assert runs["7"].state is State.PREEMPTED


def test_a_suspension_is_told_while_it_lasts_and_after(watch):
    run = watch(0, job(states="SUSPENDED", suspend_time=NOW - 40, ran_before_suspend_seconds=60))["7"]
    assert (run.state, run.suspended_since, run.suspended) == (State.SUSPENDED, NOW - 40, ())
    run = watch(10, job(suspend_time=NOW + 5, ran_before_suspend_seconds=60))["7"]
    assert (run.state, run.suspended_since, run.suspended) == (State.RUNNING, None, ((NOW - 40, NOW + 5),))
    run = watch(20, job(states="SUSPENDED", suspend_time=NOW + 15, ran_before_suspend_seconds=70))["7"]
    assert (run.suspended_since, run.suspended) == (NOW + 15, ((NOW - 40, NOW + 5),))


def test_a_suspension_that_nobody_saw_is_told_by_slurms_sums(watch):
    run = watch(0, job(suspend_time=NOW - 30, ran_before_suspend_seconds=20))["7"]
    assert run.suspended == ((NOW - 80, NOW - 30),)


def test_a_job_cancelled_while_suspended_held_its_gpus_until_it_was_last_seen(watch):
    """Slurm then tells the suspension as its end."""
    watch(0, job(states="SUSPENDED", suspend_time=NOW - 40, ran_before_suspend_seconds=60))
    watch(10, job(states="SUSPENDED", suspend_time=NOW - 40, ran_before_suspend_seconds=60))
    run = watch(20, job(states="CANCELLED", ended=NOW - 40, suspend_time=NOW - 40, ran_before_suspend_seconds=60))["7"]
    assert (run.ended, run.suspended) == (NOW + 10, ((NOW - 40, NOW + 10),))


def test_an_ended_run_is_told_on_for_a_while_after_slurm_forgot_it(watch):
    watch(0, job())
    watch(10, job(states="COMPLETED", ended=NOW + 4))
    assert watch(400)["7"].ended == NOW + 4
    assert watch(20 + KEPT_SECONDS) == {}


def test_a_run_of_which_slurm_knows_nothing_any_more_has_vanished(watch):
    watch(0, job(), job(8))
    assert list(watch(10, job(8))) == ["8"]
    assert [run.key.job_id for run in watch.history.vanished] == ["7"]
    watch(20, job(8))
    assert watch.history.vanished == ()


WORDS = ["PENDING", "RUNNING", "SUSPENDED", "COMPLETING", "COMPLETED", "CANCELLED", "REQUEUED", "CONFIGURING"]
MOMENTS = st.none() | st.integers(-200, 200).map(lambda seconds: NOW + seconds)


@given(
    st.lists(
        st.builds(
            job,
            number=st.integers(1, 2),
            states=st.sampled_from(WORDS),
            restarts=st.integers(0, 3),
            submitted=MOMENTS,
            started=MOMENTS,
            ended=MOMENTS,
            suspend_time=MOMENTS,
            ran_before_suspend_seconds=st.integers(0, 300),
            nodes=st.sampled_from([(), ("gpu01",), ("gpu01", "gpu02")]),
        ),
        max_size=8,
    )
)
def test_whatever_slurm_says_ends_are_after_starts(records):
    watch = Watch()
    for seconds, record in zip(itertools.count(0, 10), records, strict=False):
        for run in watch(seconds, record).values():
            assert (run.ended is None) == (run.state in ALIVE)
            assert run.ended is None or run.ended >= run.started
            assert all(begin <= end for begin, end in run.suspended)
            assert run.suspended_since is None or run.state is State.SUSPENDED
