"""Tables of a run's page: its GPUs, other runs of the job, what it served. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard import address, words
from dashboard.components import jobwords, parts
from dashboard.components.jobhead import Seen
from dashboard.energyunit import EnergyUnit, unit_for
from dashboard.markup import Markup, tag
from dashboard.problems import Level
from wattstat.api.energy import GpuOfJob, Inference, JobDetail, JobFinding, JobRow

_GPU_HEADINGS = (
    ("Rank", True), ("GPU", False), ("Energy", True), ("Average of limit", True), ("SM active", True), ("Busy", True),
    ("Tensor", True), ("Idle", True), ("At a cap", True), ("Memory, most", True), ("Held", True),
)  # fmt: skip


def gpus(detail: JobDetail, search: str) -> Markup:
    """Every GPU of the run in the order of its ranks; assets/servers.js sorts them by what stands in `data-by`."""
    listed, out = detail.gpus, standing_out(detail.findings)
    if not listed:
        return tag("p", "The run held no GPUs, or no agent reads them.", class_="empty")
    unit = unit_for(max(each.energy_joules for each in listed))
    head = [
        tag(
            "th",
            tag("button", f"{name}, {unit.name}" if name == "Energy" else name, type="button"),
            scope="col",
            class_="number" if is_number else None,
        )
        for name, is_number in _GPU_HEADINGS
    ]
    rows = [_gpu(rank, each, out, unit, search) for rank, each in enumerate(listed)]
    table = tag(
        "table", [tag("thead", tag("tr", head)), tag("tbody", rows)], class_="table sortable", aria_label="GPUs of the run"
    )
    return tag("div", table, class_="servers gpu-list")


def standing_out(found: Sequence[JobFinding]) -> frozenset[str]:
    """The GPUs that the ledger found out of step with their siblings, by server and index."""
    return frozenset(str(each.evidence.get("name", "")) for each in found if each.kind == "straggler")


def _gpu(rank: int, each: GpuOfJob, out: frozenset[str], unit: EnergyUnit, search: str) -> Markup:
    is_out = f"{each.node}/{each.index}" + (f" ({each.instance})" if each.instance else "") in out
    part = f" · {each.instance}" if each.instance else ""
    link = tag("a", f"{each.node} · {each.index}", href=address.to_node(each.node, search), data_link=True, class_="row-link")
    name = [link, part, parts.badge(Level.WARNING, "out of step") if is_out else None]
    memory = None
    if each.memory_peak_bytes is not None and each.memory_total_bytes:
        memory = each.memory_peak_bytes / each.memory_total_bytes
    limit = None
    if each.average_watts is not None and each.limit_watts:
        limit = each.average_watts / each.limit_watts
    watts = words.watts(each.average_watts) + (f" of {words.watts(each.limit_watts)}" if each.limit_watts else "")
    held = words.duration(each.seconds) + (f", {words.percent(each.fraction)} of it" if each.fraction < 1 else "")
    return tag("tr", [
        tag("td", f"{rank}", class_="number", data_by=f"{rank}"),
        tag("th", name, scope="row", title=f"{each.model} {each.uuid}"),
        tag("td", unit.write(each.energy_joules), class_="number", data_by=f"{each.energy_joules:.6g}"),
        _barred(limit, watts, each.average_watts),
        *[_barred(value, words.percent(value), value) for value in (
            each.sm_active_ratio, each.busy_ratio, each.tensor_active_ratio, each.idle_ratio, each.capped_ratio)],
        _barred(memory, _memory(each), each.memory_peak_bytes),
        tag("td", held, class_="number", data_by=f"{each.seconds:.6g}"),
    ], class_="gpu-row warning" if is_out else "gpu-row")  # fmt: skip


def _memory(each: GpuOfJob) -> str:
    if each.memory_peak_bytes is None or each.memory_total_bytes is None:
        return words.NOTHING
    return f"{each.memory_peak_bytes / 2**30:.0f} of {words.gigabytes(each.memory_total_bytes)}"


def _barred(ratio: float | None, text: str, by: float | None) -> Markup:
    cell = tag("div", [tag("span", text), parts.bar(ratio)], class_="barred")
    return tag("td", cell, class_="number", data_by="" if by is None else f"{by:.6g}")


def other_runs(runs: Sequence[JobRow], seen: Seen) -> Markup:
    """The job's other runs: a requeued job has several."""
    rows = [
        [jobwords.state_badge(run.state),
         tag("a", f"Run {run.instance}", data_link=True,
             href=address.to_job(run.job_id, run.instance, seen.search, run.scheduler)),
         words.clock(run.start, seen.now, seen.zone), words.duration(jobwords.duration_seconds(run, seen.now)),
         words.kilowatt_hours(run.energy_joules), words.money(run.cost, run.currency)]
        for run in runs
    ]  # fmt: skip
    return table((("State", False), ("Run", False), ("Start", True), ("Duration", True), ("kWh", True), ("Cost", True)), rows,
                 "Other runs of the job")  # fmt: skip


def inference(served: Sequence[Inference]) -> Markup:
    """Requests and tokens by model, and what each took; of a run that is alive also what it takes now."""
    alive = any(each.live_joules_per_request is not None or each.live_joules_per_1000_tokens is not None for each in served)
    rows = [
        [each.model or "all models", _count(each.requests), _count(each.tokens), words.kilowatt_hours(each.energy_joules),
         _joules(each.joules_per_request), _joules(each.joules_per_1000_tokens),
         *([_joules(each.live_joules_per_request), _joules(each.live_joules_per_1000_tokens)] if alive else [])]
        for each in served
    ]  # fmt: skip
    headings = (("Model", False), ("Requests", True), ("Tokens", True), ("kWh", True), ("J per request", True),
                ("J per 1,000 tokens", True))  # fmt: skip
    now = (("J per request, last 15 min", True), ("J per 1,000 tokens, last 15 min", True)) if alive else ()
    return table((*headings, *now), rows, "Inference")


def _count(value: float | None) -> str:
    return words.NOTHING if value is None else f"{value:,.0f}"


def _joules(value: float | None) -> str:
    return words.NOTHING if value is None else f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"


def table(headings: Sequence[tuple[str, bool]], rows: Sequence[Sequence[str]], label: str) -> Markup:
    """A plain table whose numbers stand at the right."""
    kinds = ["number" if is_number else None for _, is_number in headings]
    head = [tag("th", name, scope="col", class_=kind) for (name, _), kind in zip(headings, kinds, strict=True)]
    lines = [tag("tr", [tag("td", cell, class_=kind) for cell, kind in zip(row, kinds, strict=True)]) for row in rows]
    body = [tag("thead", tag("tr", head)), tag("tbody", lines)]
    return tag("div", tag("table", body, class_="table", aria_label=label), class_="table-box")


def section(title: str, body: Markup) -> Markup:
    """A panel that only some runs have."""
    return tag("section", [tag("header", tag("h2", title), class_="panel-head"), body], class_="panel")
