"""Queries as the HTTP API and the dashboard ask them: at one moment, or over a range."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import promql_parser as pp

from wattstat.promql.evaluator import Evaluator
from wattstat.promql.raw import Mask, Source, Times, Values
from wattstat.promql.syntax import Labels, PromqlError, parse
from wattstat.promql.vector import Grid, Vector

MAX_POINTS = 11_000
"""How many points one series of an answer may have, as in Prometheus."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Points:
    """One series of an answer; times in Unix milliseconds."""

    labels: Labels
    times: Times
    values: Values


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Result:
    """What a query gave. A vector has one point a series; a scalar is one series without labels."""

    kind: Literal["vector", "matrix", "scalar", "string"]
    points: Sequence[Points] = ()
    text: str = ""


def instant_query(source: Source, text: str, at_ms: int, *, deadline: float = math.inf) -> Result:
    """Evaluate at one moment, until the monotonic clock shows `deadline`. Raises `PromqlError`."""
    expr = parse(text)
    steps = np.array([at_ms], np.int64)
    grid = Grid(steps=steps, step_ms=1, query_start_ms=at_ms, query_end_ms=at_ms)
    evaluator = Evaluator(source=source, grid=grid, deadline=deadline)
    with _computing():
        if _is_range(expr):
            return Result(kind="matrix", points=_samples(evaluator, expr))
        value = evaluator.evaluate(expr)
    if isinstance(value, str):
        return Result(kind="string", text=value, points=[Points(labels=(), times=steps, values=np.zeros(1))])
    if isinstance(value, Vector):
        rows = np.flatnonzero(value.present[:, 0]).tolist()
        return Result(
            kind="vector", points=[Points(labels=value.labels[row], times=steps, values=value.values[row]) for row in rows]
        )
    return Result(kind="scalar", points=[Points(labels=(), times=steps, values=value)])


def range_query(source: Source, text: str, start_ms: int, end_ms: int, step_ms: int, *, deadline: float = math.inf) -> Result:
    """Evaluate at `start_ms`, `start_ms + step_ms`, … up to `end_ms`, as `instant_query`. Raises `PromqlError`."""
    if step_ms <= 0:
        raise PromqlError(
            "zero or negative query resolution step widths are not accepted. Try a positive integer", kind="bad_data"
        )
    if end_ms < start_ms:
        raise PromqlError('invalid parameter "end": end timestamp must not be before start time', kind="bad_data")
    if (end_ms - start_ms) // step_ms > MAX_POINTS:
        raise PromqlError(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
            kind="bad_data",
        )
    expr = parse(text)
    steps = np.arange(start_ms, end_ms + 1, step_ms, dtype=np.int64)
    grid = Grid(steps=steps, step_ms=step_ms, query_start_ms=start_ms, query_end_ms=end_ms)
    evaluator = Evaluator(source=source, grid=grid, deadline=deadline)
    if _is_range(expr) or isinstance(expr, pp.StringLiteral):
        kind = "string" if isinstance(expr, pp.StringLiteral) else "range vector"
        raise PromqlError(
            f'invalid expression type "{kind}" for range query, must be Scalar or instant Vector', kind="bad_data"
        )
    with _computing():
        value = evaluator.evaluate(expr)
    if isinstance(value, str):
        raise PromqlError('invalid expression type "string" for range query, must be Scalar or instant Vector', kind="bad_data")
    if not isinstance(value, Vector):
        return Result(kind="matrix", points=[Points(labels=(), times=steps, values=value)])
    return Result(kind="matrix", points=sorted(_rows(value, steps), key=lambda points: points.labels))


@contextmanager
def _computing() -> Iterator[None]:
    """Divisions by zero and the like have results, as in Prometheus; times that fit no number are the query's fault."""
    try:
        with np.errstate(all="ignore"):
            yield
    except OverflowError as err:
        raise PromqlError(f"a time or a duration of the query is out of bounds: {err}", kind="bad_data") from err


def _rows(vector: Vector, steps: Times) -> list[Points]:
    def points(labels: Labels, values: Values, present: Mask) -> Points:
        if present.all():
            return Points(labels=labels, times=steps, values=values)
        return Points(labels=labels, times=steps[present], values=values[present])

    rows = zip(vector.labels, vector.values, vector.present, strict=True)
    return [points(*row) for row in rows if row[2].any()]


def _is_range(expr: pp.Expr) -> bool:
    if isinstance(expr, pp.ParenExpr):
        return _is_range(expr.expr)
    return isinstance(expr, pp.MatrixSelector | pp.SubqueryExpr)


def _samples(evaluator: Evaluator, expr: pp.Expr) -> list[Points]:
    """The samples themselves, as a range selector at the root of an instant query shows them."""
    given = evaluator.range_vector(expr, "")
    found: list[Points] = []
    for window in given.windows:
        inside = slice(int(window.low[0]), int(window.high[0]))
        if inside.start == inside.stop:
            continue
        times = window.group.times[inside]
        rows = zip(window.group.rows.tolist(), window.group.values, strict=True)
        found.extend(Points(labels=given.labels[row], times=times, values=values[inside]) for row, values in rows)
    return sorted(found, key=lambda points: points.labels)
