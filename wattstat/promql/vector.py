"""What expressions evaluate to: vectors and scalars at every step of a query at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from wattstat.promql.raw import Mask, Times, Values
from wattstat.promql.syntax import NAME, Labels, PromqlError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Vector:
    """Instant vectors at all steps: row `i` of `values` belongs to `labels[i]`, column `j` to step `j`.

    Where `present` is false the vector of that step has no such element, and the value there means nothing.
    """

    labels: Sequence[Labels]
    values: Values
    present: Mask

    def pick(self, rows: Sequence[int] | Mask) -> Vector:
        """Some of the rows, in the order given."""
        indices = np.asarray(rows)
        if indices.dtype == np.bool_:
            indices = np.flatnonzero(indices)
        indices = indices.astype(np.intp)
        labels = [self.labels[row] for row in indices]
        return Vector(labels=labels, values=self.values[indices], present=self.present[indices])

    def pruned(self) -> Vector:
        """Without the rows that are absent at every step."""
        alive: Mask = np.any(self.present, axis=1)
        return self if alive.all() else self.pick(alive)

    def relabelled(self, change: Callable[[Labels], Labels]) -> Vector:
        """With other labels. Rows that become equal are merged; two present at one step are an error, as in Prometheus."""
        return merged(Vector(labels=[change(labels) for labels in self.labels], values=self.values, present=self.present))

    def nameless(self) -> Vector:
        """Without the metric's name, which no longer says what the values are."""
        return self.relabelled(drop_name)


def empty(steps: int) -> Vector:
    """No element at any step."""
    return Vector(labels=(), values=np.zeros((0, steps)), present=np.zeros((0, steps), np.bool_))


def drop_name(labels: Labels) -> Labels:
    """The labels without `__name__`."""
    return tuple(pair for pair in labels if pair[0] != NAME)


def only(names: Collection[str]) -> Callable[[Labels], Labels]:
    """A function that keeps the named labels."""
    return lambda labels: tuple(pair for pair in labels if pair[0] in names)


def without(names: Collection[str]) -> Callable[[Labels], Labels]:
    """A function that drops the named labels."""
    return lambda labels: tuple(pair for pair in labels if pair[0] not in names)


def replaced(labels: Labels, name: str, value: str) -> Labels:
    """The labels with one set, or dropped when the value is empty."""
    kept = [pair for pair in labels if pair[0] != name]
    return tuple(sorted([*kept, (name, value)])) if value else tuple(kept)


def groups(keys: Sequence[Labels]) -> dict[Labels, list[int]]:
    """The rows that share each key, keys in order of first appearance."""
    found: dict[Labels, list[int]] = {}
    for row, key in enumerate(keys):
        found.setdefault(key, []).append(row)
    return found


def merged(vector: Vector) -> Vector:
    """One row for each label set."""
    if len(set(vector.labels)) == len(vector.labels):
        return vector
    by_labels = groups(vector.labels)
    values = np.empty((len(by_labels), vector.values.shape[1]))
    present = np.empty(values.shape, np.bool_)
    for target, rows in enumerate(by_labels.values()):
        there = vector.present[rows]
        if (there.sum(axis=0) > 1).any():
            raise PromqlError("vector cannot contain metrics with the same labelset")
        values[target] = np.where(there, vector.values[rows], 0).sum(axis=0)
        present[target] = there.any(axis=0)
    return Vector(labels=list(by_labels), values=values, present=present)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grid:
    """The moments at which an expression is evaluated, and what `start()` and `end()` of the whole query are."""

    steps: Times
    step_ms: int
    query_start_ms: int
    query_end_ms: int
