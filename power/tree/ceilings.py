"""The most that servers can draw under the caps that hold. No telemetry in it: what is not known counts in full."""

from __future__ import annotations

import numpy as np

from power.model import Bools, ControlState, Fleet, Floats, Ints, View

NODE_CAP_TOLERANCE = 1.02
"""A server's controller holds its cap only within a few percent: power may exceed it until the adjustment completes.
Source: OpenManage Server Administrator, help of "Power Inventory and Budget"."""
COUNTED_STATES = (ControlState.CONTROLLED, ControlState.PENDING)
"""States in which a cap that was read back counts."""


def worst_draw(fleet: Fleet, gpu_watts: Floats, node_cap_watts: Floats) -> Floats:
    """The most that each server draws at its inlets when its GPUs draw `gpu_watts` at most; a column of servers.

    NaN in `gpu_watts`: nobody knows that GPU's limit, the server counts at its nameplate. NaN in `node_cap_watts`: no cap.
    """
    gpus = fleet.by_node(np.where(np.isnan(gpu_watts), np.inf, gpu_watts))
    parts = _no_bound_where_unknown(fleet.rest_watts + fleet.loss * gpus)
    capped = _no_bound_where_unknown(node_cap_watts * NODE_CAP_TOLERANCE)
    return np.minimum(np.minimum(parts, capped), _no_bound_where_unknown(fleet.nameplate_watts))


def counted(_fleet: Fleet, view: View) -> tuple[Floats, Floats]:
    """What counts now: the most of each GPU, infinite where it is not known, and the cap of each server, NaN where none counts.

    A cap counts at devices that are CONTROLLED or PENDING (whoever wrote it has put the higher of old and new into the view
    until it is read back). Everything else counts at the device's highest limit, or the one in force if that is higher yet.
    """
    trusted = counts(view.gpu_state) & ~np.isnan(view.gpu_limit_watts)
    highest = np.fmax(view.gpu_max_watts, view.gpu_limit_watts)
    highest = np.where(np.isnan(view.gpu_max_watts), np.inf, highest)
    gpu_watts = np.where(trusted, view.gpu_limit_watts, highest)
    node_cap = np.where(counts(view.node_state), view.node_cap_watts, np.nan)
    return gpu_watts, node_cap


def counts(state: Ints) -> Bools:
    """Whether a device in this state is counted at its cap."""
    return np.isin(state, COUNTED_STATES)


def _no_bound_where_unknown(watts: Floats) -> Floats:
    return np.where(np.isnan(watts), np.inf, watts)
