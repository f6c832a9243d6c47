"""What time does to devices: writes that take too long, caps that nobody has read for long, cuts that are tried once more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from power.actuators.devices import Devices
from power.actuators.findings import Why
from power.actuators.held import NEVER, Held
from power.actuators.rules import Rules
from power.model import Device, NodeOrder


@dataclass(kw_only=True, eq=False)
class Watch:
    """Looks at devices each cycle."""

    devices: Devices
    rules: Rules
    clock: Callable[[], float]
    _swept_at: float = NEVER
    _asked_at: dict[Device, float] = field(default_factory=dict)

    def overdue(self, under_way: set[Device], now: float) -> None:
        """Charge in full what has not done its write in time; the write itself goes on, and counts when it is read back."""
        for device in list(under_way):
            held = self.devices.get(device)
            if held is None or held.tried_at is None:
                under_way.discard(device)
            elif not held.is_overdue and now - held.tried_at >= self.rules.classify_seconds:
                held.overdue(self.rules.classify_seconds, self.clock())
                self.devices.changed.add(device)

    def unread(self, now: float) -> None:
        """Caps that were read once and not for long are not known any more: the device may have been restarted since."""
        if now - self._swept_at < self.rules.sweep_seconds:
            return
        self._swept_at = now
        most = self.rules.unread_seconds
        for held in self.devices:
            if not held.caps or Why.UNREAD in held.findings:
                continue
            age = now - max(held.read_at[way] for way in held.caps)
            if age > most:
                why = f"its cap was not read for {age:.0f} s; charged with all that it can draw until it tells it again"
                held.find(Why.UNREAD, why, self.clock())
                self.devices.changed.add(held.device)

    def again(self, failed: set[Device], now: float) -> Iterator[NodeOrder]:
        """What devices have failed to do and have rested from; nobody proposes anything for them until they have done it.

        Of a raise only what is in force already is written: that raises nothing, and shows whether it takes caps again.
        """
        for device in list(failed):
            held = self.devices.get(device)
            if held is None:
                failed.discard(device)
                self._asked_at.pop(device, None)
                continue
            rested = now >= max(held.not_before, self._asked_at.get(device, NEVER) + self.rules.rest_seconds)
            if rested and not held.writing and (watts := self._once_more(held)) is not None:
                self._asked_at[device] = now
                yield _order(device, watts)

    def _once_more(self, held: Held) -> float | None:
        caps, wanted = self.devices.effective(held), held.target_watts
        if caps is None or wanted is None or Why.UNREAD in held.findings:
            return None
        return wanted if caps.limit_watts is None else min(wanted, caps.limit_watts)


def _order(device: Device, watts: float) -> NodeOrder:
    why = "tried again: it has failed before"
    if device.uuid:
        return NodeOrder(node=device.node, gpu_watts={device.uuid: watts}, why=why)
    return NodeOrder(node=device.node, node_cap_watts=watts, why=why)
