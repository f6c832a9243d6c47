"""Parts of a server as the BMC sees them: supplies, caps, temperatures, fans, faults; and who reads them. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from dash import html
from dash.development.base_component import Component

from dashboard import words
from dashboard.components import frame
from dashboard.problems import Level
from dashboard.state import Index, NodeState, is_failing, is_late, natural, ratio
from wattstat.api.live import CollectorState
from wattstat.catalogue import node

Row = Sequence[str | Component]

_ROLES = ("inlet", "exhaust", "cpu", "gpu", "memory", "storage", "psu", "board", "other")
_ROLE_NAMES = {"cpu": "CPU", "gpu": "GPU", "psu": "Power supply"}
_MOST_SENSORS = 18
_SOURCES = {
    "system": "Server (BMC's meter)",
    "psu_sum": "Sum of power supplies",
    "hgx": "GPU baseboard",
    "estimated": "Estimate",
}


def table(headings: Sequence[str], rows: Iterable[Row], label: str) -> Component:
    """A plain table; rows hold texts and components."""
    head = html.Thead(html.Tr([html.Th(text, scope="col") for text in headings]))
    body = html.Tbody([html.Tr([html.Th(row[0], scope="row"), *[html.Td(cell) for cell in row[1:]]]) for row in rows])
    return html.Div(html.Table([head, body], className="table", **frame.aria(label=label)), className="table-box")


def nothing(text: str) -> Component:
    return html.P(text, className="empty")


def meters(index: Index, name: str) -> Component:
    """Each meter of the server's power, and the cap."""
    samples = {sample.labels["source"]: sample.value for sample in index.of(node.NODE_POWER_WATTS, name)}
    gpu_readings = index.of_gpu_power(name)
    gpus = sum(sample.value for sample in gpu_readings) if gpu_readings else None
    if not samples and gpus is None:
        return nothing("No meter of this server answers.")
    capacity = index.value(node.NODE_POWER_CAPACITY_WATTS, name) or max([*samples.values(), gpus or 0.0])
    rows = [(_SOURCES.get(source, source), watts) for source, watts in samples.items()]
    if gpus is not None:
        rows.append(("All GPUs (NVML)", gpus))
    return html.Div([_meter(text, watts, capacity) for text, watts in rows] + [cap(index, name)], className="meters")


def _meter(text: str, watts: float, capacity: float) -> Component:
    return html.Div([html.Span(text), html.Strong(words.watts(watts)), frame.bar(ratio(watts, capacity))], className="meter")


def cap(index: Index, name: str) -> Component:
    """The cap as it truly is: a value that is set is no cap until the device says that it is in force."""
    watts, active = index.value(node.NODE_POWER_CAP_WATTS, name), index.value(node.NODE_POWER_CAP_ACTIVE, name)
    low, high = index.value(node.NODE_POWER_CAP_MIN_WATTS, name), index.value(node.NODE_POWER_CAP_MAX_WATTS, name)
    bounds = f"; the device takes {words.watts(low)} to {words.watts(high)}" if low is not None and high is not None else ""
    if active:
        text = f"Capped at {words.watts(watts)}{bounds}."
    elif active == 0:
        text = f"No power cap in force{bounds}."
    else:
        text = "Whether a power cap is in force, the device does not say."
    return html.P(text, className="cap")


def supplies(index: Index, name: str) -> Component:
    """The power supplies: what goes in, what comes out, how loaded."""
    names = {sample.labels["psu"] for metric in (node.PSU_HEALTH, node.PSU_INPUT_WATTS) for sample in index.of(metric, name)}
    if not names:
        return nothing("The BMC reports no power supplies.")
    rows = [_supply(index, name, psu) for psu in sorted(names, key=natural)]
    return table(("Supply", "State", "Input", "Output", "Load"), rows, "Power supplies")


def _supply(index: Index, name: str, psu: str) -> Row:
    health = index.value(node.PSU_HEALTH, name, psu=psu)
    into, out = index.value(node.PSU_INPUT_WATTS, name, psu=psu), index.value(node.PSU_OUTPUT_WATTS, name, psu=psu)
    load = ratio(out if out is not None else into, index.value(node.PSU_CAPACITY_WATTS, name, psu=psu))
    load_text = html.Div([html.Span(words.percent(load)), frame.bar(load)], className="barred")
    state = frame.badge(Level(int(health))) if health is not None else "not told"
    return (psu.replace("PSU.Slot.", "PSU "), state, words.watts(into), words.watts(out), load_text)


def redundancy(index: Index, name: str) -> Component | None:
    """Whether a supply may fail."""
    ok = index.value(node.PSU_REDUNDANCY_OK, name)
    if ok is None:
        return None
    return frame.badge(Level.OK, "Redundant") if ok else frame.badge(Level.WARNING, "Not redundant")


def temperatures(index: Index, name: str) -> Component:
    """By role, each against the device's own limit; the nearest first."""
    by_role: dict[str, list[Component]] = defaultdict(list)
    samples = sorted(index.of(node.NODE_TEMPERATURE_CELSIUS, name), key=lambda s: natural(s.labels["sensor"]))
    if not samples:
        return nothing("The BMC reports no temperatures.")
    limits: dict[str, dict[str, float]] = defaultdict(dict)
    for limit in index.of(node.NODE_TEMPERATURE_LIMIT_CELSIUS, name):
        limits[limit.labels["sensor"]][limit.labels["kind"]] = limit.value
    for sample in samples:
        by_role[sample.labels["role"]].append(
            _temperature(sample.labels["sensor"], sample.value, limits[sample.labels["sensor"]])
        )
    groups = [_group(_ROLE_NAMES.get(role, role.capitalize()), by_role[role]) for role in _ROLES if role in by_role]
    return html.Div(groups, className="sensors")


def _group(title: str, rows: list[Component]) -> Component:
    if len(rows) <= _MOST_SENSORS:
        return html.Div([html.H3(title), *rows], className="sensor-group")
    more = html.Details([html.Summary(f"{len(rows) - _MOST_SENSORS} more"), *rows[_MOST_SENSORS:]])
    return html.Div([html.H3(title), *rows[:_MOST_SENSORS], more], className="sensor-group")


def _temperature(sensor: str, celsius: float, limits: dict[str, float]) -> Component:
    caution, critical = limits.get("caution"), limits.get("critical")
    level = Level.OK
    if critical is not None and celsius >= critical:
        level = Level.CRITICAL
    elif caution is not None and celsius >= caution:
        level = Level.WARNING
    most = critical if critical is not None else caution
    first = caution if caution is not None else critical
    left = words.NOTHING if first is None else f"{words.celsius(first - celsius)} left"
    bar = frame.bar(ratio(celsius, most), level=level, mark=ratio(caution, most)) if most else html.Span()
    return html.Div(
        [html.Span(sensor, className="name"), html.Strong(words.celsius(celsius)), bar, html.Span(left, className="quiet")],
        className="sensor",
    )


def fans(index: Index, name: str) -> Component:
    """Speed of each fan."""
    speeds = {sample.labels["fan"]: sample.value for sample in index.of(node.FAN_SPEED_RPM, name)}
    ratios = {sample.labels["fan"]: sample.value for sample in index.of(node.FAN_SPEED_RATIO, name)}
    healths = {sample.labels["fan"]: Level(int(sample.value)) for sample in index.of(node.FAN_HEALTH, name)}
    names = sorted(speeds.keys() | ratios.keys(), key=natural)
    if not names:
        return nothing("The BMC reports no fans.")
    rows = [
        html.Div(
            [html.Span([frame.shape(level) if (level := healths.get(fan, Level.OK)) else None, fan], className="name"),
             html.Strong(f"{speeds[fan]:,.0f}{words.THIN}rpm" if fan in speeds else words.NOTHING),
             frame.bar(ratios.get(fan), level=level), html.Span(words.percent(ratios.get(fan)), className="quiet")],
            className="sensor",
        )
        for fan in names
    ]  # fmt: skip
    return html.Div(html.Div(rows, className="sensor-group"), className="sensors")


def faults(server: NodeState, index: Index) -> Component:
    """What the BMC reports as current, and the weaknesses of the controller itself."""
    rows = [
        html.Li([frame.shape(_severity(severity)), html.Span(f"{severity}: {message}")]) for severity, message in server.faults
    ]
    findings = [s.labels["check"] for s in index.of(node.BMC_SECURITY_FINDING, server.name) if s.value > 0]
    rows += [html.Li([frame.shape(Level.WARNING), html.Span(f"Security: {check.replace('_', ' ')}")]) for check in findings]
    if not rows:
        return html.Div([frame.shape(Level.OK), html.Span("None reported.")], className="all-well")
    return html.Ul(rows, className="faults")


def _severity(word: str) -> Level:
    return Level.CRITICAL if word.lower() in {"critical", "fatal", "error"} else Level.WARNING


def collectors(states: Iterable[CollectorState], now: float) -> Component:
    """Who reads this server, and when it last did."""
    rows = [_collector(state, now) for state in states]
    if not rows:
        return nothing("No collector reads this server: its inventory entry has neither bmc nor agent.")
    return table(("Collector", "State", "Last read", "Every", "Took", "Trouble"), rows, "Collectors")


def _collector(state: CollectorState, now: float) -> Row:
    level = Level.CRITICAL if is_failing(state) else Level.WARNING if is_late(state, now) else Level.OK
    word = {Level.CRITICAL: "Failing", Level.WARNING: "Late", Level.OK: "OK"}[level]
    if not state.supported:
        word = "Not supported"
    age = f"{words.duration(now - state.last_success)} ago" if state.last_success is not None else "never"
    took = f"{state.duration_seconds:.2f}{words.THIN}s" if state.duration_seconds is not None else words.NOTHING
    trouble = [state.error] * bool(state.error) + [f"{res}: {why}" for res, why in state.resource_errors.items()]
    every = words.duration(state.every_seconds)
    return (f"{state.collector} · {state.tier}", frame.badge(level, word), age, every, took, "; ".join(trouble) or "none")
