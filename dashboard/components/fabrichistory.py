"""Errors of the worst ports over time, on a log scale. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from dashboard.components import charts
from dashboard.components.charts import Chart, Line
from dashboard.components.panes import Pane, stacked
from dashboard.fabricstate import BAD_RATIO, Place
from wattstat.store.protocol import Series

MOST = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class FabricHistory:
    """What history has of the worst ports."""

    symbols: Sequence[Series] = ()
    packets: Sequence[Series] = ()
    ratios: Sequence[Series] = ()


def figure(found: FabricHistory, chosen: Sequence[Place], chart: Chart) -> charts.Figure:
    """Errors a second above the share of wrong bits. No error is no point: zero has no logarithm."""
    if not chosen:
        return charts.message("No port counted an error in the last hours.", chart)
    colours = {place: charts.LINES[number % len(charts.LINES)] for number, place in enumerate(chosen)}
    symbols, packets, ratios = (_lines(series, colours) for series in (found.symbols, found.packets, found.ratios))
    errors = _each_named_once([*symbols, *(replace(line, dash="dot") for line in packets)], set())
    ratios = _each_named_once(ratios, {line.name for line in errors})
    panes = [
        Pane(lines=errors, unit="a second", title="Errors a second, broken packets dotted", is_log=True),
        Pane(lines=ratios, unit="", title="Bit error ratio after correction",
             is_log=True, levels=[(BAD_RATIO, "taken out of service at 1e-12")]),
    ]  # fmt: skip
    return stacked(panes, chart, below=True)


def _each_named_once(lines: Iterable[Line], seen: set[str]) -> list[Line]:
    """A port has one colour in all panes, and one entry in the legend."""
    made = []
    for line in lines:
        made.append(replace(line, named=line.name not in seen))
        seen.add(line.name)
    return made


def _lines(series: Iterable[Series], colours: dict[Place, str]) -> list[Line]:
    made = []
    for one in series:
        place = (one.labels.get("switch", ""), one.labels.get("port", ""))
        points = [(at, value) for at, value in zip(one.times, one.values, strict=True) if value > 0]
        if place in colours and points:
            kept = Series(labels=one.labels, times=[at for at, _ in points], values=[value for _, value in points])
            made.append(Line(series=kept, name=" ".join(place), colour=colours[place]))
    return made
