"""How much slower training becomes under a power limit, and what a capped GPU draws.

The curve is the mean of measured power-limit sweeps of transformer training (BERT on SQuAD: 8 configurations on A40, 7 on
V100; the public traces of Zeus, github.com/ml-energy/zeus, NSDI'23), by the limit's share of the board's maximum. Nobody has
published a trustworthy sweep of large-model training on H100; blogs name losses of 5 to 15 % at 600 of 700 W, where the curve
has 3 %. So the loss is taken as uncertain by a factor of four either way, which spans them. Work that waits for memory or data
loses less.
"""

from __future__ import annotations

import itertools

from energy.plans.boards import Board
from energy.plans.quantity import Quantity, exact

CURVE = ((1.0, 1.0), (0.8, 0.952), (0.7, 0.904), (0.6, 0.801), (0.5, 0.620), (0.4, 0.430))
"""Share of the limit, share of the throughput."""
LOSS_FACTOR = 4.0
LEAST_RATIO = 0.8
"""Throughput falls at worst somewhat faster than the limit itself: in the traces 0.25 is left under a third."""
FLOOR = CURVE[-1][0]
SOURCE = "power-limit sweeps of BERT training on A40 and V100 (Zeus traces); the loss may be four times less or more"


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
    value = _interpolated(share)
    loss = 1 - value
    low = max(1 - LOSS_FACTOR * loss, LEAST_RATIO * share)
    return Quantity(value=value, low=low, high=1 - loss / LOSS_FACTOR, source=SOURCE)


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


def _interpolated(share: float) -> float:
    for (upper, best), (lower, worst) in itertools.pairwise(CURVE):
        if share >= lower:
            return worst + (best - worst) * (share - lower) / (upper - lower)
    return CURVE[-1][1]
