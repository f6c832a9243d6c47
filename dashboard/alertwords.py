"""Alerts in words: marks of severity, what they are about and where that leads, since when. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import tzinfo
from typing import Literal
from urllib.parse import quote

from dashboard import address, words
from dashboard.markup import Markup, tag
from dashboard.problem import Level
from wattstat.api.alerts import SEVERITIES, AlertView

WATCHDOG_SEVERITY = "none"
"""Of what fires all the time so that one knows that alerts arrive: no trouble, and never counted."""

TIMES = "\N{MULTIPLICATION SIGN}"

Standing = Literal["tells", "caused", "silenced", "pending"]
"""Of an alert, exactly one: it speaks, its cause or somebody's silence keeps it quiet, or it has not held for long enough."""

_LEVELS = {"critical": Level.CRITICAL, "warning": Level.WARNING}
_WORDS = {"critical": "Critical", "warning": "Warning", "info": "Info", "none": "Watchdog"}


def level(severity: str) -> Level:
    """How a severity is coloured: info is for knowing, not for acting."""
    return _LEVELS.get(severity, Level.OK)


def severity_word(severity: str) -> str:
    return _WORDS.get(severity, severity.capitalize() or "No severity")


def rank(severity: str) -> int:
    """Worst first."""
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)


def mark(severity: str) -> Markup:
    """Colour and shape of a severity."""
    return tag("span", class_=f"shape {_class(severity)}", role="img", aria_label=severity_word(severity))


def badge(severity: str, text: str = "") -> Markup:
    """Colour, shape and word."""
    shape = tag("span", class_=f"shape {_class(severity)}", aria_hidden="true")
    return tag("span", [shape, text or severity_word(severity)], class_=f"badge {_class(severity)}")


def _class(severity: str) -> str:
    return severity if severity in _LEVELS else "info"


def is_trouble(alert: AlertView) -> bool:
    """Whether it says that something is wrong, and not that alerting works."""
    return alert.severity != WATCHDOG_SEVERITY


def is_quiet(alert: AlertView) -> bool:
    """Somebody does not want to hear of it."""
    return bool(alert.silenced_by)


def standing(alert: AlertView) -> Standing:
    """Where an alert stands and is counted, on every page; what has a cause stands below it, whatever else holds of it."""
    if alert.inhibited_by:
        return "caused"
    if alert.silenced_by:
        return "silenced"
    return "pending" if alert.state == "pending" else "tells"


def standings(alerts: Iterable[AlertView]) -> Mapping[Standing, list[AlertView]]:
    """All that is trouble, each in exactly one of the four."""
    found: dict[Standing, list[AlertView]] = {"tells": [], "caused": [], "silenced": [], "pending": []}
    for alert in alerts:
        if is_trouble(alert):
            found[standing(alert)].append(alert)
    return found


def firing(alerts: Iterable[AlertView]) -> list[AlertView]:
    """What fires and is any trouble; silenced ones included."""
    return [alert for alert in alerts if alert.state == "firing" and is_trouble(alert)]


def name_of(subject: str) -> tuple[str, str]:
    """Kind and name of a subject: `node gpu-017`. What has no name (`site`) is its kind."""
    kind, _, name = subject.partition(" ")
    return kind, name


def where(alert: AlertView) -> str:
    """`gpu-017 · GPU 3`, `switch ib-leaf-1 · port 12`, `site`: servers need no word before their name."""
    kind, name = name_of(alert.subject)
    says_itself = kind == "node" or (kind == "rack" and name.lower().startswith("rack"))
    place = name if name and says_itself else alert.subject or "site"
    return f"{place} · {alert.part}" if alert.part else place


def way(subject: str, search: str) -> str:
    """The page of what an alert is about; empty where there is none."""
    kind, name = name_of(subject)
    kept = address.kept(search, *address.VIEWER, *address.TIME)
    ways: Mapping[str, str] = {
        "site": f"/{kept}",
        "node": address.to_node(name, search),
        "switch": f"/fabric{address.changed(kept, leaf=name)}",
        "storage": f"/storage{address.changed(kept, cluster=name)}",
        "job": address.to_job(name, None, search),
        "account": f"/energy{kept}",
        "scheduler": f"/jobs{kept}",
        "pdu": f"/power{kept}",
        **{limit: address.to_power(search, f"{limit}:{name}") for limit in ("rack", "row", "feed", "breaker")},
    }
    return ways.get(kind, "")


def to_alert(fingerprint: str, search: str) -> str:
    """The page of alerts with one of them open."""
    return f"/alerts{address.changed(address.kept(search, *address.VIEWER, *address.TIME), alert=fingerprint)}"


def to_runbook(name: str, search: str = "") -> str:
    """A runbook's own page."""
    return f"/runbooks/{quote(name, safe='')}{address.kept(search, *address.VIEWER, *address.TIME)}"


def since(alert: AlertView, now: float, zone: tzinfo) -> str:
    """`firing since 14:04`, `14:04 to 15:10`, `pending since 14:02`."""
    began = alert.active_at if alert.state == "pending" or alert.fired_at is None else alert.fired_at
    text = words.clock(began, now, zone)
    if alert.ended_at is not None:
        return f"{text} to {words.clock(alert.ended_at, now, zone)}"
    return f"{alert.state} since {text}"


def since_when(alert: AlertView, now: float, zone: tzinfo) -> str:
    """Both moments: `since 14:02, firing since 14:04`. The condition holds since the first, people are told from the second."""
    held, text = words.clock(alert.active_at, now, zone), since(alert, now, zone)
    if alert.state == "pending" or alert.fired_at is None or held == words.clock(alert.fired_at, now, zone):
        return text
    return f"since {held}, {'fired ' if alert.ended_at is not None else ''}{text}"


def unconfirmed(alert: AlertView, now: float, zone: tzinfo) -> str:
    """That nobody knows whether it still holds; empty where somebody does."""
    if alert.unconfirmed_since is None:
        return ""
    return f"not confirmed since {words.clock(alert.unconfirmed_since, now, zone)}: core gives no data"


def lasting(alert: AlertView, now: float) -> str:
    """How long it has held."""
    began = alert.active_at if alert.fired_at is None else alert.fired_at
    return words.duration((now if alert.ended_at is None else alert.ended_at) - began)


def summary(alert: AlertView) -> str:
    """One sentence without numbers."""
    return alert.annotations.get("summary") or alert.name


def description(alert: AlertView) -> str:
    """Device, value, limit and what to do first."""
    return alert.annotations.get("description") or summary(alert)


def coded(text: str) -> list[Markup | str]:
    """A sentence with its `commands` set as such."""
    return [tag("code", piece) if odd % 2 else piece for odd, piece in enumerate(re.split(r"`([^`]+)`", text)) if piece]


def told(alert: AlertView, now: float, zone: tzinfo) -> str:
    """Who was told of it, and when; or why nobody was."""
    if alert.notified_at is not None:
        to = ", ".join(alert.receivers) or "somebody"
        return f"{to} told at {words.clock(alert.notified_at, now, zone)}"
    if alert.silenced_by:
        return "silenced: nobody is told"
    if alert.inhibited_by:
        return "kept quiet by its cause: nobody is told"
    if alert.state == "pending":
        return "not told yet: it must hold a while"
    if alert.tells_at is not None and alert.state == "firing":
        return _told_soon(alert.tells_at - now)
    return "shown here only" if alert.severity == "info" else "nobody was told"


def _told_soon(seconds: float) -> str:
    left = f"waits {words.duration(math.ceil(seconds))} for its group" if seconds > 0 else "is on its way"
    return f"not told yet: the first message {left}"


def by_severity(alerts: Iterable[AlertView]) -> Mapping[str, int]:
    """How many of each severity."""
    counts = dict.fromkeys(SEVERITIES, 0)
    for alert in alerts:
        counts[alert.severity] = counts.get(alert.severity, 0) + 1
    return counts
