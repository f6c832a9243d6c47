"""What is known of caps, as samples. A device that nobody has read has none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from power.actuators.devices import Devices
from power.actuators.held import Held
from power.model import ControlState, Outcome, Way
from wattstat.catalogue import power as catalogue
from wattstat.catalogue.metric import Samples

_STATES = {state: state.name.lower() for state in ControlState if state is not ControlState.UNKNOWN}


def samples(devices: Devices, writes: Mapping[tuple[str, Way, Outcome], int]) -> Samples:
    """All of it."""
    out = Samples()
    for held in devices:
        _add(out, held, devices)
    for (node, way, outcome), count in writes.items():
        out.add(catalogue.CAP_WRITES_TOTAL, count, node, str(way), str(outcome))
    for node, why in _broken(devices):
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


def _broken(devices: Iterable[Held]) -> list[tuple[str, str]]:
    return sorted({(held.device.node, str(finding.why)) for held in devices for finding in held.broken})
