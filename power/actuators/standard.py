"""A server's cap as the standard has it: EnvironmentMetrics, a Control, and at last the old PowerControl.

EnvironmentMetrics and Controls have a ControlMode, a SetPoint and the allowed range. The old `PowerLimit` has only a number,
which on all recorded machines shows a limit that is switched off; it is believed and written only where the chassis states its
own least and greatest power. `LimitException` is never written: recorded servers have `HardPowerOff` there.
"""

from __future__ import annotations

from dataclasses import dataclass

from power.actuators.bmc import Request
from power.actuators.cap import Reading
from power.actuators.setpoint import watts
from wattstat.members import Body, Json, member, text


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """`PowerLimitWatts` of an EnvironmentMetrics: of a chassis, or of one GPU. `clear` is NVIDIA's action, where offered."""

    path: str
    clear: str | None = None

    def reading(self, body: Body) -> Reading:
        return set_point(member(body, "PowerLimitWatts"), power=member(body, "PowerWatts", "Reading"))

    def setting(self, watts: int) -> Request:
        return Request("PATCH", self.path, {"PowerLimitWatts": {"SetPoint": watts, "ControlMode": "Automatic"}})

    def clearing(self, now: Reading) -> Request | None:
        if self.clear is not None:
            return Request("POST", self.clear, {})
        if now.default_watts is not None:
            return Request("PATCH", self.path, {"PowerLimitWatts": {"SetPoint": round(now.default_watts)}})
        return Request("PATCH", self.path, {"PowerLimitWatts": {"ControlMode": "Disabled"}})

    def switching_on(self) -> None:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A Control of the power of a whole chassis."""

    path: str

    def reading(self, body: Body) -> Reading:
        return set_point(body, power=member(body, "Sensor", "Reading"))

    def setting(self, watts: int) -> Request:
        return Request("PATCH", self.path, {"SetPoint": watts, "ControlMode": "Automatic"})

    def clearing(self, now: Reading) -> Request:
        if now.default_watts is not None:
            return Request("PATCH", self.path, {"SetPoint": round(now.default_watts)})
        return Request("PATCH", self.path, {"ControlMode": "Disabled"})

    def switching_on(self) -> None:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerControl:
    """`PowerControl[0].PowerLimit` of the older Power resource; the range is the chassis' own."""

    path: str
    min_watts: float
    max_watts: float

    def reading(self, body: Body) -> Reading:
        limit = member(body, "PowerControl", 0, "PowerLimit")
        value = watts(member(limit, "LimitInWatts"))
        return Reading(
            watts=value,
            enabled=value is not None,
            min_watts=self.min_watts,
            max_watts=self.max_watts,
            power_watts=watts(member(body, "PowerControl", 0, "PowerConsumedWatts")),
        )

    def setting(self, watts: int) -> Request:
        return self._limit(watts)

    def clearing(self, now: Reading) -> Request:
        return self._limit(None)

    def switching_on(self) -> None:
        return None

    def _limit(self, watts: int | None) -> Request:
        return Request("PATCH", self.path, {"PowerControl": [{"PowerLimit": {"LimitInWatts": watts}}]})


def set_point(control: Json, *, power: Json) -> Reading:
    """A Control, or PowerLimitWatts. One that is disabled keeps its last set point; one without a mode says nothing."""
    mode = text(member(control, "ControlMode"))
    return Reading(
        watts=watts(member(control, "SetPoint")),
        enabled=mode != "Disabled" if mode else None,
        min_watts=watts(member(control, "AllowableMin")),
        max_watts=watts(member(control, "AllowableMax")),
        default_watts=watts(member(control, "DefaultSetPoint")),
        power_watts=watts(power),
    )
