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

from dashboard import address, queries, words
from dashboard.components import charts, frame, parts, rackmap
from dashboard.components.charts import Chart
from dashboard.markup import Markup, filled, tag
from dashboard.problems import CLOSE_CELSIUS, NEAR_BUDGET, Level, Problem, collectors_level, gpu_level, problems
from dashboard.services import SINCE_SPAN_SECONDS, Services
from dashboard.state import GpuState, HallState, is_failing, is_late
from dashboard.timerange import View, parse, start_of_day
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
            dcc.Store(id="overview-beat"),
            dcc.Store(id="map-data"),
            dcc.Store(id="overview-fill"),
            html.Div(id="overview-notice", className="notices"),
            html.Div([frame.skeleton() for _ in range(6)], id="figures", className="figures"),
            html.Div(
                [
                    frame.panel(
                        "Hall",
                        [html.Div(frame.skeleton(), id="map", className="map"), html.Div(id="map-legend", className="legend")],
                        panel_id="map-panel",
                        tools=switch,
                    ),
                    frame.panel(
                        "What is wrong", html.Div(frame.skeleton(), id="wrong", className="wrong"), panel_id="wrong-panel"
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
        Output("overview-fill", "data"),
        Output("map-data", "data"),
        Input("overview-beat", "data"),
        Input("url", "search"),
    )
    async def present(_beat: int | None, search: str | None) -> tuple[Any, Any]:
        fill, hall_map = await now(services, search or "")
        return fill, no_update if hall_map is None else hall_map

    @app.callback(Output("power-chart-data", "data"), Input("overview-beat", "data"), Input("url", "search"))
    async def history(_beat: int | None, search: str | None) -> Any:
        chart = await services.chart(search or "")
        if chart is None:
            return no_update
        try:
            found = PowerHistory(
                total=(await services.range(queries.site_power(chart.window), chart.span)).series,
                meters=(await services.range(queries.site_power_meters(chart.window), chart.span)).series,
                gpus=(await services.range(queries.site_gpu_power(chart.window), chart.span)).series,
            )
        except QueryError as error:
            return charts.failed(error, chart, "power-panel-age")
        budget = (await services.inventory()).site.budget_watts
        return charts.drawn(power_figure(found, budget, chart), chart, "power-panel-age", found.total)


async def now(services: Services, search: str) -> tuple[dict[str, str], dict[str, Any] | None]:
    """The present under an address's query: what fills the panels, and the map; no map while core is silent."""
    at = services.clock()
    view = parse(search, at)
    try:
        hall = await services.hall()
    except CoreUnavailable as error:
        return filled({"overview-notice": parts.blind(error)}), None
    zone = await services.zone()
    found = await services.dated(problems(hall))
    age = parts.age(max(0.0, at - hall.taken_at), at, late_after=max(30.0, 3.0 * view.refresh_seconds))
    fill = {
        "overview-notice": notices(hall, view),
        "figures": key_figures(hall, await _energy_today(services, zone)),
        "wrong": problem_list(found, at, zone, search),
        "map-panel-age": age,
        "wrong-panel-age": age,
    }
    return filled(fill), rackmap.payload(hall, found)


async def _energy_today(services: Services, zone: tzinfo) -> float | None:
    now = services.clock()
    # whole minutes, so that the question stays the same for a while and its answer can be shared
    seconds = max(60, int(now - start_of_day(now, zone)) // 60 * 60)
    try:
        return await services.value(queries.site_energy(seconds), 30)
    except QueryError:
        return None


def notices(hall: HallState, view: View) -> list[Markup]:
    """What must be known before the numbers are believed."""
    found: list[Markup] = []
    down = [collector for collector in hall.collectors if is_failing(collector)]
    targets = {(collector.collector, collector.target) for collector in down}
    every = {(collector.collector, collector.target) for collector in hall.collectors}
    if targets and hall.unmetered:
        text = f"{len(targets)} of {len(every)} collectors down: the power total is a lower bound."
        found.append(parts.notice("Partial.", text, Level.WARNING))
    if not hall.nodes:
        found.append(parts.notice("Empty.", "The inventory names no servers; add them to inventory.yaml.", Level.WARNING))
    if view.note:
        found.append(parts.notice("Address.", view.note, Level.WARNING))
    return found


def key_figures(hall: HallState, energy_joules: float | None) -> list[Markup]:
    """At most six, each with what it is measured against."""
    return [
        _power(hall),
        _usable(hall),
        _utilization(hall),
        _hottest(hall),
        _freshness(hall),
        parts.key_figure(
            "Energy today",
            words.split(None if energy_joules is None else energy_joules / 3600, "Wh"),
            "no energy history yet" if energy_joules is None else "all servers, since midnight",
        ),
    ]


def _power(hall: HallState) -> Markup:
    power, budget = hall.power_watts, hall.inventory.site.budget_watts
    level, note, extra = Level.OK, "no budget set", None
    if budget and power is not None:
        level = Level.CRITICAL if power > budget else Level.WARNING if power > NEAR_BUDGET * budget else Level.OK
        side = "over" if power > budget else "left"
        note = f"{words.watts(abs(budget - power))} {side} of {words.watts(budget)}"
        extra = parts.bar(power / budget, level=level)
    missing = hall.unmetered
    if missing and power is not None:
        note = f"{words.plural(len(missing), 'server')} without a reading"
    bound = "≥" if missing and power is not None else ""
    return parts.key_figure("Power", words.split(power, "W"), note, level=level, extra=extra, bound=bound)


def _usable(hall: HallState) -> Markup:
    installed = sum(server.installed_gpus for server in hall.nodes)
    usable = sum(entry.is_usable for server in hall.nodes if server.is_on is not False for entry in server.gpus)
    gone = installed - usable
    # At least a warning: of a server whose agent is silent no GPU says how it is.
    level = max((gpu_level(entry) for entry in hall.gpus if not entry.is_usable), default=Level.OK)
    level = max(level, Level.WARNING) if gone else Level.OK
    note = f"{words.plural(gone, 'GPU')} not usable" if gone else "all that are installed"
    if not installed:
        return parts.key_figure("Usable GPUs", (words.NOTHING, ""), "none in the inventory")
    extra = parts.bar(usable / installed, level=level)
    return parts.key_figure("Usable GPUs", (f"{usable:,}", f"of {installed:,}"), note, level=level, extra=extra)


def _utilization(hall: HallState) -> Markup:
    known = [entry.utilization_ratio for entry in hall.gpus if entry.utilization_ratio is not None]
    if not known:
        return parts.key_figure("Utilization", (words.NOTHING, ""), "no GPU reports it")
    mean = sum(known) / len(known)
    idle = sum(value < _IDLE_RATIO for value in known)
    note = f"{idle} of {words.plural(len(known), 'GPU')} idle"
    if hall.running_jobs is not None:
        note = f"{words.plural(hall.running_jobs, 'job')}, {words.plural(idle, 'idle GPU')}"
    return parts.key_figure("Utilization", (f"{mean * 100:.0f}", "%"), note, extra=parts.bar(mean))


def _hottest(hall: HallState) -> Markup:
    known = [(entry.margin_celsius, entry) for entry in hall.gpus if entry.margin_celsius is not None]
    if not known:
        return parts.key_figure("Hottest GPU", (words.NOTHING, ""), "no GPU reports its margin")
    margin, entry = min(known, key=lambda pair: pair[0])
    level = Level.CRITICAL if margin <= 0 else Level.WARNING if margin <= CLOSE_CELSIUS else Level.OK
    where = f"{entry.node} · GPU {entry.index}, {words.celsius(entry.temperature_celsius)}"
    return parts.key_figure("Hottest GPU", (f"{margin:.0f}", "°C to limit"), where, level=level, extra=_heat_bar(entry))


def _heat_bar(entry: GpuState) -> Markup | None:
    if entry.temperature_celsius is None or entry.margin_celsius is None:
        return None
    return parts.bar(entry.temperature_celsius / (entry.temperature_celsius + entry.margin_celsius))


def _freshness(hall: HallState) -> Markup:
    every = {(c.collector, c.target) for c in hall.collectors if c.supported}
    failing = {(c.collector, c.target) for c in hall.collectors if is_failing(c)}
    late = {(c.collector, c.target) for c in hall.collectors if is_late(c, hall.taken_at)} - failing
    level = collectors_level(hall)
    troubles = [f"{len(failing)} failing"] * bool(failing) + [f"{len(late)} late"] * bool(late)
    note = ", ".join(troubles) or "all answer in time"
    if not every:
        return parts.key_figure("Collectors", (words.NOTHING, ""), "none configured")
    good = len(every) - len(failing) - len(late)
    extra = parts.bar(good / len(every), level=level)
    return parts.key_figure("Collectors", (f"{good:,}", f"of {len(every):,}"), note, level=level, extra=extra)


def problem_list(found: Sequence[Problem], now: float, zone: tzinfo, search: str | None = None) -> Markup:
    """Worst first. With the address's query each line names its server and leads there; without, all are of one server."""
    if not found:
        return tag(
            "div",
            [parts.shape(Level.OK), tag("span", "Nothing: every server and GPU answers and is healthy.")],
            class_="all-well",
        )
    rows = [_problem(problem, now, zone, search) for problem in found[:_MOST_PROBLEMS]]
    if len(found) > _MOST_PROBLEMS:
        rows.append(tag("li", f"and {len(found) - _MOST_PROBLEMS} more", class_="more"))
    return tag("ul", rows)


def _problem(problem: Problem, now: float, zone: tzinfo, search: str | None) -> Markup:
    body = [
        parts.shape(problem.level),
        tag("span", problem.where if search is not None else problem.part, class_="where"),
        tag("span", since(problem, now, zone), class_="since"),
        tag("span", problem.what, class_="what"),
    ]
    href = _way(problem, search)
    row = tag("a", body, data_link=True, href=href) if href else tag("div", body)
    return tag("li", row, class_=problem.level.name.lower())


def _way(problem: Problem, search: str | None) -> str:
    """Where a line leads: to its server, to storage or the fabric, or to the page of power. Nowhere on a server's own page."""
    if search is None:
        return ""
    if problem.node:
        return f"/node/{quote(problem.node)}{search}"
    if problem.kind.startswith("storage_"):
        return f"/storage{address.changed(address.kept(search, *address.VIEWER, *address.TIME), cluster=problem.place)}"
    if problem.kind.startswith("switch_"):
        return f"/fabric{address.changed(address.kept(search, *address.VIEWER, *address.TIME), leaf=problem.place)}"
    is_of_power = bool(problem.budget or problem.place) and problem.kind != "collector"
    return address.to_power(search, problem.budget) if is_of_power else ""


def since(problem: Problem, now: float, zone: tzinfo) -> str:
    """`since 14:02`; `> 6 h` where it began before what was asked."""
    if problem.since is None:
        return ""
    if problem.at_least:
        return f"> {words.duration(SINCE_SPAN_SECONDS)}"
    return f"since {words.clock(problem.since, now, zone)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerHistory:
    """What the chart of power is drawn from: the sum of all that is read, how many servers it holds, and the GPUs' share."""

    total: Sequence[Series]
    meters: Sequence[Series]
    gpus: Sequence[Series]


def power_figure(history: PowerHistory, budget_watts: float | None, chart: Chart) -> charts.Figure:
    """The sum of all that is read, solid where all meters answered and dotted where some were missing, over the GPUs' share."""
    if not history.total:
        return charts.message("No power was recorded in this time.", chart)
    whole, part = split_by_coverage(history.total[0], history.meters[0] if history.meters else None)
    lines = [charts.Line(series=one, name="GPUs", colour=charts.GREY, width=1.5, fill=True) for one in history.gpus[:1]]
    lines.append(charts.Line(series=whole, name="site", colour=charts.BLUE, width=2.5))
    if part.times:
        lines.append(charts.Line(series=part, name="lower bound", colour=charts.BLUE, width=2.5, dash="dot"))
    drawn = charts.figure(lines, chart, unit="W")
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
