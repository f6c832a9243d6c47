"""A part of the matrix of faults and loads; the benchmark runs all of it."""

from __future__ import annotations

import pytest

from power.scenarios.crew import Crew
from power.scenarios.matrix import FAULTS, LOADS, Cell, scenario
from power.scenarios.run import OURS, run

PART = tuple((fault, list(LOADS)[number % len(LOADS)]) for number, fault in enumerate(FAULTS))


def test_the_matrix_has_more_than_forty_cells():
    assert len(FAULTS) * len(LOADS) >= 40


@pytest.mark.parametrize(("fault", "load"), PART)
def test_no_fault_trips_a_breaker(fault, load):
    cell = Cell(fault=fault, load=load, result=run(scenario(fault, load, seconds=150.0, rows=1), 1, OURS, Crew))
    assert cell.good, (cell.result.figures.trips, cell.result.violations)
