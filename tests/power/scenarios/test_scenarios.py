"""The ten scenarios, small: whatever goes wrong, no breaker trips and no invariant breaks."""

from __future__ import annotations

import pytest

from power.scenarios.run import BASELINES, run
from power.scenarios.scenario import Fault, Scenario, from_text, library, load
from power.scenarios.suite import judge, ours
from wattstat.document import InvalidDocument

HALLS = ("cold-start", "demand-response", "feed-loss", "killed-controller", "lying-devices", "mixed-row", "two-leaders")
SECONDS = 240.0


def _short(name: str) -> Scenario:
    """The small form in eight GPUs a rack, with everything that goes wrong in its first minutes."""
    small = load(name).small()
    ratio = min(SECONDS / small.duration_seconds, 1.0)
    faults = tuple(
        each.model_copy(update={"at": (each.at[0] * ratio, each.at[1] * ratio), "times": min(each.times, 2)})
        for each in small.faults
    )
    hall = small.hall.model_copy(
        update={"racks_per_row": 2, "gpus_per_node": 2, "rest_watts": 1000.0, "nameplate_watts": 3000.0}
    )
    budget = small.budget.model_copy(update={"watts_per_node": 2000.0})
    work = small.load.model_copy(update={"nodes_per_job": 5})
    changes = {"hall": hall, "budget": budget, "load": work, "faults": faults, "duration_seconds": SECONDS, "asks": ()}
    return small.model_copy(update=changes)


def test_all_ten_scenarios_come_along():
    assert sorted(load(name).number for name in library() if load(name).number) == list(range(1, 11))


@pytest.mark.parametrize("name", HALLS)
def test_no_breaker_trips_and_no_invariant_breaks(name):
    result = ours(_short(name).model_copy(update={"passes": load("mixed-row").passes}), 1)
    assert result.figures.trips == 0
    assert not result.broken, result.violations


def test_schedules_agree_with_brute_force_and_jumps_of_the_clock_write_nothing():
    scenario = load("clock-and-schedule").small().model_copy(update={"cases": 200})
    assert judge(scenario, [1]).passed


def test_allocations_agree_with_brute_force_on_random_trees():
    assert judge(load("tree-and-priority").small().model_copy(update={"cases": 40}), [1]).passed


def test_nobody_in_control_trips_breakers_that_equal_caps_hold():
    scenario = load("mixed-row-guaranteed").small().model_copy(update={"duration_seconds": 3600.0})
    alone = run(scenario, 1, "none", BASELINES["none"])
    static = run(scenario, 1, "equal static", BASELINES["equal static"])
    assert alone.figures.trips > 0
    assert alone.broken["I1"] == alone.figures.trips
    assert static.figures.trips == 0
    assert static.figures.throughput < alone.figures.throughput


@pytest.mark.parametrize("name", [name for name in BASELINES if name != "none"])
def test_every_peer_keeps_power_below_that_of_nobody(name):
    scenario = load("mixed-row-guaranteed").small().model_copy(update={"duration_seconds": 400.0})
    peer, nobody = (run(scenario, 1, each, BASELINES[each]).figures for each in (name, "none"))
    assert peer.over_seconds < nobody.over_seconds


def test_the_same_seed_gives_the_same_figures():
    one, other = (ours(_short("mixed-row"), 3).figures for _ in range(2))
    assert one == other


def test_a_killed_controller_is_followed_by_the_standby():
    scenario = _short("killed-controller").model_copy(update={"faults": (Fault(kind="kill", at=(60, 60), seconds=100),)})
    assert 5 <= ours(scenario, 1).measured["takeover_seconds"] <= 16


def test_a_scenario_with_an_unknown_word_is_refused_with_its_place():
    with pytest.raises(InvalidDocument, match=r"scenario:3.*rowz"):
        from_text("name: a\ntitle: b\nhall: {rowz: 3}\n")
