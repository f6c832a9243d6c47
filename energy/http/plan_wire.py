"""A plan as JSON."""

from __future__ import annotations

from typing import Any

from energy.plans.plan import Plan, Wish
from energy.plans.quantity import Quantity

UNITS = {
    "mfu": "ratio",
    "progress": "ratio",
    "gpu_watts": "W",
    "node_ratio": "server over GPUs",
    "fabric": "all over servers",
    "throughput": "ratio",
    "peak_flops": "FLOP/s",
    "pue": "ratio",
    "price_per_kwh": "money",
    "grams_per_kwh": "g",
}


def told(wish: Wish, found: Plan) -> dict[str, Any]:
    """The answer of /api/plan; every figure with its 90 % interval, every constant with its source."""
    return {
        "parameters": wish.parameters,
        "tokens": wish.tokens,
        "gpu": found.board.key,
        "gpus": found.gpus,
        "nodes": found.nodes,
        "flops": found.flops,
        "cap_watts": found.cap_watts,
        "days": figure(found.days),
        "power_watts": figure(found.power_watts),
        "energy_joules": figure(found.energy_joules),
        "facility_joules": figure(found.facility_joules),
        "cost": figure(found.cost),
        "currency": found.currency,
        "carbon_grams": figure(found.carbon_grams),
        "interval": 0.9,
        "caps": [
            {"cap_watts": each.cap_watts, "days": figure(each.days), "energy_joules": figure(each.energy_joules)}
            for each in found.caps
        ],
        "constants": [
            {"name": name, "unit": UNITS[name], **(figure(value) or {}), "source": value.source}
            for name, value in found.constants.items()
        ],
        "notes": list(found.notes),
    }


def figure(value: Quantity | None) -> dict[str, float] | None:
    """A value between the bounds of its 90 % interval."""
    return None if value is None else {"value": value.value, "low": value.low, "high": value.high}
