"""What is known of caps, as samples. A device that nobody has read has none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from power.actuators.devices import Devices
from power.actuators.held import Held
from power.model import ControlState, Device, Outcome, Way
from wattstat.catalogue import power as catalogue
from wattstat.catalogue.metric import Samples

_STATES = {state: state.name.lower() for state in ControlState if state is not ControlState.UNKNOWN}


class Shown:
    """Samples by server, made anew when one of its devices changes: 80,000 GPUs that stand still cost nothing."""

    def __init__(self) -> None:
        self._known: dict[Device, Samples] = {}
        self._changed: set[str] = set()

    def forget(self, devices: Iterable[Device]) -> None:
        """These have changed."""
        for device in devices:
            self._known.pop(device, None)
            self._changed.add(device.node)

    def news(self, devices: Devices, writes: Mapping[str, Mapping[tuple[Way, Outcome], int]]) -> dict[str, Samples]:
        """The samples of each server that has changed since the last call; none of one that is gone."""
        found = {node: self._server(node, devices, writes.get(node, {})) for node in self._changed}
        self._changed.clear()
        return found

    def _server(self, node: str, devices: Devices, writes: Mapping[tuple[Way, Outcome], int]) -> Samples:
        out = Samples()
        broken: set[str] = set()
        for held in devices.of(node):
            if (known := self._known.get(held.device)) is None:
                known = self._known[held.device] = Samples()
                _add(known, held, devices)
            out.extend(known)
            if held.findings:
                broken |= {str(finding.why) for finding in held.broken}
        if not out:
            return out
        for (way, outcome), count in writes.items():
            out.add(catalogue.CAP_WRITES_TOTAL, count, node, str(way), str(outcome))
        for why in sorted(broken):
            out.add(catalogue.CAP_BROKEN, 1, node, why)
        return out


def _add(out: Samples, held: Held, devices: Devices) -> None:
    caps = devices.effective(held)
    if caps is None:
        return
    labels = held.device.node, (caps.index or held.device.uuid) if held.device.uuid else ""
    out.add(catalogue.CAP_TARGET_WATTS, held.target_watts, *labels)
    out.add(catalogue.CAP_CONFIRMED_WATTS, caps.limit_watts, *labels)
    if held.counted_state in _STATES:
        out.add(catalogue.CAP_STATE, 1, *labels, _STATES[held.counted_state])
    if held.set_watts or held.drifts:
        out.add(catalogue.CAP_DRIFT_TOTAL, held.drifts, *labels)
