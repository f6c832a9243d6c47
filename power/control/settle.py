"""From what each device should get to the cap that is asked for: nothing moves that need not.

A cap is lowered only where a limit would otherwise carry too much, and then to where filling aims, which is lower: so the next
small want finds room. It is raised when that is worth a write.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from power.control.exact import charged, granted
from power.control.loads import Bounds, Loads
from power.control.rows import Filled
from power.control.tuning import Tuning
from power.model import Bools, Floats, Ints


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Devices:
    """Columns of GPUs followed by servers: load (-1 none), points on the way up, target, and the cap as it stands."""

    load: Ints
    bounds: Bounds
    target: Floats
    standing: Floats
    must_match: Bools
    """The target exactly: pinned."""


def settled(devices: Devices, loads: Loads, filled: Filled, tuning: Tuning) -> Floats:
    """The caps to go for; as they stand where that will do. NaN where there is nothing to cap."""
    mine = devices.load >= 0
    if not mine.any():
        return np.full(len(mine), np.nan)
    low, top = devices.bounds.low, devices.bounds.top
    standing = np.where(np.isnan(devices.standing), devices.target, devices.standing)
    band = np.maximum(tuning.deadband_watts, tuning.raise_deadband_ratio * standing)
    gain = devices.target - standing
    cap = np.where(gain >= np.minimum(band, np.maximum(top - standing, 1.0)), devices.target, standing)
    cap = np.where(devices.must_match, devices.target, np.clip(cap, low, top))
    cap = _alike(cap, devices, loads)
    worth = np.maximum(tuning.deadband_watts, tuning.deadband_ratio * cap)
    for least in (np.maximum(worth, tuning.surplus_watts), worth, np.zeros(len(cap))):
        drawn = np.minimum(cap, devices.bounds.want)
        count = len(loads.node)
        over = filled.over(load_sums(devices.load, cap, count), load_sums(devices.load, drawn, count))
        if not over.any():
            break
        hit = np.zeros(len(loads.node), np.bool_)
        hit[filled.rows.load[over[filled.rows.row]]] = True
        of_lift = np.zeros(loads.lifts, np.bool_)
        of_lift[loads.lift[hit]] = True
        cut = mine & of_lift[loads.lift[devices.load]] & (cap - devices.target > least)
        cap = np.where(cut, devices.target, cap)
    return np.where(mine, cap, np.nan)


def load_sums(load: Ints, watts: Floats, length: int) -> Floats:
    """Watts of the loads from those of their devices."""
    mine = load >= 0
    return np.bincount(load[mine], weights=charged(watts[mine]), minlength=length).astype(np.float64, copy=False)


def _alike(cap: Floats, devices: Devices, loads: Loads) -> Floats:
    """Loads of one job go for their target together when their caps stand apart."""
    shared = np.bincount(loads.lift, minlength=loads.lifts) > 1
    mine = np.flatnonzero(devices.load >= 0)
    mine = mine[shared[loads.lift[devices.load[mine]]]]
    if not len(mine):
        return cap
    lift = loads.lift[devices.load[mine]]
    most, least = np.full(loads.lifts, -np.inf), np.full(loads.lifts, np.inf)
    off = granted(cap[mine] - devices.target[mine])
    np.maximum.at(most, lift, off)
    np.minimum.at(least, lift, off)
    apart = (most - least > 1.0)[lift]
    changed = cap.copy()
    changed[mine[apart]] = devices.target[mine[apart]]
    return changed
