"""The data of promtool's test files as a history that our own evaluation can ask."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from wattstat.promql.raw import STALE, Raw, Want
from wattstat.promql.syntax import NAME, Labels, Matcher, selector

_MILLISECONDS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_RUN = re.compile(r"(-?[\d.]+(?:e[+-]?\d+)?|_)(?:([+-][\d.]+(?:e[+-]?\d+)?))?x(\d+)")


def milliseconds(text: str) -> int:
    """`4m30s`."""
    return sum(int(count) * _MILLISECONDS[unit] for count, unit in re.findall(r"(\d+)([smhd])", text))


def values_of(notation: str) -> Iterator[float | None]:
    """`1x2 0+10x3 _ stale`: what stands at each interval; None where there is nothing."""
    for word in notation.split():
        run = _RUN.fullmatch(word)
        if run is None:
            yield {"_": None, "stale": STALE}[word] if word in {"_", "stale"} else float(word)
        elif run[1] == "_":
            yield from [None] * int(run[3])
        else:
            yield from (float(run[1]) + float(run[2] or 0) * step for step in range(int(run[3]) + 1))


class Told:
    """The series of one case."""

    def __init__(self, case: dict[str, Any]) -> None:
        every = milliseconds(case.get("interval", "1m"))
        self._series = [self._one(each["series"], each["values"], every) for each in case.get("input_series") or ()]

    @staticmethod
    def _one(text: str, notation: str, every: int) -> tuple[Labels, np.ndarray, np.ndarray]:
        labels = tuple(sorted((each.name, each.value) for each in selector(text)))
        points = [(step * every, value) for step, value in enumerate(values_of(notation)) if value is not None]
        return labels, np.array([at for at, _ in points], np.int64), np.array([value for _, value in points], np.float64)

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, want: Want) -> Raw:
        """As a store does."""
        found = []
        for labels, times, values in self._series:
            known = dict(labels)
            if all(each.allowed([known.get(each.name, "")]) for each in matchers):
                within = (times >= start_ms) & (times <= end_ms)
                if within.any():
                    found.append((labels, times[within], values[within]))
        none: list[Any] = [np.zeros(0, np.int64)]
        offsets = np.cumsum([0, *(len(times) for _, times, _ in found)])
        return Raw(
            labels=[labels for labels, _, _ in found], offsets=offsets,
            times=np.concatenate(none + [times for _, times, _ in found]),
            values=np.concatenate([np.zeros(0), *(values for _, _, values in found)]),
        )  # fmt: skip


def firing(path: Path) -> Iterator[tuple[Told, int, str | None]]:
    """Each (history, moment, alert) at which a file expects an alert to fire; no alert where it asks about all of them."""
    # as text: `0x20` is a run of zeros, and to YAML the number 32
    for case in yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)["tests"]:
        told = Told(case)
        for test in case.get("alert_rule_test") or ():
            if test.get("exp_alerts"):
                yield told, milliseconds(test["eval_time"]), test["alertname"]
        for test in case.get("promql_expr_test") or ():
            yield told, milliseconds(test["eval_time"]), None


def nameless(labels: Labels) -> dict[str, str]:
    """Without the metric's name."""
    return {name: value for name, value in labels if name != NAME}
