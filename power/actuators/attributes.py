"""A server's cap in Dell's attributes: `ServerPwr.1.*`, on iDRAC9 and iDRAC10 the way that works.

PowerCapSetting is the switch, PowerCapValue the watts, PowerCapMinThres and PowerCapMaxThres what the hardware that is now
fitted can hold: they are worked out anew when it changes. A value below the least is taken and then not held (User's Guide of
iDRAC9 3.15), so the range is checked before anything is written.
"""

from __future__ import annotations

from dataclasses import dataclass

from power.actuators.bmc import Request
from power.actuators.cap import Reading
from power.actuators.setpoint import watts
from wattstat.members import Body, member, text

SETTING = "ServerPwr.1.PowerCapSetting"
VALUE = "ServerPwr.1.PowerCapValue"
ACTIVE = "ServerPwr.1.ActivePowerCapVal"
LEAST = "ServerPwr.1.PowerCapMinThres"
MOST = "ServerPwr.1.PowerCapMaxThres"
_SWITCH = {"enabled": True, "disabled": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """The attributes of the server, at whichever address this generation of firmware keeps them."""

    path: str

    def reading(self, body: Body) -> Reading:
        attributes = member(body, "Attributes")
        value = watts(member(attributes, VALUE))
        active = watts(member(attributes, ACTIVE))
        # Firmware raises a cap that it cannot hold: what is active counts where it is the higher.
        return Reading(
            watts=max(value, active) if value is not None and active is not None else value,
            enabled=_SWITCH.get(text(member(attributes, SETTING)).lower()),
            min_watts=watts(member(attributes, LEAST)),
            max_watts=watts(member(attributes, MOST)),
        )

    def setting(self, watts: int) -> Request:
        return Request("PATCH", self.path, {"Attributes": {SETTING: "Enabled", VALUE: watts}})

    def clearing(self, now: Reading) -> Request:
        return Request("PATCH", self.path, {"Attributes": {SETTING: "Disabled"}})

    def switching_on(self) -> Request:
        return Request("PATCH", self.path, {"Attributes": {SETTING: "Enabled"}})


def has_cap(body: Body | None) -> bool:
    """Whether these are the attributes that hold the cap."""
    attributes = member(body, "Attributes")
    return isinstance(attributes, dict) and SETTING in attributes
