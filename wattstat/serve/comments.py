"""Writes the energy of finished, settled jobs into Slurm's AdminComment, for the clusters whose settings ask for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from collectors.frame.errors import CollectError
from collectors.slurm.comment import JobEnergy, Runner, write
from wattstat.api.energy import EnergyReports, JobDetail, JobRow, LedgerUnavailable
from wattstat.jobs import Observed, Run, RunKey

EVERY_SECONDS = 60.0
# A job whose nodes are not settled after a day (an agent that never came back) gets no comment.
GIVE_UP_SECONDS = 86400.0
MOST_WAITING = 50_000

log = structlog.get_logger(__name__)


@dataclass(kw_only=True)
class Comments:
    """Waits for runs to end and to be settled. `observe` takes what a cluster said, beside the ledger.

    `commands` by scheduler, as `Observed.scheduler` has it; what no entry is for is left alone. A job that was already written
    before a restart is written with the same words, which changes nothing.
    """

    commands: dict[str, Runner]
    reports: EnergyReports
    clock: Callable[[], float]
    every_seconds: float = EVERY_SECONDS
    _waiting: dict[RunKey, Run] = field(default_factory=dict)
    _done: dict[RunKey, float] = field(default_factory=dict)
    _refused: set[str] = field(default_factory=set)

    def observe(self, observed: Observed) -> None:
        """Remember what has ended."""
        if observed.scheduler not in self.commands:
            return
        for run in observed.runs:
            if run.ended is not None and run.key not in self._done and len(self._waiting) < MOST_WAITING:
                self._waiting[run.key] = run

    async def run(self, stop: asyncio.Event) -> None:
        """Write what is settled, until `stop` is set."""
        while not stop.is_set():
            await self.write_settled()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self.every_seconds)

    async def write_settled(self) -> None:
        """Write every waiting job whose energy is settled; each is tried once."""
        now = self.clock()
        for key, run in list(self._waiting.items()):
            detail = await self._detail(key)
            is_settled = detail is not None and _is_settled(detail.job)
            if not is_settled and now - (run.ended or now) < GIVE_UP_SECONDS:
                continue
            del self._waiting[key]
            self._done[key] = now
            if detail is not None and is_settled:
                await self._write(run, detail)
        self._done = {key: at for key, at in self._done.items() if now - at < 2 * GIVE_UP_SECONDS}

    async def _detail(self, key: RunKey) -> JobDetail | None:
        try:
            found = await asyncio.to_thread(self.reports.job, key.job_id, key.instance, key.scheduler)
        except LedgerUnavailable:
            return None
        return found

    async def _write(self, run: Run, detail: JobDetail) -> None:
        rows = (detail.job, *detail.other_runs)
        energy = JobEnergy(
            joules=sum(row.energy_joules for row in rows),
            error_joules=sum(row.error_joules for row in rows),
            gpu_joules=sum(row.energy.gpu + row.energy.allocated_idle for row in rows),
        )
        scheduler = run.key.scheduler
        try:
            await write(self.commands[scheduler], run, energy, dry=False)
        except CollectError as error:
            if scheduler not in self._refused:
                log.warning("AdminComment was not written", scheduler=scheduler, job=run.key.job_id, why=str(error))
            self._refused.add(scheduler)
        else:
            self._refused.discard(scheduler)


def _is_settled(row: JobRow) -> bool:
    return row.end is not None and row.settled_until is not None and row.settled_until >= row.end
