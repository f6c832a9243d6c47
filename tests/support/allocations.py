"""Random things to allocate, and how far each got."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from power.control.allocate import Allocation, Rows, stages
from power.control.layout import layout
from power.control.loads import Loads, loads
from power.control.rows import rows
from power.control.tuning import Tuning
from power.model import ControlState, Floats
from tests.support.fleets import intent, random_fleet, view


@dataclass(frozen=True, kw_only=True)
class Case:
    """What the allocator is given."""

    loads: Loads
    rows: Rows


def random_case(seed: int, *, nodes: int, depth: int) -> Case:
    """A hall with jobs over several servers, three priorities, pins, caps, checkpoints and servers that nobody can cap."""
    random = np.random.default_rng(seed)
    made = random_fleet(seed, nodes=nodes, depth=depth)
    gpus, limits = len(made.gpus), len(made.tree.limits)
    job_of_node = random.integers(-2, 4, len(made.nodes))
    group = np.maximum(job_of_node[made.gpu_node], -1)
    state = np.where(random.random(gpus) < 0.05, ControlState.UNCONTROLLED, ControlState.CONTROLLED)
    known = view(
        made,
        gpu_watts=random.uniform(80, 700, gpus),
        gpu_limit_watts=random.uniform(200, 700, gpus),
        gpu_state=state,
        node_caps=bool(seed % 2),
    )
    wanted = intent(
        made,
        priority=random.choice([10, 50, 90], len(made.nodes))[made.gpu_node],
        group=group,
        keep=(group == 2),
        gpu_cap_watts=np.where(random.random(gpus) < 0.1, random.uniform(250, 700, gpus), np.inf),
        node_cap_watts=np.where(random.random(len(made.nodes)) < 0.1, 5000.0, np.inf),
    )
    some = loads(
        made,
        known,
        wanted,
        gpu_want=random.choice([260.0, 400.0, 555.0, 700.0], gpus),
        node_want=random.uniform(4000, 9000, len(made.nodes)),
        rest_watts=made.rest_watts,
        tuning=Tuning(),
    )
    looser = random.uniform(1.0, 1.8)  # from halls where not even the least fits to those where some want more
    budget = looser * np.minimum(made.tree.trip_safe_watts, wanted.limit_watts)
    measured = random.random(limits) < 0.3
    worst, expected = np.where(measured, np.inf, budget), np.where(measured, budget, np.inf)
    filled = rows(
        layout(made, 0),
        wanted,
        some,
        worst_most=worst,
        worst_aim=worst,
        most=expected,
        aim=expected,
        fixed=made.tree.fixed_watts,
    )
    return Case(loads=some, rows=filled.rows)


def levels(case: Case, found: Allocation) -> list[Floats]:
    """The level of every lift in every stage, by the allocator."""
    every = []
    for way, part in zip(stages(case.loads.points), found.parts, strict=True):
        level = np.zeros(case.loads.lifts)
        reached = np.divide(part * (way.end - way.begin), way.pace, out=np.zeros(len(part)), where=way.pace > 0)
        np.maximum.at(level, case.loads.lift, reached)
        every.append(level)
    return every
