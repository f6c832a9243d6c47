"""The functions that templates may call: Go's own and Prometheus'."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote_plus

import pyarrow as pa
import pyarrow.compute as pc

from alerts.evaluation.durations import parse_duration
from alerts.evaluation.templates import humanized
from alerts.evaluation.templates.go_text import kind_of, plain, printf
from wattstat.promql.relabel import rewritten


class Wrong(Exception):  # the text becomes a part of the annotation, as in Prometheus
    """A call that fails; the message says why."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One element of what `query` found."""

    labels: Mapping[str, str]
    value: float


Parameter = Literal["any", "string", "int", "samples", "sample", "number"]


@dataclass(frozen=True, slots=True)
class Known:
    """A function, the kinds of its parameters, and the kind of any more of them (None: no more)."""

    call: Callable[..., Any]
    takes: tuple[Parameter, ...] = ()
    more: Parameter | None = None


def checked(name: str, function: Known, arguments: Sequence[Any]) -> list[Any]:
    """The arguments, if they fit. Raises `Wrong`."""
    few, many = len(arguments) < len(function.takes), len(arguments) > len(function.takes) and function.more is None
    if few or many:
        wanted = f"at least {len(function.takes)}" if function.more else str(len(function.takes))
        raise Wrong(f"wrong number of args for {name}: want {wanted} got {len(arguments)}")
    kinds = [*function.takes, *[function.more or "any"] * (len(arguments) - len(function.takes))]
    return [_fitting(kind, each) for kind, each in zip(kinds, arguments, strict=True)]


_KINDS: dict[Parameter, tuple[type, ...]] = {
    "string": (str,),
    "int": (int,),
    "samples": (list,),
    "sample": (Sample,),
    "number": (float, int, str),
    "any": (object,),
}


def _fitting(kind: Parameter, value: Any) -> Any:
    if kind == "number":
        return _number(value)
    if not isinstance(value, _KINDS[kind]) or (kind == "int" and isinstance(value, bool)):
        raise Wrong(f"wrong type for value; expected {kind}; got {kind_of(value)}")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, float | int | str):
        raise Wrong(f"can't convert {kind_of(value)} to float")
    try:
        return float(value)
    except ValueError:
        raise Wrong(f'strconv.ParseFloat: parsing "{value}": invalid syntax') from None


def truth(value: Any) -> bool:
    """What `if` and `with` go by. NaN is a number other than 0."""
    return bool(value)


# Go's


def _comparable(one: Any, other: Any) -> None:
    kinds = {_basic(one), _basic(other)}
    if len(kinds) > 1 or "" in kinds:
        raise Wrong("incompatible types for comparison")


def _basic(value: Any) -> str:
    return kind_of(value) if isinstance(value, bool | int | float | str) else ""


def _equal(first: Any, *others: Any) -> bool:
    for other in others:
        if first is None or other is None:
            if first is other:
                return True
            continue
        _comparable(first, other)
        if first == other:
            return True
    return False


def _not_equal(one: Any, other: Any) -> bool:
    return not _equal(one, other)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def ordered(one: Any, other: Any) -> bool:
        _comparable(one, other)
        if isinstance(one, bool):
            raise Wrong("invalid type for comparison")
        return compare(one, other)

    return ordered


def _length(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, Mapping | list):
        return len(value)
    raise Wrong(f"len of type {kind_of(value)}")


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        value = _item(value, key)
    return value


def _item(value: Any, key: Any) -> Any:
    if isinstance(value, Mapping):
        if not isinstance(key, str):
            raise Wrong(f"value has type {kind_of(key)}; should be string")
        return value.get(key, "")
    if not isinstance(value, list | str):
        raise Wrong(f"can't index item of type {kind_of(value)}")
    if not isinstance(key, int) or isinstance(key, bool):
        raise Wrong(f"cannot index slice/array with type {kind_of(key)}")
    items: Sequence[Any] = value.encode() if isinstance(value, str) else value
    if not 0 <= key < len(items):
        raise Wrong(f"index out of range: {key}")
    return items[key]


def _slice(value: Any, *bounds: Any) -> Any:
    if not isinstance(value, list | str):
        raise Wrong(f"can't slice item of type {kind_of(value)}")
    content = value.encode() if isinstance(value, str) else value
    edges = [0, len(content)]
    for place, bound in enumerate(bounds[:2]):
        if not isinstance(bound, int) or isinstance(bound, bool) or not 0 <= bound <= len(content):
            raise Wrong(f"index out of range: {plain(bound)}")
        edges[place] = bound
    if edges[0] > edges[1]:
        raise Wrong(f"invalid slice index: {edges[0]} > {edges[1]}")
    part = content[edges[0] : edges[1]]
    return part.decode(errors="replace") if isinstance(part, bytes) else part


def _print(*values: Any) -> str:
    """Go's Sprint: a space between neighbours of which neither is a string."""
    text = ""
    for place, value in enumerate(values):
        if place and not isinstance(value, str) and not isinstance(values[place - 1], str):
            text += " "
        text += "<nil>" if value is None else plain(value)
    return text


def _escaped(text: str) -> str:
    return html.escape(text).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")


def _println(*values: Any) -> str:
    return " ".join("<nil>" if value is None else plain(value) for value in values) + "\n"


# Prometheus'


def _first(samples: list[Sample]) -> Sample:
    if not samples:
        raise Wrong("error calling first: first() called on vector with no elements")
    return samples[0]


def _matches(pattern: str, text: str) -> bool:
    try:
        return bool(pc.match_substring_regex(pa.array([text], pa.string()), pattern)[0].as_py())
    except pa.ArrowInvalid as err:
        raise Wrong(f"error calling match: error parsing regexp: {pattern}") from err


def _replaced(pattern: str, replacement: str, text: str) -> str:
    try:
        found = pc.replace_substring_regex(pa.array([text], pa.string()), pattern, rewritten(replacement, pattern))
    except pa.ArrowInvalid as err:
        raise Wrong(f"error calling reReplaceAll: error parsing regexp: {pattern}") from err
    return str(found[0].as_py())


def _by_label(label: str, samples: list[Sample]) -> list[Sample]:
    return sorted(samples, key=lambda sample: sample.labels.get(label, ""))


def _title(text: str) -> str:
    """The first letter of each word in upper case, as Go's strings.Title: a word begins behind all but letters and digits."""
    inside, found = False, []
    for letter in text:
        found.append(letter if inside else letter.upper())
        inside = letter.isalnum() or letter == "_"
    return "".join(found)


def _seconds(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as err:
        raise Wrong(f"error calling parseDuration: {err}") from err


def _timestamp(value: float) -> str:
    try:
        return humanized.humanize_timestamp(value)
    except (ValueError, OverflowError) as err:
        raise Wrong(f"error calling humanizeTimestamp: {err}") from err


def _without_port(address: str) -> str:
    host, colon, port = address.rpartition(":")
    if not colon or (":" in host and not (host.startswith("[") and host.endswith("]"))):
        return address
    return host.strip("[]") if port.isdecimal() or not port else address


def _without_domain(address: str) -> str:
    host, colon, port = address.partition(":")
    if host.replace(".", "").isdecimal():
        return address
    return host.partition(".")[0] + colon + port


FUNCTIONS: dict[str, Known] = {
    # `and`, `or`, `query` and `externalURL` need more than their arguments: they are carried out where templates run.
    "and": Known(lambda *values: values, ("any",), "any"),
    "or": Known(lambda *values: values, ("any",), "any"),
    "query": Known(lambda text: text, ("string",)),
    "externalURL": Known(lambda: ""),
    "not": Known(lambda value: not truth(value), ("any",)),
    "eq": Known(_equal, ("any", "any"), "any"),
    "ne": Known(_not_equal, ("any", "any")),
    "lt": Known(_ordered(lambda one, other: one < other), ("any", "any")),
    "le": Known(_ordered(lambda one, other: one <= other), ("any", "any")),
    "gt": Known(_ordered(lambda one, other: one > other), ("any", "any")),
    "ge": Known(_ordered(lambda one, other: one >= other), ("any", "any")),
    "len": Known(_length, ("any",)),
    "index": Known(_index, ("any",), "any"),
    "slice": Known(_slice, ("any",), "any"),
    "print": Known(_print, (), "any"),
    "println": Known(_println, (), "any"),
    "printf": Known(lambda text, *values: printf(text, values), ("string",), "any"),
    "html": Known(lambda *values: _escaped(_print(*values)), (), "any"),
    "urlquery": Known(lambda *values: quote_plus(_print(*values)), (), "any"),
    "first": Known(_first, ("samples",)),
    "label": Known(lambda name, sample: sample.labels.get(name, ""), ("string", "sample")),
    "value": Known(lambda sample: sample.value, ("sample",)),
    "strvalue": Known(lambda sample: sample.labels.get("__value__", ""), ("sample",)),
    "sortByLabel": Known(_by_label, ("string", "samples")),
    "humanize": Known(humanized.humanize, ("number",)),
    "humanize1024": Known(humanized.humanize1024, ("number",)),
    "humanizeDuration": Known(humanized.humanize_duration, ("number",)),
    "humanizePercentage": Known(humanized.humanize_percentage, ("number",)),
    "humanizeTimestamp": Known(_timestamp, ("number",)),
    "parseDuration": Known(_seconds, ("string",)),
    "title": Known(_title, ("string",)),
    "toUpper": Known(str.upper, ("string",)),
    "toLower": Known(str.lower, ("string",)),
    "match": Known(_matches, ("string", "string")),
    "reReplaceAll": Known(_replaced, ("string", "string", "string")),
    "stripPort": Known(_without_port, ("string",)),
    "stripDomain": Known(_without_domain, ("string",)),
}
"""By name."""
