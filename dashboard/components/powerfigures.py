"""The big numbers of the page of power: is every breaker safe, is anything over its budget, who steers. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dashboard import words
from dashboard.components import parts
from dashboard.components.powerdevices import STATES
from dashboard.markup import Markup
from dashboard.powerproblems import is_unsafe, set_by
from dashboard.problem import Level

Status = Mapping[str, Any]
Budget = Mapping[str, Any]

_MODES = {
    "observe": "decides and writes nothing",
    "advise": "shows what it would do, writes nothing",
    "enforce": "writes caps",
}


def figures(status: Status, since: Mapping[str, str] | None = None) -> list[Markup]:
    """Six of them, the most pressing first. `since`: words by `kind:name`."""
    budgets: Sequence[Budget] = status["budgets"]
    if not budgets:
        return _unknown(status)
    return [_safe(budgets), _over(budgets, since or {}), _site(budgets), _headroom(budgets), _devices(status), _mode(status)]


def _unknown(status: Status) -> list[Markup]:
    """Before the first decision nothing is said to be safe."""
    labels = ("Breakers", "Over budget", "Power", "Least headroom", "Caps in place")
    blank = [parts.key_figure(label, (words.NOTHING, ""), "nothing decided yet") for label in labels]
    return [*blank, _mode(status)]


def _safe(budgets: Sequence[Budget]) -> Markup:
    """The promise that no breaker trips, whatever is drawn."""
    guarded = [each for each in budgets if each["trip_safe_watts"] is not None]
    if not guarded:
        return parts.key_figure("Breakers", (words.NOTHING, ""), "the inventory names no breaker", level=Level.WARNING)
    worst = max(guarded, key=_fullness)
    share = _fullness(worst)
    unsafe = sum(is_unsafe(each) for each in guarded)
    level = Level.CRITICAL if unsafe else Level.OK
    if worst["envelope_watts"] is None:
        return parts.key_figure("Breakers", (str(unsafe), "unsafe"), f"{worst['name']}: nothing bounds it", level=level)
    note = f"at worst {words.percent(share)} of {worst['name']}"
    number = (str(unsafe), f"of {len(guarded)} unsafe") if unsafe else ("safe", f"all {len(guarded)}")
    return parts.key_figure("Breakers", number, note, level=level, extra=parts.bar(share, level=level))


def _fullness(budget: Budget) -> float:
    """The worst case as a share of what is trip-safe; without any bound it is past every scale."""
    envelope = budget["envelope_watts"]
    return float("inf") if envelope is None else float(envelope / budget["trip_safe_watts"])


def _over(budgets: Sequence[Budget], since: Mapping[str, str]) -> Markup:
    over = [each for each in budgets if each["state"] == "over"]
    near = [each for each in budgets if each["state"] == "near"]
    if over:
        worst = min(over, key=lambda each: each["headroom_watts"])
        when = since.get(f"{worst['kind']}:{worst['name']}", "")
        note = f"{worst['name']} by {words.watts(-worst['headroom_watts'])}" + (f", {when}" if when else "")
        return parts.key_figure("Over budget", (str(len(over)), ""), note, level=Level.CRITICAL)
    limited = sum(each["limit_watts"] is not None for each in budgets)
    note = f"{words.plural(len(near), 'limit')} near, of {limited}" if near else f"of {words.plural(limited, 'limit')}"
    return parts.key_figure("Over budget", ("none", ""), note)


def _site(budgets: Sequence[Budget]) -> Markup:
    site = next((each for each in budgets if each["kind"] == "site"), None)
    if site is None:
        return parts.key_figure("Power", (words.NOTHING, ""), "nothing is known yet", level=Level.WARNING)
    limit = site["limit_watts"]
    note = f"of {words.watts(limit)} by {set_by(site)}" if limit is not None else "the site has no limit"
    ratio = None if limit is None else site["power_watts"] / limit
    return parts.key_figure(
        "Power", words.split(site["power_watts"], "W"), note, extra=None if ratio is None else parts.bar(ratio)
    )


def _headroom(budgets: Sequence[Budget]) -> Markup:
    """The least that any limit has left, as a share: that is where the next job does not fit."""
    limited = [each for each in budgets if each["limit_watts"]]
    if not limited:
        return parts.key_figure("Least headroom", (words.NOTHING, ""), "nobody set a limit")
    tightest = min(limited, key=lambda each: each["headroom_watts"] / each["limit_watts"])
    left = tightest["headroom_watts"] / tightest["limit_watts"]
    level = Level.CRITICAL if tightest["state"] == "over" else Level.WARNING if tightest["state"] == "near" else Level.OK
    where = f"{tightest['kind']} {tightest['name']}"
    note = f"{where} is over its limit" if left < 0 else f"{words.percent(left)} of {where}"
    return parts.key_figure("Least headroom", words.split(tightest["headroom_watts"], "W"), note, level=level)


def _devices(status: Status) -> Markup:
    states: Mapping[str, int] = status.get("states", {})
    total = sum(states.values())
    if not total:
        return parts.key_figure("Caps in place", (words.NOTHING, ""), "no device that takes caps is known")
    wrong = {word: count for word, count in states.items() if word not in {"controlled", "pending"}}
    pending = states.get("pending", 0)
    told = [f"{count} {STATES.get(word, word)}" for word, count in wrong.items()] + [f"{pending} being written"] * bool(pending)
    level = Level.WARNING if wrong else Level.OK
    good = states.get("controlled", 0)
    note = ", ".join(told) or "all by read-back"
    return parts.key_figure("Caps in place", (f"{good:,}", f"of {total:,}"), note, level=level,
                            extra=parts.bar(good / total, level=level))  # fmt: skip


def _mode(status: Status) -> Markup:
    mode, leader = status["mode"], status["leader"]
    if status.get("emergencies"):
        first = status["emergencies"][0]
        return parts.key_figure("Emergency", ("on", ""), f"{first['scope']}: {first['reason']}", level=Level.CRITICAL)
    if mode == "enforce" and not leader["leads"]:
        note = f"{leader['holder']} leads" if leader["holder"] else "nobody leads: caps stay as they are"
        return parts.key_figure("Control", (mode, ""), note, level=Level.WARNING)
    held_back = status.get("held_back") if mode == "enforce" else ""
    return parts.key_figure("Control", (mode, ""), held_back or _MODES[mode], level=Level.WARNING if held_back else Level.OK)
