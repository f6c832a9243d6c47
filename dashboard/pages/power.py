"""Power `/power`: is every breaker safe, where the watts go, what is left, and who holds which cap."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, dcc, html
from dash.development.base_component import Component

from dashboard import address
from dashboard.components import energyreport, frame, parts, powerbudgets, powerdevices, powerfigures
from dashboard.markup import Children, filled, tag
from dashboard.problems import Level
from dashboard.services import Services
from wattstat.api.live import CoreUnavailable
from wattstat.api.problems import Problem


def layout() -> Component:
    """The frame, filled by the callback."""

    def body(panel_id: str) -> Component:
        return html.Div(frame.skeleton(), id=f"{panel_id}-body")

    return html.Div(
        [
            dcc.Interval(id="power-tick", interval=10_000),
            dcc.Store(id="power-beat"),
            dcc.Store(id="power-fill"),
            html.Div(id="power-notice", className="notices"),
            html.Div([frame.skeleton() for _ in range(6)], id="power-figures", className="figures"),
            frame.panel("Budgets", body("power-budgets"), panel_id="power-budgets-panel",
                        tools=html.Div(id="power-budgets-tools")),
            frame.panel("What is wrong with caps", body("power-findings"), panel_id="power-findings-panel"),
            frame.panel("Caps", body("power-caps"), panel_id="power-caps-panel", tools=html.Div(id="power-caps-tools")),
        ],
        className="page power-page",
    )  # fmt: skip


def register(app: Dash, services: Services) -> None:
    """The one callback."""

    @app.callback(Output("power-fill", "data"), Input("power-beat", "data"), Input("url", "search"))
    async def present(_beat: int | None, search: str | None) -> dict[str, str]:
        try:
            status = await services.power_status()
        except CoreUnavailable as error:
            return filled({"power-notice": parts.blind(error)})
        except Problem as error:
            return filled({"power-notice": parts.notice(error.title, error.detail)})
        if status is None:
            return filled({"power-notice": parts.notice("No power room.", "This web process has no way to core's desk.")})
        return filled(bodies(status, services.clock(), search or ""))


def bodies(status: dict[str, Any], now: float, search: str) -> dict[str, Children]:
    """What each panel holds."""
    given = address.given(search)
    order, only = given.get("order", "tree"), given.get("caps", "all")
    return {
        "power-notice": notices(status),
        "power-figures": powerfigures.figures(status),
        "power-budgets-tools": energyreport.switch(
            "order", (("tree", "As wired"), ("urgent", "Most pressing first")), order, search, "Order", path="/power"
        ),
        "power-budgets-body": powerbudgets.table(status["budgets"], order=order, chosen=given.get("budget", ""), search=search),
        "power-findings-body": powerdevices.findings(status["findings"], now, search),
        "power-caps-tools": energyreport.switch(
            "caps", (("all", "All servers"), ("wrong", "Only what differs")), only, search, "Servers", path="/power"
        ),
        "power-caps-body": powerdevices.table(status["devices"], only=only, search=search),
    }


def notices(status: dict[str, Any]) -> Children:
    """What keeps the controller from doing its work, emergencies first."""
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
        found.append(tag("div", "Core has just started: nothing has been decided yet.", class_="notice"))
    return found
