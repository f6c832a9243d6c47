"""A runbook `/runbooks/<name>`: where links of messages lead, and whether its alert fires now."""

from __future__ import annotations

import asyncio

from dash import Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component

from dashboard import alertwords
from dashboard.components import alertlist, frame, parts
from dashboard.components.policylist import Viewed
from dashboard.markup import Children, filled, tag
from dashboard.pages.alerts import racks_of, zone_of
from dashboard.problem import Level
from dashboard.runbooktext import rendered
from dashboard.services import Services
from wattstat.api.access import caller
from wattstat.api.alerts import AlertsRefused, NoSuchAlert
from wattstat.store.protocol import QueryError


def layout(name: str) -> Component:
    """The frame, filled by the callback."""
    return html.Div(
        [
            dcc.Interval(id="runbook-tick", interval=10_000),
            dcc.Store(id="runbook-beat"),
            dcc.Store(id="runbook-fill"),
            dcc.Store(id="runbook-name", data=name),
            html.Div(id="runbook-notice", className="notices"),
            html.Div(
                [
                    html.Article(html.H1(name), id="runbook-text", className="panel runbook"),
                    frame.panel("Fires now", html.Div(frame.skeleton(), id="runbook-alerts", className="alert-list"),
                                panel_id="runbook-alerts-panel"),
                ],
                className="runbook-pair",
            ),
        ],
        className="page runbook-page",
    )  # fmt: skip


def register(app: Dash, services: Services) -> None:
    """One callback."""

    @app.callback(
        Output("runbook-fill", "data"), Input("runbook-beat", "data"), Input("url", "search"), State("runbook-name", "data")
    )
    async def present(_beat: int | None, search: str | None, name: str) -> dict[str, str]:
        return filled(await bodies(services, name, search or ""))


async def bodies(services: Services, name: str, search: str) -> dict[str, Children]:
    """The text and the alerts of its name."""
    try:
        text = services.alerts.runbook(name)
    except NoSuchAlert as error:
        return {"runbook-notice": parts.notice("No such runbook.", str(error), Level.WARNING), "runbook-alerts": None}
    except AlertsRefused as error:
        return {"runbook-notice": parts.notice("No alerts.", str(error)), "runbook-alerts": None}
    shown: dict[str, Children] = {"runbook-notice": None, "runbook-text": rendered(text, titled=True)}
    return shown | {"runbook-alerts": await _alerts(services, name, search)}


async def _alerts(services: Services, name: str, search: str) -> Children:
    (zone, _), racks = await asyncio.gather(zone_of(services), racks_of(services))
    try:
        active = await services.alerts.active()
    except (AlertsRefused, QueryError) as error:
        return tag("p", str(error), class_="empty")  # the text is what one came for
    own = [alert for alert in active if alert.runbook == name and alertwords.is_trouble(alert)]
    return alertlist.listing(own, racks, "", Viewed(who=caller(), now=services.clock(), zone=zone, search=search))
