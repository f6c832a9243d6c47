"""Aggregation operators."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from wattstat.promql.numbers import go_float
from wattstat.promql.raw import Mask, Values
from wattstat.promql.syntax import NAME, Labels, PromqlError
from wattstat.promql.vector import Vector, groups, only, replaced, without
from wattstat.promql.windows import quantile

Key = Callable[[Labels], Labels]


def key_of(names: Sequence[str], *, by: bool) -> Key:
    """Which labels a group is known by."""
    return only(frozenset(names)) if by else without(frozenset([*names, NAME]))


def _variance(values: Values, present: Mask) -> Values:
    counts = present.sum(axis=0)
    mean = np.where(present, values, 0).sum(axis=0) / counts
    deviation = np.where(present, values - mean, 0)
    # A single element does not vary, be it infinite.
    return np.where(counts == 1, 0, (deviation * deviation).sum(axis=0) / counts)


def _sum(values: Values, present: Mask) -> Values:
    return np.where(present, values, 0).sum(axis=0) if not present.all() else values.sum(axis=0)  # type: ignore[no-any-return]


SIMPLE: dict[str, Callable[[Values, Mask], Values]] = {
    "sum": _sum,
    "avg": lambda values, present: _sum(values, present) / present.sum(axis=0),
    "min": lambda values, present: np.fmin.reduce(np.where(present, values, np.nan), axis=0),
    "max": lambda values, present: np.fmax.reduce(np.where(present, values, np.nan), axis=0),
    "count": lambda _, present: present.sum(axis=0).astype(np.float64),
    "group": lambda values, _: np.ones(values.shape[1]),
    "stdvar": _variance,
    "stddev": lambda values, present: np.sqrt(_variance(values, present)),
}
"""By name: from the elements of one group to one value at each step."""


def aggregate(vector: Vector, key: Key, reduce: Callable[[Values, Mask], Values]) -> Vector:
    """One element for each group."""
    by_key = groups([key(labels) for labels in vector.labels])
    values = np.empty((len(by_key), vector.values.shape[1]))
    present = np.empty(values.shape, np.bool_)
    for target, rows in enumerate(by_key.values()):
        whole = len(rows) == len(vector.labels)
        there = vector.present if whole else vector.present[rows]
        values[target] = reduce(vector.values if whole else vector.values[rows], there)
        present[target] = there.any(axis=0)
    return Vector(labels=list(by_key), values=values, present=present)


def quantiles(vector: Vector, key: Key, ratio: Values) -> Vector:
    """The operator `quantile`."""
    return aggregate(vector, key, lambda values, present: quantile(ratio, values.T, present.T))


def ranked(vector: Vector, key: Key, limit: Values, *, largest: bool) -> Vector:
    """The operators `topk` and `bottomk`: the elements themselves, at each step the first `limit` of their group.

    NaN comes last. Rows are in order of the last step, so that an instant query's answer is sorted as Prometheus sorts it.
    """
    if not np.isfinite(limit).all():
        raise PromqlError(f"Scalar value {go_float(float(limit[~np.isfinite(limit)][0]))} overflows int64")
    wanted = np.trunc(limit)
    kept = np.zeros_like(vector.present)
    order: list[int] = []
    vector = vector.pick(sorted(range(len(vector.labels)), key=lambda row: vector.labels[row]))  # which decides among equals
    for rows in groups([key(labels) for labels in vector.labels]).values():
        sign = -1 if largest else 1
        # Sorted last: what is absent (inf, flagged), before it NaN.
        values = np.where(vector.present[rows], sign * vector.values[rows], np.nan)
        places = np.lexsort((values, ~vector.present[rows]), axis=0)
        rank = np.empty_like(places)
        np.put_along_axis(rank, places, np.arange(len(rows))[:, None], axis=0)
        kept[rows] = (rank < wanted) & vector.present[rows]
        order.extend(rows[place] for place in places[:, -1].tolist())
    return Vector(labels=vector.labels, values=vector.values, present=kept).pick(order)


def count_values(vector: Vector, key: Key, label: str) -> Vector:
    """The operator `count_values`: how often each value stands in a group, the value becoming a label."""

    def counted() -> Iterator[tuple[Labels, Values]]:
        for group, rows in groups([key(labels) for labels in vector.labels]).items():
            values, present = vector.values[rows], vector.present[rows]
            texts = {go_float(value) for value in np.unique(values[present]).tolist()}
            for text in sorted(texts):
                same = np.isnan(values) if text == "NaN" else values == float(text)
                yield replaced(group, label, text), (same & present).sum(axis=0).astype(np.float64)

    rows = list(counted())
    values = np.array([row for _, row in rows]).reshape(len(rows), vector.values.shape[1])
    return aggregate(
        Vector(labels=[labels for labels, _ in rows], values=values, present=values > 0), lambda labels: labels, _sum
    )
