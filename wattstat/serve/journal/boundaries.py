"""The boundaries that the agent knows: noted, kept until core has read them, forgotten when nobody can want them any more."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from collectors.nvml import Counted
from wattstat.journal import Gpu
from wattstat.serve.journal.boundary import Note, Told, named_gpus
from wattstat.serve.journal.spool import Spool

UNREAD_SECONDS = 7 * 86400.0
# A reader that lost its memory reads two hours again, and wants the boundaries in them.
READ_SECONDS = 2 * 3600.0
MOST = 10_000
KERNEL_BOOT = Path("/proc/sys/kernel/random/boot_id")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A boundary, when it was by the agent's monotonic clock, and its number in the order of arrival."""

    number: int
    at: float
    note: Note


def kernel_boot() -> str:
    """What tells one start of this machine from the next; empty where the kernel does not say."""
    try:
        return KERNEL_BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return ""


@dataclass(kw_only=True)
class Boundaries:
    """In order of arrival. `count` is the number of the next one; a reader confirms what it has seen by a number."""

    spool: Spool
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    kernel_boot: str = field(default_factory=kernel_boot)
    count: int = 0
    _placed: dict[str, Placed] = field(default_factory=dict)
    _confirmed: int = 0
    _jobs: dict[str, str] = field(default_factory=dict)

    def add(self, told: Told, counted: Mapping[str, Counted]) -> Placed:
        """Note a boundary that was told just now, with the counters as far as they could be read."""
        now, wall = self.monotonic(), self.clock()
        if told.at is not None:
            at = now - max(wall - told.at, 0.0)
        elif counted:
            at = sum(each.at for each in counted.values()) / len(counted)
        else:
            at = now
        note = Note(
            **told.model_dump(),
            wall=max(wall - (now - at), 0.0),
            monotonic=max(at, 0.0),
            kernel_boot=self.kernel_boot,
            joules={uuid: each.joules for uuid, each in counted.items()} if told.at is None else {},
            resets={uuid: each.resets for uuid, each in counted.items()} if told.at is None else {},
        )
        if note.id in self._placed:  # told twice: the first had the truer moment
            return self._placed[note.id]
        self.spool.put(note)
        return self._place(note, at)

    def look(self) -> None:
        """Take in what lies in the spool, and forget what is old."""
        now, wall = self.monotonic(), self.clock()
        for note in self.spool.new():
            is_same_boot = note.monotonic is not None and note.kernel_boot == self.kernel_boot != ""
            self._place(note, note.monotonic if is_same_boot and note.monotonic is not None else now - (wall - note.wall))
        old = [each.note.id for each in self._placed.values() if now - each.at > self._lasts(each)]
        surplus = list(self._placed)[: max(len(self._placed) - len(old) - MOST, 0)]
        if surplus:
            log.warning("more starts and ends of jobs than are kept: the oldest are forgotten unread", count=len(surplus))
        for boundary_id in {*old, *surplus}:
            del self._placed[boundary_id]
            self.spool.drop(boundary_id)

    def confirm(self, number: int) -> None:
        """A reader has seen all before a number."""
        self._confirmed = max(self._confirmed, number)

    def since(self, number: int) -> list[Placed]:
        """Those from a number on."""
        return [each for each in self._placed.values() if each.number >= number]

    def times(self) -> list[float]:
        """When all of them were, by the agent's monotonic clock."""
        return [each.at for each in self._placed.values()]

    def job_of(self, name: str) -> str:
        """The id of a job that was told of, by the scheduler's own number or SLUID; empty for others."""
        return self._jobs.get(name, "")

    def _lasts(self, placed: Placed) -> float:
        return READ_SECONDS if placed.number < self._confirmed else UNREAD_SECONDS

    def _place(self, note: Note, at: float) -> Placed:
        # A clock that was wrong then may tell of what has yet to come.
        placed = Placed(number=self.count, at=min(at, self.monotonic()), note=note)
        self._placed[note.id] = placed
        self.count += 1
        # A prolog of 22.05 knows a task of an array by Slurm's own number only: that says less than its processes do.
        self._jobs |= {name: note.job_id for name in (note.raw_id, note.sluid) if name and name != note.job_id}
        for name in list(self._jobs)[: max(len(self._jobs) - MOST, 0)]:
            del self._jobs[name]
        return placed


def as_json(placed: Placed, gpus: Mapping[str, Gpu], now: float) -> dict[str, Any]:
    """A boundary as core reads it."""
    note = placed.note
    return {
        "id": note.id,
        "edge": note.edge.value,
        "age": round(now - placed.at, 4),
        "scheduler": note.scheduler,
        "job_id": note.job_id,
        "instance": note.instance,
        "user": note.user,
        "account": note.account,
        "partition": note.partition,
        "name": note.name,
        "gpus": list(named_gpus(note, gpus)),
        "joules": note.joules,
        "resets": note.resets,
    }
