"""Whether numbers rise: robust against outliers."""

from __future__ import annotations

import math

import numpy as np

from alerts.findings.past import Floats


def slope(times: Floats, values: Floats) -> float:
    """The median of the slopes between all pairs (Theil and Sen), in units a second; NaN without two values.

    A third of the values may be anything, and it does not move.
    """
    known = ~np.isnan(values)
    t, v = times[known], values[known]
    if len(t) < 2:
        return math.nan
    one, other = np.triu_indices(len(t), 1)
    return float(np.median((v[other] - v[one]) / (t[other] - t[one])))


def rises(values: Floats) -> float:
    """How surely values rise (Mann and Kendall): 0 for no trend, above 3 by chance once in 700 times. NaN without four values.

    Only the order counts: a value a thousand times too large weighs no more than one that is a little too large.
    """
    known = values[~np.isnan(values)]
    count = len(known)
    if count < 4:
        return math.nan
    one, other = np.triu_indices(count, 1)
    score = float(np.sign(known[other] - known[one]).sum())
    _, ties = np.unique(known, return_counts=True)
    spread = (count * (count - 1) * (2 * count + 5) - float((ties * (ties - 1) * (2 * ties + 5)).sum())) / 18
    if spread <= 0:
        return 0.0
    return (score - math.copysign(1, score)) / math.sqrt(spread) if score else 0.0


def growth(counter: Floats) -> Floats:
    """What a counter counted between neighbours, resets made good; NaN where one of them is absent."""
    between = np.diff(counter)
    found: Floats = np.where(between < 0, counter[1:], between)
    return found
