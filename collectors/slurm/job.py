"""A job as Slurm tells it, whichever way it was asked."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from wattstat.jobs import State

# Slurm's states; everything else that stands in a job's state is a flag beside one of them.
_ENDED = {
    "COMPLETED": State.COMPLETED,
    "CANCELLED": State.CANCELLED,
    "FAILED": State.FAILED,
    "TIMEOUT": State.TIMEOUT,
    "NODE_FAIL": State.NODE_FAIL,
    "PREEMPTED": State.PREEMPTED,
    "BOOT_FAIL": State.NODE_FAIL,
    "DEADLINE": State.CANCELLED,
    "OUT_OF_MEMORY": State.OUT_OF_MEMORY,
}
# Flags that older releases tell instead of the state, and under which nodes are held.
_HOLDING = frozenset({"RUNNING", "CONFIGURING", "RESIZING", "SIGNALING", "STOPPED", "EXPEDITING"})
_WAITING = frozenset({"PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"})


class Phase(Enum):
    """What a job's record speaks of."""

    WAITING = auto()
    HOLDING = auto()
    SUSPENDED = auto()
    COMPLETING = auto()
    """Its processes are being ended; its GPUs are not free yet."""
    COMPLETING_REQUEUED = auto()
    """The same, of the run before: the record is already about the next one."""
    ENDED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """What a job holds on one node. `gres` is empty where Slurm does not tell, as for a job that has ended."""

    node: str
    cpus: int | None = None
    memory_bytes: int | None = None
    gres: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One record. Times are Unix seconds; those that Slurm does not know are None."""

    id: int
    array_id: int | None = None
    array_task: int | None = None
    het_id: int | None = None
    het_offset: int | None = None
    name: str = ""
    user: str = ""
    account: str = ""
    partition: str = ""
    qos: str = ""
    states: frozenset[str] = frozenset()
    submitted: float | None = None
    started: float | None = None
    ended: float | None = None
    suspend_time: float | None = None
    """When it was last suspended or resumed."""
    ran_before_suspend_seconds: float = 0.0
    preempted: float | None = None
    restarts: int = 0
    exit_code: int | None = None
    nodes: tuple[str, ...] = ()
    allocations: tuple[Allocation, ...] = ()
    admin_comment: str = ""

    @property
    def name_of_id(self) -> str:
        """What users call it: `1234`, `1234_7` of an array, `1234+1` of a heterogeneous job."""
        if self.array_id and self.array_task is not None:
            return f"{self.array_id}_{self.array_task}"
        if self.het_id:
            return f"{self.het_id}+{self.het_offset or 0}"
        return str(self.id)

    @property
    def end_state(self) -> State | None:
        """How it ended, as far as the record says."""
        return next((state for word, state in _ENDED.items() if word in self.states), None)

    def phase(self, now: float) -> Phase:
        """What the record speaks of. `now` tells an end from an end that is only expected."""
        if "COMPLETING" in self.states:
            # Old releases tell nothing but the flag. A requeued job's record then speaks of a start and an end to come.
            is_over = self.end_state is not None or (self.ended is not None and self.ended <= now + 1)
            waits = bool(self.states & _WAITING) or not is_over
            return Phase.COMPLETING_REQUEUED if waits and self.restarts > 0 else Phase.COMPLETING
        if self.end_state is not None:
            return Phase.ENDED
        if "SUSPENDED" in self.states:
            return Phase.SUSPENDED
        if self.states & _WAITING:
            return Phase.WAITING
        if self.states & _HOLDING:
            return Phase.HOLDING
        return Phase.ENDED if self.ended is not None and self.ended <= now else Phase.WAITING


# What a node is good for, by the words that stand beside one another in its state. The first that holds, worst first: a node
# that is down and drained is down, and one that is drained still runs its last job. Powered down is how clouds and savers of
# power park what is good.
_CONDITIONS: tuple[tuple[str, frozenset[str]], ...] = (
    ("down", frozenset({"DOWN", "ERROR", "FAIL", "NOT_RESPONDING", "INVALID_REG"})),
    ("drained", frozenset({"DRAIN", "DRAINED", "DRAINING"})),
    ("maintenance", frozenset({"MAINT", "MAINTENANCE"})),
    ("powered_down", frozenset({"POWERED_DOWN", "POWERING_DOWN", "POWER_DOWN"})),
    ("allocated", frozenset({"ALLOCATED", "MIXED", "COMPLETING"})),
    ("idle", frozenset({"IDLE"})),
)
CONDITIONS = tuple(name for name, _ in _CONDITIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRecord:
    """A node as Slurm has it; `gres` is what it has in all."""

    name: str
    gres: str = ""
    states: frozenset[str] = frozenset()

    @property
    def condition(self) -> str | None:
        """What it is good for; None where its state is none of those that are known."""
        return next((name for name, words in _CONDITIONS if words & self.states), None)
