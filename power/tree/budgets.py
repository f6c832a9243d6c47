"""How every limit stands now: what may be drawn, what is, what could be, who set it, and how much of that is known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from power.model import Fleet, Floats, Intent, Proposal, View
from power.tree.ceilings import counted, counts, worst_draw
from power.tree.envelope import ROUNDING_WATTS, envelope_of

NEAR_RATIO = 0.97
"""Share of its limit from which on power is called near."""
INVENTORY, RATING = "inventory", "rating"
"""Who is named when no policy sets a limit: the budget in the inventory, what is trip-safe at the breaker."""


class State(StrEnum):
    """How a limit stands, worst first."""

    OVER = "over"
    """More is drawn than the limit."""
    UNSAFE = "unsafe"
    """The worst case is above what is trip-safe."""
    INFEASIBLE = "infeasible"
    """Even with every cap at its floor the limit cannot be held for certain."""
    NEAR = "near"
    """The window's peak is near the limit."""
    GOOD = "good"
    UNLIMITED = "unlimited"
    """Nobody set a limit here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetStatus:
    """How one limit stands. None where nobody set a limit, or nothing hangs here.

    Power counts as the limit must carry it: a rack on two feeds in full on both. Servers whose power nobody read count by their
    GPUs, else at the most they could draw: `measured_ratio` is the share of `power_watts` that was measured.
    """

    name: str
    kind: str
    rating_watts: float | None
    limit_watts: float | None
    trip_safe_watts: float | None
    power_watts: float
    peak_watts: float
    envelope_watts: float | None
    """None: nothing bounds what could be drawn."""
    headroom_watts: float | None
    state: State
    binding: str | None
    """Who set the limit: a policy, `inventory`, or `rating`."""
    devices_held: int
    """Devices whose cap this limit decides now."""
    deficit_watts: float
    """By how much the worst case with every cap at its floor is above the limit; 0 where it can be held."""
    coverage_ratio: float | None
    """Share of the worst case that caps can move."""
    fixed_watts: float
    """What takes no cap: switches, storage."""
    assumed_watts: float
    """How much of the worst case is a table's planning figure and not the inventory's or the device's."""
    measured_ratio: float | None

    def document(self) -> dict[str, Any]:
        """As `/api/power/status` shows it."""
        return {name: _rounded(getattr(self, name)) for name in self.__slots__}


def budgets(fleet: Fleet, view: View, intent: Intent, proposal: Proposal | None = None) -> tuple[BudgetStatus, ...]:
    """Every limit of the tree; servers only where somebody limits them."""
    columns = _columns(fleet, view, intent)
    limits = fleet.tree.limits
    states = _states(columns)
    held = _held(fleet, proposal)
    is_limited = np.isfinite(columns["limit"]).tolist()
    # Lists: a loop over some thousand limits reads them ten times as fast as arrays.
    at = {name: column.tolist() for name, column in columns.items()}
    return tuple(
        BudgetStatus(
            name=limit.name,
            kind=limit.kind,
            rating_watts=limit.rating_watts,
            limit_watts=at["limit"][row] if is_limited[row] else None,
            trip_safe_watts=limit.trip_safe_watts,
            power_watts=at["power"][row],
            peak_watts=at["peak"][row],
            envelope_watts=at["worst"][row] if math.isfinite(at["worst"][row]) else None,
            headroom_watts=at["limit"][row] - at["power"][row] if is_limited[row] else None,
            state=states[row],
            binding=_binding(fleet, row, intent, at["limit"][row]) if is_limited[row] else None,
            devices_held=held[row],
            deficit_watts=at["deficit"][row],
            coverage_ratio=_ratio(at["highest"][row] - at["lowest"][row], at["highest"][row]),
            fixed_watts=limit.fixed_watts,
            assumed_watts=at["assumed"][row],
            measured_ratio=_ratio(at["measured"][row], at["power"][row] - at["fixed"][row]),
        )
        for row, limit in enumerate(limits)
        if is_limited[row] or limit.kind != "node"
    )


def _columns(fleet: Fleet, view: View, intent: Intent) -> dict[str, Floats]:
    tree = fleet.tree
    most = tree.fixed_watts
    fixed = most if view.limit_fixed_watts is None else view.limit_fixed_watts
    gpu_watts, node_cap = counted(fleet, view)
    worst = worst_draw(fleet, gpu_watts, node_cap)
    power = _power(fleet, view, worst)
    peak = np.fmax(power, np.where(np.isnan(view.node_peak_watts), power, view.node_peak_watts))
    can_move = counts(view.gpu_state)
    highest = worst_draw(
        fleet, np.where(can_move, view.gpu_max_watts, gpu_watts), np.where(counts(view.node_state), np.nan, node_cap)
    )
    lowest = worst_draw(fleet, np.where(can_move, _least(view.gpu_min_watts, gpu_watts), gpu_watts), node_cap)
    floor = np.fmax(view.gpu_min_watts, intent.floor_watts)
    at_floor = worst_draw(fleet, np.where(can_move, _least(floor, gpu_watts), gpu_watts), node_cap)
    allowed = _allowed(fleet, intent)
    guaranteed = tree.load(at_floor)
    demanded = np.where(intent.guaranteed, guaranteed, tree.load(np.minimum(at_floor, peak), fixed))
    deficit = np.fmax(_over(demanded, allowed), _over(guaranteed, tree.trip_safe_watts))
    found = envelope_of(tree, worst)
    return {
        "limit": allowed,
        "worst": found.watts,
        "slack": found.slack_watts,
        "power": tree.load(power, fixed),
        "peak": tree.load(peak, fixed),
        "fixed": fixed,
        "measured": tree.load(np.where(np.isnan(view.node_watts), 0.0, view.node_watts)) - most,
        "highest": tree.load(highest),
        "lowest": tree.load(np.minimum(lowest, highest)),
        "deficit": np.where(deficit > ROUNDING_WATTS, deficit, 0.0),
        "assumed": tree.load(np.zeros(len(fleet.nodes)) if fleet.assumed_watts is None else fleet.assumed_watts) - most,
    }


def _power(fleet: Fleet, view: View, worst: Floats) -> Floats:
    """What each server draws: measured, else by its GPUs and the most of the rest, else the most it could."""
    by_gpus = np.minimum(worst, fleet.rest_watts + fleet.loss * fleet.by_node(view.gpu_watts))
    estimated = np.where(np.isnan(by_gpus), worst, by_gpus)
    return np.where(np.isnan(view.node_watts), estimated, view.node_watts)


def _allowed(fleet: Fleet, intent: Intent) -> Floats:
    """The lowest of what policies, the inventory and the breaker allow; infinite where nobody says."""
    budget = np.array([math.inf if limit.budget_watts is None else limit.budget_watts for limit in fleet.tree.limits])
    asked = np.where(np.isnan(intent.limit_watts), np.inf, intent.limit_watts)
    lowest: Floats = np.minimum(np.minimum(asked, budget), fleet.tree.trip_safe_watts)
    return lowest


def _binding(fleet: Fleet, row: int, intent: Intent, allowed: float) -> str:
    by = int(intent.limit_name[row])
    if 0 <= by < len(intent.names) and intent.limit_watts[row] <= allowed:
        return intent.names[by]
    return INVENTORY if fleet.tree.limits[row].budget_watts == allowed else RATING


def _states(columns: dict[str, Floats]) -> list[State]:
    """The worst that holds at each limit."""
    limit, power = columns["limit"], columns["power"]
    conditions = (
        (State.UNLIMITED, np.isinf(limit)),
        (State.OVER, power > limit + ROUNDING_WATTS),
        (State.UNSAFE, columns["slack"] < -ROUNDING_WATTS),
        (State.INFEASIBLE, columns["deficit"] > 0),
        (State.NEAR, columns["peak"] > NEAR_RATIO * limit),
    )
    first = np.argmax([*(holds for _, holds in conditions), np.ones(len(limit), np.bool_)], axis=0)
    names = [*(state for state, _ in conditions), State.GOOD]
    return [names[place] for place in first.tolist()]


def _held(fleet: Fleet, proposal: Proposal | None) -> list[int]:
    """How many devices each limit holds: the proposal names limit i as -2 - i."""
    count = len(fleet.tree.limits)
    if proposal is None:
        return [0] * count
    rows = -2 - np.concatenate([proposal.gpu_name, proposal.node_name])
    held: list[int] = np.bincount(rows[(rows >= 0) & (rows < count)], minlength=count).tolist()
    return held


def _least(lowest: Floats, gpu_watts: Floats) -> Floats:
    """The lowest that a cap goes, and what counts now where nobody knows it."""
    return np.where(np.isnan(lowest), gpu_watts, np.minimum(lowest, np.where(np.isnan(gpu_watts), np.inf, gpu_watts)))


def _over(watts: Floats, allowed: Floats) -> Floats:
    """By how much watts are above a limit; 0 where there is none."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isinf(allowed), 0.0, np.maximum(watts - allowed, 0.0))


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if math.isfinite(part) and math.isfinite(whole) and whole > 0 else None


def _rounded(value: object) -> object:
    return round(value, 3) if isinstance(value, float) and math.isfinite(value) else None if isinstance(value, float) else value
