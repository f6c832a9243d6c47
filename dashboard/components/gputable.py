"""The GPUs of a server as rows: each value beside its limit. Pure."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from dashboard import words
from dashboard.components import frame
from dashboard.problems import CLOSE_CELSIUS, Level, gpu_level, is_harmful
from dashboard.state import GpuState, Index, NodeState, ratio
from wattstat.catalogue import Metric, gpu

_HEADINGS = (
    "GPU", "Power of limit", "Busy", "SM active", "Tensor", "Temperature", "Memory", "SM clock", "Held down by", "XID", "State",
)  # fmt: skip
_REASONS = {"sw_power_cap": "power cap", "sw_thermal_slowdown": "heat (software)", "hw_thermal_slowdown": "heat (hardware)",
            "hw_power_brake_slowdown": "power brake", "hw_slowdown": "hardware"}  # fmt: skip


def gpu_table(server: NodeState, index: Index) -> Component:
    """One row a GPU; those that the inventory expects and nobody sees are rows too."""
    if not server.installed_gpus:
        return html.P("No GPUs in this server, neither by the inventory nor by what answers.", className="empty")
    rows = [_row(entry, index) for entry in server.gpus]
    rows += [_unseen(number) for number in range(len(server.gpus), server.entry.gpus)]
    head = html.Thead(html.Tr([html.Th(text, scope="col") for text in _HEADINGS]))
    return html.Div(html.Table([head, html.Tbody(rows)], className="table gpus"), className="table-box")


def _row(entry: GpuState, index: Index) -> Component:
    level = gpu_level(entry)
    if entry.is_lost:
        lost = html.Td("no longer answers", colSpan=len(_HEADINGS) - 2, className="none")
        return html.Tr([_name(entry), lost, html.Td(frame.badge(level, "Lost"))], className="gpu-row critical")
    sm_active = _value(index, gpu.GPU_SM_ACTIVE_RATIO, entry)
    tensor = _value(index, gpu.GPU_TENSOR_ACTIVE_RATIO, entry)
    cells = [
        _name(entry),
        _power(entry, _value(index, gpu.GPU_POWER_LIMIT_WATTS, entry, kind="default")),
        _barred(entry.utilization_ratio, words.percent(entry.utilization_ratio)),
        _barred(sm_active, words.percent(sm_active)),
        _barred(tensor, words.percent(tensor)),
        _temperature(entry, _value(index, gpu.GPU_TEMPERATURE_CELSIUS, entry, sensor="memory")),
        _barred(entry.memory_ratio, _memory(entry)),
        _clock(
            _value(index, gpu.GPU_CLOCK_HERTZ, entry, domain="sm"), _value(index, gpu.GPU_CLOCK_MAX_HERTZ, entry, domain="sm")
        ),
        html.Td([_reason(reason) for reason in entry.throttles] or _quiet("nothing")),
        html.Td(", ".join(entry.xids) or _quiet("none")),
        html.Td(frame.badge(level)),
    ]
    return html.Tr(cells, className=f"gpu-row {level.name.lower()}")


def _value(index: Index, metric: Metric, entry: GpuState, **labels: str) -> float | None:
    return None if entry.out_of_band else index.value(metric, entry.node, gpu=entry.index, **labels)


def _name(entry: GpuState) -> Component:
    return html.Th(entry.index, scope="row", title=entry.uuid)


def _unseen(number: int) -> Component:
    unseen = html.Td("expected by the inventory, not seen", colSpan=len(_HEADINGS) - 2, className="none")
    return html.Tr([html.Th(str(number), scope="row"), unseen, html.Td(_quiet("No data"))], className="gpu-row")


def _quiet(text: str) -> Component:
    return html.Span(text, className="quiet")


def _barred(value: float | None, text: str, *, level: Level = Level.OK) -> Component:
    return html.Td(html.Div([html.Span(text), frame.bar(value, level=level)], className="barred"))


def _power(entry: GpuState, default_watts: float | None) -> Component:
    limit = entry.limit_watts
    parts = [words.watts(entry.power_watts)]
    if limit is not None:
        parts.append(f" of {words.watts(limit)}")
    is_capped = limit is not None and default_watts is not None and limit < default_watts - 0.5
    below = _quiet(f"capped, default {words.watts(default_watts)}") if is_capped else None
    bar = frame.bar(ratio(entry.power_watts, limit if not is_capped else default_watts),
                    mark=ratio(limit, default_watts) if is_capped else None)  # fmt: skip
    return html.Td(html.Div([html.Span("".join(parts)), bar, below], className="barred"))


def _temperature(entry: GpuState, memory_celsius: float | None) -> Component:
    text = words.celsius(entry.temperature_celsius)
    margin = entry.margin_celsius
    level = Level.OK if margin is None or margin > CLOSE_CELSIUS else Level.CRITICAL if margin <= 0 else Level.WARNING
    facts = [] if margin is None else [f"{words.celsius(margin)} left"]
    facts += [] if memory_celsius is None else [f"memory {words.celsius(memory_celsius)}"]
    whole = None if entry.temperature_celsius is None or margin is None else entry.temperature_celsius + margin
    bar = frame.bar(ratio(entry.temperature_celsius, whole), level=level)
    return html.Td(html.Div([html.Span([text, _quiet("  " + ", ".join(facts))]), bar], className="barred wide"))


def _memory(entry: GpuState) -> str:
    if entry.memory_used_bytes is None or entry.memory_total_bytes is None:
        return words.NOTHING
    return f"{entry.memory_used_bytes / 2**30:.0f} of {words.gigabytes(entry.memory_total_bytes)}"


def _clock(hertz: float | None, most: float | None) -> Component:
    return _barred(ratio(hertz, most), words.megahertz(hertz))


def _reason(reason: str) -> Component:
    text = _REASONS.get(reason, reason.replace("_", " "))
    return frame.badge(Level.WARNING, text) if is_harmful(reason) else html.Span(text, className="chip")
