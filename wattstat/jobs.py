"""Who ran where: runs of jobs, and the GPUs that they held, as every scheduler's collector tells it.

A run is one start of a job: a job that was requeued has several. Times are Unix seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple


class State(StrEnum):
    """What became of a run. `GONE`: it ended, and nobody says how."""

    RUNNING = "running"
    SUSPENDED = "suspended"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"
    NODE_FAIL = "node_fail"
    OUT_OF_MEMORY = "out_of_memory"
    PREEMPTED = "preempted"
    REQUEUED = "requeued"
    GONE = "gone"


ALIVE = frozenset({State.RUNNING, State.SUSPENDED})


class Hold(StrEnum):
    """How a run holds a GPU."""

    WHOLE = "whole"
    MIG = "mig"
    SHARD = "shard"
    MPS = "mps"
    TIME_SLICED = "time_sliced"


class RunKey(NamedTuple):
    """What a run is known by.

    `job_id` is what its user knows: `1234`, `1234_7` (array task), `1234+1` (component of a heterogeneous job),
    `namespace/pod`. `instance` tells runs of one job id apart: Slurm's restart count, a pod's UID.
    """

    scheduler: str
    job_id: str
    instance: str = "0"


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuHold:
    """A run's hold on one GPU, or on a part of it.

    One of `uuid`, `minor` and `index` is known; who has the node's journal finds the others. `index` counts in order of PCI
    addresses, `minor` is the number of /dev/nvidia<minor>. `fraction` is the share of the GPU that was given, 0 to 1.
    `instance` names the part in the node's journal: `mig:<GPU instance>:<compute instance>`, or the MIG device's UUID.
    """

    uuid: str | None = None
    minor: int | None = None
    index: int | None = None
    hold: Hold = Hold.WHOLE
    fraction: float = 1.0
    instance: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What a run holds on one node; `node` is the name in the inventory."""

    node: str
    gpus: tuple[GpuHold, ...] = ()
    cpus: int | None = None
    memory_bytes: int | None = None


def _no_labels() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a job. What the scheduler did not tell is empty or None.

    `suspended` are the closed intervals in which it stood still while it kept its GPUs; the open one shows in `state` and
    `suspended_since`. `ended` is None while it is alive.
    """

    key: RunKey
    name: str = ""
    user: str = ""
    account: str = ""
    partition: str = ""
    qos: str = ""
    state: State = State.RUNNING
    submitted: float | None = None
    started: float
    ended: float | None = None
    placements: tuple[Placement, ...] = ()
    suspended: tuple[tuple[float, float], ...] = ()
    suspended_since: float | None = None
    exit_code: int | None = None
    labels: Mapping[str, str] = field(default_factory=_no_labels)

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes it holds, in the scheduler's order."""
        return tuple(placement.node for placement in self.placements)

    @property
    def gpus(self) -> int:
        """How many GPUs, or parts of GPUs, it holds."""
        return sum(len(placement.gpus) for placement in self.placements)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What a scheduler said at one moment.

    `runs` has every run that is alive and those that ended within the scheduler's memory. A run that was alive before and is
    neither here any more has ended unseen. `nodes` are all nodes that the scheduler manages (inventory's names); a node that no
    scheduler manages serves no jobs.
    """

    scheduler: str
    taken_at: float
    runs: tuple[Run, ...]
    nodes: frozenset[str] = frozenset()


JobSink = Callable[[Observed], None]
