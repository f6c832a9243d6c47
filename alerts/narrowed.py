"""An expression written out again, each selector narrowed to the labels of one alert.

A label is passed down only as far as it surely means the same: through `by`, not through what makes labels up.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import promql_parser as pp

from wattstat.catalogue import ALL
from wattstat.promql.syntax import duration_ms, matchers_of

Labels = Mapping[str, str]

RULES_OWN = frozenset({"alertname", "severity", "component", "category"})
"""What a rule adds to its series; a metric's label of the same name is another one's."""

SETS = frozenset({"and", "or", "unless"})
_NO_LABELS_OF_THEIRS = frozenset({"absent", "absent_over_time", "scalar", "vector", "time"})
_TARGETS = frozenset({"job", "instance"})
_WHOLE = frozenset({"(.+)", "(.*)"})


def narrowed(expr: pp.Expr, labels: Labels) -> str:
    """The expression as text, with only the series that can bring about an element with these labels."""
    return _WRITERS[type(expr)](expr, {name: value for name, value in labels.items() if name not in RULES_OWN})


def without(labels: Labels, names: Collection[str]) -> dict[str, str]:
    """The labels but these."""
    return {name: value for name, value in labels.items() if name not in names}


def only(labels: Labels, names: Collection[str]) -> dict[str, str]:
    """These of the labels."""
    return {name: value for name, value in labels.items() if name in names}


def below(expr: pp.AggregateExpr, labels: Labels) -> dict[str, str]:
    """What of an aggregation's labels its elements have."""
    if expr.modifier is None:
        return {}
    names = expr.modifier.labels
    return only(labels, names) if expr.modifier.type == pp.AggModifierType.By else without(labels, names)


def sides(expr: pp.BinaryExpr, labels: Labels) -> tuple[dict[str, str], dict[str, str]]:
    """What of a result's labels its left and its right side have."""
    modifier = expr.modifier
    if modifier is None:
        return dict(labels), dict(labels)
    matched = dict(labels)
    if modifier.matching is not None:
        included = modifier.matching.type == pp.LabelModifierType.Include
        matched = (only if included else without)(labels, modifier.matching.labels)
    if str(expr.op) in {"and", "unless"}:
        return dict(labels), matched
    taken = frozenset(modifier.group_labels or ())
    many, one = without(labels, taken), {**matched, **only(labels, taken)}
    if modifier.card == pp.VectorMatchCardinality.ManyToOne:
        return many, one
    if modifier.card == pp.VectorMatchCardinality.OneToMany:
        return one, many
    return matched, matched


def _selector(expr: pp.VectorSelector, labels: Labels, reach: str = "") -> str:
    metric = ALL.get(expr.name or "")
    given = [matcher for matcher in matchers_of(expr) if matcher.name != "__name__" or expr.name is None]
    fixed = {matcher.name for matcher in given if matcher.op == "="}
    own = {name: value for name, value in labels.items() if metric is None or name in metric.labels}
    # Who told it matters only where no device is named: a core that was started anew may have another port.
    told = own or only(labels, _TARGETS)
    new = [f"{name}={quoted(value)}" for name, value in sorted(told.items()) if name not in fixed]
    inside = ",".join([*(f"{each.name}{each.op}{quoted(each.value)}" for each in given), *new])
    return f"{expr.name or ''}{f'{{{inside}}}' if inside or not expr.name else ''}{reach}{_shifted(expr)}"


def _matrix(expr: pp.MatrixSelector, labels: Labels) -> str:
    return _selector(expr.vector_selector, labels, f"[{span(duration_ms(expr, 'range'))}]")


def _subquery(expr: pp.SubqueryExpr, labels: Labels) -> str:
    step = duration_ms(expr, "step")
    return f"{_write(expr.expr, labels)}[{span(duration_ms(expr, 'range'))}:{span(step) if step else ''}]{_shifted(expr)}"


def _shifted(expr: pp.VectorSelector | pp.SubqueryExpr) -> str:
    offset = duration_ms(expr, "offset")
    moved = f" offset {'-' if offset < 0 else ''}{span(abs(offset))}" if offset else ""
    return moved + (f" {expr.at}" if expr.at is not None else "")


def _aggregate(expr: pp.AggregateExpr, labels: Labels) -> str:
    names = "" if expr.modifier is None else f" {_clause(expr.modifier)} "
    parameter = f"{_write(expr.param, {})}, " if expr.param is not None else ""
    return f"{expr.op}{names}({parameter}{_write(expr.expr, below(expr, labels))})"


def _clause(modifier: pp.AggModifier) -> str:
    return f"{'by' if modifier.type == pp.AggModifierType.By else 'without'} ({', '.join(modifier.labels)})"


def _binary(expr: pp.BinaryExpr, labels: Labels) -> str:
    left, right = sides(expr, labels)
    return f"{_write(expr.lhs, left)} {expr.op}{_matching(expr.modifier)} {_write(expr.rhs, right)}"


def _matching(modifier: pp.BinModifier | None) -> str:
    if modifier is None:
        return ""
    words = [" bool"] if modifier.return_bool else []
    if modifier.matching is not None:
        kind = "on" if modifier.matching.type == pp.LabelModifierType.Include else "ignoring"
        words.append(f" {kind} ({', '.join(modifier.matching.labels)})")
    # the library's constants cannot be keys
    for card, name in ((pp.VectorMatchCardinality.ManyToOne, "left"), (pp.VectorMatchCardinality.OneToMany, "right")):
        if modifier.card == card:
            # the empty pair, too: a parenthesis of what follows would be taken for it
            words.append(f" group_{name} ({', '.join(modifier.group_labels or ())})")
    return "".join(words)


def _call(expr: pp.Call, labels: Labels) -> str:
    name = expr.func.name
    if name in _NO_LABELS_OF_THEIRS:
        labels = {}
    if name in {"label_replace", "label_join"}:
        labels = made_from(expr, labels)
    return f"{name}({', '.join(_write(argument, labels) for argument in expr.args)})"


def made_from(expr: pp.Call, labels: Labels) -> dict[str, str]:
    """What the series below `label_replace` or `label_join` have of its labels: where one is copied whole, its source."""
    made = expr.args[1].val
    found = without(labels, {made})
    if expr.func.name == "label_replace" and made in labels:
        replacement, source, pattern = (each.val for each in expr.args[2:5])
        if replacement == "$1" and pattern in _WHOLE:
            found[source] = labels[made]
    return found


def _write(expr: pp.Expr, labels: Labels) -> str:
    return _WRITERS[type(expr)](expr, labels)


def number(value: float) -> str:
    """As PromQL writes it."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def quoted(text: str) -> str:
    """A string of PromQL."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


_SPANS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"))


def span(milliseconds: int) -> str:
    """A duration of PromQL in its largest whole unit."""
    return next((f"{milliseconds // unit}{word}" for unit, word in _SPANS if milliseconds % unit == 0), f"{milliseconds}ms")


_WRITERS: Mapping[type, Callable[[Any, Labels], str]] = {
    pp.VectorSelector: _selector,
    pp.MatrixSelector: _matrix,
    pp.SubqueryExpr: _subquery,
    pp.AggregateExpr: _aggregate,
    pp.BinaryExpr: _binary,
    pp.Call: _call,
    pp.ParenExpr: lambda expr, labels: f"({_write(expr.expr, labels)})",
    pp.UnaryExpr: lambda expr, labels: f"-{_write(expr.expr, labels)}",
    pp.NumberLiteral: lambda expr, _: number(expr.val),
    pp.StringLiteral: lambda expr, _: quoted(expr.val),
}
