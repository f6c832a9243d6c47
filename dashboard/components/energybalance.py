"""The balance as tables: what the meters counted beside what was posted, so that it can be added up by hand. Pure."""

from __future__ import annotations

from dashboard import address, words
from dashboard.components import parts
from dashboard.energyunit import EnergyUnit, unit_for
from dashboard.markup import Markup, tag
from dashboard.problems import Level
from wattstat.api.energy import Balance, BalanceRow, Report

# A residual above this is worth a look: the books promise a tenth of a percent.
_RESIDUAL_RATIO = 0.001
_SOURCES = {"counter": "counter", "integrated": "integrated power", "devices": "its devices"}


def proof(report: Report, balance: Balance) -> list[Markup]:
    """The meters' sum, what was posted of it, and what is left: the lines can be added up by hand."""
    whole = balance.total
    unit = unit_for(whole.measured_joules)
    posted = whole.jobs_joules + whole.idle_joules + whole.overhead_joules
    lines = [
        ("", "Metered", whole.measured_joules, f"{unit.name}: what the meters counted, by their own readings"),
        ("−", "Jobs", whole.jobs_joules, "posted to jobs"),  # noqa: RUF001
        ("−", "Idle", whole.idle_joules, "servers and GPUs that no job held"),  # noqa: RUF001
        ("−", "Overhead", whole.overhead_joules, "what serves the site and no job in particular"),  # noqa: RUF001
    ]
    rows = [
        tag("tr", [tag("td", sign, class_="sign"), tag("th", name, scope="row"),
                   tag("td", unit.write(joules), class_="number"), tag("td", about, class_="quiet")])
        for sign, name, joules, about in lines
    ]  # fmt: skip
    rows.append(tag("tr", [
        tag("td", "=", class_="sign"), tag("th", "Residual", scope="row"),
        tag("td", [unit.signed(whole.residual_joules)], class_="number"), tag("td", _residual(whole)),
    ], class_="total"))  # fmt: skip
    table = tag("table", tag("tbody", rows), class_="table balance", aria_label="Balance")
    return [table, _agreement(report, posted, unit)]


def fine(ratio: float | None) -> str:
    """A ratio that is next to nothing, as a percentage."""
    return words.NOTHING if ratio is None else f"{abs(ratio) * 100:.3f}{words.THIN}%"


def _residual(row: BalanceRow) -> Markup:
    if row.residual_ratio is None:
        return tag("span", "nothing metered", class_="quiet")
    level = Level.WARNING if abs(row.residual_ratio) > _RESIDUAL_RATIO else Level.OK
    return parts.badge(level, f"{fine(row.residual_ratio)} of the metered")


def _agreement(report: Report, posted: float, unit: EnergyUnit) -> Markup:
    """Report and balance are read from different tables of the books; that they agree is a check of its own."""
    off = report.total.energy_joules - posted
    if abs(off) <= max(1.0, 1e-6 * posted):
        text = f"The report above adds up to the same {unit.write(posted)} {unit.name}."
        return tag("p", [parts.shape(Level.OK), tag("span", text)], class_="check")
    total = unit.write(report.total.energy_joules)
    text = f"The report above adds up to {total} {unit.name}, {unit.signed(off)} {unit.name} apart."
    return tag("p", [parts.shape(Level.WARNING), tag("span", text)], class_="check")


_HEADINGS = (("Metered", True), ("Jobs", True), ("Idle", True), ("Overhead", True), ("Residual", True), ("Ratio", True),
            ("±", True), ("Without readings", True), ("Meter", False))  # fmt: skip


def table(balance: Balance, by: str, search: str) -> Markup:
    """Each server or day for itself, in the unit of the whole."""
    if not balance.items:
        return tag("p", "No server is settled in this time yet.", class_="empty")
    headings = (("Day" if by == "day" else "Server", False), *_HEADINGS)
    head = [
        tag("th", tag("button", name, type="button"), scope="col", class_="number" if is_number else None)
        for name, is_number in headings
    ]
    unit = unit_for(balance.total.measured_joules)
    rows = [_row(row, unit, by, search) for row in balance.items]
    whole = tag("table", [tag("thead", tag("tr", head)), tag("tbody", rows)], class_="table sortable", aria_label="Balance")
    return tag("div", whole, class_="servers balance-list")


def _row(row: BalanceRow, unit: EnergyUnit, by: str, search: str) -> Markup:
    is_server = by != "day" and not row.key.startswith("site:")
    link = tag("a", row.key, href=address.to_node(row.key, search), data_link=True, class_="row-link") if is_server else row.key
    energies = (row.measured_joules, row.jobs_joules, row.idle_joules, row.overhead_joules)
    ratio = row.residual_ratio
    is_off = ratio is not None and abs(ratio) > _RESIDUAL_RATIO
    return tag("tr", [
        tag("th", link, scope="row"),
        *[_number(unit.write(joules), joules) for joules in energies],
        _number(unit.signed(row.residual_joules), abs(row.residual_joules)),
        _number(fine(ratio), None if ratio is None else abs(ratio)),
        _number(unit.write(row.error_joules), row.error_joules),
        _number(words.duration(row.hole_seconds) if row.hole_seconds else "none", row.hole_seconds),
        tag("td", _SOURCES.get(row.source, row.source)),
    ], class_="warning" if is_off else None)  # fmt: skip


def _number(text: str, by: float | None) -> Markup:
    return tag("td", text, class_="number", data_by="" if by is None else f"{by:.9g}")
