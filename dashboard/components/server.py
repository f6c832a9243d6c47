"""Parts of a server as the BMC sees them: supplies, caps, temperatures, fans, faults; and who reads them. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from dashboard import markup, words
from dashboard.components import parts
from dashboard.markup import Markup, tag
from dashboard.problems import Level
from dashboard.state import Index, NodeState, is_failing, is_late, natural, ratio
from wattstat.api.live import CollectorState
from wattstat.catalogue import node

Row = Sequence[str]

_ROLES = ("inlet", "exhaust", "cpu", "gpu", "memory", "storage", "psu", "board", "other")
_ROLE_NAMES = {"cpu": "CPU", "gpu": "GPU", "psu": "Power supply"}
_MOST_SENSORS = 18
# Meters younger than this are of the same moment as their panel.
_YOUNG_SECONDS = 20.0
_SOURCES = {
    "system": "Server (BMC's meter)",
    "psu_sum": "Sum of power supplies",
    "hgx": "GPU baseboard",
    "estimated": "Estimate",
}


def table(headings: Sequence[str], rows: Iterable[Row], label: str) -> Markup:
    """A plain table; rows hold texts and markup."""
    lines = [tag("tr", [tag("th", row[0], scope="row"), *[tag("td", cell) for cell in row[1:]]]) for row in rows]
    return markup.table(headings, lines, class_="table", aria_label=label)


def nothing(text: str) -> Markup:
    return tag("p", text, class_="empty")


def meters(index: Index, name: str) -> Markup:
    """Each meter of the server's power, and the cap."""
    samples = {sample.labels["source"]: sample for sample in index.of(node.NODE_POWER_WATTS, name)}
    gpu_readings = index.of_gpu_power(name)
    gpus = sum(sample.value for sample in gpu_readings) if gpu_readings else None
    if not samples and gpus is None:
        return nothing("No meter of this server answers.")
    capacity = index.value(node.NODE_POWER_CAPACITY_WATTS, name) or max(
        [*(sample.value for sample in samples.values()), gpus or 0.0]
    )
    rows = [(_aged(source_words(source), sample.age_seconds), sample.value) for source, sample in samples.items()]
    if gpus is not None:
        rows.append(("All GPUs (NVML)", gpus))
    return tag("div", [_meter(text, watts, capacity) for text, watts in rows] + [cap(index, name)], class_="meters")


def source_words(source: str) -> str:
    """A meter's name."""
    return _SOURCES.get(source, source)


def _aged(text: str, seconds: float) -> str:
    """With its age where that is not the panel's: meters are read at different intervals."""
    return text if seconds < _YOUNG_SECONDS else f"{text}, {words.duration(seconds)} ago"


def _meter(text: str, watts: float, capacity: float) -> Markup:
    return tag("div", [tag("span", text), tag("strong", words.watts(watts)), parts.bar(ratio(watts, capacity))], class_="meter")


def cap(index: Index, name: str) -> Markup:
    """The cap as it truly is: a value that is set is no cap until the device says that it is in force."""
    watts, active = index.value(node.NODE_POWER_CAP_WATTS, name), index.value(node.NODE_POWER_CAP_ACTIVE, name)
    low, high = index.value(node.NODE_POWER_CAP_MIN_WATTS, name), index.value(node.NODE_POWER_CAP_MAX_WATTS, name)
    bounds = f"; it can be set from {words.watts(low)} to {words.watts(high)}" if low is not None and high is not None else ""
    if active:
        text = f"Capped at {words.watts(watts)}{bounds}."
    elif active == 0:
        text = f"No power cap in force{bounds}."
    else:
        text = "Whether a power cap is in force, the device does not say."
    return tag("p", text, class_="cap")


def supplies(index: Index, name: str) -> Markup:
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
    load_text = tag("div", [tag("span", words.percent(load)), parts.bar(load)], class_="barred")
    state = parts.badge(Level(int(health))) if health is not None else "not told"
    return (psu.replace("PSU.Slot.", "PSU "), state, words.watts(into), words.watts(out), load_text)


def redundancy(index: Index, name: str) -> Markup | None:
    """Whether a supply may fail."""
    ok = index.value(node.PSU_REDUNDANCY_OK, name)
    if ok is None:
        return None
    return parts.badge(Level.OK, "Redundant") if ok else parts.badge(Level.WARNING, "Not redundant")


def temperatures(index: Index, name: str) -> Markup:
    """By role, each against the device's own limit; the nearest first."""
    by_role: dict[str, list[Markup]] = defaultdict(list)
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
    return tag("div", groups, class_="sensors")


def _group(title: str, rows: list[Markup]) -> Markup:
    if len(rows) <= _MOST_SENSORS:
        return tag("div", [tag("h3", title), *rows], class_="sensor-group")
    more = tag("details", [tag("summary", f"{len(rows) - _MOST_SENSORS} more"), *rows[_MOST_SENSORS:]])
    return tag("div", [tag("h3", title), *rows[:_MOST_SENSORS], more], class_="sensor-group")


def _temperature(sensor: str, celsius: float, limits: dict[str, float]) -> Markup:
    caution, critical = limits.get("caution"), limits.get("critical")
    level = Level.OK
    if critical is not None and celsius >= critical:
        level = Level.CRITICAL
    elif caution is not None and celsius >= caution:
        level = Level.WARNING
    most = critical if critical is not None else caution
    first = caution if caution is not None else critical
    left = words.NOTHING if first is None else f"{words.celsius(first - celsius)} left"
    bar = (
        parts.bar(ratio(celsius, most), level=level, mark=ratio(caution, most))
        if most
        else tag(
            "span",
        )
    )
    return tag(
        "div",
        [
            tag("span", sensor, class_="name", title=sensor),
            tag("strong", words.celsius(celsius)),
            bar,
            tag("span", left, class_="quiet"),
        ],
        class_="sensor",
    )


def fans(index: Index, name: str) -> Markup:
    """Speed of each fan."""
    speeds = {sample.labels["fan"]: sample.value for sample in index.of(node.FAN_SPEED_RPM, name)}
    ratios = {sample.labels["fan"]: sample.value for sample in index.of(node.FAN_SPEED_RATIO, name)}
    healths = {sample.labels["fan"]: Level(int(sample.value)) for sample in index.of(node.FAN_HEALTH, name)}
    names = sorted(speeds.keys() | ratios.keys(), key=natural)
    if not names:
        return nothing("The BMC reports no fans.")
    rows = [_fan(fan, speeds.get(fan), ratios.get(fan), healths.get(fan, Level.OK)) for fan in names]
    return tag("div", rows, class_="sensors fans")


def _fan(fan: str, rpm: float | None, speed_ratio: float | None, level: Level) -> Markup:
    speed = f"{rpm:,.0f}{words.THIN}rpm" if rpm is not None else words.NOTHING
    share = [parts.bar(speed_ratio, level=level), tag("span", words.percent(speed_ratio), class_="quiet")]
    mark = parts.shape(level) if level else None
    name = tag("span", [mark, fan], class_="name", title=fan)
    return tag("div", [name, tag("strong", speed), *(share if speed_ratio is not None else ())], class_="sensor")


def faults(server: NodeState, index: Index) -> Markup:
    """What the BMC reports as current, and the weaknesses of the controller itself."""
    rows = [
        tag("li", [parts.shape(_severity(severity)), tag("span", f"{severity}: {message}")])
        for severity, message in server.faults
    ]
    findings = [s.labels["check"] for s in index.of(node.BMC_SECURITY_FINDING, server.name) if s.value > 0]
    rows += [tag("li", [parts.shape(Level.WARNING), tag("span", f"Security: {check.replace('_', ' ')}")]) for check in findings]
    if not rows:
        return tag("div", [parts.shape(Level.OK), tag("span", "None reported.")], class_="all-well")
    return tag("ul", rows, class_="faults")


def _severity(word: str) -> Level:
    return Level.CRITICAL if word.lower() in {"critical", "fatal", "error"} else Level.WARNING


def collectors(states: Iterable[CollectorState], now: float) -> Markup:
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
    return (f"{state.collector} · {state.tier}", parts.badge(level, word), age, every, took, "; ".join(trouble) or "none")
