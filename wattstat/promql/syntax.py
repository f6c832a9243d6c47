"""From text to promql-parser's tree, and from its matchers to ours."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

import promql_parser as pp
import pyarrow as pa
import pyarrow.compute as pc

Labels = tuple[tuple[str, str], ...]
"""A series' labels as pairs in order of name, `__name__` among them."""

NAME = "__name__"


class PromqlError(Exception):
    """A query that cannot be parsed (`bad_data`) or cannot be evaluated (`execution`)."""

    def __init__(self, message: str, *, kind: str = "execution") -> None:
        super().__init__(message)
        self.kind = kind


class Unsupported(PromqlError):
    """A construct that the embedded store does not evaluate; the message names it."""

    def __init__(self, construct: str) -> None:
        super().__init__(
            f"{construct} is not supported by the embedded store; with store.prometheus.url set, Prometheus evaluates it",
            kind="bad_data",
        )


@dataclass(frozen=True, slots=True)
class Matcher:
    """One matcher of a selector: `op` is `=`, `!=`, `=~` or `!~`. A label that a series lacks has the empty value."""

    name: str
    op: str
    value: str

    def allowed(self, values: Collection[str]) -> set[str]:
        """Those of `values` that match. Regular expressions are RE2's, as in Prometheus, and cover the whole value."""
        if self.op == "=":
            return {self.value} & set(values)
        if self.op == "!=":
            return set(values) - {self.value}
        matching = matching_whole(self.value, values)
        return matching if self.op == "=~" else set(values) - matching


def matching_whole(pattern: str, values: Collection[str]) -> set[str]:
    """Those of `values` that the RE2 expression matches from end to end."""
    texts = list(values)
    try:
        mask = pc.match_substring_regex(pa.array(texts, pa.string()), f"^(?:{pattern})$")
    except pa.ArrowInvalid as err:
        raise PromqlError(f"invalid regular expression {pattern!r}: {err}", kind="bad_data") from err
    return {text for text, matched in zip(texts, mask.to_pylist(), strict=True) if matched}


@lru_cache(1024)
def parse(text: str) -> pp.Expr:
    """The tree of an expression, kept because pages and rules ask the same again and again. Raises `PromqlError`."""
    if not text.strip():
        raise PromqlError("the query is empty; expected a PromQL expression", kind="bad_data")
    try:
        return pp.parse(text)
    except ValueError as err:
        raise PromqlError(f'invalid parameter "query": parse error: {err}', kind="bad_data") from err


_OPERATORS = {"MatchOp.Equal": "=", "MatchOp.NotEqual": "!=", "MatchOp.Re": "=~", "MatchOp.NotRe": "!~"}
"""By text, because promql-parser's constants cannot be keys."""


def matchers_of(selector: pp.VectorSelector) -> tuple[Matcher, ...]:
    """The matchers of a selector, the metric's name among them."""
    if selector.matchers.or_matchers:
        raise Unsupported("`or` between matchers")
    given = tuple(Matcher(m.name, _OPERATORS[str(m.op)], m.value) for m in selector.matchers.matchers)
    return given if selector.name is None else (Matcher(NAME, "=", selector.name), *given)


def selector(text: str) -> tuple[Matcher, ...]:
    """The matchers of one series selector, as `match[]` has them. Raises `PromqlError` for any other expression."""
    tree = parse(text)
    if not isinstance(tree, pp.VectorSelector) or tree.offset is not None or tree.at is not None:
        raise PromqlError(f'{text!r} is not a series selector such as up{{job="x"}}', kind="bad_data")
    return matchers_of(tree)


def duration_ms(expr: pp.Expr, name: str) -> int:
    """A duration of a node (`offset`, `range`, `step`) in whole milliseconds; none is 0."""
    try:
        duration: timedelta | None = getattr(expr, name)
    except (OverflowError, ValueError) as err:  # the library makes the value when it is read
        raise PromqlError(f"the {name} of {expr} is out of bounds", kind="bad_data") from err
    return 0 if duration is None else duration // timedelta(milliseconds=1)
