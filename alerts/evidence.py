"""What speaks for an alert, read off its rule: each thing that is measured, and what it is compared with. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import promql_parser as pp

from alerts.measured import COMPARISONS, constant, lowered, phrase, unit_of, written
from alerts.narrowed import RULES_OWN, Labels, below, made_from, narrowed, number, sides, without
from wattstat.api.alerts import EvidenceLine
from wattstat.promql.syntax import parse

_MIRRORED = {">": "<", ">=": "<=", "<": ">", "<=": ">=", "==": "==", "!=": "!="}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One comparison within a rule; without a limit, what must only be there. `labels` are those that its elements have."""

    measured: pp.Expr
    labels: Labels
    operator: str = ""
    limit: pp.Expr | None = None
    limit_labels: Labels | None = None
    since: bool = False
    """`measured` is a moment, and how long ago it was is compared."""
    missing: bool = False
    """It holds only while this is not so."""


def evidence(expression: str, labels: Mapping[str, str]) -> tuple[EvidenceLine, ...]:
    """The evidence for an alert with these labels. Raises `PromqlError` for what is no expression."""
    lines = (_line(part) for part in _parts(parse(expression), without(labels, RULES_OWN)))
    return tuple(dict.fromkeys(lines))


def _parts(expr: pp.Expr, labels: Labels) -> Iterator[_Part]:
    if isinstance(expr, pp.ParenExpr):
        yield from _parts(expr.expr, labels)
    elif isinstance(expr, pp.BinaryExpr) and str(expr.op) in {"and", "or", "unless"}:
        left, right = sides(expr, labels)
        yield from _parts(expr.lhs, left)
        for part in _parts(expr.rhs, right):
            # `and` with what is only there chooses among devices, and says nothing of any
            if str(expr.op) != "and" or part.limit is not None or part.missing:
                yield replace(part, missing=not part.missing) if str(expr.op) == "unless" else part
    elif isinstance(expr, pp.BinaryExpr) and str(expr.op) in COMPARISONS:
        yield from _compared(expr, labels)
    elif isinstance(expr, pp.AggregateExpr) and _compares(expr.expr):
        yield from _parts(expr.expr, below(expr, labels))
    elif isinstance(expr, pp.Call) and expr.func.name == "label_replace" and _compares(expr.args[0]):
        yield from _parts(expr.args[0], made_from(expr, labels))
    elif not _is_constant(expr):
        yield _Part(measured=expr, labels=labels)


def _compared(expr: pp.BinaryExpr, labels: Labels) -> Iterator[_Part]:
    operator, (left, right) = str(expr.op), sides(expr, labels)
    measured, limit = expr.lhs, expr.rhs
    if _is_scalar(measured) and not _is_scalar(limit):
        measured, limit, left, right, operator = limit, measured, right, left, _MIRRORED[operator]
    if _compares(measured):
        # `a > 1 < 5`: the same is compared twice
        yield from _parts(measured, left)
        measured = _without_filter(measured)
    age = _ago(limit)
    if age is not None and operator in {"<", "<="}:
        yield _Part(measured=measured, labels=left, operator=_MIRRORED[operator], limit=age, limit_labels={}, since=True)
    else:
        yield _Part(measured=measured, labels=left, operator=operator, limit=limit, limit_labels=right)


def _bare(expr: pp.Expr) -> pp.Expr:
    while isinstance(expr, pp.ParenExpr):
        expr = expr.expr
    return expr


def _compares(expr: pp.Expr) -> bool:
    """Whether it filters by a comparison, or by one beside another."""
    bare = _bare(expr)
    if not isinstance(bare, pp.BinaryExpr) or (bare.modifier is not None and bare.modifier.return_bool):
        return False
    return str(bare.op) in COMPARISONS or (str(bare.op) in {"and", "or", "unless"} and _compares(bare.lhs))


def _without_filter(expr: pp.Expr) -> pp.Expr:
    bare = _bare(expr)
    return _without_filter(bare.lhs) if isinstance(bare, pp.BinaryExpr) and _compares(bare) else bare


def _is_scalar(expr: pp.Expr) -> bool:
    bare = _bare(expr)
    if isinstance(bare, pp.BinaryExpr):
        return _is_scalar(bare.lhs) and _is_scalar(bare.rhs)
    if isinstance(bare, pp.UnaryExpr):
        return _is_scalar(bare.expr)
    return isinstance(bare, pp.NumberLiteral) or (isinstance(bare, pp.Call) and bare.func.name in {"time", "scalar", "pi"})


def _is_constant(expr: pp.Expr) -> bool:
    """What holds always, as the watchdog does, has nothing to be seen."""
    bare = _bare(expr)
    return _is_scalar(bare) or (isinstance(bare, pp.Call) and bare.func.name == "vector" and _is_scalar(bare.args[0]))


def _ago(expr: pp.Expr) -> pp.Expr | None:
    """The seconds of `time() - seconds`: an age is easier to read than a moment."""
    bare = _bare(expr)
    if not isinstance(bare, pp.BinaryExpr) or str(bare.op) != "-" or not _is_scalar(bare.rhs):
        return None
    left = _bare(bare.lhs)
    return bare.rhs if isinstance(left, pp.Call) and left.func.name == "time" else None


def _line(part: _Part) -> EvidenceLine:
    unit = "seconds" if part.since else unit_of(part.measured)
    measured = narrowed(part.measured, part.labels)
    what = f"Time since: {lowered(phrase(part.measured))}" if part.since else phrase(part.measured)
    if part.limit is None:
        holds = "fires while it is missing" if part.missing else "fires while it is there"
        return EvidenceLine(text=f"{what}: {holds}", expression=measured, unit=unit)
    value = constant(part.limit)
    limit = narrowed(part.limit, part.limit_labels or {}) if value is None else number(value)
    told = written(part.limit, unit)
    holds = f"fires {'unless' if part.missing else 'while'} {COMPARISONS[part.operator]} {told}"
    expression = f"time() - ({measured})" if part.since else measured
    return EvidenceLine(text=f"{what}: {holds}", expression=expression, limit_expression=limit, unit=unit)
