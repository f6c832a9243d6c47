"""What was ordered, and what of it may still get through: columns of the fleet, replaced and never changed.

An order waits in a queue, is tried again, is answered and the answer lost. Until its device shows it by read-back the highest
that was ordered counts, whatever whoever carries orders out has noted by then.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from functools import lru_cache

import numpy as np

from power.model import Bools, ControlState, Fleet, Floats, Ints, NodeOrder, View

LOST_SECONDS = 150.0
"""After so long an order is not under way any more: four tries of half a minute each, and the pauses between them."""
READ_BACK_WATTS = 1.0
"""A cap that reads back this much beside what was written has been taken: devices round."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class History:
    """Watts and clocks as ordered last, NaN for none; times by the monotonic clock, minus infinity for never.

    `*_open_watts` is the highest that was ordered since the device showed its newest order, NaN where nothing is open.
    """

    gpu_watts: Floats
    gpu_at: Floats
    gpu_open_watts: Floats
    clock_mhz: Floats
    node_watts: Floats
    node_at: Floats
    node_open_watts: Floats

    @classmethod
    def empty(cls, fleet: Fleet) -> History:
        """Nothing was ordered yet."""
        gpus, nodes = len(fleet.gpus), len(fleet.nodes)
        return cls(
            gpu_watts=np.full(gpus, np.nan),
            gpu_at=np.full(gpus, -np.inf),
            gpu_open_watts=np.full(gpus, np.nan),
            clock_mhz=np.full(gpus, np.nan),
            node_watts=np.full(nodes, np.nan),
            node_at=np.full(nodes, -np.inf),
            node_open_watts=np.full(nodes, np.nan),
        )

    def after(self, fleet: Fleet, orders: Iterable[NodeOrder], monotonic: float) -> History:
        """With these orders given now."""
        orders = tuple(orders)
        if not orders:
            return self
        new = History(**{each.name: getattr(self, each.name).copy() for each in fields(self)})
        gpu_rows, node_rows = _rows(fleet)
        for order in orders:
            for uuid, watts in order.gpu_watts.items():
                row = gpu_rows[order.node, uuid]
                new.gpu_watts[row], new.gpu_at[row] = watts, monotonic
                new.gpu_open_watts[row] = np.fmax(new.gpu_open_watts[row], watts)
            for uuid, clock in order.clock_mhz.items():
                row = gpu_rows[order.node, uuid]
                new.clock_mhz[row], new.gpu_at[row] = np.nan if clock is None else clock, monotonic
            if order.node_cap_watts is not None:
                row = node_rows[order.node]
                new.node_watts[row], new.node_at[row] = order.node_cap_watts, monotonic
                new.node_open_watts[row] = np.fmax(new.node_open_watts[row], order.node_cap_watts)
        return new

    def settled(self, view: View) -> History:
        """Without what the devices show by now, and without what nobody has heard of for too long to come through."""
        gpus = _shows(self.gpu_watts, view.gpu_limit_watts) | _shows(self.gpu_watts, view.gpu_own_watts)
        gpus &= (view.gpu_state == ControlState.CONTROLLED) & (view.monotonic - view.gpu_limit_age > self.gpu_at)
        nodes = _shows(self.node_watts, view.node_cap_watts)
        nodes &= (view.node_state == ControlState.CONTROLLED) & (view.monotonic - view.node_cap_age > self.node_at)
        return replace(
            self,
            gpu_open_watts=np.where(gpus | (view.monotonic - self.gpu_at > LOST_SECONDS), np.nan, self.gpu_open_watts),
            node_open_watts=np.where(nodes | (view.monotonic - self.node_at > LOST_SECONDS), np.nan, self.node_open_watts),
        )

    def counted_in(self, view: View) -> View:
        """The view with every raise that is open: pending, and counted at what was ordered."""
        gpus = _counts(view.gpu_state) & (self.gpu_open_watts > view.gpu_limit_watts)
        nodes = _counts(view.node_state) & (self.node_open_watts > view.node_cap_watts)
        return replace(
            view,
            gpu_limit_watts=np.where(gpus, self.gpu_open_watts, view.gpu_limit_watts),
            gpu_state=np.where(gpus, ControlState.PENDING, view.gpu_state),
            node_cap_watts=np.where(nodes, self.node_open_watts, view.node_cap_watts),
            node_state=np.where(nodes, ControlState.PENDING, view.node_state),
        )

    def moved(self, old: Fleet, new: Fleet) -> History:
        """The same devices in the rows of another fleet; the rest was never ordered."""
        moved = History.empty(new)
        gpu_rows, node_rows = _rows(old)
        gpus = [(row, gpu_rows[device]) for row, device in enumerate(new.gpus) if device in gpu_rows]
        nodes = [(row, node_rows[node]) for row, node in enumerate(new.nodes) if node in node_rows]
        for each in fields(self):
            column, before = getattr(moved, each.name), getattr(self, each.name)
            for to, come_from in nodes if each.name.startswith("node_") else gpus:
                column[to] = before[come_from]
        return moved


def _shows(ordered: Floats, shown: Floats) -> Bools:
    """Whether a device shows what was ordered; it may keep whole watts."""
    shows: Bools = np.abs(ordered - shown) <= READ_BACK_WATTS
    return shows


def _counts(state: Ints) -> Bools:
    counts: Bools = (state == ControlState.CONTROLLED) | (state == ControlState.PENDING)
    return counts


@lru_cache(maxsize=4)
def _rows(fleet: Fleet) -> tuple[dict[tuple[str, str], int], dict[str, int]]:
    """Rows by device and by server."""
    gpus: dict[tuple[str, str], int] = {(device.node, device.uuid): row for row, device in enumerate(fleet.gpus)}
    return gpus, {node: row for row, node in enumerate(fleet.nodes)}
