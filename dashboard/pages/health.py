"""Health `/health`: every device from 0 to 100, worst first, with everything that took points off."""

from __future__ import annotations

from collections.abc import Sequence

from dash import Dash, Input, Output, dcc, html
from dash.development.base_component import Component

from dashboard.components import frame, healthlist, parts
from dashboard.components.policylist import Viewed
from dashboard.markup import Children, Markup, filled, tag
from dashboard.pages.alerts import zone_of
from dashboard.services import Services
from wattstat.api.access import caller
from wattstat.api.alerts import AlertsRefused, HealthView
from wattstat.store.protocol import QueryError

_RULE = "100 less the points of what fires: critical 40, warning 15, info 3, several of a kind less; docs/health.md"


def layout() -> Component:
    """The frame, filled by the callback."""
    return html.Div(
        [
            dcc.Interval(id="health-tick", interval=10_000),
            dcc.Store(id="health-beat"),
            dcc.Store(id="health-fill"),
            html.Div(id="health-notice", className="notices"),
            html.Div([frame.skeleton() for _ in range(5)], id="health-figures", className="figures five"),
            frame.panel("Devices", [html.Div(id="health-filters", className="chips"),
                                    html.Div(frame.skeleton(), id="health-list")],
                        panel_id="health-panel", tools=html.Span(_RULE, className="quiet")),
        ],
        className="page health-page",
    )  # fmt: skip


def register(app: Dash, services: Services) -> None:
    """One callback."""

    @app.callback(Output("health-fill", "data"), Input("health-beat", "data"), Input("url", "search"))
    async def present(_beat: int | None, search: str | None) -> dict[str, str]:
        zone, notices = await zone_of(services)
        try:
            found = await services.alerts.health()
        except AlertsRefused as error:
            return filled(nothing(parts.notice("Health is not available.", str(error))))
        except QueryError as error:
            return filled(nothing(parts.notice("History does not answer.", str(error))))
        seen = Viewed(who=caller(), now=services.clock(), zone=zone, search=search or "")
        return filled(bodies(found, seen) | {"health-notice": notices})


def bodies(found: Sequence[HealthView], seen: Viewed) -> dict[str, Children]:
    """What each panel holds."""
    return {
        "health-figures": healthlist.figures(found),
        "health-filters": healthlist.filters(found, seen.search),
        "health-list": healthlist.listing(found, seen),
    }


def nothing(told: Markup) -> dict[str, Children]:
    """The page where nothing can be shown."""
    blank = tag("p", "Nothing to show.", class_="empty")
    return {"health-notice": told, "health-figures": None, "health-filters": None, "health-list": blank}
