"""What an expression measures, in words and by its unit, as far as the catalogue of metrics tells. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import promql_parser as pp

from alerts.narrowed import narrowed, number, span
from wattstat.catalogue import ALL
from wattstat.promql.syntax import duration_ms, matchers_of

COMPARISONS: Mapping[str, str] = {
    ">": "above", ">=": "at or above", "<": "below", "<=": "at or below", "==": "at", "!=": "other than",
}  # fmt: skip
UNITS = ("watts", "celsius", "ratio", "seconds", "bytes", "joules", "hertz", "volts", "amperes")

_OVER_TIME: Mapping[str, str] = {
    "avg_over_time": "mean of {0}",
    "max_over_time": "highest of {0}",
    "min_over_time": "lowest of {0}",
    "sum_over_time": "sum of {0}",
    "last_over_time": "newest of {0}",
    "quantile_over_time": "quantile of {0}",
    "stddev_over_time": "spread over {0}",
    "count_over_time": "samples in {0}",
    "present_over_time": "seen within {0}",
    "increase": "rise in {0}",
    "delta": "change in {0}",
    "rate": "a second, over {0}",
    "irate": "a second, of the newest of {0}",
    "deriv": "slope over {0}",
    "changes": "changes in {0}",
    "resets": "resets in {0}",
    "predict_linear": "as the last {0} forecast it",
}
_COUNTS_TIME = frozenset({"changes", "resets", "count_over_time", "present_over_time"})
_A_SECOND: Mapping[str, str] = {"joules": "watts", "seconds": "ratio"}
_AGGREGATES: Mapping[str, str] = {
    "sum": "together", "avg": "mean", "max": "highest", "min": "lowest", "quantile": "quantile", "stddev": "spread",
}  # fmt: skip
_ABBREVIATIONS = frozenset({"bmc", "bios", "cpu", "ecc", "gpu", "mig", "nvlink", "pcie", "pdu", "psu", "xid"})
_JOINED: Mapping[str, str] = {"/": "as a share of", "+": "and"}
_COUNTS = frozenset({"count", "group", "count_values"})


def phrase(expr: pp.Expr) -> str:
    """`Degrees left until the GPU slows itself down`; PromQL where the catalogue does not help."""
    text = _phrase(expr)
    return text[:1].upper() + text[1:]


def _phrase(expr: pp.Expr) -> str:
    return _PHRASES.get(type(expr), lambda other: narrowed(other, {}))(expr)


def _metric(expr: pp.VectorSelector) -> str:
    metric = ALL.get(expr.name or "")
    chosen = [each.value for each in matchers_of(expr) if each.op == "=" and each.name != "__name__" and each.value]
    earlier = re.search(r" offset (\w+)$", narrowed(expr, {}))
    within = (f" ({', '.join(chosen)})" if chosen else "") + (f" {earlier[1]} ago" if earlier else "")
    if metric is None:
        return f"{expr.name or narrowed(expr, {})}{within}"
    # what follows explains the labels
    told = re.split(r"[;(:]|\. ", metric.help, maxsplit=1)[0].strip().rstrip(".,")
    if told[:1].isdigit():
        told = f"{_named(metric.name)} ({told.partition(', 0 ')[0]})"
    return lowered(told) + within


def _named(metric: str) -> str:
    """`GPU lost` of `wattstat_gpu_lost`."""
    words = metric.removeprefix("wattstat_").split("_")
    return " ".join(word.upper() if word in _ABBREVIATIONS else word for word in words)


def lowered(text: str) -> str:
    """As it stands within a sentence; abbreviations stay as they are."""
    return text[:1].lower() + text[1:] if text[1:2].islower() or text.startswith("A ") else text


def _aggregated(expr: pp.AggregateExpr) -> str:
    inner, operator = _phrase(_unfiltered(expr.expr)), str(expr.op)
    if operator == "avg" and (holds := _bool_of(expr.expr)) is not None:
        return f"share with {_phrase(holds)}"
    if operator in {"count", "count_values"}:
        return f"how many{_at(expr.expr)}: {inner}"
    # the highest of what is only there once is no more than it
    word = _AGGREGATES.get(operator, "")
    return f"{inner}, {word}" if word and operator not in {"max", "min"} else inner


def _at(expr: pp.Expr) -> str:
    """What of it is counted: ` at 0`."""
    bare = _unparenthesised(expr)
    if isinstance(bare, pp.BinaryExpr) and str(bare.op) in {"*", "and", "unless"}:
        return _at(bare.lhs)  # what stands beside it brings labels, or chooses among devices
    if not isinstance(bare, pp.BinaryExpr) or str(bare.op) not in COMPARISONS:
        return ""
    return "" if constant(bare.rhs) is None else f" {COMPARISONS[str(bare.op)]} {written(bare.rhs, unit_of(bare.lhs))}"


def _bool_of(expr: pp.Expr) -> pp.BinaryExpr | None:
    """The `x == bool 0` whose mean is a share, also where a join gives it labels."""
    bare = _unparenthesised(expr)
    if not isinstance(bare, pp.BinaryExpr):
        return None
    return bare if _is_bool(bare) else _bool_of(bare.lhs) if str(bare.op) == "*" else None


def _unfiltered(expr: pp.Expr) -> pp.Expr:
    if isinstance(expr, pp.ParenExpr):
        return _unfiltered(expr.expr)
    if isinstance(expr, pp.BinaryExpr) and str(expr.op) in {"and", "unless", "or", *COMPARISONS} and not _is_bool(expr):
        return _unfiltered(expr.lhs)
    return expr


def _is_bool(expr: pp.BinaryExpr) -> bool:
    """`== bool 0`: no filter, it is 1 where it holds and 0 elsewhere."""
    return expr.modifier is not None and expr.modifier.return_bool


def _called(expr: pp.Call) -> str:
    name = expr.func.name
    ranged = next((each for each in expr.args if isinstance(each, pp.MatrixSelector | pp.SubqueryExpr)), None)
    if name in _OVER_TIME and ranged is not None:
        return f"{_phrase(ranged)}, {_OVER_TIME[name].format(span(duration_ms(ranged, 'range')))}"
    if name == "absent":
        return f"nothing of: {_phrase(expr.args[0])}"
    vector = next((each for each in expr.args if not isinstance(each, pp.NumberLiteral | pp.StringLiteral)), None)
    if vector is None or name in {"time", "vector"}:
        return narrowed(expr, {})
    return f"difference of {_phrase(vector)}" if name == "abs" else _phrase(vector)


def _combined(expr: pp.BinaryExpr) -> str:
    left, right, operator = _unfiltered(expr.lhs), _unfiltered(expr.rhs), str(expr.op)
    if operator == "-":
        return _less(left, right)
    if _is_bool(expr):
        return f"{_phrase(left)} {COMPARISONS[operator]} {written(expr.rhs, '')}"
    if operator == "*" and isinstance(right, pp.NumberLiteral):
        return f"{_phrase(left)}, times {number(right.val)}"
    if isinstance(left, pp.NumberLiteral) or (operator == "*" and _is_info(left)):
        return _phrase(right)  # joins bring labels
    is_of_left = isinstance(right, pp.NumberLiteral) or operator in {"and", "unless", "or", "*", *COMPARISONS}
    return _phrase(left) if is_of_left else f"{_phrase(left)}, {_JOINED.get(operator, operator)} {_phrase(right)}"


def _less(left: pp.Expr, right: pp.Expr) -> str:
    if _is_time(left) or _is_time(right):
        return f"time since: {_phrase(right)}" if _is_time(left) else f"time until: {_phrase(left)}"
    if isinstance(left, pp.NumberLiteral):
        return _rest(left, right)
    if before := _earlier(left, right):
        return f"{_phrase(left)}, change in {before}"
    return _phrase(left) if isinstance(right, pp.NumberLiteral) else f"{_phrase(left)}, less {_phrase(right)}"


def _rest(whole: pp.NumberLiteral, part: pp.Expr) -> str:
    """`1 - avg(ok)` is the share of those that are not: to leave the `1 -` out says the opposite."""
    bare = _unparenthesised(part)
    if whole.val == 1 and isinstance(bare, pp.AggregateExpr) and str(bare.op) == "avg" and _bool_of(bare.expr) is None:
        return f"share with {_phrase(_unfiltered(bare.expr))} at 0"
    return f"{number(whole.val)} less {_phrase(part)}"


def _earlier(now: pp.Expr, then: pp.Expr) -> str:
    """`10m` where the second is the first of so long ago."""
    _, found, before = narrowed(then, {}).partition(f"{narrowed(now, {})} offset ")
    return before if found else ""


def _is_info(expr: pp.Expr) -> bool:
    return isinstance(expr, pp.VectorSelector) and (expr.name or "").endswith("_info")


def _is_time(expr: pp.Expr) -> bool:
    return isinstance(expr, pp.Call) and expr.func.name == "time"


def unit_of(expr: pp.Expr) -> str:
    """One of `UNITS`, or empty for what is counted, for states, and for what is not known."""
    if isinstance(expr, pp.ParenExpr | pp.UnaryExpr | pp.SubqueryExpr):
        return unit_of(expr.expr)
    if isinstance(expr, pp.VectorSelector):
        return _of_name(expr.name or "")
    if isinstance(expr, pp.MatrixSelector):
        return _of_name(expr.vector_selector.name or "")
    if isinstance(expr, pp.AggregateExpr):
        return "" if str(expr.op) in _COUNTS else unit_of(expr.expr)
    if isinstance(expr, pp.Call):
        return _of_call(expr)
    return _of_binary(expr) if isinstance(expr, pp.BinaryExpr) else ""


def _of_name(name: str) -> str:
    plain = name.removesuffix("_total")
    # `bytes_per_second` is none of them
    return next((unit for unit in UNITS if plain.endswith(f"_{unit}")), "") if "_per_" not in plain else ""


def _of_call(expr: pp.Call) -> str:
    name = expr.func.name
    if name == "time":
        return "seconds"
    if name in _COUNTS_TIME or name.startswith(("absent", "vector")) or not expr.args:
        return ""
    inner = next((unit_of(each) for each in expr.args if not isinstance(each, pp.NumberLiteral | pp.StringLiteral)), "")
    return _A_SECOND.get(inner, "") if name in {"rate", "irate"} else "" if name == "deriv" else inner


def _of_binary(expr: pp.BinaryExpr) -> str:
    left, right, operator = unit_of(expr.lhs), unit_of(expr.rhs), str(expr.op)
    if _is_bool(expr):
        return ""
    if operator == "/":
        if isinstance(_unparenthesised(expr.rhs), pp.NumberLiteral):
            return ""  # somebody's own scale
        return "ratio" if left == right != "" or left == right == "" else left if right == "" else ""
    if operator == "*":
        factors = (_unparenthesised(expr.lhs), _unparenthesised(expr.rhs))
        if any(isinstance(each, pp.NumberLiteral) for each in factors):
            return ""
        return left or right if not (left and right) else ""
    return left or right if operator in {"+", "-"} else left


def _unparenthesised(expr: pp.Expr) -> pp.Expr:
    return _unparenthesised(expr.expr) if isinstance(expr, pp.ParenExpr) else expr


def constant(expr: pp.Expr) -> float | None:
    """The value of a number or of arithmetic with numbers; None for anything else."""
    if isinstance(expr, pp.ParenExpr):
        return constant(expr.expr)
    if isinstance(expr, pp.UnaryExpr):
        inner = constant(expr.expr)
        return None if inner is None else -inner
    if isinstance(expr, pp.NumberLiteral):
        return float(expr.val)
    if not isinstance(expr, pp.BinaryExpr):
        return None
    left, right, operator = constant(expr.lhs), constant(expr.rhs), str(expr.op)
    if left is None or right is None or (operator == "/" and right == 0):
        return None
    return {"+": left + right, "-": left - right, "*": left * right, "/": left / (right or 1)}.get(operator)


def written(limit: pp.Expr, unit: str) -> str:
    """What something is compared with, as a reader says it: `85 %`, `30 min`, or what the limit is."""
    value = constant(limit)
    return _computed(limit, unit) if value is None else _number(value, unit)


def _computed(limit: pp.Expr, unit: str) -> str:
    """`90 % of the limit`, `60 s + 3 times the interval`."""
    bare = _unparenthesised(limit)
    if not isinstance(bare, pp.BinaryExpr) or str(bare.op) not in {"*", "+", "-"}:
        return lowered(_phrase(_unfiltered(bare)))
    if str(bare.op) != "*":
        left, right = (written(each, unit) for each in (bare.lhs, bare.rhs))
        return f"{left} {bare.op} {right}"
    factors = [(constant(each), other) for each, other in ((bare.lhs, bare.rhs), (bare.rhs, bare.lhs))]
    factor, other = next(((value, other) for value, other in factors if value is not None), (None, bare.lhs))
    inner = _computed(other, unit)
    return inner if factor is None else f"{factor * 100:.4g} % of {inner}" if factor < 1 else f"{factor:g} times {inner}"


def _number(value: float, unit: str) -> str:
    if unit == "ratio" and (abs(value) >= 1e-4 or not value):
        return f"{value * 100:.4g} %"
    if unit == "seconds" and value:
        return _seconds(value)
    signs = {"celsius": " °C", "watts": " W", "joules": " J", "bytes": " B", "hertz": " Hz", "volts": " V", "amperes": " A"}
    return number(value) + signs.get(unit, "")


def _seconds(value: float) -> str:
    size = abs(value)
    for seconds, word in ((86_400, "days"), (3600, "h"), (60, "min")):
        if size >= seconds and size % seconds == 0:
            return f"{value / seconds:g} {word}" if word != "days" or size > seconds else "1 day"
    return f"{value:g} s" if size >= 1 else f"{value * 1000:g} ms"


_PHRASES: Mapping[type, Callable[[Any], str]] = {
    pp.VectorSelector: _metric,
    pp.MatrixSelector: lambda expr: _metric(expr.vector_selector),
    pp.AggregateExpr: _aggregated,
    pp.Call: _called,
    pp.BinaryExpr: _combined,
    pp.ParenExpr: lambda expr: _phrase(expr.expr),
    pp.UnaryExpr: lambda expr: _phrase(expr.expr),
    pp.SubqueryExpr: lambda expr: _phrase(expr.expr),
}
