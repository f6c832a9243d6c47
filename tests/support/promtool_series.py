"""promtool's notation for made-up series: `1+2x10`, `5x3`, `_`, `_x4`, `stale`."""

from __future__ import annotations

import re

import promql_parser

from wattstat.promql import selector
from wattstat.promql.raw import STALE

_NUMBER = r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+|[iI]nf|[nN]a[nN]|0x[0-9a-fA-F]+)"
_GROWING = re.compile(rf"(?P<start>{_NUMBER})(?P<step>[-+](?:\d+\.?\d*(?:[eE][-+]?\d+)?))?(?:x(?P<times>\d+))?")
_ABSENT = re.compile(r"_(?:x(\d+))?")


def labels_of(series: str) -> dict[str, str]:
    """The labels of `name{a="b"}`."""
    return {matcher.name: matcher.value for matcher in selector(series)}


def samples_of(values: str, interval: float) -> list[tuple[int, float]]:
    """The samples as (milliseconds, value), the first at 0."""
    found: list[float | None] = []
    for word in values.split():
        absent = _ABSENT.fullmatch(word)
        if absent is not None:
            found += [None] * int(absent[1] or 1)
        elif word == "stale":
            found.append(STALE)
        else:
            found += _numbers(word)
    return [(round(place * interval * 1000), value) for place, value in enumerate(found) if value is not None]


def _numbers(word: str) -> list[float]:
    match = _GROWING.fullmatch(word)
    assert match is not None, f"cannot read {word!r}"
    start = float(match["start"])
    if match["times"] is None:
        return [start]
    value, found = start, [start]
    for _ in range(int(match["times"])):
        value += float(match["step"] or 0)  # added up, as promtool does it
        found.append(value)
    return found


def seconds(text: str | int) -> float:
    """A duration of a test file."""
    return 0.0 if str(text) in {"0", "0m", "0s", "0h"} else promql_parser.parse_duration(str(text)).total_seconds()
