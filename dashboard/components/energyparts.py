"""The report and the balance as tables: who used how much, and whether it adds up to what the meters counted. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from dashboard import address, words
from dashboard.components import parts
from dashboard.markup import Markup, tag
from dashboard.problems import Level
from wattstat.api.energy import BYS, Balance, BalanceRow, By, Report, ReportRow

DIGITS = 3
"""Decimals of a kilowatt-hour: one watt-hour, the same everywhere on the page, so that sums can be checked by hand."""

_NAMES: dict[By, str] = {
    "account": "Account",
    "user": "User",
    "partition": "Partition",
    "node": "Server",
    "day": "Day",
    "job": "Job",
}
# A residual above this is worth a look: the books promise a tenth of a percent.
_RESIDUAL_RATIO = 0.001
_SOURCES = {"counter": "counter", "integrated": "integrated power", "devices": "its devices"}
_HEADINGS = ("Jobs", "GPU hours", "Energy, kWh", "Share", "GPUs", "CPUs", "Rest", "Held idle", "Estimated", "Cost", "CO₂")


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
    facility = ("Facility, kWh",) if report.pue is not None else ()
    head = [
        tag("th", tag("button", name, type="button"), scope="col", class_="number" if number else None)
        for number, name in enumerate((*names, *facility))
    ]
    whole = report.total.energy_joules
    rows = [_line(line, report, whole, search) for line in report.items]
    foot = tag("tfoot", _line(report.total, report, whole, search, is_total=True))
    body = [tag("thead", tag("tr", head)), tag("tbody", rows), foot]
    return tag("div", tag("table", body, class_="table sortable report", aria_label="Report"), class_="servers table-box")


def _line(line: ReportRow, report: Report, whole: float, search: str, *, is_total: bool = False) -> Markup:
    share = line.energy_joules / whole if whole else None
    is_unused = line.jobs is None and not is_total
    cells = [
        tag("th", "All" if is_total else _key(line, report.by, search), scope="row", class_="name"),
        _number("" if line.jobs is None else f"{line.jobs:,}", line.jobs),
        _number(f"{line.gpu_hours:,.1f}" if line.gpu_hours or not is_unused else "", line.gpu_hours),
        _number([words.kilowatt_hours(line.energy_joules, DIGITS), _error(line.error_joules)], line.energy_joules),
        tag("td", tag("div", [tag("span", words.percent(share)), parts.bar(share)], class_="barred"), class_="number",
            data_by=f"{line.energy_joules:.6g}"),
        *[_number(words.kilowatt_hours(joules, DIGITS), joules) for joules in (
            line.energy.gpu, line.energy.cpu, line.energy.rest, line.energy.allocated_idle)],
        _number(words.percent(line.estimated_joules / line.energy_joules) if line.energy_joules else words.NOTHING,
                line.estimated_joules),
        _number(words.money(line.cost, report.currency), line.cost),
        _number([words.carbon(line.carbon_grams), _market(line)], line.carbon_grams),
    ]  # fmt: skip
    if report.pue is not None:
        cells.append(_number(words.kilowatt_hours(line.facility_joules, DIGITS), line.facility_joules))
    return tag("tr", cells, class_="total" if is_total else "unused" if is_unused else "report-row")


def _key(line: ReportRow, by: By, search: str) -> list[Markup | str | None]:
    about = ", ".join(value for value in line.labels.values() if value)
    below = tag("span", about, class_="below", title=about) if about else None
    href = _way(line, by, search)
    name = line.key or "(none)"
    return [
        tag("a", name, href=href, data_link=True, class_="row-link", title=name) if href else tag("span", name, title=name),
        below,
    ]


def _way(line: ReportRow, by: By, search: str) -> str:
    """Where a line leads: to the jobs that it sums up, or to the server."""
    if line.jobs is None and by != "node":
        return ""
    if by == "node":
        return "" if line.key.startswith(("(", "site:")) else address.to_node(line.key, search)
    if by == "job":
        return address.to_job(line.key, None, search)
    if by == "day":
        return ""
    return "/jobs" + address.changed(address.kept(search, *address.VIEWER, *address.TIME), **{by: line.key}, sort="-energy")


def _error(joules: float) -> Markup:
    return tag("span", f"±{words.THIN}{words.kilowatt_hours(joules, DIGITS)}", class_="below")


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
    posted = "nothing metered" if whole.residual_ratio is None else f"all but {_fine(whole.residual_ratio)} posted"
    return [
        parts.key_figure("Metered", words.split(measured / 3600, "Wh"), posted),
        _share("Jobs", jobs, measured, "of the metered"),
        _share("Held but idle", held, jobs, "of the jobs' energy"),
        _share("Idle and overhead", whole.idle_joules + whole.overhead_joules, measured, "of the metered"),
        parts.key_figure("Cost", (words.NOTHING, "") if total.cost is None
                         else (words.small(total.cost, 2), words.currency_sign(report.currency)),
                         "no tariff set: energy.tariff" if total.cost is None else _per_kilowatt_hour(total, report.currency)),
        parts.key_figure("Carbon", _carbon(total.carbon_grams),
                         "none set: energy.carbon" if total.carbon_grams is None
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


def proof(report: Report, balance: Balance) -> list[Markup]:
    """The meters' sum, what was posted of it, and what is left: the lines can be added up by hand."""
    whole = balance.total
    posted = whole.jobs_joules + whole.idle_joules + whole.overhead_joules
    lines = [
        ("", "Metered", whole.measured_joules, "what the meters counted, by their own readings"),
        ("−", "Jobs", whole.jobs_joules, "posted to jobs"),  # noqa: RUF001
        ("−", "Idle", whole.idle_joules, "servers and GPUs that no job held"),  # noqa: RUF001
        ("−", "Overhead", whole.overhead_joules, "what serves the site and no job in particular"),  # noqa: RUF001
    ]
    rows = [
        tag("tr", [tag("td", sign, class_="sign"), tag("th", name, scope="row"),
                   tag("td", words.kilowatt_hours(joules, DIGITS), class_="number"), tag("td", about, class_="quiet")])
        for sign, name, joules, about in lines
    ]  # fmt: skip
    rows.append(tag("tr", [
        tag("td", "=", class_="sign"), tag("th", "Residual", scope="row"),
        tag("td", signed(whole.residual_joules), class_="number"), tag("td", _residual(whole)),
    ], class_="total"))  # fmt: skip
    table = tag("table", tag("tbody", rows), class_="table balance", aria_label="Balance")
    return [table, _agreement(report, posted)]


def signed(joules: float) -> str:
    """With its sign, and a plain zero where the decimals show nothing."""
    text = f"{joules / 3.6e6:+,.{DIGITS}f}"
    return text.lstrip("+-") if float(text.replace(",", "")) == 0 else text.replace("-", "\N{MINUS SIGN}")


def _fine(ratio: float | None) -> str:
    return words.NOTHING if ratio is None else f"{abs(ratio) * 100:.3f}{words.THIN}%"


def _residual(row: BalanceRow) -> Markup:
    if row.residual_ratio is None:
        return tag("span", "nothing metered", class_="quiet")
    level = Level.WARNING if abs(row.residual_ratio) > _RESIDUAL_RATIO else Level.OK
    return parts.badge(level, f"{_fine(row.residual_ratio)} of the metered")


def _agreement(report: Report, posted: float) -> Markup:
    """Report and balance are read from different tables of the books; that they agree is a check of its own."""
    off = report.total.energy_joules - posted
    if abs(off) <= max(1.0, 1e-6 * posted):
        text = f"The report above adds up to the same {words.kilowatt_hours(posted, DIGITS)} kWh."
        return tag("p", [parts.shape(Level.OK), tag("span", text)], class_="check")
    text = (
        f"The report below adds up to {words.kilowatt_hours(report.total.energy_joules, DIGITS)} kWh, {signed(off)} kWh apart."
    )
    return tag("p", [parts.shape(Level.WARNING), tag("span", text)], class_="check")


_BALANCE = (("Metered", True), ("Jobs", True), ("Idle", True), ("Overhead", True), ("Residual", True), ("Ratio", True),
            ("±", True), ("Without readings", True), ("Meter", False))  # fmt: skip


def balance_table(balance: Balance, by: str, search: str) -> Markup:
    """Each server or day for itself; kilowatt-hours."""
    if not balance.items:
        return tag("p", "No server is settled in this time yet.", class_="empty")
    headings = (("Day" if by == "day" else "Server", False), *_BALANCE)
    head = [
        tag("th", tag("button", name, type="button"), scope="col", class_="number" if is_number else None)
        for name, is_number in headings
    ]
    rows = [_balance_row(row, by, search) for row in balance.items]
    whole = tag("table", [tag("thead", tag("tr", head)), tag("tbody", rows)], class_="table sortable", aria_label="Balance")
    return tag("div", whole, class_="servers balance-list")


def _balance_row(row: BalanceRow, by: str, search: str) -> Markup:
    is_server = by != "day" and not row.key.startswith("site:")
    link = tag("a", row.key, href=address.to_node(row.key, search), data_link=True, class_="row-link") if is_server else row.key
    kilowatt_hours = (row.measured_joules, row.jobs_joules, row.idle_joules, row.overhead_joules)
    ratio = row.residual_ratio
    is_off = ratio is not None and abs(ratio) > _RESIDUAL_RATIO
    return tag("tr", [
        tag("th", link, scope="row"),
        *[_number(words.kilowatt_hours(joules, DIGITS), joules) for joules in kilowatt_hours],
        _number(signed(row.residual_joules), abs(row.residual_joules)),
        _number(_fine(ratio), None if ratio is None else abs(ratio)),
        _number(words.kilowatt_hours(row.error_joules, DIGITS), row.error_joules),
        _number(words.duration(row.hole_seconds) if row.hole_seconds else "none", row.hole_seconds),
        tag("td", _SOURCES.get(row.source, row.source)),
    ], class_="warning" if is_off else None)  # fmt: skip


def switch(name: str, choices: Sequence[tuple[str, str]], chosen: str, search: str, label: str) -> Markup:
    """Links that look like a segmented control; the first choice is the default and stands in no address."""
    links = [
        tag("a", text, href="/energy" + address.changed(search, **{name: value if number else None}), data_link=True,
            aria_current="true" if value == chosen else None)
        for number, (value, text) in enumerate(choices)
    ]  # fmt: skip
    return tag("nav", links, class_="switch", aria_label=label)


def csv_way(by: By, start: str, end: str) -> str:
    """The same report as a file."""
    return "/api/energy/report?" + urlencode({"by": by, "from": start, "to": end, "format": "csv"})
