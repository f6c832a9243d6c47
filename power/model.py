"""The words of this room: what can be capped, what is known of it now, what is wanted, what is done.

Everything that the control loop touches is a column: one row a GPU, a server or a limit, so that 80,000 GPUs are decided in a
tenth of a second. NaN in a column means that nobody has read it (absent is never zero); it never means nought.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

MIDDLE_PRIORITY = 50
"""What nobody said is neither first nor last. Priorities are 0 (cut first) to 100 (cut last)."""
NOBODY = -1


class Mode(StrEnum):
    """How far a policy, or the whole controller, goes."""

    OBSERVE = "observe"
    ADVISE = "advise"
    ENFORCE = "enforce"


class Way(StrEnum):
    """How a cap gets into a device."""

    NVML = "nvml"
    ATTRIBUTES = "attributes"
    HGX = "hgx"
    STANDARD = "standard"


class Device(NamedTuple):
    """A GPU, or with an empty `uuid` a whole server."""

    node: str
    uuid: str = ""

    def __str__(self) -> str:
        return f"{self.node}/{self.uuid}" if self.uuid else self.node


class ControlState(IntEnum):
    """What the controller may count on at a device. All but CONTROLLED and PENDING are charged at what they could draw."""

    UNKNOWN = 0
    """Its caps have not been read yet."""
    CONTROLLED = 1
    """It has the cap that was wanted, by read-back, or none was wanted yet."""
    PENDING = 2
    """Written, not read back: the higher of old and new counts."""
    UNCONTROLLED = 3
    """It refuses caps, or says yes and does not apply them."""
    FOREIGN = 4
    """Somebody else keeps changing its cap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One line of the electrical tree or of the organisation: a site, feed, breaker, row, rack, server or group.

    `rating_watts` is what is printed on the breaker, `trip_safe_watts` what the worst case may reach (None: no breaker here),
    `budget_watts` what the inventory allows. `fixed_watts` is charged always: what hangs here and takes no cap, at its most.
    """

    name: str
    kind: str
    rating_watts: float | None = None
    trip_safe_watts: float | None = None
    budget_watts: float | None = None
    fixed_watts: float = 0.0


RISE_RATIO = 1.1
"""By how much an uncappable load may have risen since it was read."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Uncapped:
    """Loads that take no cap, and at which limits they count: entry i is `share[i]` of load `load[i]` at `limit[i]`."""

    names: tuple[str, ...]
    most_watts: Floats
    limit: Ints
    load: Ints
    share: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tree:
    """Limits and which servers count against each: a sparse matrix in rows of limits.

    The servers of limit i are `member[start[i]:start[i + 1]]`, each with its `share` of the server's power (1 where the limit
    must carry the whole server when its other feed fails).
    """

    limits: tuple[Limit, ...]
    start: Ints
    member: Ints
    share: Floats
    row_of_entry: Ints
    fixed_watts: Floats
    trip_safe_watts: Floats
    """Infinite where there is no breaker."""
    uncapped: Uncapped | None = None
    """Of what `fixed_watts` is made; None where nobody said."""

    def load(self, node_watts: Floats, fixed_watts: Floats | None = None) -> Floats:
        """What each limit carries when the servers draw this; uncappable loads included. NaN spreads to what it touches.

        `fixed_watts` is what those loads draw now; their most unless given.
        """
        carried = np.bincount(self.row_of_entry, weights=self.share * node_watts[self.member], minlength=len(self.limits))
        total: Floats = (self.fixed_watts if fixed_watts is None else fixed_watts) + carried
        return total

    def fixed_now(self, known: Mapping[str, float]) -> Floats:
        """What uncappable loads draw at each limit, by `known` readings of them; those that nobody read count at their most.

        They are read once in a minute or so, and may rise meanwhile: a reading counts with a tenth more, up to the load's most.
        """
        if self.uncapped is None or not known:
            return self.fixed_watts
        most = self.uncapped.most_watts
        read = np.array([known.get(name, np.nan) for name in self.uncapped.names])
        counts = np.where(np.isnan(read), most, np.maximum(read, np.minimum(most, RISE_RATIO * read)))
        spared = self.uncapped.share * (most - counts)[self.uncapped.load]
        less = np.bincount(self.uncapped.limit, weights=spared, minlength=len(self.limits))
        fixed: Floats = self.fixed_watts - less
        return fixed


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fleet:
    """What stands in the hall as far as power is concerned. Made anew when the inventory or a server's GPUs change.

    A server draws at most `rest_watts[n] + loss[n] * (sum of its GPUs' limits)`, at its inlets, and never over
    `nameplate_watts[n]`.
    """

    tree: Tree
    nodes: tuple[str, ...]
    racks: tuple[str, ...]
    """Rack of each server."""
    gpus: tuple[Device, ...]
    gpu_index: tuple[str, ...]
    """The index of each GPU in its server, as series label it."""
    gpu_node: Ints
    """Row of the server of each GPU; rows of one server stand together."""
    gpu_model: tuple[str, ...]
    rest_watts: Floats
    loss: Floats
    nameplate_watts: Floats
    assumed_watts: Floats | None = None
    """How much of `rest_watts` neither inventory nor device told, but a table of planning figures. None: nobody asked."""

    def by_node(self, gpu_values: Floats) -> Floats:
        """Sums of the GPUs' values by server."""
        return np.bincount(self.gpu_node, weights=gpu_values, minlength=len(self.nodes)).astype(np.float64, copy=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """What is known at one moment. Ages in seconds by the monotonic clock, infinite where never read.

    `gpu_limit_watts` is the limit in force by read-back (the lowest of in band, out of band and VBIOS); `gpu_own_watts` what
    was requested in band. `node_cap_watts` is NaN unless a cap is enabled, has a value and that lies within what the server
    takes.
    `*_peak_watts` is the highest within the control window, stale readings counted as they must be (see control/).
    """

    at: float
    """Unix time, for people and schedules."""
    monotonic: float
    gpu_watts: Floats
    gpu_age: Floats
    gpu_peak_watts: Floats
    gpu_limit_watts: Floats
    gpu_own_watts: Floats
    gpu_limit_age: Floats
    gpu_min_watts: Floats
    gpu_max_watts: Floats
    gpu_default_watts: Floats
    gpu_state: Ints
    node_watts: Floats
    node_age: Floats
    node_peak_watts: Floats
    node_cap_watts: Floats
    node_cap_age: Floats
    node_cap_min_watts: Floats
    node_cap_max_watts: Floats
    node_state: Ints
    limit_fixed_watts: Floats | None = None
    """By limit: what loads without a cap draw there, as read; their most where nobody read it. None: their most."""


class Basis(StrEnum):
    """What a limit is held against."""

    GUARANTEED = "guaranteed"
    """The worst case under confirmed caps: holds without telemetry and controller."""
    MEASURED = "measured"
    """Measured power, highest in the window: more work under the same budget, and it needs the controller alive."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Intent:
    """What policies, holds and emergencies ask at one moment. `names[i]` is whom to name when row value i binds; -1 is nobody.

    Columns of GPUs: `gpu_cap_watts` (infinite: none), `priority`, `group` (GPUs of one synchronous job have the same number
    and get equal caps; -1: none), `keep` (no planned cut now: a checkpoint is being written), `pinned_watts` (NaN: none),
    `clock_mhz` (NaN: none), `floor_watts`. Columns of servers: `node_cap_watts`. Columns of limits: `limit_watts`,
    `guaranteed`.
    """

    names: tuple[str, ...]
    limit_watts: Floats
    limit_name: Ints
    guaranteed: Bools
    gpu_cap_watts: Floats
    gpu_cap_name: Ints
    node_cap_watts: Floats
    node_cap_name: Ints
    priority: Ints
    group: Ints
    keep: Bools
    pinned_watts: Floats
    pinned_name: Ints
    clock_mhz: Floats
    floor_watts: Floats
    urgent: Bools
    """Columns of servers: an emergency holds here, cuts go past every rate limit and to the lowest limits that devices take."""
    mode: Mode = Mode.OBSERVE


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Proposal:
    """What the allocator wants. Not trusted: the guard decides. NaN: leave as it is.

    `*_name` index into the intent's names, or below -1 name limit `-2 - value` of the tree.
    """

    gpu_watts: Floats
    gpu_name: Ints
    node_cap_watts: Floats
    node_name: Ints
    clock_mhz: Floats
    limit_expected_watts: Floats
    """What each limit will carry once all is applied, as the allocator counts it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeOrder:
    """What is to be written to one server. `gpu_watts` by UUID; `node_cap_watts` None leaves the server's own cap alone.

    `raises` tells that something in it goes up; `why` names policy or limit, for the audit trail. `release` are the devices
    (by UUID, empty for the server itself) that go back to what the operator had set before anything was written to them.
    """

    node: str
    gpu_watts: Mapping[str, float] = field(default_factory=dict)
    clock_mhz: Mapping[str, float | None] = field(default_factory=dict)
    node_cap_watts: float | None = None
    release: frozenset[str] = frozenset()
    raises: bool = False
    urgent: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """The right to write. A device's guard refuses a lower `token` than the highest it has seen."""

    token: int
    holder: str
    valid_until: float
    """By the monotonic clock; lies at half of the lease, where the holder stops writing."""
    urgent_only: bool = False
    """Good for urgent cuts and nothing else: the lease's database is away."""


class Outcome(StrEnum):
    """What became of a write."""

    CONFIRMED = "confirmed"
    NOT_APPLIED = "not_applied"
    """The device said yes and shows another value."""
    REFUSED = "refused"
    LOCKED = "locked"
    """System Lockdown mode: no retry."""
    UNLICENSED = "unlicensed"
    OUT_OF_RANGE = "out_of_range"
    PENDING_RESTART = "pending_restart"
    STALE = "stale"
    """An older fencing token."""
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of one device's part of an order; `read_back` None where nothing could be read."""

    device: Device
    way: Way
    wanted_watts: float | None
    read_back_watts: float | None
    outcome: Outcome
    detail: str = ""
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCaps:
    """One device's caps as it tells them. `limit_watts` None: none in force. `power_watts` where it comes with it."""

    device: Device
    way: Way
    limit_watts: float | None
    own_watts: float | None = None
    min_watts: float | None = None
    max_watts: float | None = None
    default_watts: float | None = None
    power_watts: float | None = None
    clock_mhz: float | None = None
    index: str = ""
    model: str = ""
    detail: str = ""


class Actuator(Protocol):
    """One way to one server. Never retries a write by itself; whoever calls decides (see actuators/executor)."""

    @property
    def node(self) -> str: ...
    @property
    def way(self) -> Way: ...

    async def read(self) -> tuple[DeviceCaps, ...]:
        """Bounds and caps now. Raises `ActuatorError`."""

    async def write(self, order: NodeOrder, fence: Fence) -> tuple[Receipt, ...]:
        """Write what of the order is for this way, and read back. A refusal is a receipt. Raises `ActuatorError`."""

    async def close(self) -> None: ...


class ActuatorError(Exception):
    """A device that cannot be asked. The message says which, what was asked and what to do."""
