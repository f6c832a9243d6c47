"""Whose jobs run on a server now, as far as history knows."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from alerts.model import Clock
from wattstat.store.protocol import QueryError, Store

KEPT_SECONDS = 15.0
_JOBS = "group by (job_id, user, node) (wattstat_job_gpu_info)"


@dataclass(frozen=True, slots=True, order=True)
class RunningJob:
    """A job and who it belongs to."""

    job_id: str
    user: str


class Running:
    """Asks the history now and then. Where it does not answer, what it said last stands."""

    def __init__(self, store: Store, clock: Clock = time.time) -> None:
        self._store = store
        self._clock = clock
        self._by_node: Mapping[str, tuple[RunningJob, ...]] = {}
        self._asked_at: float | None = None

    async def by_node(self) -> Mapping[str, tuple[RunningJob, ...]]:
        """Jobs by the server that they run on."""
        now = self._clock()
        if self._asked_at is not None and now - self._asked_at < KEPT_SECONDS:
            return self._by_node
        self._asked_at = now
        try:
            answer = await self._store.query(_JOBS)
        except QueryError:
            return self._by_node  # whom it hits is worth less than that it is told
        found: dict[str, set[RunningJob]] = defaultdict(set)
        for series in answer.series:
            if "node" in series.labels and "job_id" in series.labels:
                found[series.labels["node"]].add(RunningJob(series.labels["job_id"], series.labels.get("user", "")))
        self._by_node = {node: tuple(sorted(jobs)) for node, jobs in found.items()}
        return self._by_node
