"""One cap in one resource: read, checked against its own bounds, written, read back. The same for every way by Redfish."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from power.actuators.bmc import LOOKS_SECONDS, Line, Request
from power.actuators.messages import Verdict
from power.model import Outcome
from wattstat.members import Body

NO_CAP = math.inf
"""Wanted watts that ask for no cap at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A cap as a resource states it, and what may be set. `enabled` None: the device does not say."""

    watts: float | None = None
    enabled: bool | None = None
    min_watts: float | None = None
    max_watts: float | None = None
    default_watts: float | None = None
    power_watts: float | None = None

    @property
    def in_force(self) -> float | None:
        """The cap, if it is one: switched on, with a value, and that within what the device can hold.

        Recorded: a cap of 278 W switched off below a least one of 501 W, and one of 1453 W above a greatest one of 1041 W.
        """
        if self.enabled is not True or self.watts is None or self.min_watts is None or self.max_watts is None:
            return None
        return self.watts if self.min_watts <= self.watts <= self.max_watts else None

    def refusal(self, wanted: float) -> str:
        """Why this value must not be written; empty if it may."""
        if wanted == NO_CAP:
            return ""
        if self.min_watts is None or self.max_watts is None:
            return "the device does not say which caps it takes; nothing is written without bounds"
        if not self.min_watts <= wanted <= self.max_watts:
            return f"{wanted:.0f} W; expected {self.min_watts:.0f} to {self.max_watts:.0f} W"
        return ""


class Place(Protocol):
    """Where a cap is kept and how it is written there."""

    @property
    def path(self) -> str: ...

    def reading(self, body: Body) -> Reading:
        """What the document states. Never fails."""

    def setting(self, watts: int) -> Request:
        """Sets the cap, and switches it on."""

    def clearing(self, now: Reading) -> Request | None:
        """Takes it away; None where that cannot be done."""

    def switching_on(self) -> Request | None:
        """Switches it on alone, for firmware that takes a value only afterwards; None where there is no such switch."""


class Done(NamedTuple):
    """What became of a write, and what the device shows afterwards."""

    outcome: Outcome
    reading: Reading | None
    detail: str = ""
    gone: bool = False


async def read(line: Line, place: Place) -> Reading | None:
    """What the device shows; None where it has no such resource. Raises `ActuatorError`."""
    body = await line.get(place.path)
    return None if body is None else place.reading(body)


async def write(line: Line, place: Place, wanted: float) -> Done:
    """Set the cap (`NO_CAP` clears it) and read it back within two seconds; bounds are read anew before.

    Raises `ActuatorError`.
    """
    now = await read(line, place)
    if now is None:
        return Done(Outcome.REFUSED, None, f"{place.path} is not there any more", gone=True)
    if refusal := now.refusal(wanted):
        return Done(Outcome.OUT_OF_RANGE, now, refusal)
    value = whole(wanted, now)
    request = place.clearing(now) if value is None else place.setting(value)
    if request is None:
        return Done(Outcome.REFUSED, now, "this device has no way to clear a cap")
    found = await line.write(request)
    if found.switch_on_first and value is not None:
        found = await _switched_on(line, place, request, found)
    if found.outcome is not None:
        return Done(found.outcome, now, found.detail, gone=found.gone)
    return await _seen(line, place, now, value)


def whole(wanted: float, now: Reading) -> int | None:
    """Whole watts, never more than wanted; None to clear."""
    if wanted == NO_CAP:
        return None
    return max(math.floor(wanted), math.ceil(now.min_watts or 0))


async def _switched_on(line: Line, place: Place, request: Request, refused: Verdict) -> Verdict:
    switch = place.switching_on()
    if switch is None:
        return refused
    found = await line.write(switch)
    return found if found.outcome is not None else await line.write(request)


async def _seen(line: Line, place: Place, before: Reading, value: int | None) -> Done:
    """Look until the device shows the value; the answer to the write alone is no proof."""
    now: Reading | None = before
    for pause in LOOKS_SECONDS:
        await line.sleep(pause)
        now = await read(line, place)
        if now is not None and _shows(now, value):
            return Done(Outcome.CONFIRMED, now)
    shown = "nothing" if now is None else "no cap" if now.in_force is None else f"{now.in_force:.0f} W"
    wanted = "no cap" if value is None else f"{value} W"
    return Done(Outcome.NOT_APPLIED, now, f"written {wanted}, the device shows {shown}")


def _shows(now: Reading, value: int | None) -> bool:
    if value is None:
        return now.in_force is None or now.in_force == now.default_watts
    return now.in_force is not None and abs(now.in_force - value) < 1
