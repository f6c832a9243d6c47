"""What is due: admitted targets become orders to servers, not too small, not too often, and in the right order.

A server's own cap is the backstop of its GPUs' caps: it goes up before they do, and down after they are confirmed down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from power.guard.admitted import Admitted
from power.guard.history import History
from power.model import Bools, ControlState, Fleet, Floats, Ints, NodeOrder, View


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How small a change is worth a write, and how often a device is written."""

    deadband_watts: float = 5.0
    """A smaller change of a GPU's cap waits; cuts beneath a limit that is over its worst case do not."""
    node_deadband_watts: float = 25.0
    """The same for a server's own cap."""
    write_seconds: float = 5.0
    """Least time between two writes to one device, emergencies excepted."""
    retry_seconds: float = 60.0
    """The same for a device that does not hold caps."""


_USUAL = Pace()


class _Due(NamedTuple):
    gpus: Bools
    clocks: Bools
    servers: Bools


def orders(fleet: Fleet, view: View, admitted: Admitted, history: History, pace: Pace = _USUAL) -> tuple[NodeOrder, ...]:
    """The orders that are due now, servers in the fleet's order. None unless the guard lets anything be written."""
    if not admitted.writes:
        return ()
    gpus_wait, servers_wait = _turns(fleet, view, admitted, pace)
    may = admitted.urgent if admitted.urgent_only else np.ones(len(fleet.nodes), dtype=np.bool_)
    due = _Due(
        gpus=_due_gpus(fleet, view, admitted, history, pace) & ~gpus_wait & may[fleet.gpu_node],
        clocks=_due_clocks(fleet, view, admitted, history, pace) & may[fleet.gpu_node],
        servers=_due_servers(view, admitted, history, pace) & ~servers_wait & may,
    )
    return _by_server(fleet, view, admitted, due)


def _due_gpus(fleet: Fleet, view: View, admitted: Admitted, history: History, pace: Pace) -> Bools:
    # What was requested in band stands, though another source holds the limit in force lower yet: no need to say it again.
    has = np.where(np.isnan(view.gpu_own_watts), view.gpu_limit_watts, view.gpu_own_watts)
    highest = np.fmin(view.gpu_max_watts, view.gpu_default_watts)
    return _due(
        target=admitted.gpu_watts,
        has=has,
        ordered=history.gpu_watts,
        small=np.where(admitted.gpu_watts >= highest, 0.0, pace.deadband_watts),
        state=view.gpu_state,
        idle_seconds=view.monotonic - history.gpu_at,
        urgent=admitted.urgent[fleet.gpu_node],
        pressed=admitted.pressed[fleet.gpu_node],
        pace=pace,
    )


def _due_servers(view: View, admitted: Admitted, history: History, pace: Pace) -> Bools:
    return _due(
        target=admitted.node_cap_watts,
        has=view.node_cap_watts,
        ordered=history.node_watts,
        small=np.full(len(view.node_state), pace.node_deadband_watts),
        state=view.node_state,
        idle_seconds=view.monotonic - history.node_at,
        urgent=admitted.urgent,
        pressed=admitted.pressed,
        pace=pace,
    )


def _due(
    *,
    target: Floats,
    has: Floats,
    ordered: Floats,
    small: Floats,
    state: Ints,
    idle_seconds: Floats,
    urgent: Bools,
    pressed: Bools,
    pace: Pace,
) -> Bools:
    pending = state == ControlState.PENDING
    has = np.where(pending, ordered, has)
    cut, raised = target < has, target > has
    # Nothing is known to be there (no cap in force, or nobody has read it): any target is a change.
    unknown = np.isnan(has) & ~np.isnan(target)
    worth = unknown | (np.abs(target - has) >= small) & (cut | raised) | (cut & (urgent | pressed))
    # A raise waits until what was written before is read back.
    settled = ~(raised & pending)
    least = np.where(state == ControlState.UNCONTROLLED, pace.retry_seconds, pace.write_seconds)
    # An emergency waits for nothing, but does not say the same again every second either.
    at_once = urgent & (target != ordered)
    due: Bools = worth & settled & (at_once | (idle_seconds >= least))
    return due


def _turns(fleet: Fleet, view: View, admitted: Admitted, pace: Pace) -> tuple[Bools, Bools]:
    """GPUs whose raise waits for their server's cap to be up, and servers whose cap waits for their GPUs to be down."""
    node_more = admitted.node_cap_watts - view.node_cap_watts
    unsettled = (node_more >= pace.node_deadband_watts) | (view.node_state == ControlState.PENDING)
    gpus_wait = (admitted.gpu_watts > view.gpu_limit_watts) & unsettled[fleet.gpu_node]
    # GPUs that hold no caps are waited for by nobody: then the server's cap is all there is.
    pending = view.gpu_state == ControlState.PENDING
    less = view.gpu_limit_watts - admitted.gpu_watts >= pace.deadband_watts
    coming_down = pending | (less & (view.gpu_state == ControlState.CONTROLLED))
    servers_wait = (fleet.by_node(coming_down.astype(np.float64)) > 0) & ~(node_more > 0)
    return gpus_wait, servers_wait & ~admitted.urgent


def _due_clocks(fleet: Fleet, view: View, admitted: Admitted, history: History, pace: Pace) -> Bools:
    holds = (view.gpu_state == ControlState.CONTROLLED) | (view.gpu_state == ControlState.PENDING)
    both_free = np.isnan(admitted.clock_mhz) & np.isnan(history.clock_mhz)
    changed = ~both_free & (admitted.clock_mhz != history.clock_mhz)
    rested = (view.monotonic - history.gpu_at >= pace.write_seconds) | admitted.urgent[fleet.gpu_node]
    due: Bools = holds & changed & rested
    return due


def _by_server(fleet: Fleet, view: View, admitted: Admitted, due: _Due) -> tuple[NodeOrder, ...]:
    watts: dict[int, dict[str, float]] = {}
    clocks: dict[int, dict[str, float | None]] = {}
    reasons: dict[int, set[int]] = {}
    raised: set[int] = set(np.flatnonzero(due.servers & (admitted.node_cap_watts > view.node_cap_watts)).tolist())
    for gpu in np.flatnonzero(due.gpus).tolist():
        server = int(fleet.gpu_node[gpu])
        watts.setdefault(server, {})[fleet.gpus[gpu].uuid] = float(admitted.gpu_watts[gpu])
        reasons.setdefault(server, set()).add(int(admitted.gpu_name[gpu]))
        if admitted.gpu_watts[gpu] > view.gpu_limit_watts[gpu]:
            raised.add(server)
    for gpu in np.flatnonzero(due.clocks).tolist():
        server, clock = int(fleet.gpu_node[gpu]), float(admitted.clock_mhz[gpu])
        clocks.setdefault(server, {})[fleet.gpus[gpu].uuid] = None if np.isnan(clock) else clock
        reasons.setdefault(server, set()).add(int(admitted.gpu_name[gpu]))
    for server in np.flatnonzero(due.servers).tolist():
        reasons.setdefault(server, set()).add(int(admitted.node_name[server]))
    return tuple(
        NodeOrder(
            node=fleet.nodes[server],
            gpu_watts=watts.get(server, {}),
            clock_mhz=clocks.get(server, {}),
            node_cap_watts=float(admitted.node_cap_watts[server]) if due.servers[server] else None,
            raises=server in raised,
            urgent=bool(admitted.urgent[server]),
            why=", ".join(sorted({name for value in reasons[server] if (name := admitted.name(value, fleet))})),
        )
        for server in sorted(reasons)
    )
