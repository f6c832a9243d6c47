"""Who owns a limit, and what may be written: without any I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from wattstat.serve.cap.boards import Seen
from wattstat.serve.cap.order import Order
from wattstat.serve.cap.record import Held

# Boards round what they are told; nobody sets caps for half a watt.
NEAR_WATTS = 0.6


class Outcome(StrEnum):
    """What became of a write, in the words that core has for it."""

    CONFIRMED = "confirmed"
    NOT_APPLIED = "not_applied"
    REFUSED = "refused"
    OUT_OF_RANGE = "out_of_range"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What is to be done at one GPU, and what is noted before: `held` None lets go of it.

    `watts` None leaves the limit alone. `clock` says whether the clock's bound is touched too, and is lifted where `clock_mhz`
    is None.
    """

    uuid: str
    watts: float | None
    held: Held | None
    clock: bool = False
    clock_mhz: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why nothing is done at a GPU."""

    uuid: str
    watts: float | None = None
    outcome: Outcome
    why: str


def is_near(one: float | None, other: float | None) -> bool:
    """Whether two limits are the same one. What is not known is near nothing."""
    return one is not None and other is not None and abs(one - other) <= NEAR_WATTS


def owner(seen: Seen, held: Held | None) -> str | None:
    """Whose limit is in force: `wattstat`, `other`, or nobody's, which is the board's `default`. None where it is not read."""
    own = seen.own_watts
    if seen.problem or own is None:
        return None
    commanded = held.commanded_watts if held else None
    if is_near(own, commanded):
        return "wattstat"
    return "default" if commanded is None and is_near(own, seen.limits.default) else "other"


def planned(order: Order, uuid: str, seen: Seen | None, held: Held | None, *, forgotten: bool) -> Step | Refusal:
    """What an order comes to at one GPU."""
    watts = order.caps.get(uuid)
    if seen is None:
        why = "limits are the whole GPU's, not a part's" if uuid.startswith("MIG-") else "this node has no such GPU"
        return Refusal(uuid=uuid, watts=watts, outcome=Outcome.REFUSED, why=why)
    if seen.problem:
        return Refusal(uuid=uuid, watts=watts, outcome=Outcome.UNREACHABLE, why=seen.problem)
    if uuid in order.release:
        return _release(seen, held)
    bounds = seen.limits
    if watts is not None and (bounds.low is None or bounds.high is None or seen.own_watts is None):
        return Refusal(uuid=uuid, watts=watts, outcome=Outcome.REFUSED, why=f"the {seen.model or 'GPU'} takes no power limit")
    if watts is not None and not (bounds.low or 0) <= watts <= (bounds.high or 0):
        why = f"{watts:g} W lies outside what it takes now: {bounds.low:g} to {bounds.high:g} W"
        return Refusal(uuid=uuid, watts=watts, outcome=Outcome.OUT_OF_RANGE, why=why)
    clock = order.clocks.get(uuid) if uuid in order.clocks else held.clock_mhz if held else None
    previous = previous_of(seen, held, forgotten=forgotten)
    commanded = watts if watts is not None else held.commanded_watts if held else None
    kept = Held(
        previous_watts=previous,
        commanded_watts=commanded,
        earlier_watts=seen.own_watts if watts is not None else held.earlier_watts if held else None,
        clock_mhz=clock,
    )
    is_nothing = commanded is None and clock is None
    return Step(uuid=uuid, watts=watts, held=None if is_nothing else kept, clock=uuid in order.clocks, clock_mhz=clock)


def _release(seen: Seen, held: Held | None) -> Step | Refusal:
    uuid = seen.uuid
    if held is None:
        return Step(uuid=uuid, watts=None, held=None, note="nothing of ours is set here")
    has_clock = held.clock_mhz is not None
    if held.commanded_watts is None:
        return Step(uuid=uuid, watts=None, held=None, clock=has_clock)
    if not is_near(seen.own_watts, held.commanded_watts):
        note = f"somebody else has set {seen.own_watts:g} W since, which stays"
        return Step(uuid=uuid, watts=None, held=None, clock=has_clock, note=note)
    if held.previous_watts is None:
        why = "what the operator had set before us is not known, because the record of it was lost: order the limit to be set"
        return Refusal(uuid=uuid, outcome=Outcome.REFUSED, why=why)
    low, high = seen.limits.low or 0.0, seen.limits.high or held.previous_watts
    back = min(max(held.previous_watts, low), high)
    kept = held.model_copy(update={"commanded_watts": back, "earlier_watts": seen.own_watts, "releasing": True})
    return Step(uuid=uuid, watts=back, held=kept, clock=has_clock, note="the operator's own limit is back")


def previous_of(seen: Seen, held: Held | None, *, forgotten: bool) -> float | None:
    """What the operator wants, as far as we can know.

    A value that somebody set over ours is theirs from now on. The board's default over ours is what a driver leaves behind
    that was loaded anew, or a program that cleans up, and no operator's will; the one before ours is what stands there when we
    were killed before we set it.
    """
    own = seen.own_watts
    if held is None or held.commanded_watts is None:
        return None if forgotten else own
    if any(is_near(own, ours) for ours in (held.commanded_watts, held.earlier_watts, seen.limits.default)):
        return held.previous_watts
    return own


def settled(step: Step, before: Held | None, seen: Seen | None, *, failed: bool) -> Held | None:
    """What we hold after a step, by what is in force now: a limit that was not taken is not ours."""
    kept = step.held
    if kept is None:
        return before if failed else None
    if failed and step.clock:
        kept = kept.model_copy(update={"clock_mhz": before.clock_mhz if before else None})
    own = seen.own_watts if seen and not seen.problem else None
    if step.watts is None or own is None:  # not read: what was ordered may be in force
        pass
    elif is_near(own, step.watts):
        return None if kept.releasing else kept
    elif is_near(own, kept.earlier_watts):
        update = {name: getattr(before, name) if before else None for name in ("previous_watts", "commanded_watts")}
        kept = kept.model_copy(update=update | {"releasing": False})
    else:  # the board rounds more coarsely than we do
        kept = kept.model_copy(update={"commanded_watts": own, "releasing": False})
    return kept if kept.commanded_watts is not None or kept.clock_mhz is not None else None


def changed(seen: Seen, held: Held) -> str:
    """What somebody else did to a cap of ours, in words."""
    own, ours = seen.own_watts, held.commanded_watts
    if seen.problem or own is None or ours is None or is_near(own, ours):
        return ""
    return f"somebody else changed the limit from {ours:g} W to {own:g} W"


def owed_after_start(seen: Seen, held: Held, safe_watts: float | None) -> tuple[Held | None, float | None]:
    """What we hold at a GPU that is seen in a new session with the driver, and the limit that has to be set there again.

    Limits are gone with the driver. Nothing is ever raised here: who ordered it will order it again.
    """
    own, commanded = seen.own_watts, held.commanded_watts
    if own is None or commanded is None:
        return held, None
    if is_near(own, commanded):
        return (None if held.releasing else held), None
    if own > commanded:
        target = commanded if safe_watts is None or held.releasing else min(commanded, safe_watts)
        return held, lowered(seen, target)
    if is_near(own, held.earlier_watts):  # killed before it could raise
        return held.model_copy(update={"commanded_watts": own, "releasing": False}), None
    return held, None


def lowered(seen: Seen, watts: float) -> float | None:
    """`watts` within what the board takes, or None where that would lower nothing."""
    own, low = seen.own_watts, seen.limits.low
    if own is None or low is None:
        return None
    target = max(watts, low)
    return target if own > target + NEAR_WATTS else None
