"""Decide again from what was recorded, and compare.

A decision is a pure function of what it was given, so that the same code must decide the same. Where it does not, the record,
the inputs or the code was changed, or the decision was no pure function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from power.audit.inputs import Inputs
from power.audit.record import Record
from power.audit.trail import AuditError, Trail

DECISION = "decision"
"""Kind of the records that can be decided again."""
Decide = Callable[[Mapping[str, Any]], object]
"""A pure function from what was given, by name, to what was decided."""


def keep_decision(
    trail: Trail, inputs: Inputs, given: Mapping[str, object], decided: object, body: Mapping[str, Any] | None = None
) -> Record:
    """Record a decision with all that it was made of. Raises `AuditError`."""
    digests = {name: inputs.keep(value) for name, value in given.items()}
    return trail.append(DECISION, {**(body or {}), "given": digests, "decided": inputs.keep(decided)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A decision that came out otherwise, or could not be made again."""

    number: int
    at: float
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What became of a replay."""

    decisions: int
    same: int
    different: tuple[Difference, ...]
    lost: tuple[Difference, ...]
    """Decisions whose inputs are gone or damaged."""


def replay(
    trail: Trail,
    inputs: Inputs,
    decide: Decide,
    *,
    after: int = 0,
    until: int | None = None,
    limit: int = 1_000_000,
) -> Replayed:
    """Make the recorded decisions behind number `after` again, up to `until`. Raises `AuditError` for an unreadable trail."""
    records = [
        record for record in trail.read(after=after, kind=DECISION, limit=limit) if until is None or record.number <= until
    ]
    different: list[Difference] = []
    lost: list[Difference] = []
    for record in records:
        try:
            given = {str(name): inputs.load(str(digest)) for name, digest in record.body["given"].items()}
        except AuditError as err:
            lost.append(Difference(number=record.number, at=record.at, what=str(err)))
            continue
        now = decide(given)
        if inputs.digest(now) != record.body["decided"]:
            different.append(Difference(number=record.number, at=record.at, what=_told(inputs, record, now)))
    same = len(records) - len(different) - len(lost)
    return Replayed(decisions=len(records), same=same, different=tuple(different), lost=tuple(lost))


def _told(inputs: Inputs, record: Record, now: object) -> str:
    try:
        then = inputs.load(str(record.body["decided"]))
    except AuditError as err:
        return f"decides otherwise; what was decided then cannot be shown: {err}"
    return difference(then, now) or "decides otherwise"


def difference(then: Any, now: Any, where: str = "") -> str:
    """The first thing in which two values differ, in words; empty where they do not."""
    if type(then) is not type(now):
        return f"{where or 'it'} was a {type(then).__name__}, is now a {type(now).__name__}"
    if isinstance(then, np.ndarray):
        return _of_arrays(then, now, where)
    if is_dataclass(then):
        names = [each.name for each in fields(then) if each.init]
        parts = [(name, getattr(then, name), getattr(now, name)) for name in names]
    elif isinstance(then, Mapping):
        if then.keys() != now.keys():
            return f"{where or 'it'} had {_few(then.keys() - now.keys())} alone, has now {_few(now.keys() - then.keys())} alone"
        parts = [(str(key), then[key], now[key]) for key in then]
    elif isinstance(then, tuple | list):
        if len(then) != len(now):
            return f"{where or 'it'} had {len(then)} entries, has now {len(now)}"
        parts = [(str(position), one, other) for position, (one, other) in enumerate(zip(then, now, strict=True))]
    else:
        same = then == now or (then != then and now != now)  # noqa: PLR0124 - NaN is itself here
        return "" if same else f"{where or 'it'} was {then}, is now {now}"
    return next((found for name, one, other in parts if (found := difference(one, other, f"{where}.{name}".lstrip(".")))), "")


def _of_arrays(then: Any, now: Any, where: str) -> str:
    if then.shape != now.shape:
        return f"{where} had the shape {then.shape}, has now {now.shape}"
    apart = (then != now) & ~((then != then) & (now != now))  # noqa: PLR0124 - NaN is itself here
    rows = np.flatnonzero(apart)
    if not len(rows):
        return ""
    first = int(rows[0])
    return f"{where}[{first}] was {then.flat[first]}, is now {now.flat[first]} ({len(rows)} of {then.size} differ)"


def _few(names: Any) -> str:
    return ", ".join(sorted(map(str, names))[:3]) or "nothing"
