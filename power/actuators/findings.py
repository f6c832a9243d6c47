"""What is wrong with caps, for people: which device, one word why, since when, and the sentence that says what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from power.model import Device, Outcome


class Why(StrEnum):
    """One word for what is wrong; `docs/actuation.md` has a paragraph for each."""

    ADOPTED = "adopted"
    """A cap was found that nobody here has set. It counts, and it is what a release goes back to."""
    DRIFT = "drift"
    """A cap was found at another value than the one that was set."""
    FOREIGN = "foreign"
    """Somebody else keeps changing it."""
    NOT_HOLDING = "not_holding"
    """The cap is on, and more is drawn."""
    NOT_APPLIED = "not_applied"
    REFUSED = "refused"
    LOCKED = "locked"
    UNLICENSED = "unlicensed"
    OUT_OF_RANGE = "out_of_range"
    CLOCK = "clock"
    """A GPU's clock could not be set."""
    PENDING_RESTART = "pending_restart"
    UNREACHABLE = "unreachable"
    UNREAD = "unread"
    """Its cap was not read for so long that nobody knows it any more."""
    LEFT_BEHIND = "left_behind"
    """Caps from here are in force though nothing is enforced any more."""
    FROZEN = "frozen"
    """Its power stands still though it cannot."""
    UNAUDITED = "unaudited"
    """The audit trail cannot be written: only urgent cuts are done."""


BY_OUTCOME = {
    Outcome.NOT_APPLIED: Why.NOT_APPLIED,
    Outcome.REFUSED: Why.REFUSED,
    Outcome.LOCKED: Why.LOCKED,
    Outcome.UNLICENSED: Why.UNLICENSED,
    Outcome.OUT_OF_RANGE: Why.OUT_OF_RANGE,
    Outcome.PENDING_RESTART: Why.PENDING_RESTART,
    Outcome.UNREACHABLE: Why.UNREACHABLE,
}
BROKEN = frozenset(Why) - {Why.ADOPTED, Why.DRIFT, Why.OUT_OF_RANGE, Why.UNAUDITED, Why.CLOCK, Why.FROZEN, Why.LEFT_BEHIND}
"""What makes a cap one that cannot be counted on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that an operator should know. `since` is Unix time."""

    device: Device
    why: Why
    since: float
    detail: str

    @property
    def node(self) -> str:
        return self.device.node
