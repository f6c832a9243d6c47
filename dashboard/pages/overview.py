"""Overview `/`: is something wrong, where, and since when, legible from five metres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any
from urllib.parse import quote

import dash_mantine_components as dmc
from dash import Dash, Input, Output, dcc, html, no_update
from dash.development.base_component import Component

from dashboard import queries, words
from dashboard.components import charts, frame, rackmap
from dashboard.problems import CLOSE_CELSIUS, NEAR_BUDGET, Level, Problem, problems
from dashboard.services import SINCE_SPAN_SECONDS, Services
from dashboard.state import GpuState, HallState, is_failing, is_late
from dashboard.timerange import Span, View, parse, start_of_day
from wattstat.api.live import CoreUnavailable
from wattstat.store.protocol import QueryError, Series

_IDLE_RATIO = 0.05
_MOST_PROBLEMS = 40


def layout(view: View) -> Component:
    """The frame, filled by the callbacks."""
    metric = view.metric if view.metric in rackmap.METRICS else rackmap.DEFAULT_METRIC
    switch = dmc.SegmentedControl(
        id="map-metric",
        value=metric,
        data=[{"value": key, "label": words_of[0]} for key, words_of in rackmap.METRICS.items()],
        size="sm",
        persistence=False,
    )
    return html.Div(
        [
            dcc.Interval(id="overview-tick", interval=10_000),
            dcc.Store(id="map-data"),
            html.Div(id="overview-notice", className="notices"),
            html.Div([frame.skeleton(3) for _ in range(6)], id="figures", className="figures"),
            html.Div(
                [
                    frame.panel(
                        "Hall",
                        [html.Div(frame.skeleton(8), id="map", className="map"), html.Div(id="map-legend", className="legend")],
                        panel_id="map-panel",
                        tools=switch,
                    ),
                    frame.panel(
                        "What is wrong", html.Div(frame.skeleton(4), id="wrong", className="wrong"), panel_id="wrong-panel"
                    ),
                    frame.panel(
                        "Power and budget",
                        frame.graph("power-chart", "Total power against the budget over the chosen time"),
                        panel_id="power-panel",
                    ),
                ],
                className="overview-grid",
            ),
        ],
        className="page overview",
    )


def register(app: Dash, services: Services) -> None:
    """The callbacks: one for the present, one for history."""

    @app.callback(
        Output("overview-notice", "children"),
        Output("figures", "children"),
        Output("map-data", "data"),
        Output("wrong", "children"),
        Output("map-panel-age", "children"),
        Output("wrong-panel-age", "children"),
        Input("overview-tick", "n_intervals"),
        Input("url", "search"),
    )
    async def present(_tick: int | None, search: str | None) -> tuple[Any, ...]:
        view = parse(search or "", services.clock())
        try:
            hall = await services.hall()
        except CoreUnavailable as error:
            return (_blind(error), *[no_update] * 5)
        zone = await services.zone()
        found = await services.dated(problems(hall))
        energy = await _energy_today(services, zone)
        stamp = services.clock()
        late = max(30.0, 3.0 * view.refresh_seconds)
        age = frame.age(max(0.0, stamp - hall.taken_at), stamp, late_after=late)
        return (
            notices(hall, view),
            key_figures(hall, energy),
            rackmap.payload(hall, found),
            problem_list(found, services.clock(), zone, search or ""),
            age,
            age,
        )

    @app.callback(
        Output("power-chart-data", "data"),
        Output("power-panel-age", "children"),
        Input("overview-tick", "n_intervals"),
        Input("url", "search"),
    )
    async def history(_tick: int | None, search: str | None) -> tuple[Any, Any]:
        now = services.clock()
        view = parse(search or "", now)
        zone: tzinfo
        try:
            inventory = await services.inventory()
            zone = await services.zone()
        except CoreUnavailable:
            return no_update, no_update
        span = view.span(now, zone)
        revision = f"{view.from_text} {view.to_text}"
        try:
            found = PowerHistory(
                total=(await services.range(queries.SITE_POWER, span)).series,
                meters=(await services.range(queries.SITE_POWER_METERS, span)).series,
                gpus=(await services.range(queries.SITE_GPU_POWER, span)).series,
            )
        except QueryError as error:
            return charts.message(f"History does not answer: {error}", span, zone), frame.age(None, now)
        drawn = power_figure(found, inventory.site.budget_watts, span, zone=zone, revision=revision)
        newest = found.total[0].times[-1] if found.total and len(found.total[0].times) else None
        is_live = view.to_text == "now"
        age = frame.age(now - newest, now, late_after=max(60.0, 3 * span.step)) if newest and is_live else None
        return drawn, age


async def _energy_today(services: Services, zone: tzinfo) -> float | None:
    now = services.clock()
    # whole minutes, so that the question stays the same for a while and its answer can be shared
    seconds = max(60, int(now - start_of_day(now, zone)) // 60 * 60)
    try:
        return await services.value(queries.site_energy(seconds), 30)
    except QueryError:
        return None


def _blind(error: CoreUnavailable) -> Component:
    return frame.notice("No live data.", f"{error} What is shown below is the last that was known.")


def notices(hall: HallState, view: View) -> list[Component]:
    """What must be known before the numbers are believed."""
    found: list[Component] = []
    down = [collector for collector in hall.collectors if is_failing(collector)]
    targets = {(collector.collector, collector.target) for collector in down}
    every = {(collector.collector, collector.target) for collector in hall.collectors}
    if targets and hall.unmetered:
        text = f"{len(targets)} of {len(every)} collectors down: the power total is a lower bound."
        found.append(frame.notice("Partial.", text, Level.WARNING))
    if not hall.nodes:
        found.append(frame.notice("Empty.", "The inventory names no servers; add them to inventory.yaml.", Level.WARNING))
    if view.note:
        found.append(frame.notice("Address.", view.note, Level.WARNING))
    return found


def key_figures(hall: HallState, energy_joules: float | None) -> list[Component]:
    """At most six, each with what it is measured against."""
    return [
        _power(hall),
        _usable(hall),
        _utilization(hall),
        _hottest(hall),
        _freshness(hall),
        frame.key_figure(
            "Energy today",
            words.split(None if energy_joules is None else energy_joules / 3600, "Wh"),
            "no energy history yet" if energy_joules is None else "all servers, since midnight",
        ),
    ]


def _power(hall: HallState) -> Component:
    power, budget = hall.power_watts, hall.inventory.site.budget_watts
    level, note, extra = Level.OK, "no budget set", None
    if budget and power is not None:
        level = Level.CRITICAL if power > budget else Level.WARNING if power > NEAR_BUDGET * budget else Level.OK
        side = "over" if power > budget else "left"
        note = f"{words.watts(abs(budget - power))} {side} of {words.watts(budget)}"
        extra = frame.bar(power / budget, level=level)
    missing = hall.unmetered
    if missing and power is not None:
        note = f"{words.plural(len(missing), 'server')} without a reading"
    bound = "≥" if missing and power is not None else ""
    return frame.key_figure("Power", words.split(power, "W"), note, level=level, extra=extra, bound=bound)


def _usable(hall: HallState) -> Component:
    installed = sum(server.installed_gpus for server in hall.nodes)
    usable = sum(entry.is_usable for server in hall.nodes if server.is_on is not False for entry in server.gpus)
    gone = installed - usable
    level = Level.WARNING if gone else Level.OK
    note = f"{words.plural(gone, 'GPU')} not usable" if gone else "all that are installed"
    if not installed:
        return frame.key_figure("Usable GPUs", (words.NOTHING, ""), "none in the inventory")
    extra = frame.bar(usable / installed, level=level)
    return frame.key_figure("Usable GPUs", (f"{usable:,}", f"of {installed:,}"), note, level=level, extra=extra)


def _utilization(hall: HallState) -> Component:
    known = [entry.utilization_ratio for entry in hall.gpus if entry.utilization_ratio is not None]
    if not known:
        return frame.key_figure("Utilization", (words.NOTHING, ""), "no GPU reports it")
    mean = sum(known) / len(known)
    idle = sum(value < _IDLE_RATIO for value in known)
    return frame.key_figure("Utilization", (f"{mean * 100:.0f}", "%"), f"{idle} of {words.plural(len(known), 'GPU')} idle",
                            extra=frame.bar(mean))  # fmt: skip


def _hottest(hall: HallState) -> Component:
    known = [(entry.margin_celsius, entry) for entry in hall.gpus if entry.margin_celsius is not None]
    if not known:
        return frame.key_figure("Hottest GPU", (words.NOTHING, ""), "no GPU reports its margin")
    margin, entry = min(known, key=lambda pair: pair[0])
    level = Level.CRITICAL if margin <= 0 else Level.WARNING if margin <= CLOSE_CELSIUS else Level.OK
    where = f"{entry.node} · GPU {entry.index}, {words.celsius(entry.temperature_celsius)}"
    return frame.key_figure("Hottest GPU", (f"{margin:.0f}", "°C to limit"), where, level=level, extra=_heat_bar(entry))


def _heat_bar(entry: GpuState) -> Component | None:
    if entry.temperature_celsius is None or entry.margin_celsius is None:
        return None
    return frame.bar(entry.temperature_celsius / (entry.temperature_celsius + entry.margin_celsius))


def _freshness(hall: HallState) -> Component:
    every = {(c.collector, c.target) for c in hall.collectors if c.supported}
    failing = {(c.collector, c.target) for c in hall.collectors if is_failing(c)}
    late = {(c.collector, c.target) for c in hall.collectors if is_late(c, hall.taken_at)} - failing
    level = Level.CRITICAL if failing else Level.WARNING if late else Level.OK
    parts = [f"{len(failing)} failing"] * bool(failing) + [f"{len(late)} late"] * bool(late)
    note = ", ".join(parts) or "all answer in time"
    if not every:
        return frame.key_figure("Collectors", (words.NOTHING, ""), "none configured")
    good = len(every) - len(failing) - len(late)
    extra = frame.bar(good / len(every), level=level)
    return frame.key_figure("Collectors", (f"{good:,}", f"of {len(every):,}"), note, level=level, extra=extra)


def problem_list(found: Sequence[Problem], now: float, zone: tzinfo, search: str | None = None) -> Component:
    """Worst first. With the address's query each line names its server and leads there; without, all are of one server."""
    if not found:
        return html.Div(
            [frame.shape(Level.OK), html.Span("Nothing. All that was asked is as it should be.")], className="all-well"
        )
    rows = [_problem(problem, now, zone, search) for problem in found[:_MOST_PROBLEMS]]
    if len(found) > _MOST_PROBLEMS:
        rows.append(html.Li(f"and {len(found) - _MOST_PROBLEMS} more", className="more"))
    return html.Ul(rows)


def _problem(problem: Problem, now: float, zone: tzinfo, search: str | None) -> Component:
    body = [
        frame.shape(problem.level),
        html.Span(problem.where if search is not None else problem.part, className="where"),
        html.Span(since(problem, now, zone), className="since"),
        html.Span(problem.what, className="what"),
    ]
    is_link = search is not None and problem.node
    row = dcc.Link(body, href=f"/node/{quote(problem.node)}{search}") if is_link else html.Div(body)
    return html.Li(row, className=problem.level.name.lower())


def since(problem: Problem, now: float, zone: tzinfo) -> str:
    """`since 14:02`; `> 6 h` where it began before what was asked."""
    if problem.since is None:
        return ""
    if problem.at_least:
        return f"> {words.duration(SINCE_SPAN_SECONDS)}"
    return f"since {words.clock(problem.since, now, zone)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerHistory:
    """What the chart of power is drawn from: the sum of all servers, how many of them it holds, and the GPUs' share."""

    total: Sequence[Series]
    meters: Sequence[Series]
    gpus: Sequence[Series]


def power_figure(
    history: PowerHistory, budget_watts: float | None, span: Span, *, zone: tzinfo, revision: str
) -> charts.Figure:
    """The sum of all servers, solid where all meters answered and dotted where some were missing, over the GPUs' share."""
    if not history.total:
        return charts.message("No power was recorded in this time.", span, zone)
    whole, part = split_by_coverage(history.total[0], history.meters[0] if history.meters else None)
    lines = [charts.Line(series=one, name="GPUs", colour=charts.GREY, width=1.5, fill=True) for one in history.gpus[:1]]
    lines.append(charts.Line(series=whole, name="all servers", colour=charts.BLUE, width=2.5))
    if part.times:
        lines.append(charts.Line(series=part, name="lower bound", colour=charts.BLUE, width=2.5, dash="dot"))
    drawn = charts.figure(lines, span, unit="W", zone=zone, revision=revision)
    return charts.with_limit(drawn, budget_watts, f"budget {words.watts(budget_watts)}") if budget_watts else drawn


def split_by_coverage(total: Series, meters: Series | None) -> tuple[Series, Series]:
    """The points at which as many meters answered as ever did, and those at which fewer did: there the sum is a lower bound."""
    if meters is None or not meters.values:
        return total, Series(labels={}, times=(), values=())
    count = dict(zip(meters.times, meters.values, strict=True))
    most = max(meters.values)
    points = list(zip(total.times, total.values, strict=True))
    whole = [(at, value) for at, value in points if count.get(at, 0) >= most]
    part = [(at, value) for at, value in points if count.get(at, 0) < most]
    return _series(whole), _series(part)


def _series(points: Sequence[tuple[float, float]]) -> Series:
    return Series(labels={}, times=[at for at, _ in points], values=[value for _, value in points])
