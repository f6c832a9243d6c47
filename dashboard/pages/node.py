"""Node `/node/<name>`: what is wrong with this server, and where its power goes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from dashboard import alertsof, queries, words
from dashboard.components import charts, frame, gputable, parts, powerdevices, server
from dashboard.components.charts import Chart
from dashboard.markup import Children, Markup, filled, tag
from dashboard.pages.overview import problem_list
from dashboard.problems import CLOSE_CELSIUS, Level, Problem, problems
from dashboard.services import Services
from dashboard.state import HallState, Index, NodeState, node_state
from dashboard.timerange import parse
from wattstat.api.live import CoreUnavailable
from wattstat.catalogue import gpu, node
from wattstat.store.protocol import QueryError, Series

_CHARTS = {
    "power": ("Power", queries.gpu_power, "W"),
    "temperature": ("Temperature", queries.gpu_temperature, "°C"),
    "utilization": ("Utilization", queries.gpu_utilization, "%"),
}
# What each panel's age is read off, and the tier that reads it: a panel is late by its own tier's interval.
_AGED = {
    "gpus-panel": ("fast", (gpu.GPU_POWER_WATTS, gpu.GPU_LOST, node.NODE_GPU_POWER_WATTS)),
    "meters-panel": ("fast", (node.NODE_POWER_WATTS,)),
    "supplies-panel": ("medium", (node.PSU_INPUT_WATTS, node.PSU_HEALTH)),
    "temperatures-panel": ("medium", (node.NODE_TEMPERATURE_CELSIUS,)),
    "fans-panel": ("medium", (node.FAN_SPEED_RPM, node.FAN_SPEED_RATIO)),
    "faults-panel": ("medium", (node.NODE_HEALTH, node.NODE_FAULTS)),
}
_LATE_INTERVALS = 2.5


def layout(name: str) -> Component:
    """The frame, filled by the callbacks."""
    switch = dmc.SegmentedControl(
        id="gpu-metric", value="power", size="sm", persistence=False,
        data=[{"value": key, "label": words_of[0]} for key, words_of in _CHARTS.items()],
    )  # fmt: skip

    def panel(title: str, panel_id: str) -> Component:
        body = html.Div(frame.skeleton(), id=f"{panel_id}-body", className="panel-body")
        return frame.panel(title, body, panel_id=panel_id)

    return html.Div(
        [
            dcc.Interval(id="node-tick", interval=10_000),
            dcc.Store(id="node-beat"),
            dcc.Store(id="node-name", data=name),
            dcc.Store(id="node-fill"),
            html.Div(id="node-notice", className="notices"),
            html.Div([html.H1(name)], id="node-head", className="page-head"),
            html.Div([frame.skeleton() for _ in range(5)], id="node-figures", className="figures five"),
            html.Div(id="node-wrong", className="node-wrong"),
            panel("Alerts", "node-alerts"),
            panel("GPUs", "gpus-panel"),
            panel("Caps", "caps-panel"),
            html.Div(
                [
                    frame.panel("Power over time", frame.graph("node-power", f"Power of {name} over the chosen time"),
                                panel_id="node-power-panel"),
                    frame.panel("GPUs over time", frame.graph("node-gpus", f"Each GPU of {name} over the chosen time"),
                                panel_id="node-gpus-panel", tools=switch),
                ],
                className="pair charts",
            ),
            html.Div(
                [
                    html.Div(
                        [panel("Power now", "meters-panel"), panel("Faults and security", "faults-panel")], className="stack"
                    ),
                    panel("Power supplies", "supplies-panel"),
                ],
                className="pair",
            ),
            html.Div([panel("Temperatures", "temperatures-panel"), panel("Fans", "fans-panel")], className="pair"),
            panel("Collectors", "collectors-panel"),
        ],
        className="page node-page",
    )  # fmt: skip


def register(app: Dash, services: Services) -> None:
    """The callbacks: one for the present, one for each chart."""

    @app.callback(Output("node-fill", "data"), Input("node-beat", "data"), Input("node-name", "data"), Input("url", "search"))
    async def present(_beat: int | None, name: str, search: str | None) -> dict[str, str]:
        now = services.clock()
        try:
            hall, snapshot = await asyncio.gather(services.hall(), services.everything_of(name))
        except CoreUnavailable as error:
            return filled({"node-notice": parts.blind(error)})
        entry = next((known.entry for known in hall.nodes if known.name == name), None)
        if entry is None:
            return filled({"node-notice": parts.notice("Unknown server.", f"The inventory has no server “{name}”.")})
        index = Index(snapshot)
        seen = Seen(hall=hall, state=node_state(index, entry), index=index, search=search or "")
        found = await services.dated(problem for problem in problems(hall) if problem.node == name)
        late = max(30.0, 3.0 * parse(search or "", now).refresh_seconds)
        wrong = problem_list(found, now, await services.zone()) if found else None
        top: dict[str, Children] = {
            "node-notice": None, "node-head": head(seen, found), "node-figures": key_figures(seen), "node-wrong": wrong,
        }  # fmt: skip
        ages = {
            f"{panel}-age": _age(seen, metrics, now, max(late, _LATE_INTERVALS * _interval(hall, name, tier)))
            for panel, (tier, metrics) in _AGED.items()
            if panel != "gpus-panel" or seen.state.installed_gpus
        }
        moment = powerdevices.Moment(now=now, zone=await services.zone(), search=search or "")
        caps: dict[str, Children] = {"caps-panel-body": powerdevices.of_node(hall.power, name, moment)}
        span = parse(search or "", now).span(now, moment.zone)
        alerts = {"node-alerts-body": await alertsof.of_node(services, name, span, search or "", moment.zone)}
        return filled(top | bodies(seen, now) | caps | ages | alerts)

    @app.callback(
        Output("node-power-data", "data"), Input("node-beat", "data"), Input("url", "search"), State("node-name", "data")
    )
    async def power(_beat: int | None, search: str | None, name: str) -> Any:
        chart = await services.chart(search or "")
        if chart is None:
            return no_update
        try:
            found = PowerHistory(
                meters=(await services.range(queries.node_power(name, chart.window), chart.span)).series,
                gpus=(await services.range(queries.node_gpu_power_sum(name, chart.window), chart.span)).series,
                cap=(await services.range(queries.node_power_cap(name), chart.span)).series,
            )
        except QueryError as error:
            return charts.failed(error, chart, "node-power-panel-age")
        return charts.drawn(power_figure(found, chart), chart, "node-power-panel-age", [*found.meters, *found.gpus])

    @app.callback(
        Output("node-gpus-data", "data"),
        Input("node-beat", "data"),
        Input("url", "search"),
        Input("gpu-metric", "value"),
        State("node-name", "data"),
    )
    async def gpus(_beat: int | None, search: str | None, metric: str, name: str) -> Any:
        chart = await services.chart(search or "")
        if chart is None:
            return no_update
        _, expression, unit = _CHARTS[metric]
        try:
            series = (await services.range(expression(name, chart.window), chart.span)).series
        except QueryError as error:
            return charts.failed(error, chart, "node-gpus-panel-age")
        return charts.drawn(gpu_figure(series, chart, unit), chart, "node-gpus-panel-age", series)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the page shows of the present."""

    hall: HallState
    state: NodeState
    index: Index
    search: str


def _age(seen: Seen, metrics: Sequence[Any], now: float, late: float) -> Markup:
    seconds = seen.index.age(metrics, seen.state.name)
    older = max(0.0, now - seen.index.taken_at)
    return parts.age(None if seconds is None else seconds + older, now, late_after=late)


def _interval(hall: HallState, name: str, tier: str) -> float:
    """The longest interval at which a collector reads this tier of the server."""
    return max((each.every_seconds for each in hall.collectors if each.target == name and each.tier == tier), default=0.0)


def bodies(seen: Seen, now: float) -> dict[str, Children]:
    """What each panel holds."""
    name, index = seen.state.name, seen.index
    own = [collector for collector in seen.hall.collectors if collector.target == name]
    found = {
        "gpus": gputable.gpu_table(seen.state, index, seen.search),
        "meters": server.meters(index, name),
        "supplies": server.supplies(index, name),
        "temperatures": server.temperatures(index, name),
        "fans": server.fans(index, name),
        "faults": server.faults(seen.state, index),
        "collectors": server.collectors(own, now),
    }
    return {f"{panel}-panel-body": body for panel, body in found.items()}


def head(seen: Seen, found: Sequence[Problem]) -> list[Markup]:
    """Name, health and its reason, what it is and where it stands, and its neighbours."""
    state, entry = seen.state, seen.state.entry
    level = max((problem.level for problem in found), default=Level.OK)
    word = "No data" if state.age_seconds is None and not level else ""
    info = seen.index.first(node.NODE_INFO, state.name)
    labels = info.labels if info else {}
    place = f"Rack {entry.rack}" if entry.rack else ""
    if entry.unit is not None:
        top = entry.unit + entry.height - 1
        place += f", U{entry.unit}" + (f" to U{top}" if top > entry.unit else "")
    facts = [
        labels.get("model") or entry.model,
        place,
        words.plural(entry.gpus, "GPU") + (f" {entry.gpu_model}" if entry.gpu_model else "") if entry.gpus else "",
        f"Service tag {labels['service_tag']}" if labels.get("service_tag") else "",
        f"BIOS {labels['bios_version']}" if labels.get("bios_version") else "",
        f"BMC {labels['bmc_model']} {labels['bmc_firmware']}" if labels.get("bmc_firmware") else "",
    ]
    return [
        tag("div", [tag("h1", state.name), parts.badge(level, word)], class_="name-line"),
        tag("div", [tag("span", fact) for fact in facts if fact], class_="facts"),
        tag("nav", _neighbours(seen), class_="neighbours", aria_label="Neighbouring servers"),
    ]


def _neighbours(seen: Seen) -> list[Markup]:
    names = [known.name for known in seen.hall.nodes]
    at = names.index(seen.state.name)
    before, after = names[at - 1], names[(at + 1) % len(names)]
    return [
        tag("a", before, href=f"/node/{quote(before)}{seen.search}", id="previous", class_="back", title="Previous server (k)"),
        tag(
            "a",
            after,
            data_link=True,
            href=f"/node/{quote(after)}{seen.search}",
            id="next",
            class_="on",
            title="Next server (j)",
        ),
    ]


def key_figures(seen: Seen) -> list[Markup]:
    """Five numbers, each with what it is measured against."""
    return [_power(seen), _gpu_power(seen), _hottest(seen), _air(seen), _supply_state(seen)]


def _power(seen: Seen) -> Markup:
    state, index = seen.state, seen.index
    active = index.value(node.NODE_POWER_CAP_ACTIVE, state.name)
    cap = index.value(node.NODE_POWER_CAP_WATTS, state.name) if active else None
    capacity = index.value(node.NODE_POWER_CAPACITY_WATTS, state.name)
    power = state.power_watts
    note, extra = "no cap in force" if active == 0 else "cap not told", None
    if cap is not None and power is not None:
        note, extra = f"capped at {words.watts(cap)}", parts.bar(power / cap)
    elif capacity and power is not None:
        note, extra = f"of {words.watts(capacity)} capacity", parts.bar(power / capacity)
    if power is None:
        note = "switched off" if state.is_on is False else "no meter answers"
    elif state.power_source != "system":
        age = index.age_of_power(state.name, state.power_source)
        note = f"{server.source_words(state.power_source)}{'' if age is None else f', {words.duration(age)} ago'}"
    return parts.key_figure("Power", words.split(power, "W"), note, extra=extra)


def _gpu_power(seen: Seen) -> Markup:
    readings = seen.index.of_gpu_power(seen.state.name)
    if not readings:
        note = "no GPU answers" if seen.state.installed_gpus else "no GPUs here"
        return parts.key_figure("GPU power", (words.NOTHING, ""), note)
    watts = sum(reading.value for reading in readings)
    missing = seen.state.installed_gpus - len(readings)
    # No share of the server: the two are read seconds apart, and training swings by kilowatts within a second.
    note = f"{words.plural(missing, 'GPU')} missing in the sum" if missing else f"of {words.plural(len(readings), 'GPU')}"
    limits = [entry.limit_watts for entry in seen.state.gpus if entry.limit_watts is not None]
    extra = parts.bar(watts / sum(limits)) if len(limits) == len(readings) else None
    return parts.key_figure("GPU power", words.split(watts, "W"), note, extra=extra, bound="≥" if missing else "")


def _hottest(seen: Seen) -> Markup:
    known = [(entry.margin_celsius, entry) for entry in seen.state.gpus if entry.margin_celsius is not None]
    if not known:
        heat = seen.state.hottest_sensor
        if heat is None:
            return parts.key_figure("Nearest limit", (words.NOTHING, ""), "no sensor with a limit")
        level = Level.WARNING if heat.margin_celsius <= 0 else Level.OK
        note = f"{heat.sensor}, {words.celsius(heat.celsius)}"
        return parts.key_figure("Nearest limit", (f"{heat.margin_celsius:.0f}", "°C left"), note, level=level)
    margin, entry = min(known, key=lambda pair: pair[0])
    level = Level.CRITICAL if margin <= 0 else Level.WARNING if margin <= CLOSE_CELSIUS else Level.OK
    note = f"GPU {entry.index}, {words.celsius(entry.temperature_celsius)}"
    return parts.key_figure("Hottest GPU", (f"{margin:.0f}", "°C to limit"), note, level=level)


def _air(seen: Seen) -> Markup:
    roles: dict[str, list[float]] = {"inlet": [], "exhaust": []}
    for sample in seen.index.of(node.NODE_TEMPERATURE_CELSIUS, seen.state.name):
        roles.setdefault(sample.labels["role"], []).append(sample.value)
    inlet, exhaust = max(roles["inlet"], default=None), max(roles["exhaust"], default=None)
    note = "no exhaust reading" if exhaust is None else f"exhaust {words.celsius(exhaust)}"
    if inlet is not None and exhaust is not None:
        note += f", {exhaust - inlet:.0f}{words.THIN}°C warmer"
    number = (words.NOTHING, "") if inlet is None else (f"{inlet:.0f}", "°C inlet")
    return parts.key_figure("Air", number, note)


def _supply_state(seen: Seen) -> Markup:
    healths = [sample.value for sample in seen.index.of(node.PSU_HEALTH, seen.state.name)]
    if not healths:
        return parts.key_figure("Power supplies", (words.NOTHING, ""), "none reported")
    good = sum(health == 0 for health in healths)
    redundant = seen.index.value(node.PSU_REDUNDANCY_OK, seen.state.name)
    level = Level.CRITICAL if good < len(healths) else Level.WARNING if redundant == 0 else Level.OK
    note = {None: "redundancy not told", 0.0: "not redundant"}.get(redundant, "redundant")
    return parts.key_figure("Power supplies", (f"{good}", f"of {len(healths)} OK"), note, level=level)


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerHistory:
    """A server's meters, the sum of its GPUs, and its cap while in force."""

    meters: Sequence[Series]
    gpus: Sequence[Series]
    cap: Sequence[Series]


_METERS = {
    "system": ("server", charts.BLUE, 2.5, "solid"),
    "psu_sum": ("supplies", charts.BLUE, 1.25, "dot"),
    "hgx": ("GPU baseboard", charts.TEAL, 1.75, "solid"),
    "estimated": ("estimate", charts.GREY, 1.75, "dot"),
}


def power_figure(history: PowerHistory, chart: Chart) -> charts.Figure:
    """Each meter, the GPUs' share below, the cap above."""
    if not history.meters and not history.gpus:
        return charts.message("No power was recorded in this time.", chart)
    lines = [charts.Line(series=one, name="GPUs", colour=charts.GREY, width=1.5, fill=True) for one in history.gpus[:1]]
    for series in history.meters:
        source = series.labels.get("source", "")
        name, colour, width, dash = _METERS.get(source, (source, charts.GREY, 1.5, "solid"))
        lines.append(charts.Line(series=series, name=name, colour=colour, width=width, dash=dash))
    lines += [
        charts.Line(series=one, name="cap", colour=charts.AMBER, width=1.75, dash="dash", shape="hv") for one in history.cap[:1]
    ]
    return charts.figure(lines, chart, unit="W")


def gpu_figure(series: Sequence[Series], chart: Chart, unit: str) -> charts.Figure:
    """A line a GPU; bands where there are too many to tell apart."""
    if not series:
        return charts.message("No GPU was recorded in this time.", chart)
    return charts.figure(charts.lines_or_band(series), chart, unit=unit, zero=unit == "W")
