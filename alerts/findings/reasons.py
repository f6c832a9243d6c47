"""Why a GPU is slow, by its own word: throttle reasons, its power limit, its temperature, beside the others' of its job."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

OFTEN = 0.3
"""Share of the time for which a reason must hold to be the reason."""
LOWER_LIMIT_RATIO = 0.95
"""A limit below this share of the others' explains a lower clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What a GPU says of itself. `reasons` are shares of the last ten minutes, by the name of the throttle reason."""

    limit_watts: float | None = None
    celsius: float | None = None
    reasons: Mapping[str, float] = field(default_factory=dict)

    def holds(self, *names: str) -> bool:
        """Whether any of these reasons held often."""
        return any(self.reasons.get(name, 0.0) >= OFTEN for name in names)

    @property
    def is_capped(self) -> bool:
        """Whether a power limit holds it back, and not its heat."""
        return self.holds("sw_power_cap", "hw_power_brake")


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """A reason in words, what to do first, and what shows it: a query with `%s` for the GPU's labels."""

    text: str
    advice: str
    query: str = ""
    unit: str = ""

    def expression(self, where: str) -> str:
        """The query for one GPU."""
        return self.query.replace("%s", where)


_PLAIN: Mapping[str, Why] = {
    "hw_power_brake": Why(
        text="The server's power brake holds it: a supply, a feed or the server's own cap.",
        advice="Look at the server's power supplies and its cap.",
        query='wattstat_gpu_throttle_active{%s,reason="hw_power_brake"}',
    ),
    "hw_slowdown": Why(
        text="Its hardware holds its clocks down (HW slowdown) and does not say for what.",
        advice="Look at its power connection and temperatures with `nvidia-smi -q -d PERFORMANCE`.",
        query='wattstat_gpu_throttle_active{%s,reason="hw_slowdown"}',
    ),
    "application_clocks": Why(
        text="Somebody set its clocks (application clocks).",
        advice="`nvidia-smi -q -d CLOCK` shows them, `nvidia-smi -rac` and `-rgc` give them back.",
        query='wattstat_gpu_throttle_active{%s,reason="application_clocks"}',
    ),
}
_NONE = Why(
    text="The device gives no reason.",
    advice="Look for locked clocks (`nvidia-smi -q -d CLOCK`); if there are none, reset the GPU when the job ends.",
    query='wattstat_gpu_throttle_active{%s,reason!="idle"}',
)
_THERMAL = ("hw_thermal", "sw_thermal", "thermal_policy")


def because(mine: Condition, others: Sequence[Condition]) -> Why:
    """The reason that the device gives, or that it gives none."""
    if mine.holds(*_THERMAL):
        return Why(
            text=f"It slows itself down because it is hot{_beside(mine.celsius, [each.celsius for each in others], '°C')}.",
            advice="Look at its fans, blind plates and heat sink; drain the server when the job ends.",
            query='wattstat_gpu_temperature_celsius{%s,sensor="gpu"}',
            unit="celsius",
        )
    limits = [each.limit_watts for each in others if each.limit_watts is not None]
    if mine.holds("sw_power_cap") and not mine.holds("hw_power_brake") and mine.limit_watts is not None and limits:
        if mine.limit_watts < LOWER_LIMIT_RATIO * statistics.median(limits):
            return Why(
                text=f"Its power limit is {mine.limit_watts:.0f} W, the others' {statistics.median(limits):.0f} W.",
                advice="Find who set it (`nvidia-smi -q -d POWER`, `wattstat power audit`) and give it the others' limit.",
                query='wattstat_gpu_power_limit_watts{%s,kind="enforced"}',
                unit="watts",
            )
        return Why(
            text="It reaches its power limit at a lower clock than the others do at the same one: a leaky or a hot chip.",
            advice="Compare its temperature; a board that stays so is a matter for its maker.",
            query='wattstat_gpu_throttle_active{%s,reason="sw_power_cap"}',
        )
    return next((why for reason, why in _PLAIN.items() if mine.holds(reason)), _NONE)


def _beside(mine: float | None, others: Sequence[float | None], unit: str) -> str:
    known = [each for each in others if each is not None]
    if mine is None:
        return ""
    return f" ({mine:.0f} {unit}" + (f", the others {statistics.median(known):.0f} {unit})" if known else ")")
