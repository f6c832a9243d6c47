"""Alertmanager's matchers: `node="gpu-017"`, `alertname=~"Gpu.*"`. A label that an alert lacks has the empty value."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, cast

from wattstat.promql.syntax import PromqlError, matching_whole

Labels = Mapping[str, str]
Operator = Literal["=", "!=", "=~", "!~"]

_MATCHER = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(=~|!~|!=|=)\s*(.*?)\s*", re.DOTALL)
_ESCAPES = {"n": "\n", '"': '"', "\\": "\\"}


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label."""

    name: str
    op: Operator
    value: str

    def matches(self, labels: Labels) -> bool:
        """Whether an alert of these labels is meant. Regular expressions are RE2's and cover the whole value."""
        found = labels.get(self.name, "")
        if self.op in {"=", "!="}:
            return (found == self.value) == (self.op == "=")
        return _is_whole(self.value, found) == (self.op == "=~")

    def __str__(self) -> str:
        escaped = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.name}{self.op}"{escaped}"'


def all_match(matchers: Sequence[Matcher], labels: Labels) -> bool:
    """Whether an alert is meant by all of them; by none at all, every alert is."""
    return all(matcher.matches(labels) for matcher in matchers)


def read_matcher(text: str) -> Matcher:
    """One matcher. Raises `ValueError` that says what was expected."""
    found = _MATCHER.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no matcher; {_EXPECTED}")
    name, op, written = found.groups()
    matcher = Matcher(name, cast("Operator", op), _unquoted(written, text))
    if matcher.op in {"=~", "!~"}:
        try:
            matching_whole(matcher.value, ("",))
        except PromqlError as err:
            raise ValueError(f"{text!r}: {err}; expected an expression as RE2 knows it") from err
    return matcher


def read_matchers(text: str) -> tuple[Matcher, ...]:
    """Matchers with commas between them, with or without braces round them. Raises `ValueError`."""
    inner = text.strip()
    if inner.startswith("{") and inner.endswith("}"):
        inner = inner[1:-1]
    return tuple(read_matcher(part) for part in _parts(inner) if part.strip())


_EXPECTED = 'expected a label, one of = != =~ !~ and a value, such as node="gpu-017"'


def _parts(text: str) -> list[str]:
    parts, quoted, escaped = [""], False, False
    for character in text:
        if character == "," and not quoted:
            parts.append("")
            continue
        if character == '"' and not escaped:
            quoted = not quoted
        escaped = character == "\\" and not escaped
        parts[-1] += character
    return parts


def _unquoted(written: str, text: str) -> str:
    is_open, is_closed = written.startswith('"'), len(written) > 1 and written.endswith('"')
    if is_open != is_closed:
        raise ValueError(f"{text!r} is no matcher: a quote is missing; {_EXPECTED}")
    plain, escaped = "", False
    for character in written[1:-1] if is_open else written:
        if escaped:
            # As Alertmanager has it: a backslash before any other character stands for itself.
            plain += _ESCAPES.get(character, "\\" + character)
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == '"':
            raise ValueError(f'{text!r} is no matcher: a quote within the value; expected \\" for it')
        else:
            plain += character
    return plain + ("\\" if escaped else "")


@lru_cache(maxsize=65_536)
def _is_whole(pattern: str, value: str) -> bool:
    return bool(matching_whole(pattern, (value,)))
