"""When breakers trip: their curves, and how warm they are.

Tolerance to overload is margin, never budget: nothing here raises a limit. Rehearsals and pages use it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from power.model import Bools, Floats

COOLING_SECONDS = 600.0
"""A breaker just short of tripping is cold again after so long at or below its rating."""
INSTANT_RATIO = 5.0
"""From here on the magnetic release opens it at once."""
EXPONENT = -2.04
"""Fitted to a rack's breaker that holds 10 % over for 17 minutes and 40 % for one (Wu et al., Dynamo, ISCA 2016)."""


class Curve(Protocol):
    """How long a breaker holds a load, from cold."""

    def seconds(self, ratio: Floats) -> Floats:
        """Seconds until it opens at these multiples of its rating; infinite at 1 and below. NaN counts as infinite load."""


@dataclass(frozen=True, slots=True)
class Thermal:
    """A thermal-magnetic release: `scale * (ratio - 1) ** EXPONENT` seconds, and at once from INSTANT_RATIO on."""

    scale: float

    def seconds(self, ratio: Floats) -> Floats:
        """See `Curve`."""
        return np.where(_known(ratio) >= INSTANT_RATIO, 0.0, _held(_known(ratio), self.scale))


@dataclass(frozen=True, slots=True)
class Points:
    """A curve by points of a data sheet, straight between them on paper with two logarithmic axes.

    Below the first point it falls like a thermal release through that point; beyond the last it holds no longer than there.
    """

    points: tuple[tuple[float, float], ...]

    def seconds(self, ratio: Floats) -> Floats:
        """See `Curve`."""
        loads, times = np.array(self.points, np.float64).T
        load = _known(ratio)
        between = np.exp(np.interp(np.log(np.maximum(load, loads[0])), np.log(loads), np.log(times)))
        return np.where(load < loads[0], _held(load, times[0] * (loads[0] - 1) ** -EXPONENT), between)


RACK = Thermal(9.25)
"""Racks and remote power panels: 17 min at 10 % over, 60 s at 40 %."""
MAIN = Thermal(1.25)
"""Main switchboards: 60 s at 15 % over."""
UPS = Points(((1.03, 600.0), (1.25, 30.0), (1.33, 10.0), (2.0, 0.2)))
"""The short ends of what products hold: 103 % 10 min, 125 % 30 s, 133 % 10 s, 200 % ten periods of the mains. Below 103 %
products hold 10 minutes to for ever."""
CURVES: Mapping[str, Curve] = {"rack": RACK, "main": MAIN, "ups": UPS}
"""By the names that inventories use."""


@dataclass(kw_only=True, eq=False)
class Breakers:
    """Breakers that carry loads, in columns. `heat` is 0 for a cold breaker and 1 for one that opens."""

    names: tuple[str, ...]
    limit_rows: tuple[int, ...]
    """Their rows among the limits of the tree."""
    rating_watts: Floats
    curves: Sequence[Curve]
    heat: Floats = field(init=False)
    tripped: Bools = field(init=False)

    def __post_init__(self) -> None:
        """Closed and cold."""
        self.heat = np.zeros(len(self.names))
        self.tripped = np.zeros(len(self.names), np.bool_)
        self._alike = {curve: np.flatnonzero([each == curve for each in self.curves]) for curve in dict.fromkeys(self.curves)}

    def seconds(self, load_watts: Floats) -> Floats:
        """How long cold breakers would hold this load."""
        ratio = load_watts / self.rating_watts
        held = np.empty(len(self.names))
        for curve, rows in self._alike.items():
            held[rows] = curve.seconds(ratio[rows])
        return held

    def left_seconds(self, load_watts: Floats) -> Floats:
        """How long they hold this load as warm as they are; infinite at their rating and below."""
        held = self.seconds(load_watts)
        return np.where(np.isinf(held), np.inf, held * (1 - np.minimum(self.heat, 1)))

    def carry(self, load_watts: Floats, seconds: float) -> tuple[str, ...]:
        """Carry a load for so long; the names of those that open in it. An open one stays open until it is closed."""
        held = self.seconds(load_watts)
        with np.errstate(divide="ignore"):
            warmer = self.heat + np.where(np.isinf(held), -seconds / COOLING_SECONDS, np.divide(seconds, held))
        self.heat = np.clip(warmer, 0.0, 1.0)
        opening = (self.heat >= 1.0) & ~self.tripped
        self.tripped = self.tripped | opening
        return tuple(self.names[row] for row in np.flatnonzero(opening))

    def close(self, name: str) -> None:
        """Close one again; it starts cold."""
        row = self.names.index(name)
        self.heat[row], self.tripped[row] = 0.0, False


def _known(ratio: Floats) -> Floats:
    return np.where(np.isnan(ratio), np.inf, ratio)


def _held(ratio: Floats, scale: float) -> Floats:
    over = np.maximum(ratio - 1, 0.0)
    with np.errstate(divide="ignore"):
        held: Floats = scale * over**EXPONENT
    return held
