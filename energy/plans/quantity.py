"""Numbers that are not exactly known: a value, its 90 % interval, and where it comes from.

All are positive, and their errors are ratios ("ten percent either way"), so they are taken as log-normal: in a product of
independent quantities the squared spreads of the logarithms add up, whichever of them is multiplied or divided by.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

Z90 = 1.6449
"""A normal distribution has nine tenths of its mass within so many standard deviations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """`low` and `high` bound 90 %. An exact number has neither."""

    value: float
    low: float
    high: float
    source: str = ""

    @property
    def spread(self) -> float:
        """Standard deviation of the logarithm."""
        return 0.0 if self.low == self.high else math.log(self.high / self.low) / (2 * Z90)

    def times(self, factor: float) -> Quantity:
        """With an exact factor."""
        return Quantity(value=self.value * factor, low=self.low * factor, high=self.high * factor, source=self.source)


def exact(value: float, source: str) -> Quantity:
    """A number that is stated, or a price: nothing is uncertain about it."""
    return Quantity(value=value, low=value, high=value, source=source)


def about(value: float, ratio: float, source: str) -> Quantity:
    """A number that is known to a ratio, in 90 % of the cases."""
    return Quantity(value=value, low=value / (1 + ratio), high=value * (1 + ratio), source=source)


def product(*factors: Quantity, over: Sequence[Quantity] = ()) -> Quantity:
    """Of independent quantities, over others."""
    value = math.prod(each.value for each in factors) / math.prod(each.value for each in over)
    return _spreading(value, math.hypot(*(each.spread for each in (*factors, *over))))


def total(*terms: Quantity) -> Quantity:
    """A sum of independent quantities; its spread to first order."""
    value = sum(each.value for each in terms)
    return _spreading(value, math.hypot(*(each.spread * each.value / value for each in terms)))


def _spreading(value: float, spread: float) -> Quantity:
    return Quantity(value=value, low=value * math.exp(-Z90 * spread), high=value * math.exp(Z90 * spread))


def next_of(samples: Sequence[float], source: str, *, at_least: float = 0.03) -> Quantity:
    """What the next sample will be, by those that were seen (two or more): their geometric mean and a prediction interval.

    With few samples Student's t takes the place of the normal distribution. No interval is narrower than the meters are good.
    """
    logs = [math.log(each) for each in samples]
    mean, deviation = statistics.fmean(logs), statistics.stdev(logs)
    half = _t90(len(logs) - 1) * deviation * math.sqrt(1 + 1 / len(logs))
    half = max(half, math.log1p(at_least))
    return Quantity(value=math.exp(mean), low=math.exp(mean - half), high=math.exp(mean + half), source=source)


def _t90(freedom: int) -> float:
    """Student's t for 90 %, by the first terms of its expansion round the normal distribution (1 % off at 4 degrees)."""
    z = Z90
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
