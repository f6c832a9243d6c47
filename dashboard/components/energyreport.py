"""The report as a table: who used how much, and what that cost. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from dashboard import address, words
from dashboard.components import parts
from dashboard.components.energybalance import fine
from dashboard.energyunit import EnergyUnit, unit_for
from dashboard.markup import Markup, tag
from wattstat.api.energy import BYS, Balance, By, Report, ReportRow

_NAMES: dict[By, str] = {
    "account": "Account",
    "user": "User",
    "partition": "Partition",
    "node": "Server",
    "day": "Day",
    "job": "Job",
}
# What no job used has lines of its own.
_UNUSED = frozenset({"(idle)", "(overhead)"})
_LEAST_OFF = 5e-6  # less is written as 0.000 %
_ENERGIES = frozenset({"Energy", "Facility"})
_HEADINGS = ("Jobs", "GPU hours", "Energy", "Share", "GPUs", "CPUs", "Rest", "Held idle", "Estimated", "Cost", "CO₂")


def by_of(search: str) -> By:
    """What an address groups by; by account unless it says otherwise."""
    given = address.given(search).get("by", "")
    return next((by for by in BYS if by == given), "account")


def bys(chosen: By, search: str) -> Markup:
    """What the report can be grouped by."""
    links = [
        tag("a", _NAMES[by], href="/energy" + address.changed(search, by=by, cursor=None), data_link=True,
            aria_current="true" if by == chosen else None)
        for by in _NAMES
    ]  # fmt: skip
    return tag("nav", links, class_="switch", aria_label="Group by")


def report_table(report: Report, search: str) -> Markup:
    """A line each, idle and overhead among them, and the total of all pages."""
    if not report.items:
        return tag("p", "Nothing is posted in this time yet.", class_="empty")
    names = (_NAMES[report.by], *_HEADINGS)
    facility = ("Facility",) if report.pue is not None else ()
    unit = unit_for(report.total.energy_joules)
    head = [
        tag("th", tag("button", f"{name}, {unit.name}" if name in _ENERGIES else name, type="button"), scope="col",
            class_="number" if number else None)
        for number, name in enumerate((*names, *facility))
    ]  # fmt: skip
    rows = [_line(line, report, unit, search) for line in report.items]
    foot = tag("tfoot", _line(report.total, report, unit, search, is_total=True))
    body = [tag("thead", tag("tr", head)), tag("tbody", rows), foot]
    return tag("div", tag("table", body, class_="table sortable report", aria_label="Report"), class_="servers table-box")


def _line(line: ReportRow, report: Report, unit: EnergyUnit, search: str, *, is_total: bool = False) -> Markup:
    whole = report.total.energy_joules
    share = line.energy_joules / whole if whole else None
    is_unused = line.key in _UNUSED
    error = tag("span", unit.error(line.error_joules), class_="below")
    cells = [
        tag("th", "All" if is_total else _key(line, report.by, search), scope="row", class_="name"),
        _number("" if line.jobs is None else f"{line.jobs:,}", line.jobs),
        _number(f"{line.gpu_hours:,.1f}" if line.gpu_hours or not is_unused else "", line.gpu_hours),
        _number([unit.write(line.energy_joules), error], line.energy_joules),
        tag("td", tag("div", [tag("span", _portion(share)), parts.bar(share)], class_="barred"), class_="number",
            data_by=f"{line.energy_joules:.6g}"),
        *[_number(unit.write(joules), joules) for joules in (
            line.energy.gpu, line.energy.cpu, line.energy.rest, line.energy.allocated_idle)],
        _number(words.percent(line.estimated_joules / line.energy_joules) if line.energy_joules else words.NOTHING,
                line.estimated_joules),
        _number(words.money(line.cost, report.currency), line.cost),
        _number([words.carbon(line.carbon_grams), _market(line)], line.carbon_grams),
    ]  # fmt: skip
    if report.pue is not None:
        cells.append(_number(unit.write(line.facility_joules), line.facility_joules))
    return tag("tr", cells, class_="total" if is_total else "unused" if is_unused else "report-row")


def _key(line: ReportRow, by: By, search: str) -> list[Markup | str | None]:
    about = " · ".join(filter(None, (line.labels.get(name, "") for name in ("name", "user", "partition"))))
    below = tag("span", about, class_="below", title=about) if about else None
    href = _way(line, by, search)
    name = line.key or "(none)"
    return [
        tag("a", name, href=href, data_link=True, class_="row-link", title=name) if href else tag("span", name, title=name),
        below,
    ]


def _way(line: ReportRow, by: By, search: str) -> str:
    """Where a line leads: to the jobs that it sums up, or to the server."""
    if line.key in _UNUSED or not line.key or by == "day":
        return ""
    if by == "node":
        return "" if line.key.startswith("site:") else address.to_node(line.key, search)
    if by == "job":
        return address.to_job(line.key, line.labels.get("instance"), search, line.labels.get("scheduler", "slurm"))
    return "/jobs" + address.changed(address.kept(search, *address.VIEWER, *address.TIME), **{by: line.key}, sort="-energy")


def _portion(share: float | None) -> str:
    return words.NOTHING if share is None else f"{share * 100:.1f}{words.THIN}%"


def _market(line: ReportRow) -> Markup | None:
    grams = line.carbon_market_grams
    return None if grams is None else tag("span", f"{words.carbon(grams)} market", class_="below")


def _number(content: str | list[str | Markup | None] | list[Markup | str], by: float | None) -> Markup:
    return tag("td", content, class_="number", data_by="" if by is None else f"{by:.9g}")


def figures(report: Report, balance: Balance) -> list[Markup]:
    """Six numbers: what was metered and where it went, money and carbon."""
    whole, total = balance.total, report.total
    measured, jobs, held = whole.measured_joules, whole.jobs_joules, total.energy.allocated_idle
    market = total.carbon_market_grams
    off = whole.residual_ratio
    posted = (
        "nothing metered" if off is None else f"all but {fine(off)} posted" if abs(off) >= _LEAST_OFF else "all of it posted"
    )
    return [
        parts.key_figure("Metered", words.split(measured / 3600, "Wh"), posted),
        _share("Jobs", jobs, measured, "of the metered"),
        _share("Held but idle", held, jobs, "of the jobs' energy"),
        _share("Idle and overhead", whole.idle_joules + whole.overhead_joules, measured, "of the metered"),
        parts.key_figure("Cost", (words.NOTHING, "") if total.cost is None
                         else (words.small(total.cost, 2), words.currency_sign(report.currency)),
                         "no price known: energy.tariff" if total.cost is None else _per_kilowatt_hour(total, report.currency)),
        parts.key_figure("Carbon", _carbon(total.carbon_grams),
                         "none known: energy.carbon" if total.carbon_grams is None
                         else "by location" + ("" if market is None else f"; market {words.carbon(market)}")),
    ]  # fmt: skip


def _share(label: str, joules: float, whole: float, of: str) -> Markup:
    share = joules / whole if whole else None
    note = words.NOTHING if share is None else f"{words.percent(share)} {of}"
    return parts.key_figure(label, words.split(joules / 3600, "Wh"), note, extra=parts.bar(share))


def _per_kilowatt_hour(total: ReportRow, currency: str) -> str:
    if total.cost is None or not total.energy_joules:
        return ""
    return f"{words.money(total.cost / (total.energy_joules / 3.6e6), currency)} per kWh"


def _carbon(grams: float | None) -> tuple[str, str]:
    number, unit = words.carbon(grams).partition(words.THIN)[::2]
    return number, f"{unit} CO₂" if unit else ""


def switch(
    name: str, choices: Sequence[tuple[str, str]], chosen: str, search: str, label: str, *, path: str = "/energy"
) -> Markup:
    """Links that look like a segmented control; the first choice is the default and stands in no address."""
    links = [
        tag("a", text, href=path + address.changed(search, **{name: value if number else None}), data_link=True,
            aria_current="true" if value == chosen else None)
        for number, (value, text) in enumerate(choices)
    ]  # fmt: skip
    return tag("nav", links, class_="switch", aria_label=label)


def csv_way(by: By, start: str, end: str) -> str:
    """The same report as a file."""
    return "/api/energy/report?" + urlencode({"by": by, "from": start, "to": end, "format": "csv"})
