"""Policies that people know by name, with the few numbers that differ from site to site."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from power.policies.efficiency import History, most_efficient
from power.policies.model import Policy
from power.policies.reader import from_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A number or a text of a predefined policy; without a default it must be given."""

    name: str
    text: str
    default: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Predefined:
    """A policy that people know. `make` gives what is particular to it."""

    name: str
    title: str
    text: str
    parameters: tuple[Parameter, ...]
    make: Callable[[Mapping[str, Any], History | None], dict[str, Any]]

    def policy(
        self,
        *,
        owner: str,
        name: str | None = None,
        reason: str | None = None,
        mode: str = "observe",
        scope: Mapping[str, Any] = MappingProxyType({}),
        history: History | None = None,
        **given: Any,
    ) -> Policy:
        """The policy with these numbers. Raises `InvalidDocument` for what makes none, `ValueError` for a parameter amiss.

        `history` tells what the site has seen of caps and work; only maximum-efficiency asks it.
        """
        known = {parameter.name: parameter.default for parameter in self.parameters}
        if strange := sorted(given.keys() - known.keys()):
            raise ValueError(f"{strange[0]}: {self.name} has no such parameter; expected {', '.join(known) or 'none'}")
        values = known | {key: value for key, value in given.items() if value is not None}
        if missing := [key for key, value in values.items() if value is None]:
            raise ValueError(f"{missing[0]}: is missing; expected {self._text(missing[0])}")
        body = {
            "name": name or self.name,
            "owner": owner,
            "reason": reason or self.text,
            "mode": mode,
            "scope": dict(scope),
            **self.make(values, history),
        }
        return from_json(body, source=self.name)

    def _text(self, parameter: str) -> str:
        return next(each.text for each in self.parameters if each.name == parameter)


def _static(given: Mapping[str, Any], _history: History | None) -> dict[str, Any]:
    return {"ask": {"limit": {"watts": given["watts"], "basis": given["basis"]}}}


def _night(given: Mapping[str, Any], _history: History | None) -> dict[str, Any]:
    span = {"start": given["start"], "end": given["end"], "days": given["days"]}
    return {"ask": {"gpu_cap": {"percent": given["percent"]}}, "when": {"schedule": {"spans": [span]}}}


def _hot(given: Mapping[str, Any], _history: History | None) -> dict[str, Any]:
    heat = {"sensor": "inlet", "above": given["celsius"], "release": given["celsius"] - given["hysteresis"], "per": "rack"}
    return {"ask": {"gpu_cap": {"percent": given["percent"]}}, "when": {"temperature": heat}}


def _feed(given: Mapping[str, Any], _history: History | None) -> dict[str, Any]:
    return {"ask": {"gpu_cap": {"percent": given["percent"]}}, "when": {"feed_lost": {"per": "rack"}}}


def _response(given: Mapping[str, Any], _history: History | None) -> dict[str, Any]:
    event = {"start": given["start"], "minutes": given["minutes"], "notice_minutes": given["notice_minutes"]}
    return {
        "ask": {"limit": {"percent": 100 - given["reduction_percent"], "of": "baseline"}},
        "when": {"event": event},
    }


def _efficient(given: Mapping[str, Any], history: History | None) -> dict[str, Any]:
    best = most_efficient(str(given["gpu_model"]), history, slowest=1 - given["slowdown_percent"] / 100)
    scope = {"scope": {"gpu_model": given["gpu_model"]}} if given["gpu_model"] != "any" else {}
    return {"ask": {"gpu_cap": {"percent": round(100 * best.share, 1), "of": "max"}}, "reason": str(best), **scope}


def _ebb(given: Mapping[str, Any], _history: History | None) -> dict[str, Any]:
    demand = {"below_percent": given["below_percent"], "returns_percent": given["returns_percent"]}
    return {"ask": {"gpu_cap": {"percent": given["percent"]}}, "when": {"demand": demand}}


def _emergency(given: Mapping[str, Any], _history: History | None) -> dict[str, Any]:
    signal = {"name": given["signal"], "above": 0.5, "hold_minutes": given["hold_minutes"]}
    return {"ask": {"emergency": {}}, "when": {"signal": signal}}


_PERCENT = Parameter(name="percent", text="share of each GPU's default limit", default=70)
_ALL = (
    Predefined(
        name="static-cap",
        title="Static cap",
        text="No more than so many watts, always",
        parameters=(
            Parameter(name="watts", text="watts for all of the scope, such as 250000"),
            Parameter(name="basis", text="measured, or guaranteed", default="measured"),
        ),
        make=_static,
    ),
    Predefined(
        name="night-cap",
        title="Night cap",
        text="Less power by night",
        parameters=(
            _PERCENT,
            Parameter(name="start", text="from when", default="22:00"),
            Parameter(name="end", text="until when", default="06:00"),
            Parameter(name="days", text="days of the week on which it begins; all if empty", default=()),
        ),
        make=_night,
    ),
    Predefined(
        name="hot-inlet",
        title="Inlet over 30 °C",
        text="Less power in racks whose intake air is too hot",
        parameters=(
            Parameter(name="celsius", text="degrees Celsius", default=30.0),
            Parameter(name="hysteresis", text="degrees below that at which it ends", default=3.0),
            _PERCENT,
        ),
        make=_hot,
    ),
    Predefined(
        name="feed-lost",
        title="Feed lost",
        text="The feed that is left must carry it alone",
        parameters=(Parameter(name="percent", text=_PERCENT.text, default=60),),
        make=_feed,
    ),
    Predefined(
        name="demand-response",
        title="Demand response 25 %",
        text="The grid asks for less for a while",
        parameters=(
            Parameter(name="start", text="when it begins, such as 2026-07-01T14:00:00Z"),
            Parameter(name="minutes", text="how long it lasts", default=180),
            Parameter(name="reduction_percent", text="how much less than before", default=25),
            Parameter(name="notice_minutes", text="how long before the start it is announced", default=10),
        ),
        make=_response,
    ),
    Predefined(
        name="maximum-efficiency",
        title="Maximum efficiency",
        text="The cap with the least energy per work",
        parameters=(
            Parameter(name="gpu_model", text="the model of GPU, such as H100", default="any"),
            Parameter(name="slowdown_percent", text="by how much work may become slower at most", default=25),
        ),
        make=_efficient,
    ),
    Predefined(
        name="throttle-back",
        title="Throttle back when demand ebbs",
        text="Little is asked of the GPUs; who comes back gets all at once",
        parameters=(
            Parameter(name="percent", text=_PERCENT.text, default=60),
            Parameter(name="below_percent", text="utilisation under which it begins", default=20),
            Parameter(name="returns_percent", text="utilisation over which it ends", default=50),
        ),
        make=_ebb,
    ),
    Predefined(
        name="emergency",
        title="Emergency",
        text="Everything to its lowest limit at once, when the building says so",
        parameters=(
            Parameter(
                name="signal", text="name of the number that is posted: over 0.5 it is an emergency", default="emergency"
            ),
            Parameter(name="hold_minutes", text="how long it lasts at least", default=5),
        ),
        make=_emergency,
    ),
)
PREDEFINED: Mapping[str, Predefined] = MappingProxyType({each.name: each for each in _ALL})
