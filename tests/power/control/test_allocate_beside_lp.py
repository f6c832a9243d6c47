"""The allocator beside linear programmes: the same levels, on random trees with A/B feeds, jobs and priorities."""

from __future__ import annotations

import numpy as np
import pytest

from power.control.allocate import Stage, allocate, stages
from power.model import Floats
from tests.support.allocations import Case, levels, random_case
from tests.support.max_min import max_min

TOLERANCE = 0.005


def by_programmes(case: Case) -> list[Floats]:
    """The level of every lift in every stage."""
    made, given = case.loads, case.rows
    least = made.points[0][given.load]
    room = np.maximum(given.room - np.bincount(given.row, weights=given.cost * least, minlength=len(given.room)), 0.0)
    goes_on = np.ones(made.lifts, bool)
    found = []
    for way in stages(made.points):
        rates, ends = _rates(case, way), _ends(case, way)
        level = np.zeros(made.lifts)
        for priority in sorted(set(made.priority.tolist()), reverse=True):
            mine = np.flatnonzero(goes_on & (made.priority == priority) & (ends > 0))
            level[mine] = max_min(rates[:, mine], room, ends[mine])
            room = np.maximum(room - rates[:, mine] @ level[mine], 0.0)
        goes_on &= level >= ends - 1e-6
        found.append(level)
    return found


def _rates(case: Case, way: Stage) -> Floats:
    made, given = case.loads, case.rows
    rates = np.zeros((len(given.room), made.lifts))
    counts = ~given.measured[given.row] | way.is_measured
    np.add.at(rates, (given.row, made.lift[given.load]), counts * given.cost * way.pace[given.load])
    return rates


def _ends(case: Case, way: Stage) -> Floats:
    ends = np.zeros(case.loads.lifts)
    for load, lift in enumerate(case.loads.lift):
        if way.pace[load] > 0:
            ends[lift] = max(ends[lift], (way.end[load] - way.begin[load]) / way.pace[load])
    return ends


@pytest.mark.parametrize("seed", range(30))
def test_levels_are_those_of_linear_programmes(seed):
    case = random_case(seed, nodes=6 + seed % 9, depth=2 + seed % 5)
    for stage, (ours, theirs) in enumerate(
        zip(levels(case, allocate(case.loads, case.rows)), by_programmes(case), strict=True)
    ):
        np.testing.assert_allclose(ours, theirs, atol=TOLERANCE, err_msg=f"stage {stage}")


@pytest.mark.parametrize("seed", [101, 202])
def test_levels_are_those_of_linear_programmes_on_thirty_servers_six_deep(seed):
    case = random_case(seed, nodes=30, depth=6)
    for stage, (ours, theirs) in enumerate(
        zip(levels(case, allocate(case.loads, case.rows)), by_programmes(case), strict=True)
    ):
        np.testing.assert_allclose(ours, theirs, atol=TOLERANCE, err_msg=f"stage {stage}")


@pytest.mark.parametrize("seed", range(80))
def test_no_limit_is_exceeded_unless_the_least_that_devices_take_exceeds_it(seed):
    case = random_case(1000 + seed, nodes=24, depth=5)
    made, given = case.loads, case.rows
    found = allocate(made, given)
    ways = stages(made.points)
    drawn = made.points[0] + sum(
        part * (way.end - way.begin) for way, part in zip(ways, found.parts, strict=True) if way.is_measured
    )
    counts = np.where(given.measured[given.row], drawn[given.load], found.watts[given.load])
    carried = np.bincount(given.row, weights=given.cost * counts, minlength=len(given.room))
    assert (carried <= given.room + found.deficit_watts + 1e-6 * (1 + np.abs(given.room))).all()
    assert (found.watts >= made.points[0] - 1e-9).all()
    assert (found.watts <= made.points[-1] + 1e-9).all()
