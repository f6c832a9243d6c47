"""What a scheduler forgets about a run that ended, the roster remembers."""

from energy.ledger.roster import Roster
from wattstat.jobs import GpuHold, Observed, Placement, Run, RunKey, State

KEY = RunKey("kubernetes", "team/pod", "uid")


def told(roster, at, *, ended=None, gpus=()):
    state = State.RUNNING if ended is None else State.COMPLETED
    run = Run(key=KEY, started=100.5, ended=ended, state=state, placements=(Placement(node="n1", gpus=gpus),))
    roster.observe(Observed(scheduler="kubernetes", taken_at=at, runs=(run,), nodes=frozenset({"n1"})), 0.0)
    return roster.stays["n1"][KEY]


def test_a_run_that_ended_keeps_the_gpus_that_it_held():
    roster = Roster()
    held = (GpuHold(uuid="GPU-1"),)
    told(roster, 110.0, gpus=held)
    stay = told(roster, 130.0, ended=120.5)

    assert stay.gpus == held
    assert stay.end.at == 120.5


def test_a_run_that_is_alive_holds_what_its_scheduler_says():
    roster = Roster()
    told(roster, 110.0, gpus=(GpuHold(uuid="GPU-1"),))

    assert told(roster, 130.0).gpus == ()
