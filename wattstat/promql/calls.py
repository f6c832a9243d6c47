"""Function calls: which arguments each takes, and what it does with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import promql_parser as pp

from wattstat.promql import functions, histogram, relabel, windows
from wattstat.promql.raw import Values
from wattstat.promql.syntax import NAME, Labels, Matcher, Unsupported, matchers_of
from wattstat.promql.vector import Vector, replaced

if TYPE_CHECKING:
    from wattstat.promql.evaluator import Evaluator, Value


def call(evaluator: Evaluator, expr: pp.Call) -> Value:
    """The value of a function call."""
    name = expr.func.name
    if name in _SPECIAL:
        return _SPECIAL[name](evaluator, expr)
    if name in functions.ELEMENTWISE:
        return _elementwise(evaluator.vector(expr.args[0]), functions.ELEMENTWISE[name])
    if name in functions.DATES:
        given = evaluator.vector(expr.args[0]) if expr.args else as_vector(_time(evaluator), len(evaluator.grid.steps))
        return _elementwise(given, functions.DATES[name])
    if name in functions.WITH_SCALARS:
        return _with_scalars(evaluator, expr)
    if name in windows.FUNCTIONS:
        return _over_windows(evaluator, expr)
    raise Unsupported(f"the function {name}()")


def as_vector(value: Vector | Values, steps: int) -> Vector:
    """A scalar as a vector of one element without labels."""
    if isinstance(value, Vector):
        return value
    return Vector(labels=[()], values=value.reshape(1, steps), present=np.ones((1, steps), np.bool_))


def _elementwise(vector: Vector, compute: functions.Elementwise) -> Vector:
    return Vector(labels=vector.labels, values=compute(vector.values), present=vector.present).nameless()


def _with_scalars(evaluator: Evaluator, expr: pp.Call) -> Vector:
    vector = evaluator.vector(expr.args[0])
    scalars = [evaluator.scalar(argument) for argument in expr.args[1:]]
    values, there = functions.WITH_SCALARS[expr.func.name](vector.values, *scalars)
    return Vector(labels=vector.labels, values=values, present=vector.present & there).nameless().pruned()


def _over_windows(evaluator: Evaluator, expr: pp.Call) -> Vector:
    name = expr.func.name
    ranged = [argument for argument in expr.args if _is_range(argument)]
    scalars = [evaluator.scalar(argument) for argument in expr.args if not _is_range(argument)]
    given = evaluator.range_vector(ranged[0], name)
    function = windows.FUNCTIONS["sum_over_time" if given.counted else name]
    values, present = evaluator.elements(len(given.labels))
    for window in given.windows:
        rows = window.group.rows
        values[rows], present[rows] = function(window, scalars)
    vector = Vector(labels=given.labels, values=values, present=present).pruned()
    return vector if name == "last_over_time" else vector.nameless()


def _is_range(expr: pp.Expr) -> bool:
    if isinstance(expr, pp.ParenExpr):
        return _is_range(expr.expr)
    return isinstance(expr, pp.MatrixSelector | pp.SubqueryExpr)


def _time(evaluator: Evaluator) -> Values:
    return evaluator.grid.steps / 1000


def _scalar(evaluator: Evaluator, expr: pp.Call) -> Values:
    vector = evaluator.vector(expr.args[0])
    values = np.where(vector.present, vector.values, 0).sum(axis=0)
    return np.where(vector.present.sum(axis=0) == 1, values, np.nan)


def _timestamp(evaluator: Evaluator, expr: pp.Call) -> Vector:
    argument = expr.args[0]
    while isinstance(argument, pp.ParenExpr):
        argument = argument.expr
    if isinstance(argument, pp.VectorSelector):
        return evaluator.instant(argument, as_times=True).nameless()
    return _elementwise(evaluator.vector(argument), lambda values: np.broadcast_to(_time(evaluator), values.shape))


def _absent(evaluator: Evaluator, expr: pp.Call) -> Vector:
    return _where_nothing(evaluator, expr.args[0], evaluator.vector(expr.args[0]))


def _absent_over_time(evaluator: Evaluator, expr: pp.Call) -> Vector:
    given = evaluator.range_vector(expr.args[0], expr.func.name)
    there = np.zeros((max(len(given.windows), 1), len(evaluator.grid.steps)), np.bool_)
    for row, window in enumerate(given.windows):
        there[row] = window.counts > 0
    vector = Vector(labels=[((str(row), ""),) for row in range(len(there))], values=there.astype(np.float64), present=there)
    return _where_nothing(evaluator, expr.args[0], vector)


def _where_nothing(evaluator: Evaluator, argument: pp.Expr, vector: Vector) -> Vector:
    nothing = ~vector.present.any(axis=0)
    values = np.ones((1, len(evaluator.grid.steps)))
    return Vector(labels=[_labels_of_absence(argument)], values=values, present=nothing.reshape(values.shape)).pruned()


def _labels_of_absence(argument: pp.Expr) -> Labels:
    """What the selector's matchers say for certain about the series that are not there."""
    while isinstance(argument, pp.ParenExpr):
        argument = argument.expr
    if isinstance(argument, pp.MatrixSelector):
        argument = argument.vector_selector
    if not isinstance(argument, pp.VectorSelector):
        return ()
    given: dict[str, list[Matcher]] = {}
    for matcher in matchers_of(argument):
        given.setdefault(matcher.name, []).append(matcher)
    certain: Labels = ()
    for name, matchers in given.items():
        if name != NAME and len(matchers) == 1 and matchers[0].op == "=":
            certain = replaced(certain, name, matchers[0].value)
    return certain


def _sorted(evaluator: Evaluator, expr: pp.Call) -> Vector:
    """In order of value, NaN last. Only an instant query shows it: a range query's series stand in order of their labels."""
    vector = evaluator.vector(expr.args[0])
    sign = 1 if expr.func.name == "sort" else -1
    return vector.pick(np.argsort(sign * vector.values[:, -1], kind="stable").tolist())


def _label_replace(evaluator: Evaluator, expr: pp.Call) -> Vector:
    target, replacement, source, pattern = (evaluator.string(argument) for argument in expr.args[1:])
    return relabel.label_replace(evaluator.vector(expr.args[0]), target, replacement, source, pattern)


def _label_join(evaluator: Evaluator, expr: pp.Call) -> Vector:
    target, separator, *sources = (evaluator.string(argument) for argument in expr.args[1:])
    return relabel.label_join(evaluator.vector(expr.args[0]), target, separator, sources)


_SPECIAL: dict[str, Callable[[Evaluator, pp.Call], Value]] = {
    "absent": _absent,
    "absent_over_time": _absent_over_time,
    "histogram_quantile": lambda evaluator, expr: histogram.quantile(
        evaluator.scalar(expr.args[0]), evaluator.vector(expr.args[1])
    ),
    "label_join": _label_join,
    "label_replace": _label_replace,
    "pi": lambda evaluator, _: evaluator.constant(np.pi),
    "scalar": _scalar,
    "sort": _sorted,
    "sort_desc": _sorted,
    "time": lambda evaluator, _: _time(evaluator),
    "timestamp": _timestamp,
    "vector": lambda evaluator, expr: as_vector(evaluator.scalar(expr.args[0]), len(evaluator.grid.steps)),
}
