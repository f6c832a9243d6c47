"""A cap that somebody else changes is set again a few times, ever later, and then left alone and charged in full.

Setting it again is the controller's and the guard's business, who see the cap above its target: here it is only held back.
"""

from __future__ import annotations

from dataclasses import dataclass

from power.actuators.findings import Why
from power.actuators.held import Held
from power.model import ControlState

CALM_SECONDS = 900.0
"""After so long without a change by others the count begins anew; a foreign device is tried again."""
PAUSES_SECONDS = (0.0, 5.0, 15.0, 60.0)
"""How long a device is left alone after each change by somebody else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fights:
    """How often is often."""

    most: int = 3

    def lost(self, held: Held, *, at: float, now: float) -> None:
        """Somebody else has changed its cap."""
        held.fights = 1 if now - held.fought_at > CALM_SECONDS else held.fights + 1
        held.fought_at = now
        if held.fights <= self.most:
            held.not_before = now + PAUSES_SECONDS[min(held.fights, len(PAUSES_SECONDS)) - 1]
            return
        held.state, held.not_before = ControlState.FOREIGN, now + CALM_SECONDS
        last = held.findings[Why.DRIFT].detail if Why.DRIFT in held.findings else ""
        held.find(
            Why.FOREIGN,
            f"changed by somebody else {held.fights} times (last: {last}); left alone for {CALM_SECONDS / 60:.0f} minutes and "
            "charged with all that it can draw: find out who else sets caps on it",
            at,
        )

    def calm(self, held: Held, *, now: float) -> bool:
        """Whether nothing has happened for a while: then it may be tried again."""
        if now - held.fought_at <= CALM_SECONDS:
            return False
        for why in (Why.DRIFT, Why.FOREIGN):
            held.findings.pop(why, None)
        held.fights = 0
        if held.state is ControlState.FOREIGN:
            held.state = ControlState.CONTROLLED
        return True
