"""`wattstat alerts` in words: since when, who was told, what is not known. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

_SPAN = re.compile(r"\s*\d{1,6}[smhdwMy]\s*")


def is_span(text: str) -> bool:
    """Whether a text is a span of time as the API takes it behind `now+`."""
    return _SPAN.fullmatch(text) is not None


def reach(alerts: Sequence[Mapping[str, str]], matchers: Sequence[str]) -> str:
    """How many of the alerts with these labels a silence keeps quiet."""
    from alerts.delivery.matchers import all_match, read_matcher

    read = [read_matcher(each) for each in matchers]
    count = sum(all_match(read, labels) for labels in alerts)
    if not count:
        return "It matches nothing now; `wattstat alerts list --pending --all --json` has the labels that alerts have."
    return f"It matches {count} {'alert' if count == 1 else 'alerts'} now."


def notes(alert: Mapping[str, Any], now: float) -> str:
    """Why nobody hears of it, and whether it is known to hold."""
    quiet = "silenced" if alert["silenced_by"] else "has a cause" if alert["inhibited_by"] else ""
    return ", ".join(note for note in (quiet, doubt(alert, now)) if note)


def doubt(alert: Mapping[str, Any], now: float) -> str:
    """That nobody knows whether it still holds; empty where somebody does."""
    since = alert["unconfirmed_since"]
    return "" if since is None else f"not confirmed since {clock(since, now)}"


def since(alert: Mapping[str, Any], now: float) -> str:
    """`since 14:02, firing since 14:04 (2h3m)`; the first word is the line's own."""
    held, fired = clock(alert["active_at"], now), alert["fired_at"]
    if alert["state"] == "pending" or fired is None:
        return f"{held}, pending ({ago(alert['active_at'], now)})"
    return f"{held}, firing since {clock(fired, now)} ({ago(fired, now)})"


def told(alert: Mapping[str, Any], now: float) -> str:
    """Who was told of it and when, or when somebody will be."""
    if alert["notified_at"]:
        return f"{clock(alert['notified_at'], now)} to {', '.join(alert['receivers'])}"
    if alert["tells_at"] is None or alert["silenced_by"] or alert["inhibited_by"]:
        return "nobody"
    left = _unix(alert["tells_at"]) - now
    return f"nobody yet: the first message waits {span(left)} for its group" if left > 0 else "nobody yet: it is on its way"


def _unix(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def clock(moment: str, now: float) -> str:
    """The time of this machine; with its day where that is another."""
    at, today = datetime.fromtimestamp(_unix(moment)).astimezone(), datetime.fromtimestamp(now).astimezone()
    return f"{at:%H:%M}" if at.date() == today.date() else f"{at:%Y-%m-%d %H:%M}"


def ago(moment: str | None, now: float) -> str:
    """How long ago; empty where that is not known."""
    return "" if moment is None else span(max(now - _unix(moment), 0))


def lasted(alert: Mapping[str, Any]) -> str:
    """How long it fired, or that it does."""
    if alert["ended_at"] is None or alert["fired_at"] is None:
        return "fires"
    return span(_unix(alert["ended_at"]) - _unix(alert["fired_at"]))


def span(seconds: float) -> str:
    """A duration in its two greatest units."""
    for size, unit, less, smaller in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if seconds >= size:
            rest = int(seconds % size // less)
            return f"{int(seconds // size)}{unit}" + (f"{rest}{smaller}" if rest else "")
    return f"{int(seconds)}s"
