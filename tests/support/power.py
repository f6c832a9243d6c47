"""Views of a fleet for tests: everything unknown but what is given."""

from __future__ import annotations

import math

import numpy as np

from power.model import ControlState, Fleet, Floats, View

_STATES = ("gpu_state", "node_state")


def view_of(fleet: Fleet, *, at: float = 1_800_000_000.0, monotonic: float = 1000.0, **given: float | Floats) -> View:
    """A view in which every device is CONTROLLED and nothing is known of it but what is `given`, a value or a column."""

    def column(name: str) -> Floats:
        count = len(fleet.gpus) if name.startswith("gpu_") else len(fleet.nodes)
        unknown = ControlState.CONTROLLED if name in _STATES else math.inf if name.endswith("_age") else math.nan
        value = given.get(name, unknown)
        return np.broadcast_to(np.asarray(value, np.float64), count).copy()

    names = [name for name in View.__slots__ if name not in {"at", "monotonic"}]
    columns = {name: column(name).astype(np.int64) if name in _STATES else column(name) for name in names}
    return View(at=at, monotonic=monotonic, **columns)  # type: ignore[arg-type] # the columns are named by the class itself
