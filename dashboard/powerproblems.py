"""What is wrong with power and caps: lines for the list of problems, and the words of each finding. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from dashboard import words
from dashboard.problem import Level, Problem

Status = Mapping[str, Any]
Finding = Mapping[str, Any]

WHY = {
    "adopted": "a cap that somebody else had set",
    "drift": "cap was changed by somebody else",
    "foreign": "somebody else keeps changing the cap",
    "not_holding": "cap does not hold",
    "not_applied": "cap was taken and not applied",
    "refused": "cap refused",
    "locked": "System Lockdown mode is on",
    "unlicensed": "no licence or no right for capping",
    "out_of_range": "cap outside what the device takes",
    "clock": "clock could not be locked",
    "pending_restart": "cap waits for a restart",
    "unreachable": "cannot be reached for capping",
    "unread": "cap cannot be read",
    "left_behind": "cap was left behind: nothing is enforced any more",
    "frozen": "power reading stands still",
    "unaudited": "audit trail cannot be written",
}
_GRAVE = frozenset({"unaudited"})
_HARMLESS = frozenset({"adopted"})
_MOST_ALIKE = 3
"""More servers with the same trouble have one cause: one line."""


def problems(status: Status) -> Iterator[Problem]:
    """Emergencies, limits, controller, caps. What holds is named with what to look at."""
    for each in status["emergencies"]:
        what = f"Emergency: at its lowest limits: {each['reason']} ({each['owner']})"
        yield Problem(
            level=Level.WARNING, kind="emergency", place=each["scope"].replace("/", " "), what=what, since=unix(each["since"])
        )
    for budget in status["budgets"]:
        yield from _of_budget(budget)
    if text := stuck(status):
        yield Problem(level=Level.CRITICAL, kind="power_control", place="power control", what=text)
    for text in status["troubles"]:
        yield Problem(level=Level.WARNING, kind="power_control", place="power control", what=text)
    yield from _of_findings(status)


def stuck(status: Status) -> str:
    """Why caps stay as they are although they ought to be steered; empty where they are."""
    leader = status["leader"]
    if status["mode"] != "enforce" or leader["leads"] or leader["holder"]:
        return ""
    return "Nobody leads: caps stay as they are"


def _of_budget(budget: Mapping[str, Any]) -> Iterator[Problem]:
    state, key = budget["state"], f"{budget['kind']}:{budget['name']}"
    limit, power = budget["limit_watts"], budget["power_watts"]
    if state == "over":
        what = f"Power {words.watts(power - limit)} over the limit of {words.watts(limit)} ({set_by(budget)})"
        yield Problem(level=Level.CRITICAL, kind="over", what=what, budget=key)
    if state == "unsafe" or is_unsafe(budget):
        yield Problem(level=Level.CRITICAL, kind="unsafe", what=unsafe_words(budget), budget=key)
    if state == "infeasible":
        what = f"Cannot be held for certain: {words.watts(budget['deficit_watts'])} too much with every cap at its lowest"
        yield Problem(level=Level.WARNING, kind="infeasible", what=what, budget=key)
    if state == "near":
        what = f"Peak {words.watts(budget['peak_watts'])} is near the limit of {words.watts(limit)} ({set_by(budget)})"
        yield Problem(level=Level.WARNING, kind="near", what=what, budget=key)


def is_unsafe(budget: Mapping[str, Any]) -> bool:
    """Whether the worst case is above what the breaker carries; also where power is over the limit already."""
    trip, worst = budget["trip_safe_watts"], budget["envelope_watts"]
    return trip is not None and (worst is None or worst > trip + 0.5)


def unsafe_words(budget: Mapping[str, Any]) -> str:
    """By how much a breaker is not safe."""
    worst, trip = budget["envelope_watts"], budget["trip_safe_watts"]
    if worst is None:
        return "Breaker not safe: nothing bounds what could be drawn"
    return f"Breaker not safe: worst case {words.watts(worst - trip)} over the {words.watts(trip)} that never trip it"


def set_by(budget: Mapping[str, Any]) -> str:
    """Who set a limit, as people say it."""
    return {"rating": "the breaker", "inventory": "inventory", None: ""}.get(budget["binding"], str(budget["binding"]))


def _of_findings(status: Status) -> Iterator[Problem]:
    alike: defaultdict[str, list[Finding]] = defaultdict(list)
    for each in status["findings"]:
        if each["why"] not in _HARMLESS:
            alike[each["why"]].append(each)
    for why, found in alike.items():
        level = Level.CRITICAL if why in _GRAVE else Level.WARNING
        nodes = sorted({each["node"] for each in found})
        since = min(unix(each["since"]) for each in found)
        if len(nodes) > _MOST_ALIKE:
            what = f"{_capital(WHY.get(why, why))}: {', '.join(nodes[:2])} and {len(nodes) - 2} more"
            place = words.plural(len(nodes), "server")
            yield Problem(level=level, kind=f"cap_{why}", place=place, what=what, since=since)
            continue
        for each in by_server(found, status["devices"]):
            name = _capital(WHY.get(why, why)) + (f" ({words.plural(each['count'], 'GPU')})" if each["count"] > 1 else "")
            place = "" if each["node"] else "power control"
            detail = each["detail"].strip().rstrip(":")
            what = f"{name}: {detail}" if detail else name
            yield Problem(
                level=level,
                kind=f"cap_{why}",
                node=each["node"],
                gpu=each["gpu"],
                place=place,
                what=what,
                since=unix(each["since"]),
            )


def by_server(found: Sequence[Finding], devices: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """One finding of each kind a server, the oldest: with the index of its GPU, or of how many GPUs it is told (`count`)."""
    numbers = {device["uuid"]: device["gpu"] for device in devices if device["uuid"]}
    alike: defaultdict[tuple[str, str], list[Finding]] = defaultdict(list)
    for each in found:
        alike[each["node"], each["why"]].append(each)
    for group in alike.values():
        first = min(group, key=lambda each: str(each["since"]))
        gpus = [each for each in group if each["uuid"]]
        yield {**first, "gpu": numbers.get(first["uuid"], "") if len(group) == 1 else "", "count": len(gpus)}


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def unix(text: str) -> float:
    """Unix seconds of a time as the API writes it."""
    return datetime.fromisoformat(text).timestamp()
