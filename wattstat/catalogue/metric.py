"""What a metric is: declared once, in this package; exposition, documents and tests are made from it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

PREFIX = "wattstat_"


class Kind(StrEnum):
    """The Prometheus type of a family."""

    GAUGE = "gauge"
    COUNTER = "counter"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Metric:
    """One metric family.

    `name` is complete, prefix included, in base units with the unit as suffix (`_total` behind it on counters).
    `labels` gives the order of label values in every sample. `source` names the device's own field. Compared by identity,
    because each family is declared exactly once.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str
    source: str

    def series_prefix(self, values: tuple[str, ...]) -> str:
        """The sample's line up to its value: `name{label="value",...} `, escaped as the text format asks."""
        if len(values) != len(self.labels):
            raise ValueError(f"{self.name} has the labels {self.labels}, and was given the values {values}")
        if not values:
            return self.name + " "
        text = "".join(values)
        if "\\" in text or '"' in text or "\n" in text:
            values = tuple(_escape(value) for value in values)
        return _template(self) % values


@dataclass(frozen=True, slots=True)
class Sample:
    """One number of one series. There is no sample for what was not read: absent is never zero."""

    metric: Metric
    labels: tuple[str, ...]
    value: float


class Samples(list[Sample]):
    """A list of samples that takes readings as they come and keeps only those that are numbers."""

    def add(self, metric: Metric, value: float | bool | None, *labels: str) -> None:
        """Append one sample, unless `value` is None, NaN or infinite. Labels stand in the metric's own order."""
        if value is None or not math.isfinite(value):
            return
        self.append(Sample(metric, labels, float(value)))


def gauge(name: str, labels: str, text: str, *, source: str) -> Metric:
    """Declare a gauge; `labels` are their names, separated by spaces."""
    return Metric(name=PREFIX + name, kind=Kind.GAUGE, labels=tuple(labels.split()), help=text, source=source)


def counter(name: str, labels: str, text: str, *, source: str) -> Metric:
    """Declare a counter; `labels` are their names, separated by spaces."""
    if not name.endswith("_total"):
        raise ValueError(f"counter {name!r} must end in _total")
    return Metric(name=PREFIX + name, kind=Kind.COUNTER, labels=tuple(labels.split()), help=text, source=source)


def info(name: str, labels: str, text: str, *, source: str) -> Metric:
    """Declare an info metric: constantly 1, its labels are the information."""
    if not name.endswith("_info"):
        raise ValueError(f"info metric {name!r} must end in _info")
    return Metric(name=PREFIX + name, kind=Kind.GAUGE, labels=tuple(labels.split()), help=text, source=source)


@cache
def _template(metric: Metric) -> str:
    """`name{label="%s",...} `: filling it takes a third of the time that joining pairs takes."""
    pairs = ",".join(f'{name}="%s"' for name in metric.labels)
    return f"{metric.name}{{{pairs}}} "


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
