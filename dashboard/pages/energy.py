"""Energy `/energy`: who used how much, what it cost, and whether the books agree with the meters."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, tzinfo
from typing import Literal

from dash import Dash, Input, Output, dcc, html
from dash.development.base_component import Component

import wattstat
from dashboard import address, words
from dashboard.components import energybalance, energyreport, frame, parts
from dashboard.components.jobhead import Seen
from dashboard.markup import Children, Markup, filled, tag
from dashboard.problems import Level
from dashboard.services import Services
from dashboard.timerange import View, parse
from wattstat.api.energy import Balance, LedgerUnavailable, Report
from wattstat.api.live import CoreUnavailable

MONTH = ("now/M", "now")
PERIODS = {
    ("now/d", "now"): "Today",
    ("now-7d/d", "now"): "Last 7 days",
    MONTH: "This month",
    ("now-1M/M", "now/M"): "Last month",
}
_LINES = 200
_ALIGN_SECONDS = 60


def layout() -> Component:
    """The frame, filled by the callback."""

    def body(panel_id: str) -> Component:
        return html.Div(frame.skeleton(), id=f"{panel_id}-body")

    return html.Div(
        [
            dcc.Interval(id="energy-tick", interval=60_000),
            dcc.Store(id="energy-beat"),
            dcc.Store(id="energy-fill"),
            html.Div(id="energy-notice", className="notices"),
            html.Div([html.H1("Energy")], id="energy-head", className="page-head"),
            html.Div([frame.skeleton() for _ in range(6)], id="energy-figures", className="figures"),
            frame.panel("Who used how much", [body("energy-report"), html.Div(id="energy-pages", className="pages")],
                        panel_id="energy-report-panel", tools=html.Div(id="energy-report-tools")),
            frame.panel("Balance", [html.Div([body("energy-proof"), body("energy-balance")], className="balance-pair")],
                        panel_id="energy-balance-panel", tools=html.Div(id="energy-balance-tools")),
            html.Div(id="energy-foot", className="quiet foot"),
        ],
        className="page energy-page",
    )  # fmt: skip


def register(app: Dash, services: Services) -> None:
    """The one callback."""

    @app.callback(Output("energy-fill", "data"), Input("energy-beat", "data"), Input("url", "search"))
    async def present(_beat: int | None, search: str | None) -> dict[str, str]:
        now, asked = services.clock(), search or ""
        try:
            zone = await services.zone()
            start, end = span(asked, now, zone)
            by, kind = energyreport.by_of(asked), balance_by(asked)
            report, balance = await asyncio.gather(
                services.ledger.report(by, start, end, limit=_LINES, cursor=address.given(asked).get("cursor", "")),
                services.ledger.balance(start, end, by=kind),
            )
        except CoreUnavailable as error:
            return filled({"energy-notice": parts.blind(error)})
        except LedgerUnavailable as error:
            return filled(refusal("No ledger.", error, Level.CRITICAL))
        except ValueError as error:
            return filled(refusal("Address.", error, Level.WARNING))
        return filled(bodies(report, balance, Seen(now=now, zone=zone, search=asked)))


def span(search: str, now: float, zone: tzinfo) -> tuple[float, float]:
    """The chosen time, in whole minutes; this month unless the address says otherwise."""
    start, end = view_of(search, now).moments(now, zone)
    return start // _ALIGN_SECONDS * _ALIGN_SECONDS, end // _ALIGN_SECONDS * _ALIGN_SECONDS


def view_of(search: str, now: float) -> View:
    given = address.given(search)
    return parse(search, now) if "from" in given or "to" in given else View(from_text=MONTH[0], to_text=MONTH[1])


def balance_by(search: str) -> Literal["node", "day"]:
    return "day" if address.given(search).get("balance") == "day" else "node"


def refusal(title: str, error: Exception, level: Level) -> dict[str, Children]:
    """The page of a site without a ledger, or of an address that asks nonsense."""
    blank = tag("p", "Nothing to show.", class_="empty")
    return {"energy-notice": parts.notice(title, str(error), level), "energy-figures": None, "energy-proof-body": blank,
            "energy-balance-body": None, "energy-report-body": blank, "energy-foot": None, "energy-pages": None}  # fmt: skip


def bodies(report: Report, balance: Balance, seen: Seen) -> dict[str, Children]:
    """What each panel holds."""
    search, zone, kind = seen.search, seen.zone, balance_by(seen.search)
    view = view_of(search, seen.now)
    return {
        "energy-notice": parts.notice("Address.", view.note, Level.WARNING) if view.note else None,
        "energy-head": head(report, seen),
        "energy-figures": energyreport.figures(report, balance),
        "energy-proof-body": energybalance.proof(report, balance),
        "energy-balance-tools": energyreport.switch(
            "balance", (("node", "By server"), ("day", "By day")), kind, search, "Balance by"
        ),
        "energy-balance-body": energybalance.table(balance, kind, search),
        "energy-report-tools": energyreport.bys(report.by, search),
        "energy-report-body": energyreport.report_table(report, search),
        "energy-pages": pages(report, search),
        "energy-foot": foot(report, zone),
    }


def head(report: Report, seen: Seen) -> list[Markup]:
    """Which time, how far it is settled, other times, and the ways out: a file and paper."""
    search, zone = seen.search, seen.zone
    view = view_of(search, seen.now)
    chosen = (view.from_text, view.to_text)
    settled, begin = report.settled_until, report.books_begin
    facts = [
        tag("span", f"{_moment(report.start, zone)} to {_moment(report.end, zone)}"),
        tag("span", f"{zone}"),
        tag("span", "nothing settled yet" if settled is None else "settled" if settled >= report.end
            else f"settled until {_moment(settled, zone)}"),
        tag("span", f"the books begin at {_moment(begin, zone)}") if begin is not None and report.start < begin else None,
        tag("span", f"facility by a PUE of {report.pue:g}") if report.pue is not None else None,
    ]  # fmt: skip
    links = [
        tag("a", name, href="/energy" + address.changed(search, from_=start, to=end, cursor=None), data_link=True,
            aria_current="true" if (start, end) == chosen else None)
        for (start, end), name in PERIODS.items()
    ]  # fmt: skip
    first, last = (datetime.fromtimestamp(at, zone).strftime("%Y-%m-%d") for at in (report.start, report.end - 1))
    dates = tag("form", [
        tag("input", type="date", name="from", value=first, aria_label="First day", required=True),
        tag("span", "to"),
        tag("input", type="date", name="to", value=last, aria_label="Last day", required=True),
        tag("button", "Show", type="submit", class_="step"),
    ], class_="dates", data_dates=True)  # fmt: skip
    ways = [
        tag(
            "a", "CSV", href=energyreport.csv_way(report.by, _utc(report.start), _utc(report.end)), class_="step", download=True
        ),
        tag("button", "Print", type="button", class_="step", data_print=True),
    ]
    return [
        tag("div", tag("h1", "Energy"), class_="name-line"),
        tag("div", [fact for fact in facts if fact], class_="facts"),
        tag("div", [tag("nav", links, class_="switch", aria_label="Time"), dates, *ways], class_="periods"),
    ]


def pages(report: Report, search: str) -> list[Markup | None]:
    cursor = address.given(search).get("cursor")
    return [
        tag("span", f"{words.plural(len(report.items), 'line')} on this page; the total is over all pages")
        if cursor or report.next else None,
        tag("a", "First page", href="/energy" + address.changed(search, cursor=None), data_link=True, class_="step back")
        if cursor else None,
        tag("a", "Next page", href="/energy" + address.changed(search, cursor=report.next), data_link=True, class_="step on")
        if report.next else None,
    ]  # fmt: skip


def foot(report: Report, zone: tzinfo) -> Markup:
    """What is needed to get the same report again."""
    asked = f"/api/energy/report?by={report.by}&from={_utc(report.start)}&to={_utc(report.end)}"
    return tag("p", f"Wattstat {wattstat.__version__} · {asked} · days of {zone}")


def _moment(at: float, zone: tzinfo) -> str:
    return datetime.fromtimestamp(at, zone).strftime("%d %b %Y %H:%M")


def _utc(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
