"""What if a budget were another: the question of an address as a draft, and what the answer costs in work. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode

from dashboard import address
from wattstat import capcurve

Budget = Mapping[str, Any]
Basis = Literal["measured", "guaranteed"]

NAME = "what-if"
"""What the draft is called in the answer."""
_AMOUNT = re.compile(r"(\d+(?:[.,]\d+)?)\s*(%|m?w|kw)?", re.IGNORECASE)
_FACTORS = {"": 1.0, "w": 1.0, "kw": 1e3, "mw": 1e6}
_MOST_WATTS = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody wants to know. `watts` None: nothing yet; `refusal` says what in it makes no sense."""

    text: str = ""
    watts: float | None = None
    basis: Basis = "measured"
    refusal: str = ""


def asked(search: str, budget: Budget) -> Asked:
    """What an address asks of a budget: `watts=16500`, `16.5 kW` or `80 %` of what limits it now; `basis=guaranteed`."""
    given = address.given(search)
    text = given.get("watts", "").strip()
    basis: Basis = "guaranteed" if given.get("basis") == "guaranteed" else "measured"
    if not text:
        return Asked(basis=basis)
    watts = amount(text, reference(budget))
    if watts is None:
        expected = "expected watts such as 16500 or 16.5 kW" + (
            ", or a share of the limit such as 80 %" if reference(budget) else ""
        )
        return Asked(text=text, basis=basis, refusal=f"“{text[:40]}” is no amount: {expected}.")
    return Asked(text=text, watts=watts, basis=basis)


def reference(budget: Budget) -> float | None:
    """What a share is a share of: the limit in force."""
    limit = budget["limit_watts"]
    return None if limit is None else float(limit)


def amount(text: str, whole: float | None) -> float | None:
    """Watts of what somebody typed; None where that is no amount."""
    matched = _AMOUNT.fullmatch(text.strip())
    if matched is None:
        return None
    number, unit = float(matched[1].replace(",", ".")), (matched[2] or "").lower()
    factor = whole and whole / 100 if unit == "%" else _FACTORS[unit]
    return round(number * factor) if factor and 0 < number * factor <= _MOST_WATTS else None


def draft(budget: Budget, watts: float, basis: Basis) -> dict[str, Any]:
    """The policy that is tried out."""
    scope = {} if budget["kind"] == "site" else {budget["kind"]: budget["name"]}
    ask = {"limit": {"watts": watts, "basis": basis}}
    return {"name": NAME, "owner": "page of power", "reason": "What if", "scope": scope, "ask": ask}


def way_to_policies(budget: Budget, question: Asked, search: str) -> str:
    """The page of policies with this draft filled in."""
    scope = "site" if budget["kind"] == "site" else f"{budget['kind']}:{budget['name']}"
    asked_for = {"draft": "limit", "scope": scope, "watts": f"{question.watts:g}"}
    if question.basis == "guaranteed":
        asked_for["basis"] = "guaranteed"
    kept = address.kept(search, *address.VIEWER)
    return "/policies?" + urlencode(asked_for, safe=":/,") + (f"&{kept[1:]}" if kept else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Share of the throughput that GPUs lose under lower caps if they work all the time; `low` to `high` is what it may be."""

    gpus: int
    value: float
    low: float
    high: float
    beyond: bool
    """Some caps are lower than anybody has measured."""


def cost(changes: Sequence[Mapping[str, Any]], devices: Sequence[Mapping[str, Any]]) -> Cost | None:
    """By the measured sweeps of training; None where no GPU's cap goes down."""
    most = {each["uuid"]: each["max_watts"] for each in devices if each["uuid"]}
    shares = [
        (min(1.0, each["before_watts"] / top), min(1.0, each["after_watts"] / top))
        for each in changes
        if each["uuid"] and each["before_watts"] and each["after_watts"] and (top := most.get(each["uuid"]))
    ]
    lowered = [(before, after) for before, after in shares if after < before]
    if not lowered:
        return None
    bands = [(capcurve.band(before), capcurve.band(after)) for before, after in lowered]
    value, most_lost, least_lost = (
        sum(1 - after[which] / before[which] for before, after in bands) / len(bands) for which in (0, 1, 2)
    )
    beyond = any(after < capcurve.FLOOR for _, after in lowered)
    return Cost(gpus=len(lowered), value=value, low=least_lost, high=most_lost, beyond=beyond)
