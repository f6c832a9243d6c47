"""How much slower training becomes under a power limit, and what a capped GPU draws."""

from __future__ import annotations

from energy.plans.boards import Board
from energy.plans.quantity import Quantity, exact
from wattstat.capcurve import FLOOR, SOURCE, band


def throughput(board: Board, cap_watts: float | None) -> Quantity:
    """What is left of the throughput under a limit. Raises `ValueError` for a limit that the board does not take."""
    if cap_watts is None or cap_watts == board.limit_watts:
        return exact(1.0, "no limit below the board's own")
    share = cap_watts / board.limit_watts
    if not FLOOR <= share <= 1:
        raise ValueError(
            f"cap_watts: {cap_watts:g} W is out of range for the {board.name}; expected {FLOOR * board.limit_watts:.0f} to "
            f"{board.limit_watts:.0f} W (below {FLOOR:.0%} nobody has measured the throughput)"
        )
    value, low, high = band(share)
    return Quantity(value=value, low=low, high=high, source=SOURCE)


def drawn(watts: Quantity, cap_watts: float | None) -> Quantity:
    """What a GPU draws that would draw `watts` freely: a cap that binds is kept to within some percent from below."""
    if cap_watts is None:
        return watts
    return Quantity(
        value=min(watts.value, 0.97 * cap_watts),
        low=min(watts.low, 0.93 * cap_watts),
        high=min(watts.high, cap_watts),
        source=watts.source if watts.high <= cap_watts else f"{watts.source}; held by the limit",
    )
