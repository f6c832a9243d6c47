"""Finished runs and the power limit that they had: what the same work cost under different caps."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa

from energy.books.tables import gpu_uses, runs
from wattstat.jobs import State

MOST_RUNS = 100_000


class CappedRun(NamedTuple):
    """A run that came to its end. `work` is the same for runs that somebody repeats: user, name and number of GPUs."""

    work: str
    gpu_model: str
    limit_watts: float
    joules: float
    seconds: float


def capped_runs(connection: sa.Connection, since: float) -> list[CappedRun]:
    """Runs since a moment whose GPUs were whole, of one model, and had one limit: the one that each had last."""
    limit, model = gpu_uses.c.limit_watts, gpu_uses.c.model
    asked = (
        sa.select(
            runs.c.user_name,
            runs.c.name,
            runs.c.gpus,
            sa.func.min(model).label("model"),
            sa.func.min(limit).label("limit_watts"),
            sa.func.sum(gpu_uses.c.joules).label("joules"),
            (runs.c.ended - runs.c.started).label("seconds"),
        )
        .join(gpu_uses, gpu_uses.c.run_id == runs.c.id)
        .where(runs.c.started >= since, runs.c.state == State.COMPLETED.value, runs.c.ended > runs.c.started, runs.c.name != "")
        .group_by(runs.c.id)
        .having(
            sa.func.min(model) == sa.func.max(model),
            sa.func.min(limit) == sa.func.max(limit),
            sa.func.count(limit) == sa.func.count(),
            sa.func.min(gpu_uses.c.fraction) == 1,
        )
        .order_by(runs.c.started.desc())
        .limit(MOST_RUNS)
    )
    return [
        CappedRun(f"{row.user_name}/{row.name}/{row.gpus}", row.model, row.limit_watts, row.joules, row.seconds)
        for row in connection.execute(asked)
    ]
