"""Jobs `/jobs`: who uses the power, and is it used well?"""

from __future__ import annotations

import asyncio
from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, dcc, html, no_update
from dash.development.base_component import Component

from dashboard import address, words
from dashboard.components import charts, frame, jobfigures, jobgrid, jobwords, parts
from dashboard.components.charts import Chart
from dashboard.ledger import Alive
from dashboard.markup import Markup, filled, tag
from dashboard.problems import Level
from dashboard.services import Services
from wattstat.api.energy import JobPage, JobQuery, LedgerUnavailable, Report
from wattstat.api.live import CoreUnavailable

_MOST_POINTS = 400
_MOST_ACCOUNTS = 8
_SCATTER_LABEL = "SM activity of each job against the watts of its GPUs; the table below says the same"
# The list need not be asked anew for every second of `now`.
_ALIGN_SECONDS = 60
SCATTER_SECONDS = 30.0


def layout(search: str) -> Component:
    """The frame, filled by the callbacks; what the address filters by stands in the controls from the start."""
    given = address.given(search)
    tools = [
        dmc.TextInput(
            id="jobs-q", value=given.get("q", ""), debounce=400, size="sm", w="15rem", persistence=False,
            placeholder="Job, name or user", **frame.aria(label="Show only jobs with this text"),
        ),
        dmc.Select(
            id="jobs-state", value=given.get("state", ""), size="sm", w="11rem", persistence=False, allowDeselect=False,
            data=[{"value": "", "label": "Every state"}]
            + [{"value": state, "label": jobwords.state_word(state)} for state in jobwords.STATES],
            comboboxProps={"shadow": "md"}, **frame.aria(label="State"),
        ),
    ]  # fmt: skip
    grid = [
        html.Div(id="jobs-chips", className="chips"),
        html.Div(frame.skeleton(), id="jobs-table", className="job-list"),
        html.Div(id="jobs-pages", className="pages"),
    ]
    return html.Div(
        [
            dcc.Interval(id="jobs-tick", interval=10_000),
            dcc.Store(id="jobs-beat"),
            dcc.Store(id="jobs-fill"),
            html.H1("Jobs", className="unseen"),
            html.Div(id="jobs-notice", className="notices"),
            html.Div([frame.skeleton() for _ in range(5)], id="jobs-figures", className="figures five"),
            html.Div(
                [
                    frame.panel(
                        "SM activity and watts of a GPU, by job",
                        frame.graph("jobs-scatter", _SCATTER_LABEL),
                        panel_id="jobs-scatter-panel",
                        tools=html.Span(id="jobs-scatter-about", className="quiet"),
                    ),
                    frame.panel(
                        "Who uses most",
                        html.Div(frame.skeleton(), id="jobs-accounts", className="ranking"),
                        panel_id="jobs-accounts-panel",
                    ),
                ],
                className="wide-pair charts",
            ),
            frame.panel("Jobs", grid, panel_id="jobs-panel", tools=tools),
        ],
        className="page jobs-page",
    )


def register(app: Dash, services: Services) -> None:
    """The callbacks: the list and its numbers, and the scatter."""

    @app.callback(Output("jobs-fill", "data"), Input("jobs-beat", "data"), Input("url", "search"))
    async def present(_beat: int | None, search: str | None) -> dict[str, str]:
        chart = await services.chart(search or "")
        if chart is None:
            return filled({"jobs-notice": parts.blind(CoreUnavailable("Core does not answer."))})
        asked = question(search or "", chart)
        try:
            page, report, running = await asyncio.gather(
                services.ledger.jobs(asked), services.ledger.report("account", *whole(chart)), services.alive()
            )
        except CoreUnavailable as error:
            return filled({"jobs-notice": parts.blind(error)})
        except (LedgerUnavailable, ValueError) as error:
            return filled(refusal(error))
        seen = jobgrid.Seen(now=chart.now, zone=chart.zone, search=search or "", alive=running)
        return filled({
            "jobs-notice": None,
            "jobs-figures": figures(report, running),
            "jobs-accounts": accounts(report, search or ""),
            "jobs-chips": chips(asked, search or ""),
            "jobs-table": jobgrid.table(page, asked, seen),
            "jobs-pages": pages(page, asked, search or ""),
        })  # fmt: skip

    @app.callback(Output("jobs-scatter-data", "data"), Input("jobs-beat", "data"), Input("url", "search"))
    async def scatter(_beat: int | None, search: str | None) -> Any:
        chart = await services.chart(search or "")
        if chart is None:
            return no_update
        asked = jobfigures.largest(question(search or "", chart), _MOST_POINTS)
        try:
            page = await services.ledger.jobs(asked, seconds=SCATTER_SECONDS)
        except (LedgerUnavailable, ValueError) as error:
            return {"figure": charts.message(str(error), chart), "fill": {}}
        about = f"the {_MOST_POINTS} jobs with most energy" if page.total > len(page.items) else ""
        return {
            "figure": jobfigures.scatter(page.items, chart, search or ""),
            "fill": filled({"jobs-scatter-about": about}),
        }


def question(search: str, chart: Chart) -> JobQuery:
    """What an address asks; a time that ends now has no end, so that viewers share the answer."""
    start, end = whole(chart)
    return jobgrid.query(search, start, None if chart.is_live else end)


def whole(chart: Chart) -> tuple[float, float]:
    """The chosen time in whole minutes."""
    return chart.span.start // _ALIGN_SECONDS * _ALIGN_SECONDS, chart.span.end // _ALIGN_SECONDS * _ALIGN_SECONDS


def refusal(error: Exception) -> dict[str, Markup | None]:
    """The page of a site without a ledger, or of an address that asks nonsense."""
    title, level = ("No ledger.", Level.CRITICAL) if isinstance(error, LedgerUnavailable) else ("Address.", Level.WARNING)
    said = parts.notice(title, str(error), level)
    blank = tag("p", "Nothing to show.", class_="empty")
    return {"jobs-notice": said, "jobs-figures": None, "jobs-accounts": blank, "jobs-table": blank, "jobs-pages": None,
            "jobs-chips": None}  # fmt: skip


def figures(report: Report, alive: Alive) -> list[Markup]:
    """Five numbers about all jobs of the chosen time, whatever is filtered."""
    jobs = [line for line in report.items if line.jobs is not None]
    energy, idle = sum(line.energy_joules for line in jobs), sum(line.energy.allocated_idle for line in jobs)
    watts = sum(alive.watts.values()) if alive.watts else None
    waiting = alive.counts.get("pending")
    suspended = alive.counts.get("suspended", 0)
    notes = [f"{suspended:,} suspended"] * bool(suspended) + ([] if waiting is None else [f"{waiting:,} waiting"])
    running = alive.counts.get("running")
    share = idle / energy if energy else None
    costs = [line.cost for line in jobs if line.cost is not None]
    grams = [line.carbon_grams for line in jobs if line.carbon_grams is not None]
    return [
        parts.key_figure("Running", (words.NOTHING if running is None else f"{running:,}", "jobs" if running != 1 else "job"),
                         ", ".join(notes) or ("no scheduler answers" if running is None else "none waiting")),
        parts.key_figure("Power of jobs", words.split(watts, "W"), f"{words.plural(len(alive.watts), 'job')} with a reading"),
        parts.key_figure("Energy of jobs", words.split(energy / 3600, "Wh"),
                         f"in the chosen time, {words.plural(sum(line.jobs or 0 for line in jobs), 'job')}"),
        parts.key_figure("Held but idle", words.split(idle / 3600, "Wh"),
                         "no energy in this time" if share is None else f"{words.percent(share)} of the jobs' energy",
                         extra=parts.bar(share)),
        parts.key_figure("Cost", (words.small(sum(costs), 2), words.currency_sign(report.currency)) if costs
                         else (words.NOTHING, ""),
                         f"{words.carbon(sum(grams))} CO₂" if grams else "no carbon intensity known") if costs or grams
        else parts.key_figure("Cost", (words.NOTHING, ""), "no price known: energy.tariff"),
    ]  # fmt: skip


def accounts(report: Report, search: str) -> Markup:
    """The accounts with most energy, each with its share of all jobs' energy."""
    lines = sorted((line for line in report.items if line.jobs is not None), key=lambda line: -line.energy_joules)
    total = sum(line.energy_joules for line in lines)
    if not total:
        return tag("p", "No energy was posted to a job in the chosen time.", class_="empty")
    rows = [
        tag("li", tag("a", [
            tag("span", line.key or "no account", class_="name"), tag("strong", words.energy(line.energy_joules)),
            parts.bar(line.energy_joules / total), tag("span", words.percent(line.energy_joules / total), class_="quiet"),
        ], href="/jobs" + address.changed(search, account=line.key, cursor=None, row=None), data_link=True,
            title=f"Only account {line.key}"))
        for line in lines[:_MOST_ACCOUNTS]
    ]  # fmt: skip
    more = len(lines) - _MOST_ACCOUNTS
    href = "/energy" + address.changed(address.kept(search, *address.VIEWER, *address.TIME), by="account")
    rest = tag("a", f"{words.plural(more, 'more account')}, and all figures", href=href, data_link=True) if more > 0 else None
    return Markup(tag("ul", rows) + (rest or ""))


def chips(asked: JobQuery, search: str) -> list[Markup]:
    """What the list is filtered by, each to be taken away."""
    by = {name: getattr(asked, name) for name in ("user", "account", "partition", "node")}
    return [
        tag("a", [f"{name} ", tag("strong", value), tag("span", "\N{MULTIPLICATION SIGN}", aria_hidden="true")], class_="chip",
            href="/jobs" + address.changed(search, **{name: None}, cursor=None, row=None), data_link=True,
            aria_label=f"Do not filter by {name} {value}")
        for name, value in by.items()
        if value
    ]  # fmt: skip


def pages(page: JobPage, asked: JobQuery, search: str) -> list[Markup | None]:
    """Where this page stands among all, and the way to the next."""
    row = address.given(search).get("row", "")
    first = int(row) if asked.cursor and row.isdecimal() else 0
    least = "" if page.total_is_exact else "at least "
    counted = (
        f"{first + 1:,} to {first + len(page.items):,} of {least}{words.plural(page.total, 'job')}" if page.items else None
    )
    to_first = "/jobs" + address.changed(search, cursor=None, row=None)
    to_next = "/jobs" + address.changed(search, cursor=page.next, row=str(first + len(page.items)))
    return [
        tag("span", counted) if counted else None,
        tag("a", "First page", href=to_first, data_link=True, class_="step back") if asked.cursor else None,
        tag("a", "Next page", href=to_next, data_link=True, class_="step on") if page.next else None,
    ]
