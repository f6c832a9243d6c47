"""The Prometheus text format (version 0.0.4), read.

A scrape of known series costs one look-up a line (see `Ingest`); this is the whole grammar, for lines seen for the first time.
"""

from __future__ import annotations

import re
from typing import NamedTuple

Labels = tuple[tuple[str, str], ...]

_LINE = re.compile(
    r"\s*(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{(?P<labels>(?:[^\"}]|\"(?:[^\"\\]|\\.)*\")*)\})?"
    r"\s*(?P<value>[^\s{}]+)(?:\s+(?P<timestamp>-?\d+))?\s*"
)
_LABEL = re.compile(r"\s*(?P<name>[a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*\"(?P<value>(?:[^\"\\]|\\.)*)\"\s*(?:,|$)")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "\\": "\\", '"': '"'}


class ExpositionError(Exception):
    """A body that is not in the text format; the message shows the line."""


class Line(NamedTuple):
    """One sample: labels in order of name with `__name__`, the value, and the time in Unix milliseconds if the line has one."""

    labels: Labels
    value: float
    time_ms: int | None


def parse_line(line: str) -> Line:
    """One line that is neither empty nor a comment. Raises `ExpositionError`."""
    match = _LINE.fullmatch(line)
    if match is None:
        raise ExpositionError(f'expected name{{label="value"}} number, got {line[:200]!r}')
    timestamp = match["timestamp"]
    return Line(
        labels=tuple(sorted([("__name__", match["name"]), *_labels(match["labels"] or "", line)])),
        value=parse_value(match["value"], line),
        time_ms=int(timestamp) if timestamp else None,
    )


def parse_value(text: str, line: str) -> float:
    """The number of a line. Raises `ExpositionError`."""
    try:
        return float(text)
    except ValueError:
        raise ExpositionError(f"{text!r} is not a number, in the line {line[:200]!r}") from None


def _labels(text: str, line: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    position = 0
    while position < len(text.rstrip()):
        match = _LABEL.match(text, position)
        if match is None:
            raise ExpositionError(f'expected label="value" at {text[position : position + 60]!r}, in the line {line[:200]!r}')
        value = _ESCAPE.sub(lambda escape: _ESCAPED.get(escape[1], escape[0]), match["value"])
        if value:  # an empty label is no label
            found.append((match["name"], value))
        position = match.end()
    if len({name for name, _ in found}) != len(found):
        raise ExpositionError(f"a label stands twice in the line {line[:200]!r}")
    return found
