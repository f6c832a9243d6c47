"""What the ledger writes: postings, what GPUs did for runs, and how far each node is settled.

Energies are joules, times Unix seconds. A posting belongs to one hour (UTC) and one node; postings of one line (hour, node, run
or account) are added up, in memory and in the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntFlag, StrEnum
from typing import Protocol

from wattstat.api.energy import LedgerUnavailable
from wattstat.jobs import Run, RunKey

HOUR = 3600


class Account(StrEnum):
    """Where a joule goes. `OVERHEAD`: what serves the site and no job in particular (switches, storage, login servers)."""

    JOB = "job"
    IDLE = "idle"
    OVERHEAD = "overhead"


class Method(IntFlag):
    """How a posting's joules were found; a sum carries those of all its parts.

    COUNTER: difference of a hardware counter. INTEGRAL: power over time. SPLIT: a part of a device that several share, by a
    model. ESTIMATED: over a hole in the readings, or over a time whose owner is not exactly known.
    """

    COUNTER = 1
    INTEGRAL = 2
    SPLIT = 4
    ESTIMATED = 8

    @property
    def names(self) -> tuple[str, ...]:
        """In words, in the order of declaration."""
        return tuple(str(method.name).lower() for method in Method if method in self)


NO_METHOD = Method(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """Joules of one line. The four parts add up to the line's energy; `error_joules` bounds how far it may be off either way.

    `idle_joules` is what GPUs drew that a run held and did not use (`allocated_idle`); it is part of no other column.
    `estimated_joules` says how many of the joules are estimated. `cost` is in the tariff's currency and covers `priced_joules`;
    `location_grams` and `market_grams` of carbon cover `location_joules` and `market_joules`: what had no price is not free.
    """

    hour: int
    node: str
    account: Account
    run: RunKey | None = None
    gpu_joules: float = 0.0
    cpu_joules: float = 0.0
    rest_joules: float = 0.0
    idle_joules: float = 0.0
    error_joules: float = 0.0
    estimated_joules: float = 0.0
    methods: Method = NO_METHOD
    gpu_seconds: float = 0.0
    cost: float = 0.0
    priced_joules: float = 0.0
    location_grams: float = 0.0
    location_joules: float = 0.0
    market_grams: float = 0.0
    market_joules: float = 0.0

    @property
    def joules(self) -> float:
        """The line's energy."""
        return self.gpu_joules + self.cpu_joules + self.rest_joules + self.idle_joules


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuUse:
    """What one GPU, or a part of it, did for one run since the node was last settled; the books add these up.

    `*_seconds` are shares integrated over time: 30 s at half activity are 15 s. None where the board does not tell.
    `memory_peak_bytes` is the highest seen; the books keep the maximum. `limit_watts`: the limit in force when last seen.
    """

    run: RunKey
    node: str
    uuid: str
    index: int
    instance: str = ""
    fraction: float = 1.0
    joules: float = 0.0
    idle_joules: float = 0.0
    seconds: float = 0.0
    idle_seconds: float = 0.0
    sm_active_seconds: float | None = None
    busy_seconds: float | None = None
    tensor_active_seconds: float | None = None
    capped_seconds: float | None = None
    memory_peak_bytes: float | None = None
    memory_total_bytes: float | None = None
    limit_watts: float | None = None
    model: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeHour:
    """A node's balance in one hour, as far as settled now: what its own meter counted, beside what was posted.

    `measured_joules` comes from the meter's readings, not from the postings. `hole_seconds` had no reading of the node's meter.
    `source` is counter, integrated, or devices (no meter at all: what its devices counted).
    """

    hour: int
    node: str
    measured_joules: float = 0.0
    jobs_joules: float = 0.0
    idle_joules: float = 0.0
    overhead_joules: float = 0.0
    error_joules: float = 0.0
    hole_seconds: float = 0.0
    source: str = "counter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """How far a node is settled, and what its meters had counted there (`state`: JSON that only the ledger understands)."""

    node: str
    settled_until: float
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeBatch:
    """All that settling one node brought. The books take it whole or not at all.

    `since` is the `settled_until` that the books must still hold (None: the node is new to them). Otherwise the batch was
    posted before, or by somebody else, and is refused: so nothing is posted twice, whoever dies when.
    """

    since: float | None
    checkpoint: Checkpoint
    postings: tuple[Posting, ...] = ()
    uses: tuple[GpuUse, ...] = ()
    hours: tuple[NodeHour, ...] = ()


class BooksError(LedgerUnavailable):
    """The books cannot be read or written now; the message says why and what to do. Nothing was written."""


class Books(Protocol):
    """Where the ledger writes. Blocking; called from one worker thread. All calls may raise `BooksError`."""

    def checkpoints(self) -> dict[str, Checkpoint]:
        """The newest checkpoint of every node."""

    def open_runs(self) -> tuple[Run, ...]:
        """Runs that were alive when last seen, or ended after some node of theirs was last settled."""

    def commit(self, batches: Sequence[NodeBatch], runs: Sequence[Run]) -> tuple[str, ...]:
        """Write runs as they are now and every batch, in one transaction. Returns the nodes whose batches were refused.

        Raises `BooksError` when nothing was written.
        """

    def thin(self, now: float, detail_days: float) -> int:
        """Remove details older than `detail_days`; returns how many rows went. May be called from another thread."""
