"""Policies in words: what is asked, of which devices, when, and how far a policy has come. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from typing import Any

from dashboard import words

Document = Mapping[str, Any]

_OF = {
    "budget": "the budget", "rating": "the breaker's rating", "trip_safe": "what is trip-safe",
    "baseline": "what was drawn before", "default": "its default limit", "max": "its highest limit",
    "nameplate": "its nameplate",
}  # fmt: skip
_STATES = {"draft": "draft", "approved": "approved, not enabled", "enabled": "enabled", "expired": "expired"}
_MODES = {"observe": "only observes", "advise": "only advises"}
_OFFERS = {"disable": "be disabled", "remove": "be ended"}


def asked(ask: Document) -> str:
    """`each GPU at most 70 % of its default limit`."""
    kind, what = next(iter(ask.items()), ("", {}))
    return _ASKED[kind](what) if kind in _ASKED else kind.replace("_", " ")


def _amount(what: Document, usual: str) -> str:
    if what.get("watts") is not None:
        return words.watts(what["watts"])
    return f"{what.get('percent', 0):g}{words.THIN}% of {_OF.get(what.get('of', usual), what.get('of', usual))}"


def _limit(what: Document) -> str:
    kind = "guaranteed" if what.get("basis") == "guaranteed" else "measured"
    return f"together at most {_amount(what, 'budget')}, {kind}"


def _priority(what: Document) -> str:
    if what.get("value") is not None:
        return f"priority {what['value']}"
    listed = ", ".join(f"{name} {value}" for name, value in what.get("values", {}).items())
    return f"priority by {what.get('by')}: {listed}"


def _jobs(what: Document) -> str:
    equal = {True: "equal caps within a job", False: "caps within a job may differ"}.get(what.get("equal", None))
    checkpoints = "no cut while checkpoints are written" if what.get("checkpoints") else None
    return ", ".join(part for part in (equal, checkpoints) if part)


def _energy(what: Document) -> str:
    period = f"a {what['per']}" if what.get("per") else f"from {what.get('first_date')} to {what.get('last_date')}"
    return f"at most {what.get('kwh', 0):g}{words.THIN}kWh {period}"


_ASKED: Mapping[str, Callable[[Document], str]] = {
    "limit": _limit,
    "gpu_cap": lambda what: f"each GPU at most {_amount(what, 'default')}",
    "node_cap": lambda what: f"each server at most {_amount(what, 'nameplate')}",
    "gpu_clock": lambda what: f"GPU clocks at most {what.get('mhz', 0):g}{words.THIN}MHz",
    "priority": _priority,
    "jobs": _jobs,
    "energy": _energy,
    "emergency": lambda _: "lowest limits at once",
}


def conditions(when: Document) -> str:
    """`22:00 to 06:00, while intake air is over 30 °C`; `always` without any."""
    return ", ".join(_CONDITIONS[kind](what) for kind, what in when.items() if kind in _CONDITIONS) or "always"


def _schedule(what: Document) -> str:
    spans = []
    for span in what.get("spans", ()):
        hours = f"{span.get('start', '00:00')} to {span.get('end', '24:00')}"
        days = " ".join((*span.get("days", ()), *span.get("dates", ())))
        spans.append(f"{days} {hours}".strip())
    return "; ".join(spans)


def _temperature(what: Document) -> str:
    air = "exhaust air" if what.get("sensor") == "exhaust" else "intake air"
    return f"while {air} is over {what.get('above', 0):g}{words.THIN}°C"


def _signal(what: Document) -> str:
    over = what.get("above") is not None
    return f"while {what.get('name')} is {'over' if over else 'under'} {what['above' if over else 'below']:g}"


_CONDITIONS: Mapping[str, Callable[[Document], str]] = {
    "schedule": _schedule,
    "temperature": _temperature,
    "signal": _signal,
    "feed_lost": lambda _: "while a feed is lost",
    "event": lambda what: f"event at {what.get('start')} for {what.get('minutes', 0):g}{words.THIN}min",
    "demand": lambda what: f"while GPUs are used less than {what.get('below_percent', 20):g}{words.THIN}%",
}


def scope(written: str) -> str:
    """`rack/r01,r02 and partition/gpu` as people say it."""
    return "the whole site" if written == "site" else written.replace("/", " ").replace(",", ", ")


def word(written: str) -> str:
    """What must be typed to confirm a scope: its names."""
    return ",".join(part.partition("/")[2] or part for part in written.split(" and "))


def state(policy: Document) -> str:
    """How far it has come."""
    return _STATES.get(policy["state"], str(policy["state"]))


def mode(policy: Document) -> str | None:
    """What it does not do, where it is not enforced."""
    return _MODES.get(policy["mode"])


def waits(policy: Document) -> str | None:
    """What a second person must look at."""
    pending = policy.get("waits_for")
    if not pending:
        return None
    what = pending["what"]
    wanted = f"asks that it {_OFFERS[what]}" if what in _OFFERS else f"saved {what}"
    return f"waits for a second person: {pending['by']} {wanted} ({pending['reason']})"


def moment(text: str | None, now: float, zone: tzinfo) -> str | None:
    """A time of the API as the site's clock shows it; None for never."""
    at = unix(text)
    return None if at is None else words.clock(at, now, zone)


def unix(text: str | None) -> float | None:
    """A time of the API as Unix seconds."""
    return None if not text else datetime.fromisoformat(text).timestamp()
