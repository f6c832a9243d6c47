"""histogram_quantile over classic histograms: series with an upper bound in the label `le`."""

from __future__ import annotations

import numpy as np

from wattstat.promql.raw import Mask, Values
from wattstat.promql.syntax import NAME, Labels
from wattstat.promql.vector import Vector, groups, without

_HIDDEN = frozenset([NAME, "le"])


def quantile(ratio: Values, vector: Vector) -> Vector:
    """The quantile of each histogram at each step, linear within a bucket."""
    bounded = [(row, bound) for row, labels in enumerate(vector.labels) if (bound := _bound(labels)) is not None]
    by_key = groups([without(_HIDDEN)(vector.labels[row]) for row, _ in bounded])
    steps = vector.values.shape[1]
    values = np.full((len(by_key), steps), np.nan)
    present = np.zeros(values.shape, np.bool_)
    for target, places in enumerate(by_key.values()):
        ordered = sorted(places, key=lambda place: bounded[place][1])
        rows = [bounded[place][0] for place in ordered]
        bounds = np.array([bounded[place][1] for place in ordered])
        there = vector.present[rows]
        present[target] = there.any(axis=0)
        for step in np.flatnonzero(present[target]).tolist():
            values[target, step] = _one(float(ratio[step]), bounds, vector.values[rows, step], there[:, step])
    return Vector(labels=list(by_key), values=values, present=present)


def _bound(labels: Labels) -> float | None:
    try:
        return float(dict(labels)["le"])
    except (KeyError, ValueError):
        return None


def _one(ratio: float, bounds: Values, counts: Values, there: Mask) -> float:
    """One histogram at one step. The cases and their order are Prometheus's bucketQuantile."""
    bounds, counts = bounds[there], counts[there]
    if not 0 <= ratio <= 1:
        return float(np.nan if np.isnan(ratio) else np.copysign(np.inf, ratio))
    if len(bounds) < 2 or bounds[-1] != np.inf:
        return np.nan
    starts = np.flatnonzero(np.concatenate([[True], bounds[1:] != bounds[:-1]]))
    bounds, counts = bounds[starts], np.maximum.accumulate(np.add.reduceat(counts, starts))
    if len(bounds) < 2 or counts[-1] == 0 or np.isnan(counts[-1]):
        return np.nan
    rank = ratio * counts[-1]
    bucket = int(np.searchsorted(counts[:-1], rank, side="left"))
    if bucket == len(bounds) - 1:
        return float(bounds[-2])
    if bucket == 0 and bounds[0] <= 0:
        return float(bounds[0])
    low, below = (bounds[bucket - 1], counts[bucket - 1]) if bucket else (0.0, 0.0)
    return float(low + (bounds[bucket] - low) * ((rank - below) / (counts[bucket] - below)))
