"""The alerts of one server or of one run, as their pages show them: what fires, and what fired in the shown time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import tzinfo

from dashboard import alertwords
from dashboard.components import parts
from dashboard.markup import Children, Markup, table, tag
from dashboard.problem import Level
from dashboard.services import Services
from dashboard.timerange import Span
from wattstat.api.alerts import AlertsRefused, AlertView
from wattstat.api.energy import JobDetail
from wattstat.store.protocol import QueryError

MOST_ROWS = 30
MOST_OVER = 6
"""Of what is over: who wants more looks at the history of alerts."""


async def of_node(services: Services, name: str, span: Span, search: str, zone: tzinfo) -> Children:
    """Of a server: its own, and of what else is the cause of them."""
    found = await _asked(services, span, lambda alert: is_of_node(alert, name))
    if isinstance(found, str):
        return tag("p", found, class_="empty")
    known = {alert.fingerprint: alert for alert in await services.alerts.active()}
    named = {cause for alert in found for cause in alert.inhibited_by} - {alert.fingerprint for alert in found}
    return listed([*(known[cause] for cause in named if cause in known), *found], services.clock(), zone, search)


async def of_run(services: Services, detail: JobDetail, search: str, zone: tzinfo) -> Children:
    """Of a run: of the servers and GPUs that it held, while it held them."""
    job, now = detail.job, services.clock()
    span = Span(start=job.start, end=now if job.end is None else job.end, step=1)
    found = await _asked(services, span, lambda alert: is_of_run(alert, detail))
    if isinstance(found, str):
        return tag("p", found, class_="empty")
    return listed(found, now, zone, search)


def is_of_node(alert: AlertView, name: str) -> bool:
    """Whether an alert is about a server or something in it."""
    return alert.labels.get("node") == name or alert.subject == f"node {name}"


def is_of_run(alert: AlertView, detail: JobDetail) -> bool:
    """Whether an alert is about what a run held: a server, not those of its GPUs that others had; or about the job itself."""
    job, labels = detail.job, alert.labels
    if labels.get("job_id") == job.job_id or job.job_id in alert.jobs:
        return True
    if labels.get("node") not in job.nodes:
        return False
    held = {(each.node, str(each.index)) for each in detail.gpus}
    return not labels.get("gpu") or not held or (labels["node"], labels["gpu"]) in held


async def _asked(services: Services, span: Span, is_meant: Callable[[AlertView], bool]) -> list[AlertView] | str:
    """What fires, is pending or fired in a time; or why nobody can tell."""
    try:
        active, history = await asyncio.gather(services.alerts.active(), services.alerts.history(span.start, span.end))
    except (AlertsRefused, QueryError) as error:
        return str(error)
    pending = [alert for alert in active if alert.state == "pending" and alert.active_at <= span.end]
    return [alert for alert in (*pending, *history) if alertwords.is_trouble(alert) and is_meant(alert)]


def listed(found: Iterable[AlertView], now: float, zone: tzinfo, search: str) -> Children:
    """What holds first, worst first; then what is over, newest first."""
    ordered = sorted(found, key=_order)
    if not ordered:
        return tag("div", [parts.shape(Level.OK), tag("span", "None, now and in the shown time.")], class_="all-well")
    holding = [alert for alert in ordered if alert.state != "resolved"]
    shown = [*holding[:MOST_ROWS], *ordered[len(holding) :][:MOST_OVER]]
    rows = [_row(alert, now, zone, search) for alert in shown]
    more = len(ordered) - len(shown)
    headings = ("Alert", "Where", "When", "For", "Told")
    return [
        table(headings, rows, class_="table alerts-of", aria_label="Alerts"),
        tag("p", f"and {more:,} more, on the page Alerts", class_="quiet") if more > 0 else None,
    ]


def _order(alert: AlertView) -> tuple[int, int, float]:
    began = alert.active_at if alert.fired_at is None else alert.fired_at
    is_over = alert.state == "resolved"
    return (is_over, 0 if is_over else alertwords.rank(alert.severity), -began)


def _row(alert: AlertView, now: float, zone: tzinfo, search: str) -> Markup:
    name = tag("a", alertwords.summary(alert), href=alertwords.to_alert(alert.fingerprint, search), data_link=True)
    return tag("tr", [
        tag("th", [alertwords.mark(alert.severity), " ", name, " ", tag("span", alert.name, class_="rule")], scope="row"),
        tag("td", alertwords.where(alert)),
        tag("td", alertwords.since(alert, now, zone)),
        tag("td", alertwords.lasting(alert, now)),
        tag("td", alertwords.told(alert, now, zone), class_="quiet"),
    ], class_="over" if alert.state == "resolved" else alertwords.level(alert.severity).name.lower())  # fmt: skip
