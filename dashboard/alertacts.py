"""Silencing from the page: what would be quiet first, the silence afterwards, in the viewer's name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from dashboard import alertwords, words
from dashboard.components import parts, policyparts
from dashboard.components.policylist import Viewed
from dashboard.components.policyparts import cancel, dialogue, field, hidden
from dashboard.markup import Children, Markup, tag
from dashboard.policyacts import DIALOG, ERROR, Said
from dashboard.problem import Level
from dashboard.services import Services
from wattstat.access import Role
from wattstat.api.access import require
from wattstat.api.alerts import AlertsRefused, AlertView, NoSuchAlert
from wattstat.api.problems import Problem
from wattstat.promql.syntax import Matcher, PromqlError, selector

Asked = Mapping[str, str]

HOURS: Mapping[str, str] = {"1": "1 hour", "2": "2 hours", "4": "4 hours", "8": "8 hours", "24": "1 day", "168": "1 week"}
USUAL_HOURS = "2"
MOST_NAMED = 8
_OF_RULE = frozenset({"severity", "component", "category"})
_DEVICES = ("node", "switch", "storage", "pdu", "rack")


async def answer(services: Services, asked: Asked, seen: Viewed) -> Said:
    """The dialogue that follows. What is refused is told in full."""
    act, step = asked.get("act", ""), asked.get("step", "")
    try:
        require(Role.OPERATOR)
        if act == "silence":
            return await _silence(services, asked, seen)
        if act == "expire":
            return await _expire(services, asked, seen)
    except Problem as error:
        return _refused(f"{error.title}.", error.detail, within=step in {"look", "do"})
    except AlertsRefused as error:
        return _refused("Not possible.", str(error), within=step in {"look", "do"})
    return _new(policyparts.closing("Nothing to do", tag("p", f"This page knows no {act!r}.")))


def _new(shown: Markup) -> Said:
    return Said(parts={DIALOG: shown}, fresh=True)


def _refused(title: str, text: str, *, within: bool) -> Said:
    told = parts.notice(title, text)
    return Said(parts={ERROR: told}) if within else _new(policyparts.closing("Not possible", told))


async def _silence(services: Services, asked: Asked, seen: Viewed) -> Said:
    active = await services.alerts.active()
    alert = next((each for each in active if each.fingerprint == asked.get("alert")), None)
    step = asked.get("step")
    if step not in {"look", "do"}:
        if alert is None:
            raise NoSuchAlert("this alert is over; there is nothing to silence any more")
        return _new(opening(alert))
    matchers, ends_at, comment = wanted(asked, alert, seen)
    if step == "look":
        return _new(checked(asked, matchers, matching(matchers, active), ends_at, seen))
    made = await services.alerts.desk.silence(
        matchers, starts_at=seen.now, ends_at=ends_at, created_by=seen.who.name, comment=comment
    )
    services.alerts.changed()
    until = words.clock(made.ends_at, seen.now, seen.zone)
    told = f"Done: quiet until {until}. It goes on being shown under “silenced”, and its history is kept."
    return _new(policyparts.closing("Silence", tag("p", told, class_="done wrap")))


async def _expire(services: Services, asked: Asked, seen: Viewed) -> Said:
    name = asked.get("name", "")
    if asked.get("step") == "do":
        await services.alerts.desk.expire(name, by=seen.who.name)
        services.alerts.changed()
        return _new(policyparts.closing("Silence", tag("p", "Done: it is over; what fires is told again.", class_="done")))
    found = next((each for each in await services.alerts.silences() if each.id == name), None)
    if found is None or found.state == "expired":
        raise NoSuchAlert(f"the silence {name} is over")
    quiet = [alert for alert in await services.alerts.active() if name in alert.silenced_by]
    shown: Children = [
        *hidden(act="expire", step="do", name=name),
        tag("p", tag("code", ", ".join(found.matchers)), class_="wrap"),
        tag(
            "p", f"{found.created_by}, until {words.clock(found.ends_at, seen.now, seen.zone)}: {found.comment}", class_="wrap"
        ),
        _named(quiet, "would be told again", seen),
    ]
    go = tag("button", "End it now", type="submit", class_="go", autofocus=True)
    return _new(dialogue("End this silence", shown, [go, cancel()]))


def presets(alert: AlertView) -> dict[str, tuple[str, tuple[str, ...]]]:
    """What one mostly wants to be quiet about: by name, what it is called, and its matchers."""
    of_device = next((label for label in _DEVICES if label in alert.labels), None)
    own = {name: value for name, value in alert.labels.items() if name not in _OF_RULE}
    found = {"alert": (f"this alert: {alert.name} of {alertwords.where(alert)}", _written(own))}
    if of_device:
        device = alert.labels[of_device]
        found["device"] = (f"everything of {of_device} {device}", _written({of_device: device}))
    found["rule"] = (f"{alert.name}, wherever it fires", _written({"alertname": alert.name}))
    return found


def _written(labels: Mapping[str, str]) -> tuple[str, ...]:
    quoted = {name: value.replace("\\", "\\\\").replace('"', '\\"') for name, value in sorted(labels.items())}
    return tuple(f'{name}="{value}"' for name, value in quoted.items())


def opening(alert: AlertView) -> Markup:
    """What, until when, why."""
    what = [tag("option", label, value=key) for key, (label, _) in presets(alert).items()]
    spans = [tag("option", label, value=hours, selected=hours == USUAL_HOURS or None) for hours, label in HOURS.items()]
    exactly = tag("textarea", None, name="matchers", rows=2, spellcheck="false", placeholder='node="gpu-017"')
    fields = [
        field("Quiet about", tag("select", what, name="what", autofocus=True)),
        field("For", tag("select", spans, name="hours")),
        field("Reason", tag("input", type="text", name="reason", required=True, maxlength=500, autocomplete="off"),
              "whoever has the next shift reads it"),
        field("Or until", tag("input", type="datetime-local", name="until"), "instead of a length, in the site's time"),
        field("Or exactly this", exactly, "Alertmanager's matchers, one a line"),
    ]  # fmt: skip
    go = tag("button", "Show what it silences", type="submit", class_="go")
    body = [*hidden(act="silence", step="look", alert=alert.fingerprint), tag("div", fields, class_="fields")]
    return dialogue("Silence", body, [go, cancel()], class_="silencing")


def wanted(asked: Asked, alert: AlertView | None, seen: Viewed) -> tuple[tuple[str, ...], float, str]:
    """Matchers, end and reason of what was filled in. Raises `AlertsRefused` with what was expected."""
    given = tuple(line.strip() for line in asked.get("matchers", "").splitlines() if line.strip())
    if not given:
        if alert is None:
            raise NoSuchAlert("this alert is over; write matchers to silence it in advance")
        given = presets(alert).get(asked.get("what", ""), presets(alert)["alert"])[1]
    matched_by(given)
    ends_at = seen.now + 3600 * float(asked["hours"]) if asked.get("hours") in HOURS else seen.now + 7200
    if until := asked.get("until"):
        try:
            ends_at = datetime.fromisoformat(until).replace(tzinfo=seen.zone).timestamp()
        except ValueError as err:
            raise AlertsRefused(f"{until!r} is no time; expected one such as 2026-11-23T18:00") from err
    if ends_at <= seen.now:
        raise AlertsRefused("the end is in the past; a silence ends after it begins")
    comment = asked.get("reason", "").strip()
    if not comment:
        raise AlertsRefused("say why: whoever has the next shift reads it")
    return given, ends_at, comment


def matched_by(matchers: Sequence[str]) -> tuple[Matcher, ...]:
    """The matchers as they are understood. Raises `AlertsRefused`."""
    try:
        return selector("{" + ",".join(matchers) + "}")
    except PromqlError as err:
        raise AlertsRefused(f'{", ".join(matchers)} cannot be read as matchers; expected such as node="gpu-017"') from err


def matching(matchers: Sequence[str], alerts: Iterable[AlertView]) -> list[AlertView]:
    """What is active and would be quiet."""
    understood = matched_by(matchers)
    return [
        alert
        for alert in alerts
        if alertwords.is_trouble(alert) and all(each.allowed([alert.labels.get(each.name, "")]) for each in understood)
    ]


def checked(asked: Asked, matchers: Sequence[str], found: Sequence[AlertView], ends_at: float, seen: Viewed) -> Markup:
    """What would be quiet; one more press makes it so."""
    kept = {name: asked.get(name) for name in ("alert", "what", "hours", "reason", "until", "matchers")}
    others = [alert for alert in found if alert.fingerprint != asked.get("alert") and alert.severity == "critical"]
    until = f"until {words.clock(ends_at, seen.now, seen.zone)}, {words.duration(ends_at - seen.now)} from now"
    shown: Children = [
        *hidden(act="silence", step="do", **kept),
        tag("p", [tag("code", ", ".join(matchers)), f" {until}: {asked.get('reason', '')}"], class_="wrap"),
        _named(found, "would be quiet now", seen),
        parts.notice("More than this one.", f"{words.plural(len(others), 'other critical alert')} with it.", Level.WARNING)
        if others else None,
        tag("p", "Whatever else these matchers fit is quiet, too, once it fires.", class_="quiet"),
    ]  # fmt: skip
    go = tag("button", "Silence", type="submit", class_="go", autofocus=True)
    return dialogue("Silence", shown, [go, cancel()])


def _named(found: Sequence[AlertView], what: str, seen: Viewed) -> Markup:
    if not found:
        return tag("p", f"No alert that is active {what}.", class_="empty")
    rows = [
        tag("li", [alertwords.mark(each.severity), f" {alertwords.where(each)}: {each.name}, ",
                   alertwords.since(each, seen.now, seen.zone)])
        for each in found[:MOST_NAMED]
    ]  # fmt: skip
    more = tag("li", f"and {len(found) - MOST_NAMED:,} more", class_="quiet") if len(found) > MOST_NAMED else None
    return tag("div", [tag("strong", f"{words.plural(len(found), 'alert')} {what}"), tag("ul", [*rows, more], class_="named")])
