"""The count of firing alerts in the header of every page, and the way to them."""

from __future__ import annotations

from collections.abc import Sequence

from dash import Dash, Input, Output, dcc, html
from dash.development.base_component import Component

from dashboard import address, alertwords
from dashboard.components.alertlist import LATE_SECONDS
from dashboard.markup import Children, Markup, filled, tag
from dashboard.services import Services
from wattstat.api.alerts import AlertsRefused, AlertView, DeskStatus
from wattstat.store.protocol import QueryError


def layout() -> list[Component]:
    """Empty until the first answer, and for as long as there is no desk."""
    return [
        dcc.Interval(id="bell-tick", interval=10_000),
        dcc.Store(id="bell-beat"),
        dcc.Store(id="bell-fill"),
        html.Div(id="bell", className="bell"),
    ]


def register(app: Dash, services: Services) -> None:
    """One callback, on every page."""

    @app.callback(Output("bell-fill", "data"), Input("bell-beat", "data"), Input("url", "search"))
    async def count(_beat: int | None, search: str | None) -> dict[str, str]:
        try:
            active, status = await services.alerts.active(), await services.alerts.status()
        except (AlertsRefused, QueryError):
            # a desk that cannot tell is another matter than a calm one; a site without one is told on its page
            return filled({"bell": _silent(search or "") if services.alerts.is_there else None})
        return filled({"bell": shown(active, status, services.clock(), search or "")})


def shown(active: Sequence[AlertView], status: DeskStatus, now: float, search: str) -> Children:
    """How many of each severity fire, and how many may soon, that nobody silenced and no other explains; calm where none."""
    if status.evaluates and status.last_evaluation is not None and now - status.last_evaluation > LATE_SECONDS:
        return _silent(search)
    found = alertwords.standings(active)
    counts, soon = alertwords.by_severity(found["tells"]), found["pending"]
    pieces = [
        tag("span", [tag("span", class_=f"shape {name}", aria_hidden="true"), f"{counts[name]:,}"], class_=f"count {name}")
        for name in ("critical", "warning")
        if counts[name]
    ]
    told = ", ".join(f"{counts[name]:,} {name}" for name in ("critical", "warning", "info") if counts[name])
    label = f"Alerts: {told}" if told else "No alert fires"
    label += f", {len(soon):,} pending: not long enough to fire" if soon else ""
    body = [*pieces, *_beside(counts["info"] if not pieces else 0, len(soon))]
    body = body or [tag("span", "no alerts", class_="count")]
    href = f"/alerts{address.kept(search, *address.VIEWER, *address.TIME)}"
    return tag("a", body, href=href, data_link=True, title=label, aria_label=label)


def _beside(notes: int, pending: int) -> list[Markup]:
    """What asks for nothing yet; above all it keeps the header from looking calm while the page below is red."""
    said = [f"{notes:,} to know"] * bool(notes) + [f"{pending:,} pending"] * bool(pending)
    return [tag("span", ", ".join(said), class_="count")] if said else []


def _silent(search: str) -> Children:
    href = f"/alerts{address.kept(search, *address.VIEWER, *address.TIME)}"
    text = [tag("span", class_="shape warning", aria_hidden="true"), "alerts not evaluated"]
    return tag("a", tag("span", text, class_="count warning"), href=href, data_link=True)
