"""Power `/power`: is every breaker safe, where the watts go, what is left, and who holds which cap."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from dash import Dash, Input, Output, dcc, html, no_update
from dash.development.base_component import Component

from dashboard import address, powerproblems, queries, whatif, words
from dashboard.components import (
    charts,
    energyreport,
    frame,
    parts,
    powerbudgets,
    powerdevices,
    powerfigures,
    powerhistory,
    powerwhatif,
    powerwhere,
)
from dashboard.components.charts import Chart
from dashboard.markup import Children, Markup, filled, tag
from dashboard.pages.overview import since
from dashboard.problem import Level
from dashboard.services import Services
from dashboard.timerange import parse
from wattstat.api.live import CoreUnavailable
from wattstat.api.problems import Problem as Refusal
from wattstat.store.protocol import QueryError, Series

_WHOLE = 0.95
"""Less of the time than this is recorded: that is told."""
_MANY_BUDGETS, _MANY_SERVERS = 60, 100
_BLANK = ("power-figures", "power-budgets-body", "power-findings-body", "power-caps-body")


def layout() -> Component:
    """The frame, filled by the callbacks."""

    def body(panel_id: str) -> Component:
        return html.Div(frame.skeleton(), id=f"{panel_id}-body")

    def name_of(chart: str) -> Component:
        return html.Span(id=f"power-{chart}-name", className="quiet")

    return html.Div(
        [
            dcc.Interval(id="power-tick", interval=10_000),
            dcc.Store(id="power-beat"),
            dcc.Store(id="power-fill"),
            dcc.Store(id="power-whatif-fill"),
            html.Div(id="power-notice", className="notices"),
            html.Div([frame.skeleton() for _ in range(6)], id="power-figures", className="figures"),
            html.Div(
                [
                    frame.panel("Budgets", [body("power-budgets"), html.Div(id="power-budgets-legend")],
                                panel_id="power-budgets-panel", tools=html.Div(id="power-budgets-tools", className="tools")),
                    frame.panel("Where the watts go", frame.graph("power-where", "Power of each rack by what draws it"),
                                panel_id="power-where-panel"),
                    frame.panel("Over time", frame.graph("power-over-time", "The chosen budget over the chosen time"),
                                panel_id="power-over-time-panel", tools=name_of("over-time")),
                ],
                className="power-top",
            ),
            html.Div(
                [
                    frame.panel("What if", [body("power-whatif"), html.Div(id="power-answer", className="answer")],
                                panel_id="power-whatif-panel"),
                    frame.panel("How long how much", frame.graph("power-duration", "Share of the time that so much was drawn"),
                                panel_id="power-duration-panel", tools=name_of("duration")),
                    frame.panel("What is wrong with caps", body("power-findings"), panel_id="power-findings-panel"),
                ],
                className="power-below",
            ),
            frame.panel("Caps", body("power-caps"), panel_id="power-caps-panel", tools=html.Div(id="power-caps-tools")),
        ],
        className="page power-page",
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the page shows of the present, and for whom."""

    status: dict[str, Any]
    now: float
    zone: tzinfo
    search: str
    since: dict[str, str]

    @property
    def chosen(self) -> powerbudgets.Budget | None:
        return powerbudgets.chosen(self.status["budgets"], address.given(self.search).get("budget", ""))


async def told(services: Services) -> dict[str, Any] | None:
    """How budgets and caps stand; None where nobody says. The notice of the page says why."""
    try:
        return await services.power_status()
    except (CoreUnavailable, Refusal):
        return None


def register(app: Dash, services: Services) -> None:
    """One callback for the present, one for the question, one for each chart."""

    @app.callback(Output("power-fill", "data"), Input("power-beat", "data"), Input("url", "search"))
    async def present(_beat: int | None, search: str | None) -> dict[str, str]:
        try:
            status = await services.power_status()
            zone = await services.zone()
        except CoreUnavailable as error:
            return filled({"power-notice": parts.blind(error)})
        except Refusal as error:
            return filled({"power-notice": parts.notice(error.title, error.detail)})
        if status is None:
            return filled(nobody())
        now = services.clock()
        dated = await services.dated(powerproblems.problems(status))
        said = {problem.budget: since(problem, now, zone) for problem in reversed(dated) if problem.budget}
        return filled(bodies(Seen(status=status, now=now, zone=zone, search=search or "", since=said)))

    @app.callback(Output("power-whatif-fill", "data"), Input("power-beat", "data"), Input("url", "search"))
    async def question(_beat: int | None, search: str | None) -> Any:
        status = await told(services)
        return no_update if status is None else filled(await asked(services, status, search or ""))

    @app.callback(Output("power-where-data", "data"), Input("power-beat", "data"))
    async def where(_beat: int | None) -> Any:
        status = await told(services)
        if status is None:
            return no_update
        places = powerwhere.places(status)
        return {"figure": powerwhere.figure(places), "fill": filled({"power-where-panel-age": powerwhere.note(places)})}

    @app.callback(
        Output("power-over-time-data", "data"),
        Output("power-duration-data", "data"),
        Input("power-beat", "data"),
        Input("url", "search"),
    )
    async def history(_beat: int | None, search: str | None) -> Any:
        return await over_time(services, search or "") or (no_update, no_update)


async def over_time(services: Services, search: str) -> tuple[charts.Figure, charts.Figure] | None:
    """The chosen budget's charts; None while core, which knows budgets and time zone, is silent."""
    chart, status = await services.chart(search), await told(services)
    budget = None if status is None else powerbudgets.chosen(status["budgets"], address.given(search).get("budget", ""))
    if chart is None or budget is None:
        return None
    try:
        found = await of_budget(services, budget, chart)
    except QueryError as error:
        failed = (charts.failed(error, chart, f"power-{panel}-panel-age") for panel in ("over-time", "duration"))
        return next(failed), next(failed)
    share = powerhistory.recorded(found, chart)
    note = "" if share > _WHOLE else f"{words.percent(share)} of the time is recorded"
    duration = powerhistory.duration_figure(found, budget["limit_watts"], chart)
    return (
        charts.drawn(powerhistory.over_time(found, chart), chart, "power-over-time-panel-age", found.power),
        {"figure": duration, "fill": filled({"power-duration-panel-age": note})},
    )


async def of_budget(services: Services, budget: powerbudgets.Budget, chart: Chart) -> powerhistory.BudgetHistory:
    """What history has of a limit. Raises `QueryError`."""
    kind, name, window = budget["kind"], budget["name"], chart.window

    async def series(expression: str) -> tuple[Series, ...]:
        return (await services.range(expression, chart.span)).series

    return powerhistory.BudgetHistory(
        power=await series(queries.budget_power(kind, name, window)),
        peak=await series(queries.budget_peak(kind, name, window)),
        worst=await series(queries.budget_worst(kind, name, window)),
        limit=await series(queries.budget_limit(kind, name)),
        trip=await series(queries.budget_trip_safe(kind, name)),
    )


async def asked(services: Services, status: dict[str, Any], search: str) -> dict[str, Children]:
    """The question of the address, and its answer where there is one."""
    budget = powerbudgets.chosen(status["budgets"], address.given(search).get("budget", ""))
    if budget is None:
        return {"power-whatif-body": tag("p", "Nothing is known of any limit yet.", class_="empty"), "power-answer": None}
    wanted = whatif.asked(search, budget)
    return {
        "power-whatif-body": powerwhatif.form(budget, wanted, search),
        "power-answer": await answered(services, status, budget, wanted, search),
    }


async def answered(
    services: Services, status: dict[str, Any], budget: powerbudgets.Budget, wanted: whatif.Asked, search: str
) -> list[Markup] | Markup:
    if wanted.refusal:
        return parts.notice("Not understood.", wanted.refusal, Level.WARNING)
    if wanted.watts is None:
        return powerwhatif.nothing_asked()
    try:
        found = await services.preview(whatif.draft(budget, wanted.watts, wanted.basis))
    except CoreUnavailable as error:
        return parts.notice("Not worked out.", str(error), Level.WARNING)
    except Refusal as error:
        return parts.notice(f"{error.title}.", error.detail, Level.WARNING)
    return powerwhatif.answer(found, status, budget, wanted, search)


def nobody() -> dict[str, Children]:
    """The page where no power room is."""
    text = "This web process has no way to core's desk, so that nobody here can tell how caps stand."
    blank = tag("p", "Nothing to show.", class_="empty")
    return {"power-notice": parts.notice("No power room.", text), "power-figures": None, **dict.fromkeys(_BLANK[1:], blank)}


def bodies(seen: Seen) -> dict[str, Children]:
    """What each panel holds."""
    status, search, chosen = seen.status, seen.search, seen.chosen
    given = address.given(search)
    orders, servers = choices(status)
    order, only = given.get("order", orders[0][0]), given.get("caps", servers[0][0])
    key = "" if chosen is None else powerbudgets.key(chosen)
    name = "" if chosen is None else f"{chosen['kind']} {chosen['name']}"
    shown = powerbudgets.Shown(order=order, chosen=key, search=search, since=seen.since)
    moment = powerdevices.Moment(now=seen.now, zone=seen.zone, search=search)
    return {
        "power-notice": notices(seen, given.get("budget", "")),
        "power-figures": powerfigures.figures(status, seen.since),
        "power-budgets-tools": energyreport.switch("order", orders, order, search, "Order", path="/power"),
        "power-budgets-panel-age": age(seen),
        "power-budgets-body": powerbudgets.table(status["budgets"], shown),
        "power-budgets-legend": powerbudgets.legend(),
        "power-over-time-name": name,
        "power-duration-name": name,
        "power-findings-body": powerdevices.findings(status["findings"], status["devices"], moment),
        "power-caps-tools": energyreport.switch("caps", servers, only, search, "Servers", path="/power"),
        "power-caps-body": powerdevices.table(status["devices"], only=only, search=search, mode=status["mode"]),
    }


def choices(status: dict[str, Any]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Orders of budgets and selections of servers, the default first: where there are many, what presses and what differs."""
    orders = [("tree", "As wired"), ("urgent", "Most pressing first")]
    servers = [("all", "All servers"), ("wrong", "Only what differs")]
    if len(status["budgets"]) > _MANY_BUDGETS:
        orders.reverse()
    if len({each["node"] for each in status["devices"]}) > _MANY_SERVERS:
        servers.reverse()
    return orders, servers


def age(seen: Seen) -> Markup | None:
    """How old the newest decision is."""
    taken = seen.status.get("taken_at")
    if taken is None:
        return None
    late = max(30.0, 3.0 * parse(seen.search, seen.now).refresh_seconds)
    return parts.age(max(0.0, seen.now - powerproblems.unix(taken)), seen.now, late_after=late)


def notices(seen: Seen, budget: str) -> list[Markup]:
    """What keeps the controller from doing its work, emergencies first."""
    status, chosen = seen.status, seen.chosen
    found = [
        parts.notice("Emergency.", f"{each['scope']} is at its lowest limits: {each['reason']} ({each['owner']})")
        for each in status["emergencies"]
    ]
    found += [parts.notice("Trouble.", each, Level.WARNING) for each in status["troubles"]]
    if not status["ready"] and "readiness" in status:
        ready = status["readiness"]
        text = f"Caps of {ready['read']} of {ready['of']} devices have been read; until enough are, none is raised."
        found.append(parts.notice("Looking around.", text, Level.WARNING))
    elif not status["ready"]:
        text = "Core has just started: nothing has been decided yet, and caps stay as they are."
        found.append(parts.notice("Nothing decided yet.", text, Level.WARNING))
    if budget and (chosen is None or powerbudgets.key(chosen) != budget):
        shown = "" if chosen is None else f"; {powerbudgets.key(chosen).replace(':', ' ', 1)} is shown instead"
        found.append(parts.notice("Address.", f"There is no limit “{budget}”{shown}.", Level.WARNING))
    return found
