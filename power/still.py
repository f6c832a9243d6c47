"""Sensors that stand still: the same watts again and again, and something else tells that they cannot be true.

A busy GPU's milliwatts move from second to second, and a loaded server's watts too; an idle one's may stand. So standing
still alone proves nothing: a GPU must claim to be busy below its cap, or its server's meter must show more than its GPUs claim;
a meter must stand while its GPUs move.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from power.actuators.findings import Finding, Why
from power.model import Bools, Device, Fleet, Floats, Ints

STILL_SECONDS = 20.0
BUSY_SHARE = 0.3
"""Of its highest limit; an idle GPU draws a sixth."""
AT_CAP_SHARE = 0.97
"""What stands at its cap stands at what counts for it in any case."""
METER_SECONDS = 15.0
LEAST_WATTS, LEAST_SHARE = 100.0, 0.05
"""By how much other evidence must differ: meters and GPUs are not read in one moment."""


@dataclass(kw_only=True, eq=False)
class Still:
    """Since when the values of some sensors are as they are."""

    count: int
    value: Floats = field(init=False)
    at: Floats = field(init=False)
    moved_at: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.value = np.full(self.count, np.nan)
        self.at, self.moved_at = np.full(self.count, -math.inf), np.full(self.count, -math.inf)

    def take(self, rows: Ints | int, value: Floats | float, at: Floats | float) -> None:
        """New readings."""
        self.moved_at[rows] = np.where(self.value[rows] == value, self.moved_at[rows], at)
        self.value[rows], self.at[rows] = value, at

    @property
    def stands(self) -> Bools:
        """Which have told the same for long."""
        known = np.isfinite(self.moved_at)
        return known & (np.where(known, self.at, 0.0) - np.where(known, self.moved_at, 0.0) >= STILL_SECONDS)


def frozen_gpus(fleet: Fleet, stands: Bools, watts: Floats, *, limit: Floats, most: Floats, unexplained: Floats) -> Bools:
    """GPUs whose power cannot be true. `unexplained`: what each server's fresh meter shows beyond GPUs and rest; NaN: none."""
    busy = (watts >= BUSY_SHARE * most) & ~(watts >= AT_CAP_SHARE * limit)
    shown = (unexplained > LEAST_WATTS)[fleet.gpu_node]
    frozen: Bools = stands & (busy | shown)
    return frozen


def frozen_meters(stands: Bools, meter: Floats, gpus_now: Floats, gpus_then: Floats) -> Bools:
    """Meters that have stood while what their servers' GPUs draw has moved."""
    moved = np.abs(gpus_now - gpus_then) > np.maximum(LEAST_WATTS, LEAST_SHARE * meter)
    frozen: Bools = stands & moved
    return frozen


@dataclass(kw_only=True, eq=False)
class Named:
    """What stands still, for people; `since` is kept while it lasts."""

    findings: tuple[Finding, ...] = ()

    def note(self, fleet: Fleet, gpus: Bools, meters: Bools, at: float) -> None:
        """These are frozen now."""
        devices = [fleet.gpus[row] for row in np.flatnonzero(gpus)] + [
            Device(fleet.nodes[row]) for row in np.flatnonzero(meters)
        ]
        since = {each.device: each.since for each in self.findings}
        self.findings = tuple(
            Finding(device=device, why=Why.FROZEN, since=since.get(device, at), detail=_detail(device)) for device in devices
        )


def _detail(device: Device) -> str:
    what, beside = ("its power", "under load") if device.uuid else ("its meter", "while its GPUs move")
    return f"{what} has been the same for {STILL_SECONDS:.0f} s and more {beside}; taken for old, up to its cap"
