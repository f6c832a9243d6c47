"""Who held what, when, by all that was said."""

from math import inf

import pytest

from energy.ledger.claims import claims
from energy.ledger.moments import Moment
from energy.ledger.roster import Roster
from tests.energy.hall import START, gpus
from wattstat.jobs import GpuHold, Hold, Observed, Placement, Run, RunKey, State
from wattstat.journal import Boundary, Edge, Gpu

KEY = RunKey("slurm", "7")


FIRST = (GpuHold(minor=0),)


def _run(started=START, ended=None, *, key=KEY, holds=FIRST, **more) -> Run:
    state = more.pop("state", State.RUNNING if ended is None else State.COMPLETED)
    placements = (Placement(node="n1", gpus=tuple(holds), cpus=8),)
    return Run(key=key, started=started, ended=ended, state=state, placements=placements, **more)


def _said(roster: Roster, at: float, *runs: Run, shift: float = 0.0) -> None:
    roster.observe(Observed(scheduler="slurm", taken_at=at, runs=runs, nodes=frozenset({"n1", "n2"})), shift)


def _edge(edge: Edge, at: float, *, key=KEY, instance: str | None = None, node_gpus=("GPU-0",)) -> Boundary:
    return Boundary(
        id=f"{key}-{edge}-{at}",
        edge=edge,
        at=at,
        scheduler="slurm",
        job_id=key.job_id,
        instance=key.instance if instance is None else instance,
        user="ada",
        gpus=node_gpus,
    )


def test_slurm_cuts_its_seconds_off_so_that_the_true_time_lies_within_them():
    roster = Roster()
    _said(roster, START + 5, _run(START))
    assert roster.stays["n1"][KEY].start == Moment(START + 0.5, 0.5)


def test_the_nodes_own_time_replaces_the_schedulers():
    roster = Roster()
    _said(roster, START + 5, _run(START))
    roster.boundary("n1", _edge(Edge.START, START + 0.83), 0.0)
    _said(roster, START + 60, _run(START, START + 50))
    roster.boundary("n1", _edge(Edge.END, START + 51.4), 0.0)
    stay = roster.stays["n1"][KEY]
    assert (stay.start, stay.end) == (Moment(START + 0.83), Moment(START + 51.4))


def test_a_boundary_that_comes_twice_or_before_its_run_is_harmless():
    roster = Roster()
    boundary = _edge(Edge.START, START + 0.83)
    assert roster.boundary("n1", boundary, 0.0)
    assert not roster.boundary("n1", boundary, 0.0)
    _said(roster, START + 5, _run(START, name="train"))
    assert roster.stays["n1"][KEY].start.at == START + 0.83
    assert roster.changed[KEY].name == "train"


def test_a_run_that_only_its_node_tells_of_is_a_run():
    roster = Roster()
    roster.boundary("n1", _edge(Edge.START, START), 0.0)
    assert roster.changed[KEY].user == "ada"
    roster.boundary("n1", _edge(Edge.END, START + 30), 0.0)
    assert (roster.changed[KEY].state, roster.changed[KEY].ended) == (State.GONE, START + 30)
    assert roster.manages("n1")


def test_a_run_that_vanished_ended_between_the_last_two_words():
    roster = Roster()
    _said(roster, START + 10, _run(START))
    _said(roster, START + 30)
    assert roster.stays["n1"][KEY].end == Moment(START + 20, 10)
    assert roster.changed[KEY].state is State.GONE


def test_a_run_that_is_mentioned_again_had_not_ended():
    roster = Roster()
    _said(roster, START + 10, _run(START))
    _said(roster, START + 30)
    _said(roster, START + 50, _run(START))
    assert roster.stays["n1"][KEY].end.at == inf
    assert roster.changed[KEY].state is State.RUNNING


def test_a_run_that_vanished_ended_when_its_node_says():
    roster = Roster()
    _said(roster, START + 10, _run(START))
    _said(roster, START + 30)
    roster.boundary("n1", _edge(Edge.END, START + 12.5), 0.0)
    assert roster.stays["n1"][KEY].end == Moment(START + 12.5)


def test_a_requeued_job_is_another_run_and_an_edge_without_number_goes_to_the_nearer_one():
    roster = Roster()
    again = RunKey("slurm", "7", "1")
    _said(roster, START + 200, _run(START, START + 100, state=State.REQUEUED), _run(START + 190, key=again))
    roster.boundary("n1", _edge(Edge.START, START + 190.4, instance=""), 0.0)
    assert roster.stays["n1"][again].start.at == START + 190.4
    assert roster.stays["n1"][KEY].start.at == START + 0.5


def test_a_suspended_run_stands_still_but_holds():
    roster = Roster()
    _said(
        roster,
        START + 90,
        _run(START, state=State.SUSPENDED, suspended=((START + 10, START + 20),), suspended_since=START + 60),
    )
    (claim,) = claims(roster.stays["n1"].values(), gpus(2))["GPU-0"]
    assert claim.stands_still(START + 12, START + 15)
    assert not claim.stands_still(START + 30, START + 40)
    assert claim.stands_still(START + 70, START + 80)
    assert claim.covers(START + 70, START + 80)


def test_a_whole_gpu_is_never_held_by_two_and_the_successors_start_is_the_better_word():
    roster = Roster()
    later = RunKey("slurm", "8")
    _said(roster, START + 100, _run(START, START + 60), _run(START + 55, key=later))
    first, second = claims(roster.stays["n1"].values(), gpus(2))["GPU-0"]
    assert first.end == second.start == Moment(START + 55.5, 0.5)


def test_an_end_that_the_node_told_is_better_than_a_start_that_it_did_not():
    roster = Roster()
    later = RunKey("slurm", "8")
    _said(roster, START + 100, _run(START, START + 58), _run(START + 57, key=later))
    roster.boundary("n1", _edge(Edge.END, START + 58.2), 0.0)
    first, second = claims(roster.stays["n1"].values(), gpus(2))["GPU-0"]
    assert first.end == second.start == Moment(START + 58.2)


@pytest.mark.parametrize(
    "hold", [GpuHold(uuid="GPU-1"), GpuHold(minor=1), GpuHold(index=1), GpuHold(uuid="GPU-1", hold=Hold.SHARD, fraction=0.5)]
)
def test_a_gpu_is_found_by_any_of_its_names(hold):
    roster = Roster()
    _said(roster, START + 5, _run(holds=[hold]))
    assert list(claims(roster.stays["n1"].values(), gpus(2))) == ["GPU-1"]


def test_a_mig_device_is_its_slices_share_of_the_gpu_by_either_name():
    gpu = Gpu(
        uuid="GPU-0",
        index=0,
        minor=0,
        slices={"mig:1:0": 3.0, "mig:2:0": 4.0},
        mig_uuids={"mig:1:0": "MIG-a", "mig:2:0": "MIG-b"},
    )
    roster = Roster()
    one = GpuHold(uuid="GPU-0", hold=Hold.MIG, instance="mig:1:0")
    other = GpuHold(uuid="MIG-b", hold=Hold.MIG)
    _said(roster, START + 5, _run(holds=[one]), _run(key=RunKey("slurm", "8"), holds=[other]))
    found = claims(roster.stays["n1"].values(), [gpu])["GPU-0"]
    assert [(claim.holder, claim.fraction, claim.whole) for claim in found] == [
        ("mig:1:0", pytest.approx(3 / 7), False),
        ("mig:2:0", pytest.approx(4 / 7), False),
    ]


def test_a_gpu_that_the_node_has_not_is_held_by_nobody():
    roster = Roster()
    _said(roster, START + 5, _run(holds=[GpuHold(minor=9)]))
    assert claims(roster.stays["n1"].values(), gpus(2)) == {}


def test_a_word_that_is_older_than_the_last_changes_nothing():
    roster = Roster()
    _said(roster, START + 30, _run(START))
    _said(roster, START + 20)
    assert roster.stays["n1"][KEY].end.at == inf


def test_the_slowest_scheduler_of_a_node_has_the_word():
    roster = Roster()
    _said(roster, START + 30)
    roster.observe(Observed(scheduler="kubernetes", taken_at=START + 12, runs=(), nodes=frozenset({"n1"})), 0.0)
    assert (roster.word("n1"), roster.word("n2"), roster.word("n3")) == (START + 12, START + 30, None)


def test_a_run_that_is_over_is_forgotten_once_all_is_settled_and_nobody_mentions_it():
    roster = Roster()
    _said(roster, START + 30, _run(START, START + 20))
    roster.forget({"n1": START + 5000}.__getitem__)
    assert roster.run(KEY) is not None
    _said(roster, START + 5000)
    roster.forget({"n1": START + 5000}.__getitem__)
    assert roster.run(KEY) is None
    assert not roster.stays["n1"]


def test_a_run_from_the_books_is_moved_when_the_clock_was_set_while_core_was_down():
    roster = Roster()
    roster.restore(_run(START), START + 100, 0.0)
    roster.move(50.0)
    assert roster.stays["n1"][KEY].start == Moment(START + 50.5, 0.5)


def test_a_run_from_the_books_keeps_its_start_until_its_scheduler_says_another():
    roster = Roster()
    roster.restore(_run(START), START + 100, 0.0)
    roster.move(50.0)
    _said(roster, START + 110, _run(START), shift=-50.0)
    assert roster.stays["n1"][KEY].start.at == START + 50.5
    _said(roster, START + 120, _run(START + 60), shift=-50.0)
    assert roster.stays["n1"][KEY].start.at == START + 110.5
