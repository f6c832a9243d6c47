"""What the endpoint answers about a GPU, and about a write to it."""

from __future__ import annotations

from typing import Any

from wattstat.serve.cap.boards import Seen
from wattstat.serve.cap.record import Held
from wattstat.serve.cap.rules import Outcome, Refusal, Step, is_near, owner


def gpu(seen: Seen, held: Held | None, note: str) -> dict[str, Any]:
    """A GPU as core reads it. What is not known is null."""
    limits = seen.limits
    return {
        "uuid": seen.uuid,
        "index": seen.index,
        "model": seen.model,
        "limit_watts": _watts(limits.enforced),
        "own_watts": _watts(seen.own_watts),
        "min_watts": _watts(limits.low),
        "max_watts": _watts(limits.high),
        "default_watts": _watts(limits.default),
        "power_watts": _watts(seen.power_watts),
        "power_age_seconds": _watts(seen.power_age_seconds),
        "clock_mhz": held.clock_mhz if held else None,
        "owner": owner(seen, held),
        "commanded_watts": _watts(held.commanded_watts if held else None),
        "previous_watts": _watts(held.previous_watts if held else None),
        "detail": "; ".join(filter(None, (seen.problem, note))),
    }


def result(step: Step | Refusal, seen: Seen | None, why: str, outcome: Outcome | None) -> dict[str, Any]:
    """What became of a step. Where the driver said yes, what is in force now decides."""
    if isinstance(step, Refusal):
        found = step.outcome, step.why
    else:
        found = (outcome, "") if outcome is not None else _read_back(step, seen)
    return {
        "uuid": step.uuid,
        "wanted_watts": _watts(step.watts),
        "read_back_watts": _watts(seen.limits.enforced) if seen else None,
        "outcome": found[0].value,
        "detail": "; ".join(filter(None, (why, found[1]))),
    }


def _read_back(step: Step, seen: Seen | None) -> tuple[Outcome, str]:
    if step.watts is None:
        return Outcome.CONFIRMED, ""
    if seen is None or seen.problem or seen.limits.enforced is None:
        return Outcome.UNREACHABLE, f"written, and not read back: {seen.problem if seen else 'the GPU is gone'}"
    own, enforced = seen.own_watts, seen.limits.enforced
    if not is_near(own, step.watts) or (enforced > step.watts and not is_near(enforced, step.watts)):
        return Outcome.NOT_APPLIED, f"the driver said yes, and {enforced:g} W is in force ({own:g} W in band)"
    lower = enforced < step.watts and not is_near(enforced, step.watts)
    return Outcome.CONFIRMED, f"a lower limit of {enforced:g} W is set out of band" if lower else ""


def _watts(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
