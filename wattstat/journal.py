"""A node's journal: what its meters had counted, second by second, and the true starts and ends of its jobs.

The agent keeps it, core reads it (`GET /journal`), the ledger settles it. Every column is a counter, gauges being integrated
over time by the agent: entries may be thinned out, and a reader who was away for an hour loses shape but not a joule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuCounts:
    """One GPU's counters at one moment; None where the board does not have the thing.

    `joules` is the hardware's counter as it stands; `resets` counts how often the agent saw it begin anew. The others begin at
    0 with the agent (`boot`): `power_joules` is the integral of the power reading over `power_seconds`, the rest are integrals
    of shares over time: of SM activity, of "a kernel ran" (NVML utilization), of tensor activity, of being held down by the
    power cap. `memory_bytes` is a gauge: the memory in use at that moment.
    """

    joules: float | None = None
    resets: int = 0
    power_joules: float | None = None
    power_seconds: float | None = None
    sm_active_seconds: float | None = None
    busy_seconds: float | None = None
    tensor_active_seconds: float | None = None
    capped_seconds: float | None = None
    memory_bytes: float | None = None


def _nothing() -> Mapping[str, float]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """All meters of a node at one moment (Unix seconds by the reader's clock).

    `gpus` by UUID. `cpus`: RAPL joules by `<domain>-<socket>` (`package-0`, `dram-0`), wraps made good. `shares`: activity
    within a shared GPU in seconds since the agent began, by (UUID, holder); a holder is `mig:<GPU instance>:<compute instance>`
    or `job:<job id>` (processes, told by cgroup) or `pod:<uid>`.
    """

    at: float
    gpus: Mapping[str, GpuCounts]
    cpus: Mapping[str, float] = field(default_factory=_nothing)
    shares: Mapping[tuple[str, str], float] = field(default_factory=lambda: MappingProxyType({}))


class Edge(StrEnum):
    """Which end of a run."""

    START = "start"
    END = "end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """A run's true start or end on this node, with the GPUs' counters read at that moment; told by prolog and epilog.

    `joules` may be empty, when the driver did not answer in time: then the entries around `at` are interpolated.
    """

    id: str
    edge: Edge
    at: float
    scheduler: str
    job_id: str
    instance: str = ""
    user: str = ""
    account: str = ""
    partition: str = ""
    name: str = ""
    gpus: tuple[str, ...] = ()
    joules: Mapping[str, float] = field(default_factory=_nothing)
    resets: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """What identifies a GPU of the node. `index` counts in order of PCI addresses. `slices`: compute slices by MIG holder."""

    uuid: str
    index: int
    minor: int | None = None
    model: str = ""
    memory_bytes: float | None = None
    slices: Mapping[str, float] = field(default_factory=_nothing)
    mig_uuids: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeJournal:
    """What one reading of a node's journal brought, oldest first.

    `boot` changes with every start of the agent, whose integrals then begin at 0 again. `complete` says that no entry was lost
    since the reader's last one.
    """

    node: str
    boot: str
    gpus: tuple[Gpu, ...]
    entries: tuple[Entry, ...]
    boundaries: tuple[Boundary, ...] = ()
    complete: bool = True


JournalSink = Callable[[NodeJournal], None]
