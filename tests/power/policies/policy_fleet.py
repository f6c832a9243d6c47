"""Small fleets for tests of policies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

import numpy as np

from power.model import Device, Fleet, Limit, Tree
from power.policies.signals import JobFacts, JobTable, Signals
from power.policies.standing import Bounds


def line(name: str, kind: str, members: Sequence[int], **watts: float) -> tuple[Limit, Sequence[int]]:
    return Limit(name=name, kind=kind, **watts), members


def fleet_of(
    racks: int = 2,
    per_rack: int = 2,
    gpus: int = 4,
    *,
    model: str = "NVIDIA H100 80GB HBM3",
    budget_watts: float | None = None,
    more: Sequence[tuple[Limit, Sequence[int]]] = (),
) -> Fleet:
    """Racks r1, r2, …; servers n0, n1, … filling them; a row of all racks, a site, a breaker for each rack."""
    count = racks * per_rack
    rows = range(count)
    by_rack = [list(range(rack * per_rack, (rack + 1) * per_rack)) for rack in range(racks)]
    lines = [
        line("site", "site", rows, budget_watts=budget_watts),
        line("1", "row", rows),
        *(line(f"r{rack + 1}", "rack", members, budget_watts=20_000.0) for rack, members in enumerate(by_rack)),
        *(
            line(f"b{rack + 1}", "breaker", members, rating_watts=34_500.0, trip_safe_watts=27_600.0)
            for rack, members in enumerate(by_rack)
        ),
        *more,
    ]
    members = [list(found) for _, found in lines]
    entries = [row for found in members for row in found]
    limits = tuple(limit for limit, _ in lines)
    tree = Tree(
        limits=limits,
        start=np.array([0, *accumulate(len(found) for found in members)], np.int64),
        member=np.array(entries, np.int64),
        share=np.ones(len(entries)),
        row_of_entry=np.repeat(np.arange(len(lines)), [len(found) for found in members]),
        fixed_watts=np.array([limit.fixed_watts for limit in limits]),
        trip_safe_watts=np.array([np.inf if limit.trip_safe_watts is None else limit.trip_safe_watts for limit in limits]),
    )
    return Fleet(
        tree=tree,
        nodes=tuple(f"n{row}" for row in rows),
        racks=tuple(f"r{row // per_rack + 1}" for row in rows),
        gpus=tuple(Device(f"n{row}", f"GPU-{row}-{index}") for row in rows for index in range(gpus)),
        gpu_index=tuple(str(index) for _ in rows for index in range(gpus)),
        gpu_node=np.repeat(np.arange(count), gpus),
        gpu_model=(model,) * (count * gpus),
        rest_watts=np.full(count, 2_000.0),
        loss=np.full(count, 1.05),
        nameplate_watts=np.full(count, 10_200.0),
    )


def bounds_of(fleet: Fleet) -> Bounds:
    gpus, nodes = len(fleet.gpus), len(fleet.nodes)
    return Bounds(
        gpu_min_watts=np.full(gpus, 200.0),
        gpu_max_watts=np.full(gpus, 700.0),
        gpu_default_watts=np.full(gpus, 700.0),
        node_cap_min_watts=np.full(nodes, 5_000.0),
        node_cap_max_watts=np.full(nodes, 10_200.0),
    )


def signals_of(fleet: Fleet, **known) -> Signals:
    """Signals of which only these are known."""
    nothing = Signals.nothing(len(fleet.nodes), len(fleet.gpus))
    return replace(nothing, **{name: np.array(value) if isinstance(value, list) else value for name, value in known.items()})


def jobs_of(*held: tuple[JobFacts, Sequence[int]]) -> JobTable:
    """Jobs and the rows of the GPUs that they hold."""
    return JobTable(
        jobs=tuple(job for job, _ in held),
        holder=np.array([number for number, (_, rows) in enumerate(held) for _ in rows], np.int64),
        gpu=np.array([row for _, rows in held for row in rows], np.int64),
    )
