"""The executor's knowledge as columns of a fleet. A row changes with its device, so that a look costs a copy and no loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np

from power.actuators.held import Held
from power.model import ControlState, Device, DeviceCaps, Fleet
from power.observe import CapColumns, unknown_caps

Effective = Callable[[Held], DeviceCaps | None]


class Board:
    """Columns of one fleet; all devices begin as unknown."""

    def __init__(self, fleet: Fleet, effective: Effective, *, without: Iterable[str] = ()) -> None:
        """`effective` gives the answer that counts of those that the ways to a device gave.

        No way leads to the servers of `without`: that is known of them, and nobody need wait until they are read.
        """
        self.fleet = fleet
        self._effective = effective
        self._gpu_row = {device: row for row, device in enumerate(fleet.gpus)}
        self._node_row = {name: row for row, name in enumerate(fleet.nodes)}
        self._columns = unknown_caps(fleet)
        self._pending = np.full(len(fleet.gpus), np.nan)
        self._node_at = np.full(len(fleet.nodes), -math.inf)
        for node in without:
            self._columns.node_state[self._node_row[node]] = ControlState.UNCONTROLLED

    def write(self, helds: Iterable[Held]) -> None:
        """Take over what is known of these devices now."""
        for held in helds:
            if held.device.uuid:
                self._write_gpu(held)
            else:
                self._write_node(held)

    def columns(self, monotonic: float) -> CapColumns:
        """A copy of all of it."""
        now = self._columns
        return CapColumns(
            gpu_state=now.gpu_state.copy(),
            gpu_pending_watts=self._pending.copy(),
            node_state=now.node_state.copy(),
            node_cap_watts=now.node_cap_watts.copy(),
            node_cap_age=monotonic - self._node_at,
            node_cap_min_watts=now.node_cap_min_watts.copy(),
            node_cap_max_watts=now.node_cap_max_watts.copy(),
        )

    def knows(self, device: Device) -> bool:
        """Whether a device stands in this fleet."""
        return device in self._gpu_row or (not device.uuid and device.node in self._node_row)

    def _write_gpu(self, held: Held) -> None:
        row = self._gpu_row.get(held.device)
        if row is None:
            return
        self._columns.gpu_state[row] = held.counted_state
        wanted = held.wanted[1] if held.wanted is not None else math.nan
        # Asked to have no cap: the highest that it takes counts until it is read back.
        caps = self._effective(held)
        self._pending[row] = _number(caps.max_watts if caps else None) if wanted is None else wanted

    def _write_node(self, held: Held) -> None:
        row = self._node_row.get(held.device.node)
        caps = self._effective(held)
        if row is None or caps is None:
            return
        now = self._columns
        now.node_state[row] = held.counted_state
        now.node_cap_watts[row] = _number(held.counted_watts(caps.limit_watts))
        now.node_cap_min_watts[row], now.node_cap_max_watts[row] = _number(caps.min_watts), _number(caps.max_watts)
        self._node_at[row] = held.read_at[caps.way]


def _number(value: float | None) -> float:
    return math.nan if value is None else value
