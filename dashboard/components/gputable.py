"""The GPUs of a server as rows: each value beside its limit. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dashboard import address, markup, words
from dashboard.components import parts
from dashboard.markup import Markup, tag
from dashboard.problems import CLOSE_CELSIUS, Level, gpu_level, is_harmful
from dashboard.state import GpuState, Index, NodeState, ratio
from wattstat.catalogue import Metric, gpu, job

_HEADINGS = (
    "GPU", "Power of limit", "Busy", "SM active", "Tensor", "Temperature", "Memory", "SM clock", "Held down by", "XID", "State",
)  # fmt: skip


def gpu_table(server: NodeState, index: Index, search: str = "") -> Markup:
    """One row a GPU; those that the inventory expects and nobody sees are rows too. Who holds them has a column where told."""
    if not server.installed_gpus:
        return tag("p", "No GPUs in this server, neither by the inventory nor by what answers.", class_="empty")
    held = index.of(job.JOB_GPU_INFO, server.name)
    columns = (_HEADINGS[0], "Job", *_HEADINGS[1:]) if held else _HEADINGS
    holders = {entry.uuid: [one.labels for one in held if one.labels["uuid"] == entry.uuid] for entry in server.gpus}
    rows = [_row(entry, index, _jobs(holders[entry.uuid], search) if held else None) for entry in server.gpus]
    rows += [_unseen(number, len(columns)) for number in range(len(server.gpus), server.entry.gpus)]
    return markup.table(columns, rows, class_="table gpus")


def _jobs(held: Sequence[Mapping[str, str]], search: str) -> Markup:
    """The jobs that hold the GPU or parts of it."""
    links = [
        tag("a", labels["job_id"], href=address.to_job(labels["job_id"], None, search, labels["scheduler"]),
            data_link=True, class_="row-link",
            title=" · ".join(filter(None, (labels["user"], labels["account"], labels["gpu_instance"]))))
        for labels in held
    ]  # fmt: skip
    return tag("td", [tag("div", link) for link in links] or _quiet("free"), class_="job")


def _row(entry: GpuState, index: Index, jobs: Markup | None) -> Markup:
    level = gpu_level(entry)
    if entry.is_lost:
        lost = tag("td", "no longer answers", colspan=len(_HEADINGS) - 2, class_="none")
        return tag("tr", [_name(entry), jobs, lost, tag("td", parts.badge(level, "Lost"))], class_="gpu-row critical")
    sm_active = _value(index, gpu.GPU_SM_ACTIVE_RATIO, entry)
    tensor = _value(index, gpu.GPU_TENSOR_ACTIVE_RATIO, entry)
    cells = [
        _name(entry),
        jobs,
        _power(entry, _value(index, gpu.GPU_POWER_LIMIT_WATTS, entry, kind="default")),
        _barred(entry.utilization_ratio, words.percent(entry.utilization_ratio)),
        _barred(sm_active, words.percent(sm_active)),
        _barred(tensor, words.percent(tensor)),
        _temperature(entry, _value(index, gpu.GPU_TEMPERATURE_CELSIUS, entry, sensor="memory")),
        _barred(entry.memory_ratio, _memory(entry)),
        _clock(
            _value(index, gpu.GPU_CLOCK_HERTZ, entry, domain="sm"), _value(index, gpu.GPU_CLOCK_MAX_HERTZ, entry, domain="sm")
        ),
        tag("td", [_reason(reason) for reason in entry.throttles] or _quiet("nothing")),
        tag("td", ", ".join(entry.xids) or _quiet("none")),
        tag("td", parts.badge(level)),
    ]
    return tag("tr", cells, class_=f"gpu-row {level.name.lower()}")


def _value(index: Index, metric: Metric, entry: GpuState, **labels: str) -> float | None:
    return None if entry.out_of_band else index.value(metric, entry.node, gpu=entry.index, **labels)


def _name(entry: GpuState) -> Markup:
    return tag("th", entry.index, scope="row", title=entry.uuid)


def _unseen(number: int, columns: int) -> Markup:
    unseen = tag("td", "expected by the inventory, not seen", colspan=columns - 2, class_="none")
    return tag("tr", [tag("th", str(number), scope="row"), unseen, tag("td", _quiet("No data"))], class_="gpu-row")


def _quiet(text: str) -> Markup:
    return tag("span", text, class_="quiet")


def _barred(value: float | None, text: str, *, level: Level = Level.OK) -> Markup:
    return tag("td", tag("div", [tag("span", text), parts.bar(value, level=level)], class_="barred"))


def _power(entry: GpuState, default_watts: float | None) -> Markup:
    limit = entry.limit_watts
    text = words.watts(entry.power_watts)
    if limit is not None:
        text += f" of {words.watts(limit)}"
    is_capped = limit is not None and default_watts is not None and limit < default_watts - 0.5
    below = _quiet(f"capped, default {words.watts(default_watts)}") if is_capped else None
    bar = parts.bar(ratio(entry.power_watts, limit if not is_capped else default_watts),
                    mark=ratio(limit, default_watts) if is_capped else None)  # fmt: skip
    return tag("td", tag("div", [tag("span", text), bar, below], class_="barred"))


def _temperature(entry: GpuState, memory_celsius: float | None) -> Markup:
    text = words.celsius(entry.temperature_celsius)
    margin = entry.margin_celsius
    level = Level.OK if margin is None or margin > CLOSE_CELSIUS else Level.CRITICAL if margin <= 0 else Level.WARNING
    facts = [] if margin is None else [f"{words.celsius(margin)} left"]
    facts += [] if memory_celsius is None else [f"memory {words.celsius(memory_celsius)}"]
    whole = None if entry.temperature_celsius is None or margin is None else entry.temperature_celsius + margin
    bar = parts.bar(ratio(entry.temperature_celsius, whole), level=level)
    return tag("td", tag("div", [tag("span", [text, _quiet("  " + ", ".join(facts))]), bar], class_="barred wide"))


def _memory(entry: GpuState) -> str:
    if entry.memory_used_bytes is None or entry.memory_total_bytes is None:
        return words.NOTHING
    return f"{entry.memory_used_bytes / 2**30:.0f} of {words.gigabytes(entry.memory_total_bytes)}"


def _clock(hertz: float | None, most: float | None) -> Markup:
    return _barred(ratio(hertz, most), words.megahertz(hertz))


def _reason(reason: str) -> Markup:
    text = words.throttle(reason)
    return parts.badge(Level.WARNING, text) if is_harmful(reason) else tag("span", text, class_="chip")
