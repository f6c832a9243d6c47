"""What must outlive the process: which triggers are on, baselines of events, energy used in periods."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import sqlalchemy as sa
import structlog

from power.policies import database as tables
from power.policies.database import transaction
from power.policies.resolved import Measured, Memory, Trigger

log = structlog.get_logger(__name__)

KEEP_SECONDS = 60.0
_KEY = "policies"


class Remembering:
    """Keeps memories in the database: at once when a trigger goes on or off, else once a minute."""

    def __init__(self, engine: sa.Engine, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._clock = clock
        self._kept: str | None = None
        self._kept_on: object = None
        self._kept_at = -np.inf

    def keep(self, memory: Memory) -> bool:
        """Write what matters of a memory if it is time to. Tells whether it was written. Raises `StoreError`."""
        on = _on(memory)
        if on == self._kept_on and abs(self._clock() - self._kept_at) < KEEP_SECONDS:
            return False
        body = json.dumps(_document(memory, self._clock()))
        table = tables.power_remembered
        with transaction(self._engine) as connection:
            connection.execute(sa.delete(table).where(table.c.key == _KEY))
            connection.execute(sa.insert(table).values(key=_KEY, body=body))
        self._kept, self._kept_on, self._kept_at = body, on, self._clock()
        return True

    def recall(self) -> Memory:
        """What was kept; an empty memory where nothing was. Raises `StoreError`."""
        table = tables.power_remembered
        with transaction(self._engine) as connection:
            body = connection.execute(sa.select(table.c.body).where(table.c.key == _KEY)).scalar()
        if body is None:
            return Memory()
        try:
            return _memory(json.loads(body))
        except (ValueError, KeyError, TypeError) as error:
            # Beginning anew costs a trigger's age; not beginning at all costs the loop.
            log.warning("what policies remembered cannot be read, they begin anew", why=repr(error))
            return Memory()


def _on(memory: Memory) -> object:
    return {
        key: frozenset(name for name, is_on in zip(trigger.units, trigger.on, strict=True) if is_on)
        for key, trigger in memory.triggers.items()
        if trigger.on.any()
    }


def _document(memory: Memory, at: float) -> dict[str, Any]:
    return {
        "at": at,
        "triggers": [
            [*key, [[trigger.units[row], memory.steady - trigger.since[row]] for row in np.flatnonzero(trigger.on)]]
            for key, trigger in memory.triggers.items()
            if trigger.on.any()
        ],
        "baselines": [[*key, found.joules, found.seconds] for key, found in memory.baselines.items() if found.seconds],
        "used": [[name, found.joules, found.start, found.seconds] for name, found in memory.used.items()],
    }


def _memory(body: dict[str, Any]) -> Memory:
    """A memory to begin with. How long triggers have been on counts on."""
    return Memory(
        at=body["at"],
        triggers={(policy, condition): _trigger(units) for policy, condition, units in body["triggers"]},
        baselines={
            (policy, line): Measured(joules=joules, seconds=seconds) for policy, line, joules, seconds in body["baselines"]
        },
        used={name: Measured(joules=joules, start=start, seconds=seconds) for name, joules, start, seconds in body["used"]},
    )


def _trigger(units: list[tuple[str, float]]) -> Trigger:
    return Trigger(
        units=tuple(name for name, _ in units),
        on=np.ones(len(units), np.bool_),
        past=np.full(len(units), np.nan),
        since=np.array([-ago for _, ago in units]),
    )
