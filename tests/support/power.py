"""Views and intents for tests: everything unknown and nothing asked but what is given."""

from __future__ import annotations

import math

import numpy as np

from power.model import MIDDLE_PRIORITY, NOBODY, ControlState, Fleet, Floats, Intent, View

_STATES = ("gpu_state", "node_state")


def view_of(fleet: Fleet, *, at: float = 1_800_000_000.0, monotonic: float = 1000.0, **given: float | Floats) -> View:
    """A view in which every device is CONTROLLED and nothing is known of it but what is `given`, a value or a column."""

    def column(name: str) -> Floats:
        count = len(fleet.gpus) if name.startswith("gpu_") else len(fleet.nodes)
        unknown = ControlState.CONTROLLED if name in _STATES else math.inf if name.endswith("_age") else math.nan
        value = given.get(name, unknown)
        return np.broadcast_to(np.asarray(value, np.float64), count).copy()

    # What takes no cap counts at its most where a test does not say otherwise.
    names = [name for name in View.__slots__ if name not in {"at", "monotonic", "limit_fixed_watts"}]
    columns = {name: column(name).astype(np.int64) if name in _STATES else column(name) for name in names}
    return View(at=at, monotonic=monotonic, **columns)  # type: ignore[arg-type] # the columns are named by the class itself


def intent_of(fleet: Fleet) -> Intent:
    """An intent that asks nothing of anybody."""
    gpus, nodes, limits = len(fleet.gpus), len(fleet.nodes), len(fleet.tree.limits)
    return Intent(
        names=(),
        limit_watts=np.full(limits, math.inf),
        limit_name=np.full(limits, NOBODY),
        guaranteed=np.ones(limits, np.bool_),
        gpu_cap_watts=np.full(gpus, math.inf),
        gpu_cap_name=np.full(gpus, NOBODY),
        node_cap_watts=np.full(nodes, math.inf),
        node_cap_name=np.full(nodes, NOBODY),
        priority=np.full(gpus, MIDDLE_PRIORITY),
        group=np.full(gpus, -1),
        keep=np.zeros(gpus, np.bool_),
        pinned_watts=np.full(gpus, math.nan),
        pinned_name=np.full(gpus, NOBODY),
        clock_mhz=np.full(gpus, math.nan),
        floor_watts=np.full(gpus, math.nan),
        urgent=np.zeros(nodes, np.bool_),
    )
