"""The list of alerts: causes, worst first, what they keep quiet below them; what is pending or silenced stands apart. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from dashboard import address, alertwords, words
from dashboard.alertcauses import Cause, causes
from dashboard.components import parts
from dashboard.components.policylist import Viewed
from dashboard.markup import Markup, tag
from dashboard.problem import Level
from wattstat.api.alerts import AlertView, DeskStatus

MOST_CAUSES = 60
MOST_MEMBERS = 20
LATE_SECONDS = 120.0
"""An evaluation that is older than this is not going on."""
_LIST_NAMED = 3
_CALM = {"critical": "nothing critical fires", "warning": "no warning fires", "info": "no notice fires"}
_ASKS = {"critical": "Act now", "warning": "In working hours", "info": "To know"}


def shown(alerts: Iterable[AlertView], search: str) -> list[AlertView]:
    """Those that the address asks for; the watchdog is not among them."""
    given = address.given(search)
    component, severity = given.get("component"), given.get("severity")
    return [
        alert
        for alert in alerts
        if alertwords.is_trouble(alert)
        and (not component or alert.labels.get("component") == component)
        and (not severity or alert.severity == severity)
    ]


def filters(alerts: Iterable[AlertView], search: str) -> list[Markup]:
    """A chip for each component that something is wrong with; it counts what speaks."""
    listed = alertwords.firing(alerts)
    counts: dict[str, int] = {}
    for alert in listed:
        if component := alert.labels.get("component", ""):
            counts[component] = counts.get(component, 0) + (alertwords.standing(alert) == "tells")
    chosen = address.given(search).get("component", "")
    if len(counts) < 2 and not chosen:
        return []
    ordered = sorted({**dict.fromkeys([chosen] if chosen else [], 0), **counts}.items(), key=lambda one: (-one[1], one[0]))
    return [
        _chip("All", len(alertwords.standings(listed)["tells"]), search, ""),
        *(_chip(name, count, search, name) for name, count in ordered),
    ]


def _chip(label: str, count: int, search: str, component: str) -> Markup:
    is_chosen = address.given(search).get("component", "") == component
    href = f"/alerts{address.changed(search, component=component or None, alert=None)}"
    return tag("a", [label, tag("span", f"{count:,}", class_="quiet")], href=href, data_link=True, class_="chip",
               aria_current="true" if is_chosen else None)  # fmt: skip


def listing(alerts: Sequence[AlertView], racks: Mapping[str, str], chosen: str, seen: Viewed) -> Markup:
    """Three groups: what fires, what may fire soon, what somebody silenced."""
    found = causes(alerts, racks)
    loud = [one for one in found if one.lead.state == "firing" and not alertwords.is_quiet(one.lead)]
    pending = [one for one in found if one.lead.state == "pending" and not alertwords.is_quiet(one.lead)]
    quiet = [one for one in found if alertwords.is_quiet(one.lead)]
    blocks = [_block(loud, chosen, seen) if loud else _all_well()]
    if pending:
        blocks.append(_apart("pending", f"{_count(pending)} pending: not long enough to fire", pending, chosen, seen))
    if quiet:
        blocks.append(_apart("silenced", f"{_count(quiet)} silenced", quiet, chosen, seen))
    return tag("div", blocks, class_="causes")


def _count(found: Iterable[Cause]) -> int:
    return sum(len(cause.alerts) + len(cause.beside) for cause in found)


def _all_well() -> Markup:
    return tag("div", [parts.shape(Level.OK), tag("span", "Nothing fires.")], class_="all-well")


def _apart(kind: str, title: str, found: Sequence[Cause], chosen: str, seen: Viewed) -> Markup:
    is_open = any(chosen in cause for cause in found) if chosen else False
    return tag("details", [tag("summary", title), _block(found, chosen, seen)], class_=f"apart {kind}", open=is_open)


def _block(found: Sequence[Cause], chosen: str, seen: Viewed) -> Markup:
    rows = [_cause(cause, chosen, seen) for cause in found[:MOST_CAUSES]]
    if len(found) > MOST_CAUSES:
        left = found[MOST_CAUSES:]
        rows.append(tag("li", f"and {_count(left):,} more of {words.plural(len(left), 'cause')}", class_="more"))
    return tag("ul", rows)


def _cause(cause: Cause, chosen: str, seen: Viewed) -> Markup:
    lead = cause.lead
    pieces = [_alike(cause, chosen, seen) if len(cause.alerts) > 1 else _row(lead, chosen, seen)]
    if cause.beside:
        title = f"and {words.plural(len(cause.beside), 'other')} of the same part"
        pieces.append(_members(title, cause.beside, chosen, seen))
    if cause.effects:
        pieces.append(_members(f"keeps {words.plural(len(cause.effects), 'other')} quiet", cause.effects, chosen, seen))
    return tag("li", pieces, class_=alertwords.level(lead.severity).name.lower())


def _row(alert: AlertView, chosen: str, seen: Viewed) -> Markup:
    return tag("a", [
        alertwords.mark(alert.severity),
        tag("span", alertwords.where(alert), class_="where"),
        tag("span", alertwords.since(alert, seen.now, seen.zone), class_="since"),
        tag("span", [alertwords.summary(alert), " ", tag("span", alert.name, class_="rule")], class_="what"),
        tag("span", doubt, class_="what quiet") if (doubt := alertwords.unconfirmed(alert, seen.now, seen.zone)) else None,
    ], href=f"/alerts{address.changed(seen.search, alert=alert.fingerprint)}", data_link=True,
       aria_current="true" if alert.fingerprint == chosen else None)  # fmt: skip


def _alike(cause: Cause, chosen: str, seen: Viewed) -> Markup:
    """Several of one rule at one place: one line that opens."""
    lead = cause.lead
    places = list(dict.fromkeys(alertwords.where(alert) for alert in cause.alerts))
    named = ", ".join(places[:_LIST_NAMED]) + (f" and {len(places) - _LIST_NAMED:,} more" if len(places) > _LIST_NAMED else "")
    head = tag("summary", [
        alertwords.mark(lead.severity),
        tag("span", [f"{len(cause.alerts):,} {alertwords.TIMES} ", cause.place], class_="where"),
        tag("span", alertwords.since(lead, seen.now, seen.zone), class_="since"),
        tag("span", [alertwords.summary(lead), " ", tag("span", lead.name, class_="rule")], class_="what"),
        tag("span", named, class_="what quiet"),
    ])  # fmt: skip
    is_open = any(alert.fingerprint == chosen for alert in cause.alerts) if chosen else False
    return tag("details", [head, _inner(cause.alerts, chosen, seen, _row)], class_="alike", open=is_open)


def _members(title: str, alerts: Sequence[AlertView], chosen: str, seen: Viewed) -> Markup:
    is_open = any(alert.fingerprint == chosen for alert in alerts) if chosen else False
    inner = _inner(alerts, chosen, seen, _row)
    return tag("details", [tag("summary", title), inner], class_="effects", open=is_open)


def _inner(alerts: Sequence[AlertView], chosen: str, seen: Viewed, row: Callable[[AlertView, str, Viewed], Markup]) -> Markup:
    rows = [tag("li", row(alert, chosen, seen)) for alert in alerts[:MOST_MEMBERS]]
    if len(alerts) > MOST_MEMBERS:
        rows.append(tag("li", f"and {len(alerts) - MOST_MEMBERS:,} more", class_="more"))
    return tag("ul", rows)


def figures(alerts: Sequence[AlertView], status: DeskStatus | None, now: float) -> list[Markup]:
    """What one reads from five metres: how many of each kind, and whether anybody is told."""
    standings = alertwords.standings(alerts)
    silent = {alert.severity for alert in (*standings["caused"], *standings["silenced"])}
    calm = {name: "only what is kept quiet" if name in silent else text for name, text in _CALM.items()}
    found = [_of_severity(name, standings["tells"], calm[name], now) for name in ("critical", "warning", "info")]
    quiet = [f"{len(standings['caused']):,} kept quiet by their cause"] * bool(standings["caused"])
    quiet += [f"{len(standings['silenced']):,} silenced"] * bool(standings["silenced"])
    pending = len(standings["pending"])
    note = ", ".join(["not long enough to fire" if pending else "nothing is about to fire", *quiet])
    found.append(parts.key_figure("Pending", (f"{pending:,}", ""), note))
    found.append(_messages(status, now))
    return found


def _of_severity(name: str, telling: Sequence[AlertView], calm: str, now: float) -> Markup:
    of_it = [alert for alert in telling if alert.severity == name]
    began = min((alert.fired_at or alert.active_at for alert in of_it), default=None)
    if began is None:
        return parts.key_figure(_ASKS[name], ("0", ""), calm)
    note = f"the oldest for {words.duration(now - began)}"
    return parts.key_figure(_ASKS[name], (f"{len(of_it):,}", ""), note, level=alertwords.level(name))


def _messages(status: DeskStatus | None, now: float) -> Markup:
    if status is None:
        return parts.key_figure("Messages", (words.NOTHING, ""), "not known")
    if status.failing_receivers:
        note = f"no way to {', '.join(sorted(status.failing_receivers))}"
        return parts.key_figure("Messages", (f"{status.queue:,}", "waiting"), note, level=Level.CRITICAL)
    if not status.has_receivers:
        return parts.key_figure("Messages", (words.NOTHING, ""), "nobody is told: no receiver", level=Level.WARNING)
    note = "all sent" if not status.queue else "on their way"
    if status.heartbeat_at is not None:
        note += f", heartbeat {words.duration(now - status.heartbeat_at)} ago"
    return parts.key_figure("Messages", (f"{status.queue:,}", "waiting"), note)


def doubtful(alerts: Iterable[AlertView], seen: Viewed) -> list[Markup]:
    """That what fires may be over: core gives no data, and what fired is held."""
    since = [alert.unconfirmed_since for alert in alerts if alert.unconfirmed_since is not None]
    if not since:
        return []
    held = f"{words.plural(len(since), 'alert')} not confirmed since {words.clock(min(since), seen.now, seen.zone)}"
    text = f"{held}: held until core is back and shows whether they are over."
    return [parts.notice("Core gives no data.", text, Level.WARNING)]


def notices(status: DeskStatus | None, now: float) -> list[Markup]:
    """What must be known before a calm list is believed."""
    if status is None:
        return []
    said = []
    if status.evaluates and (status.last_evaluation is None or now - status.last_evaluation > LATE_SECONDS):
        ago = "not yet" if status.last_evaluation is None else f"last {words.duration(now - status.last_evaluation)} ago"
        level = Level.WARNING if status.last_evaluation is None else Level.CRITICAL
        said.append(parts.notice("Rules are not being evaluated.", f"Evaluated {ago}; an empty list means nothing.", level))
    if status.failing_rules:
        names = sorted(status.failing_rules)
        first = f"{names[0]}: {status.failing_rules[names[0]]}"
        more = f" (and {len(names) - 1} more: {', '.join(names[1:6])})" if len(names) > 1 else ""
        said.append(parts.notice("Not all rules can be evaluated.", first + more, Level.WARNING))
    for name, why in sorted(status.failing_receivers.items()):
        said.append(parts.notice(f"Messages do not reach {name}.", why))
    return said
