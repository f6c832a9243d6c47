"""Columns as they are handed in: what fits the fleet is taken, what does not is refused and said, never raised."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from power.model import NOBODY, Fleet, Floats, Intent, Ints, View

_INTENT_COLUMNS = {
    "gpu": ("gpu_cap_watts", "pinned_watts", "floor_watts"),
    "node": ("node_cap_watts", "urgent"),
    "limit": ("limit_watts", "guaranteed"),
}


def column(proposal: object, name: str, size: int, garbage: list[str]) -> Floats:
    """One column of the proposal; all NaN, and said, where it is none."""
    given = getattr(proposal, name, None)
    if isinstance(given, np.ndarray) and given.shape == (size,) and given.dtype.kind in "fiu":
        return given.astype(np.float64)
    shape = f"{given.dtype} of shape {given.shape}" if isinstance(given, np.ndarray) else type(given).__name__
    garbage.append(f"proposal.{name} is {shape}; expected a column of {size} numbers")
    return np.full(size, np.nan)


def names(proposal: object, name: str, size: int) -> Ints:
    """Whom to name for each target; nobody where that cannot be told."""
    given = getattr(proposal, name, None)
    if isinstance(given, np.ndarray) and given.shape == (size,) and given.dtype.kind == "i":
        return given.astype(np.int64)
    return np.full(size, NOBODY)


def misfit(fleet: Fleet, view: View, intent: Intent) -> str:
    """What of view and intent was not made for this fleet; empty: all was. Nothing can be told then, so nothing is written."""
    sizes = {"gpu": len(fleet.gpus), "node": len(fleet.nodes), "limit": len(fleet.tree.limits)}
    columns: list[tuple[object, str, str]]
    columns = [(view, each.name, each.name.partition("_")[0]) for each in fields(View) if each.name not in {"at", "monotonic"}]
    # What switches and storage draw need not be told: then they count at their most.
    columns = [each for each in columns if getattr(*each[:2], None) is not None or each[1] != "limit_fixed_watts"]
    columns += [(intent, name, rows) for rows, names in _INTENT_COLUMNS.items() for name in names]
    for source, name, rows in columns:
        column = getattr(source, name, None)
        kinds = "b" if name in {"urgent", "guaranteed"} else "fiu"
        if not isinstance(column, np.ndarray) or column.shape != (sizes[rows],) or column.dtype.kind not in kinds:
            return f"{type(source).__name__.lower()}.{name} is no column of {sizes[rows]} numbers: not made for this fleet"
    return ""
