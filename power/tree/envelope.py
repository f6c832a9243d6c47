"""Does the worst case fit? What every limit could carry under the caps that hold, beside what is trip-safe."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from power.model import Bools, Fleet, Floats, Tree, View
from power.tree.ceilings import counted, worst_draw

ROUNDING_WATTS = 1e-6
"""Sums of thousands of floats differ by their order; a millionth of a watt trips nothing."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Envelope:
    """The worst case of every limit, in columns of limits; `node_watts` is that of every server."""

    node_watts: Floats
    watts: Floats
    slack_watts: Floats
    """What is trip-safe less the worst case; infinite where there is no breaker."""
    over: Bools
    """Limits whose worst case is above what is trip-safe."""
    unsafe: tuple[str, ...]
    """Their names."""

    @property
    def safe(self) -> bool:
        """Whether no breaker can trip, whatever the servers do."""
        return not self.unsafe


def envelope(fleet: Fleet, view: View) -> Envelope:
    """The worst case under what the view confirms."""
    return envelope_of(fleet.tree, worst_draw(fleet, *counted(fleet, view)))


def envelope_of(tree: Tree, node_watts: Floats) -> Envelope:
    """The worst case when the servers draw `node_watts` at most. NaN is no bound at all."""
    bounded = np.where(np.isnan(node_watts), np.inf, node_watts)
    watts = tree.load(bounded)
    has_breaker = np.isfinite(tree.trip_safe_watts)
    slack = np.full(len(watts), np.inf)
    slack[has_breaker] = tree.trip_safe_watts[has_breaker] - watts[has_breaker]
    over = slack < -ROUNDING_WATTS
    unsafe = tuple(tree.limits[row].name for row in np.flatnonzero(over))
    return Envelope(node_watts=bounded, watts=watts, slack_watts=slack, over=over, unsafe=unsafe)
