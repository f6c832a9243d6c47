"""Alerts `/alerts`: what fires, since when, why, and what to do. Works without core: that is when alerts fire."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from dash import Dash, Input, Output, dcc, html, no_update
from dash.development.base_component import Component

from dashboard import address, alertacts, alertwords
from dashboard.components import alertdetail, alertevidence, alerthistory, alertlist, charts, frame, parts, policyparts
from dashboard.components.alertevidence import Drawn
from dashboard.components.charts import Chart
from dashboard.components.policylist import Viewed
from dashboard.markup import Children, Markup, filled, tag
from dashboard.problem import Level
from dashboard.runbooktext import rendered
from dashboard.services import Services
from dashboard.timerange import Span, parse
from wattstat.api.access import caller
from wattstat.api.alerts import AlertsRefused, AlertView, EvidenceLine, NoSuchAlert
from wattstat.store.protocol import QueryError, Series

_MOST_POINTS = 360

Answered = TypeVar("Answered")


def layout() -> Component:
    """The frame, filled by the callbacks."""
    evidence = [html.Div(id="alert-evidence-lines"), frame.graph("alert-evidence", "What was measured, with its limit")]
    return html.Div(
        [
            dcc.Interval(id="alerts-tick", interval=10_000),
            dcc.Store(id="alerts-beat"),
            dcc.Store(id="alerts-fill"),
            dcc.Store(id="alerts-asked"),
            dcc.Store(id="alerts-said"),
            html.Div(id="alerts-notice", className="notices"),
            html.Div([frame.skeleton() for _ in range(5)], id="alerts-figures", className="figures five"),
            html.Div(
                [
                    frame.panel("What fires", [html.Div(id="alerts-filters", className="chips"),
                                               html.Div(frame.skeleton(), id="alerts-list", className="alert-list")],
                                panel_id="alerts-panel"),
                    html.Section(
                        [html.Div(html.H2("Alert"), id="alert-head", className="alert-head"),
                         html.Div(frame.skeleton(), id="alert-body", className="alert-body"), *evidence],
                        className="panel", id="alert-panel", **frame.aria(label="The chosen alert"),
                    ),
                    frame.panel("Runbook", html.Div(id="alert-runbook", className="runbook"), panel_id="alert-runbook-panel",
                                tools=html.Span(id="alert-runbook-name")),
                ],
                className="alerts-top",
            ),
            html.Div(
                [
                    html.Div(
                        [
                            frame.panel("History", html.Div(frame.skeleton(), id="alerts-history"),
                                        panel_id="alerts-history-panel"),
                            frame.panel("Lately over", html.Div(id="alerts-lately"), panel_id="alerts-lately-panel"),
                        ],
                        className="column",
                    ),
                    html.Div(
                        [
                            frame.panel("Noisiest rules", html.Div(id="alerts-noise"), panel_id="alerts-noise-panel"),
                            frame.panel("Silences", html.Div(id="alerts-silences"), panel_id="alerts-silences-panel"),
                        ],
                        className="column",
                    ),
                ],
                className="alerts-below",
            ),
            policyparts.place("alerts", "wattstat alerts"),
        ],
        className="page alerts-page",
    )  # fmt: skip


def register(app: Dash, services: Services) -> None:
    """One callback for the present, one for what is drawn, one for what is asked."""

    @app.callback(
        Output("alerts-fill", "data"), Input("alerts-beat", "data"), Input("url", "search"), Input("alerts-said", "data")
    )
    async def present(_beat: int | None, search: str | None, _said: Any) -> dict[str, str]:
        try:
            found = await look(services, search or "")
        except AlertsRefused as error:
            return filled(nothing(parts.notice("Alerts are not available.", str(error))))
        except QueryError as error:
            return filled(nothing(parts.notice("History does not answer.", str(error))))
        return filled(await bodies(services, found))

    @app.callback(Output("alert-evidence-data", "data"), Input("alerts-beat", "data"), Input("url", "search"))
    async def evidence(_beat: int | None, search: str | None) -> Any:
        try:
            found = await look(services, search or "")
            if found.chosen is None:
                return {"figure": charts.message("", found.chart), "fill": {}}
            lines = await services.alerts.evidence(found.chosen.fingerprint)
            chart = alertevidence.near(found.chosen, found.chart, services.clock())
            drawn = await asyncio.gather(*(measured(services, line, chart) for line in lines))
        except (AlertsRefused, QueryError):
            return no_update  # the other callback says why
        fill = {"alert-evidence-lines": alertdetail.evidence(lines, found.chosen)}
        return {"figure": alertevidence.figure(drawn, found.chosen, chart), "fill": filled(fill)}

    @app.callback(Output("alerts-said", "data"), Input("alerts-asked", "data"), prevent_initial_call=True)
    async def act(asked: dict[str, Any] | None) -> dict[str, Any]:
        given = {str(name): str(value) for name, value in (asked or {}).items() if value is not None}
        zone, _ = await zone_of(services)
        said = await alertacts.answer(services, given, Viewed(who=caller(), now=services.clock(), zone=zone))
        return said.to_json() | {"to": given.get("at", "")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the page shows: all that is active, the chosen one, and who looks when."""

    active: Sequence[AlertView]
    chosen: AlertView | None
    chart: Chart
    seen: Viewed
    notices: tuple[Markup, ...] = ()


async def look(services: Services, search: str) -> Found:
    """The alerts and the chosen one. Raises `AlertsRefused` and `QueryError`."""
    zone, notices = await zone_of(services)
    now = services.clock()
    view = parse(search, now)
    revision = f"{view.from_text} {view.to_text}"
    chart = Chart(span=view.span(now, zone), zone=zone, revision=revision, now=now, is_live=view.to_text == "now").with_points(
        _MOST_POINTS
    )
    active = await services.alerts.active()
    wanted = address.given(search).get("alert", "")
    chosen = next((alert for alert in active if alert.fingerprint == wanted), None)
    if wanted and chosen is None:
        history = await services.alerts.history(chart.span.start, chart.span.end)
        chosen = next((alert for alert in history if alert.fingerprint == wanted), None)
        if chosen is None:
            text = f"No alert “{wanted}” fires, or fired in the shown time; choose a longer time above."
            notices = (*notices, parts.notice("Address.", text, Level.WARNING))
    if not wanted:
        chosen = worst(alertlist.shown(active, search))
    seen = Viewed(who=caller(), now=now, zone=zone, search=search)
    return Found(active=active, chosen=chosen, chart=chart, seen=seen, notices=notices)


def worst(alerts: Sequence[AlertView]) -> AlertView | None:
    """What is shown while nobody has chosen."""
    loud = [alert for alert in alertwords.firing(alerts) if not alertwords.is_quiet(alert)]
    return min(loud, key=lambda one: (bool(one.inhibited_by), alertwords.rank(one.severity), one.active_at), default=None)


async def zone_of(services: Services) -> tuple[tzinfo, tuple[Markup, ...]]:
    """The site's time zone; while core, which knows it, is silent, the one it told, or UTC, and a word about it."""
    inventory, silence = await services.told_inventory()
    zone = UTC if inventory is None else ZoneInfo(inventory.site.timezone)
    if not silence:
        return zone, ()
    text = f"{silence} Times are UTC." if inventory is None else silence
    return zone, (parts.notice("No live data.", text, Level.WARNING),)


async def racks_of(services: Services) -> dict[str, str]:
    """In which rack each server stands, as far as core tells or has told."""
    inventory, _ = await services.told_inventory()
    return {} if inventory is None else {node.name: node.rack for node in inventory.nodes if node.rack}


async def measured(services: Services, line: EvidenceLine, chart: Chart) -> Drawn:
    """What history has of one line of evidence; nothing where it does not answer that question."""
    if not line.expression:
        return Drawn(line=line)
    answers = await asyncio.gather(
        _series(services, line.expression, chart.span), _series(services, line.limit_expression, chart.span)
    )
    return Drawn(line=line, measured=answers[0], limit=answers[1])


async def _series(services: Services, expression: str, span: Span) -> tuple[Series, ...]:
    if not expression:
        return ()
    try:
        return (await services.range(expression, span)).series
    except QueryError:
        return ()  # the sentence stands without its picture


async def bodies(services: Services, found: Found) -> dict[str, Children]:
    """What each panel holds."""
    seen, span = found.seen, found.chart.span
    silences, history, noise = await asyncio.gather(
        silences_of(services, seen),
        _or_why(services.alerts.history(span.start, span.end)),
        _or_why(services.alerts.noise(span.start, span.end)),
    )
    status = await services.alerts.status()
    listed = alertlist.shown(found.active, seen.search)
    chosen = found.chosen
    one = "" if chosen is None else chosen.fingerprint
    known = {alert.fingerprint: alert for alert in found.active}
    return {
        "alerts-notice": [*found.notices, *alertlist.notices(status, seen.now),
                          *alertlist.doubtful(found.active, seen)],
        "alerts-figures": alertlist.figures(found.active, status, seen.now),
        "alerts-filters": alertlist.filters(found.active, seen.search),
        "alerts-list": alertlist.listing(listed, await racks_of(services), one, seen),
        "alerts-panel-age": None if status.last_evaluation is None else
        parts.age(max(0.0, seen.now - status.last_evaluation), seen.now, late_after=alertlist.LATE_SECONDS),
        "alert-head": tag("h2", "Nothing fires") if chosen is None else alertdetail.head(chosen, seen),
        "alert-body": _no_alert() if chosen is None else alertdetail.body(chosen, known, seen),
        **({"alert-evidence-lines": None} if chosen is None else {}),
        **runbook(services, chosen, seen),
        "alerts-history": _shown(history, lambda known: alerthistory.timeline(known, span.start, span.end, seen)),
        "alerts-lately": _shown(history, lambda known: alerthistory.lately(known, seen)),
        "alerts-noise": _shown(noise, alerthistory.noise),
        "alerts-silences": alerthistory.not_known(status.silences_problem) + silences,
    }  # fmt: skip


async def silences_of(services: Services, seen: Viewed) -> list[Markup]:
    """The silences; none where whoever keeps them does not answer: the rest of the page does not wait for it."""
    try:
        return [alerthistory.silences(await services.alerts.silences(), seen)]
    except AlertsRefused:
        return []


async def _or_why(asked: Awaitable[Answered]) -> Answered | str:
    """The answer, or why there is none: what fires is shown, whatever else cannot be."""
    try:
        return await asked
    except (AlertsRefused, QueryError) as error:
        return str(error)


def _shown(answered: Answered | str, show: Callable[[Answered], Children]) -> Children:
    return tag("p", answered, class_="empty") if isinstance(answered, str) else show(answered)


def runbook(services: Services, alert: AlertView | None, seen: Viewed) -> dict[str, Children]:
    """The runbook of the chosen alert, and the way to its own page."""
    name = "" if alert is None else alert.runbook
    if not name:
        text = "Choose an alert to see what to do." if alert is None else "This rule has no runbook."
        return {"alert-runbook": tag("p", text, class_="empty"), "alert-runbook-name": None}
    try:
        text = services.alerts.runbook(name)
    except NoSuchAlert as error:
        return {"alert-runbook": tag("p", str(error), class_="empty"), "alert-runbook-name": None}
    link = tag("a", name, href=alertwords.to_runbook(name, seen.search), data_link=True, class_="quiet")
    return {"alert-runbook": rendered(text, titled=False, below=1), "alert-runbook-name": link}


def _no_alert() -> Markup:
    return tag("p", "What fires stands on the left; the line of a rule below shows when it fired before.", class_="empty")


def nothing(told: Markup) -> dict[str, Children]:
    """The page where nothing can be shown."""
    blank = tag("p", "Nothing to show.", class_="empty")
    panels = (
        "alerts-list",
        "alert-body",
        "alert-runbook",
        "alerts-history",
        "alerts-lately",
        "alerts-noise",
        "alerts-silences",
    )
    return {"alerts-notice": told, "alerts-figures": None, "alerts-filters": None, "alert-head": tag("h2", "Alert"),
            "alert-evidence-lines": None, **dict.fromkeys(panels, blank)}  # fmt: skip
