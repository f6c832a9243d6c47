"""Policies on the site's own past: what they would have done to watts, work and jobs, decided by the real controller.

The past is replayed step by step. In each a GPU computes at its peak for a part of the step and waits for the rest, so that a
cap takes its power and its pace only in the part where it binds. What was drawn at a limit then may have wanted more: how much
of the time that was is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from power.control.tuning import Tuning
from power.model import Mode
from power.policies.model import Policy
from power.policies.standing import Standing
from power.scenarios.history import History, read
from power.scenarios.replay import Replay
from wattstat import capcurve
from wattstat.inventory import Inventory
from wattstat.store.protocol import Store

MOST_CELLS = 6_000_000
"""GPUs times steps: a week of 400 GPUs by the minute is four million and takes about a minute."""
MOST_POINTS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a kind of work, or a job, would have lost. `lost_ratio` is of its throughput, between `low` and `high`."""

    name: str
    gpu_hours: float
    lost_ratio: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A limit of the electrical tree: seconds over what is asked of it, in the past and with the policies."""

    name: str
    kind: str
    seconds: float
    over_before_seconds: float
    over_after_seconds: float
    peak_before_watts: float
    peak_after_watts: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What came of it. `points` are [Unix time, watts before, watts after] of the whole site."""

    start: float
    end: float
    step_seconds: float
    nodes: int
    gpus: int
    joules_before: float
    joules_after: float
    peak_before_watts: float
    peak_after_watts: float
    points: tuple[tuple[float, float, float], ...]
    work: tuple[Cost, ...]
    """By partition; what nobody held is `idle`."""
    jobs: tuple[Cost, ...]
    """Jobs that would have lost anything, the most first."""
    limits: tuple[Line, ...]
    cap_changes: int
    changes_per_device_hour: float
    hidden_ratio: float
    """Share of the GPUs' busy time in which they drew what their limit let them: they may have wanted more."""
    recorded_ratio: float
    """Share of the GPUs' steps with a recorded power."""
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


async def rehearse(
    policies: Sequence[Policy],
    store: Store,
    inventory: Inventory,
    *,
    until: float,
    days: float = 7.0,
    step_seconds: float = 60.0,
    tuning: Tuning | None = None,
    trip_safe_ratio: float = 1.0,
) -> Rehearsal:
    """Rehearse policies on the `days` before `until` (Unix time), as if all were enabled and enforced.

    Raises `NoHistory` and the store's `QueryError`. Steps get longer where the site is large.
    """
    gpus = max(sum(node.gpus for node in inventory.nodes), 1)
    step = max(step_seconds, np.ceil(days * 86400 * gpus / MOST_CELLS))
    history = await read(store, until=until, days=days, step_seconds=float(step))
    return await asyncio.to_thread(
        rehearsed, policies, history, inventory, tuning=tuning or Tuning(), trip_safe_ratio=trip_safe_ratio
    )


def rehearsed(
    policies: Sequence[Policy], history: History, inventory: Inventory, *, tuning: Tuning, trip_safe_ratio: float = 1.0
) -> Rehearsal:
    """The same on history at hand. Takes a while; blocks."""
    standing = tuple(Standing(policy=each.model_copy(update={"mode": Mode.ENFORCE})) for each in policies)
    cycle = replace(tuning, cycle_seconds=history.step_seconds, window_seconds=max(tuning.window_seconds, history.step_seconds))
    replay = Replay(standing, history, inventory, tuning=cycle, trip_safe_ratio=trip_safe_ratio)
    for step in range(len(history.times)):
        replay.step(step)
    hours = len(history.times) * history.step_seconds / 3600
    before, after = np.array(replay.site_before), np.array(replay.site_after)
    every = max(len(before) // MOST_POINTS, 1)
    seconds = history.step_seconds
    return Rehearsal(
        start=float(history.times[0] - seconds),
        end=float(history.times[-1]),
        step_seconds=seconds,
        nodes=len(history.nodes),
        gpus=len(history.caps),
        joules_before=float(before.sum() * seconds),
        joules_after=float(after.sum() * seconds),
        peak_before_watts=float(before.max(initial=0.0)),
        peak_after_watts=float(after.max(initial=0.0)),
        points=tuple(
            (float(at), float(one), float(other))
            for at, one, other in zip(history.times[::every], before[::every], after[::every], strict=True)
        ),
        work=_costs(replay.work),
        jobs=tuple(cost for cost in _costs(replay.jobs) if cost.lost_ratio > 0),
        limits=tuple(_lines(replay, seconds)),
        cap_changes=replay.changes,
        changes_per_device_hour=replay.changes / max(len(history.caps) * hours, 1e-9),
        hidden_ratio=replay.hidden_seconds / replay.busy_seconds if replay.busy_seconds else 0.0,
        recorded_ratio=float(np.isfinite(history.gpu_mean).mean()),
        notes=tuple(replay.notes),
    )


def _costs(found: dict[str, list[float]]) -> tuple[Cost, ...]:
    """From GPU-seconds and seconds lost."""
    rows = []
    for name, (seconds, lost) in found.items():
        share = lost / seconds if seconds else 0.0
        rows.append(
            Cost(
                name=name,
                gpu_hours=seconds / 3600,
                lost_ratio=share,
                low=share / capcurve.LOSS_FACTOR,
                high=min(share * capcurve.LOSS_FACTOR, 1.0),
            )
        )
    return tuple(sorted(rows, key=lambda cost: (-cost.lost_ratio, cost.name)))


def _lines(replay: Replay, seconds: float) -> list[Line]:
    return [
        Line(
            name=limit.name,
            kind=limit.kind,
            seconds=float(replay.asked_steps[row] * seconds),
            over_before_seconds=float(replay.over_before[row] * seconds),
            over_after_seconds=float(replay.over_after[row] * seconds),
            peak_before_watts=float(replay.peak_before[row]),
            peak_after_watts=float(replay.peak_after[row]),
        )
        for row, limit in enumerate(replay.fleet.tree.limits)
        if replay.asked_steps[row]
    ]
