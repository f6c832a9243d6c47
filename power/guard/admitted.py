"""What the guard says: the targets that may be written, and what became of every other one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from power.model import Bools, Device, Fleet, Floats, Ints


class Verdict(IntEnum):
    """What became of one device's target. The clipped ones may still be refused: then there is no target left."""

    LEFT = 0
    ADMITTED = 1
    CLIPPED_TO_DEVICE = 2
    CLIPPED_TO_FLOOR = 3
    CLIPPED_TO_POLICY = 4
    SCALED = 5
    GARBAGE = 6
    NO_BOUNDS = 7
    UNREAD = 8
    FOREIGN = 9
    UNCONTROLLED = 10
    STALE = 11
    FROZEN = 12
    URGENT = 13
    ENVELOPE = 14


SAID = {
    Verdict.CLIPPED_TO_DEVICE: "is kept within what the device takes",
    Verdict.CLIPPED_TO_FLOOR: "is kept at the floor, or at the cap in force where that is lower",
    Verdict.CLIPPED_TO_POLICY: "is not raised over the cap of a policy",
    Verdict.SCALED: "is raised only as far as the worst case allows",
    Verdict.GARBAGE: "was asked to take what is no positive number of watts",
    Verdict.NO_BOUNDS: "is not written: the device has not told what it takes",
    Verdict.UNREAD: "is not written: its cap has not been read yet",
    Verdict.FOREIGN: "is not written: somebody else sets its cap",
    Verdict.UNCONTROLLED: "is not raised: it does not hold caps",
    Verdict.STALE: "is not raised: its cap was read too long ago",
    Verdict.FROZEN: "is not raised: nothing is, now",
    Verdict.URGENT: "is not raised: an emergency holds there",
    Verdict.ENVELOPE: "is not raised: the worst case would be over a limit, or is already",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One device whose target was clipped or refused. `watts` is what is left of it, `limit` the limit that said so."""

    device: Device
    verdict: Verdict
    watts: float | None
    limit: str | None

    def __str__(self) -> str:
        by = f" ({self.limit})" if self.limit else ""
        return f"{self.device} {SAID[self.verdict]}{by}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Admitted:
    """What may be written; NaN: leave as it is. The same in every mode: `writes` tells whether it is to be done at all.

    Columns of GPUs: `gpu_*`, `clock_mhz`. Of servers: `node_*`, `urgent`, `pressed` (a limit above is over its worst case now,
    so that no cut is too small). `*_limit` is the row of the limit that scaled or refused, -1 none. Of limits: `limit_*`:
    the worst case now, with everything that was asked, with everything that is admitted (whatever part of it gets through),
    and the most that may be.
    """

    gpu_watts: Floats
    gpu_verdict: Ints
    gpu_limit: Ints
    gpu_name: Ints
    node_cap_watts: Floats
    node_verdict: Ints
    node_limit: Ints
    node_name: Ints
    clock_mhz: Floats
    urgent: Bools
    pressed: Bools
    limit_now_watts: Floats
    limit_asked_watts: Floats
    limit_worst_watts: Floats
    limit_bound_watts: Floats
    names: tuple[str, ...]
    writes: bool
    urgent_only: bool = False
    """What is written may only be urgent: there is no more right to it than that."""
    held_back: str = ""
    """Why nothing is written: the mode, or no valid lease."""
    frozen: str = ""
    """Why no cap is raised at all."""
    garbage: tuple[str, ...] = ()
    """What of the input could not be used."""

    def name(self, value: int, fleet: Fleet) -> str:
        """Whom a name's number means: of the intent from 0, a limit below -1."""
        if 0 <= value < len(self.names):
            return self.names[value]
        row = -2 - value
        return fleet.tree.limits[row].name if 0 <= row < len(fleet.tree.limits) else ""

    def refusals(self, fleet: Fleet) -> Iterator[Refusal]:
        """Every target that was not taken as it came; GPUs, then servers."""
        kinds = (
            (self.gpu_verdict, self.gpu_watts, self.gpu_limit, fleet.gpus),
            (self.node_verdict, self.node_cap_watts, self.node_limit, [Device(node) for node in fleet.nodes]),
        )
        for verdicts, targets, limits, devices in kinds:
            for row in np.flatnonzero(verdicts > Verdict.ADMITTED):
                watts, limit = float(targets[row]), int(limits[row])
                yield Refusal(
                    device=devices[row],
                    verdict=Verdict(int(verdicts[row])),
                    watts=None if np.isnan(watts) else watts,
                    limit=fleet.tree.limits[limit].name if limit >= 0 else None,
                )

    def scaled_limits(self, fleet: Fleet) -> dict[str, float]:
        """Watts of raises that each limit did not take, by its name; limits that took all are not named."""
        held = np.maximum(self.limit_asked_watts - np.maximum(self.limit_worst_watts, self.limit_now_watts), 0)
        over = (self.limit_asked_watts > self.limit_bound_watts) & (held > 0)
        return {fleet.tree.limits[row].name: float(held[row]) for row in np.flatnonzero(over)}
