"""The evaluator: a walk over the tree, every node at all steps at once."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import promql_parser as pp

from wattstat.promql import binary, calls, grouping
from wattstat.promql.raw import Group, Mask, Raw, Source, Times, Values, Want, grouped, is_stale, without_stale
from wattstat.promql.syntax import PromqlError, Unsupported, duration_ms, matchers_of
from wattstat.promql.vector import Grid, Vector, empty
from wattstat.promql.windows import RangeVector, Windows

LOOKBACK_MS = 5 * 60_000
"""How old a sample may be and still be the current one."""

MAX_ELEMENTS = 50_000_000
"""How many elements (series times steps) one expression may have; the same bound as Prometheus's for samples."""

SUBQUERY_STEP_MS = 60_000
"""A subquery's resolution where it names none: Prometheus's default evaluation interval."""

Scalar = Values
Value = Vector | Scalar | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluator:
    """Evaluates expressions on one grid of steps."""

    source: Source
    grid: Grid
    deadline: float = math.inf

    def evaluate(self, expr: pp.Expr) -> Value:
        """A vector, a scalar at each step, or a string. Raises `PromqlError`."""
        if time.monotonic() > self.deadline:
            raise PromqlError("query timed out in expression evaluation", kind="timeout")
        node = _NODES.get(type(expr))
        if node is None:
            raise Unsupported(f"the expression {expr}")
        return node(self, expr)

    def vector(self, expr: pp.Expr) -> Vector:
        value = self.evaluate(expr)
        if not isinstance(value, Vector):
            raise PromqlError(f"expected an instant vector, got {expr}", kind="bad_data")
        return value

    def scalar(self, expr: pp.Expr) -> Scalar:
        value = self.evaluate(expr)
        if not isinstance(value, np.ndarray):
            raise PromqlError(f"expected a scalar, got {expr}", kind="bad_data")
        return value

    def string(self, expr: pp.Expr) -> str:
        value = self.evaluate(expr)
        if not isinstance(value, str):
            raise PromqlError(f"expected a string, got {expr}", kind="bad_data")
        return value

    def constant(self, value: float) -> Scalar:
        return np.full(len(self.grid.steps), value)

    def elements(self, rows: int) -> tuple[Values, Mask]:
        """Room for the values of so many series, absent as yet. Raises `PromqlError` where that is more than allowed."""
        shape = (rows, len(self.grid.steps))
        if rows * len(self.grid.steps) > MAX_ELEMENTS:
            raise PromqlError(
                f"query processing would load too many samples into memory: {shape[0]:,} series at {shape[1]:,} steps, "
                f"{MAX_ELEMENTS:,} elements are allowed; ask for fewer series or a greater step"
            )
        return np.zeros(shape), np.zeros(shape, np.bool_)

    # Selectors

    def moments(self, expr: pp.VectorSelector | pp.SubqueryExpr) -> Times:
        """The steps as `@` and `offset` shift them."""
        at, offset = expr.at, duration_ms(expr, "offset")
        if at is None:
            return self.grid.steps - offset
        if at.type == pp.AtModifierType.Start:
            fixed = self.grid.query_start_ms
        elif at.type == pp.AtModifierType.End:
            fixed = self.grid.query_end_ms
        else:
            # From its text, because the library panics over moments before 1970 when it is asked for a datetime.
            fixed = round(float(str(at).removeprefix("@ ")) * 1000)
        return np.full_like(self.grid.steps, fixed - offset)

    def select(self, expr: pp.VectorSelector, moments: Times, reach_ms: int, want: Want) -> Raw:
        return self.source.select(matchers_of(expr), int(moments.min()) - reach_ms, int(moments.max()), want)

    def instant(self, expr: pp.VectorSelector, *, as_times: bool = False) -> Vector:
        """The newest sample of each series at each step, unless it is a staleness marker or too old; or its time."""
        moments = self.moments(expr)
        raw = self.select(expr, moments, LOOKBACK_MS, Want(step_ms=self.grid.step_ms))
        lookback_ms = LOOKBACK_MS + raw.resolution_ms
        values, present = self.elements(len(raw.labels))
        for group in grouped(raw):
            newest = np.searchsorted(group.times, moments, side="right") - 1
            sampled = group.times[newest]
            fresh = (newest >= 0) & (sampled >= moments - lookback_ms)
            found = group.values[:, newest]
            values[group.rows] = sampled / 1000 if as_times else found
            present[group.rows] = fresh & ~is_stale(found)
        return Vector(labels=raw.labels, values=values, present=present).pruned()

    def range_vector(self, expr: pp.Expr, function: str) -> RangeVector:
        """The windows of a range selector or of a subquery, for a function."""
        if isinstance(expr, pp.ParenExpr):
            return self.range_vector(expr.expr, function)
        if isinstance(expr, pp.SubqueryExpr):
            return self._subquery(expr)
        if not isinstance(expr, pp.MatrixSelector):
            raise PromqlError(f"expected a range vector, got {expr}", kind="bad_data")
        range_ms = duration_ms(expr, "range")
        ends = self.moments(expr.vector_selector)
        want = Want(function=function, range_ms=range_ms, step_ms=self.grid.step_ms)
        raw = without_stale(self.select(expr.vector_selector, ends, range_ms, want))
        windows = partial(Windows, steps=self.grid.steps, ends=ends, range_ms=range_ms)
        return RangeVector(
            labels=raw.labels,
            windows=[windows(group=group) for group in grouped(raw)],
            counted=function == "count_over_time" and raw.resolution_ms > 0,
        )

    def _subquery(self, expr: pp.SubqueryExpr) -> RangeVector:
        range_ms, step_ms = duration_ms(expr, "range"), duration_ms(expr, "step") or SUBQUERY_STEP_MS
        ends = self.moments(expr)
        # The inner steps are multiples of the resolution, whatever the outer steps are.
        first = -(-(int(ends.min()) - range_ms) // step_ms) * step_ms
        steps = np.arange(first, int(ends.max()) + 1, step_ms, dtype=np.int64)
        windows = partial(Windows, steps=self.grid.steps, ends=ends, range_ms=range_ms)
        if not len(steps):
            return RangeVector(labels=(), windows=())
        inner = replace(self, grid=replace(self.grid, steps=steps, step_ms=step_ms)).evaluate(expr.expr)
        vector = calls.as_vector(inner, len(steps)) if not isinstance(inner, str) else empty(len(steps))
        return RangeVector(labels=vector.labels, windows=[windows(group=group) for group in _sampled(vector, steps)])


def _sampled(vector: Vector, steps: Times) -> list[Group]:
    """A vector's elements as samples, those of rows that are present at the same steps together."""
    if vector.present.all():
        return [Group(rows=np.arange(len(vector.labels)), times=steps, values=vector.values)] if len(vector.labels) else []
    patterns: dict[bytes, list[int]] = {}
    for row, present in enumerate(vector.present):
        if present.any():
            patterns.setdefault(present.tobytes(), []).append(row)
    found: list[Group] = []
    for rows in patterns.values():
        present = vector.present[rows[0]]
        values = np.ascontiguousarray(vector.values[rows][:, present])
        found.append(Group(rows=np.array(rows, np.intp), times=steps[present], values=values))
    return found


def _unary(self: Evaluator, expr: pp.UnaryExpr) -> Value:
    value = self.evaluate(expr.expr)
    if isinstance(value, Vector):
        return Vector(labels=value.labels, values=-value.values, present=value.present).nameless()
    if isinstance(value, str):
        raise PromqlError(f"unary minus of a string: {expr}", kind="bad_data")
    return -value


def _binary(self: Evaluator, expr: pp.BinaryExpr) -> Value:
    operator = str(expr.op)
    left, right = self.evaluate(expr.lhs), self.evaluate(expr.rhs)
    if isinstance(left, str) or isinstance(right, str):
        raise PromqlError(f"binary operator with a string: {expr}", kind="bad_data")
    as_bool = expr.modifier is not None and expr.modifier.return_bool
    if isinstance(left, Vector) and isinstance(right, Vector):
        matching = binary.matching_of(expr)
        if operator in {"and", "or", "unless"}:
            return binary.between_sets(operator, left, right, matching)
        return binary.between_vectors(operator, left, right, matching, as_bool=as_bool)
    if isinstance(left, Vector):
        return binary.with_scalar(operator, left, right, scalar_first=False, as_bool=as_bool)  # type: ignore[arg-type]
    if isinstance(right, Vector):
        return binary.with_scalar(operator, right, left, scalar_first=True, as_bool=as_bool)
    return binary.between_scalars(operator, left, right)


def _aggregate(self: Evaluator, expr: pp.AggregateExpr) -> Vector:
    operator = str(expr.op)
    names: Sequence[str] = () if expr.modifier is None else expr.modifier.labels
    by = expr.modifier is None or expr.modifier.type == pp.AggModifierType.By
    key = grouping.key_of(names, by=by)
    vector = self.vector(expr.expr)
    if operator in grouping.SIMPLE:
        return grouping.aggregate(vector, key, grouping.SIMPLE[operator])
    if operator in {"topk", "bottomk"}:
        return grouping.ranked(vector, key, self.scalar(expr.param), largest=operator == "topk").pruned()  # type: ignore[arg-type]
    if operator == "quantile":
        return grouping.quantiles(vector, key, self.scalar(expr.param))  # type: ignore[arg-type]
    if operator == "count_values":
        return grouping.count_values(vector, key, self.string(expr.param))  # type: ignore[arg-type]
    raise Unsupported(f"the aggregation operator {operator}")


def _refuse_range(_: Evaluator, expr: pp.Expr) -> Value:
    raise PromqlError(f"a range vector stands where an instant vector is expected: {expr}", kind="bad_data")


_NODES: dict[type, Callable[[Evaluator, Any], Value]] = {
    pp.NumberLiteral: lambda self, expr: self.constant(expr.val),
    pp.StringLiteral: lambda _, expr: str(expr.val),
    pp.ParenExpr: lambda self, expr: self.evaluate(expr.expr),
    pp.VectorSelector: lambda self, expr: self.instant(expr),
    pp.MatrixSelector: _refuse_range,
    pp.SubqueryExpr: _refuse_range,
    pp.UnaryExpr: _unary,
    pp.BinaryExpr: _binary,
    pp.AggregateExpr: _aggregate,
    pp.Call: calls.call,
}
