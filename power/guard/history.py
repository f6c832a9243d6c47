"""What was ordered last, and when: columns of the fleet. Replaced, never changed, so that a decision can be made again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from power.model import Fleet, Floats, NodeOrder


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class History:
    """Watts and clocks as ordered last, NaN for none; times by the monotonic clock, minus infinity for never."""

    gpu_watts: Floats
    gpu_at: Floats
    clock_mhz: Floats
    node_watts: Floats
    node_at: Floats

    @classmethod
    def empty(cls, fleet: Fleet) -> History:
        """Nothing was ordered yet."""
        gpus, nodes = len(fleet.gpus), len(fleet.nodes)
        return cls(
            gpu_watts=np.full(gpus, np.nan),
            gpu_at=np.full(gpus, -np.inf),
            clock_mhz=np.full(gpus, np.nan),
            node_watts=np.full(nodes, np.nan),
            node_at=np.full(nodes, -np.inf),
        )

    def after(self, fleet: Fleet, orders: Iterable[NodeOrder], monotonic: float) -> History:
        """With these orders given now."""
        orders = tuple(orders)
        if not orders:
            return self
        new = History(
            gpu_watts=self.gpu_watts.copy(),
            gpu_at=self.gpu_at.copy(),
            clock_mhz=self.clock_mhz.copy(),
            node_watts=self.node_watts.copy(),
            node_at=self.node_at.copy(),
        )
        gpu_rows, node_rows = _rows(fleet)
        for order in orders:
            for uuid, watts in order.gpu_watts.items():
                row = gpu_rows[order.node, uuid]
                new.gpu_watts[row], new.gpu_at[row] = watts, monotonic
            for uuid, clock in order.clock_mhz.items():
                row = gpu_rows[order.node, uuid]
                new.clock_mhz[row], new.gpu_at[row] = np.nan if clock is None else clock, monotonic
            if order.node_cap_watts is not None:
                row = node_rows[order.node]
                new.node_watts[row], new.node_at[row] = order.node_cap_watts, monotonic
        return new

    def moved(self, old: Fleet, new: Fleet) -> History:
        """The same devices in the rows of another fleet; the rest was never ordered."""
        moved = History.empty(new)
        gpu_rows, node_rows = _rows(old)
        gpus = [(row, gpu_rows[device]) for row, device in enumerate(new.gpus) if device in gpu_rows]
        nodes = [(row, node_rows[node]) for row, node in enumerate(new.nodes) if node in node_rows]
        for to, come_from in gpus:
            moved.gpu_watts[to], moved.gpu_at[to] = self.gpu_watts[come_from], self.gpu_at[come_from]
            moved.clock_mhz[to] = self.clock_mhz[come_from]
        for to, come_from in nodes:
            moved.node_watts[to], moved.node_at[to] = self.node_watts[come_from], self.node_at[come_from]
        return moved


@lru_cache(maxsize=4)
def _rows(fleet: Fleet) -> tuple[dict[tuple[str, str], int], dict[str, int]]:
    """Rows by device and by server."""
    gpus: dict[tuple[str, str], int] = {(device.node, device.uuid): row for row, device in enumerate(fleet.gpus)}
    return gpus, {node: row for row, node in enumerate(fleet.nodes)}
