"""Mutation testing of the whole guard, and how long a decision of it takes."""

from __future__ import annotations

import sys
import time

import numpy as np

from benchmarks.table import Row
from power.guard.guard import admit
from power.model import Fleet
from tests.power.guard.guard_cases import case
from tests.power.guard.guard_mutants import PLANS, outcome
from tests.support import fleets

NODES, ROUNDS = 10_000, 20


def run() -> list[Row]:
    """All mutants of all modules; then 80,000 GPUs of which every one is to change."""
    killed, total, parts = 0, 0, []
    for module in PLANS:
        found = outcome(module)
        killed, total = killed + found.killed, total + found.killed + len(found.survivors)
        parts.append(f"{module} {found.ratio:.1%}")
        for mutant in found.survivors:
            print(f"  survived: {mutant}", file=sys.stderr)
    return [
        Row(
            what="guard: mutants killed",
            measured=f"{killed / total:.1%} of {total}",
            peer="-",
            reach="90 %",
            note=", ".join(parts) + "; comparisons, operators, constants, branches and statements changed one at a time",
        ),
        Row(
            what="guard: a decision about 80,000 GPUs",
            measured=f"{1000 * _decision_seconds():.0f} ms",
            peer="-",
            reach="15 ms",
            note="median of 20; 10,000 servers, 2,500 racks with two breakers each, 25 rows, a site; every GPU is to change",
        ),
    ]


def _decision_seconds() -> float:
    random = np.random.default_rng(1)
    fleet = _fleet()
    count = len(fleet.gpus)
    given = case(fleet, gpu_watts=random.uniform(200, 700, count), gpu_limit_watts=random.uniform(300, 600, count))
    seconds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        admit(given.fleet, given.view, given.intent, given.proposal, given.rules, given.fence, given.monotonic)
        seconds.append(time.perf_counter() - began)
    return float(np.median(seconds))


def _fleet() -> Fleet:
    names = [f"n{number:05d}" for number in range(NODES)]
    limits = [fleets.Over(name="site", nodes=names, trip_safe_watts=6200.0 * NODES)]
    limits += [
        fleets.Over(name=f"row{row}", nodes=names[400 * row : 400 * row + 400], trip_safe_watts=6300.0 * 400)
        for row in range(NODES // 400)
    ]
    limits += [
        fleets.Over(name=f"r{rack}-{feed}", nodes=names[4 * rack : 4 * rack + 4], trip_safe_watts=6500.0 * 4)
        for rack in range(NODES // 4)
        for feed in "ab"
    ]
    limits += [fleets.Over(name=name, nodes=[name], kind="node") for name in names]
    return fleets.fleet([fleets.Server(name=name) for name in names], limits)
