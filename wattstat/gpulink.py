"""Which GPU of a driver is which of the BMC: the same board has two names, and its serial number or UUID in both.

NVML numbers GPUs by their place on the PCIe bus, a baseboard by its sockets (`GPU_SXM_3`), an iDRAC by its slots
(`Video.Slot.2-1`). How the numbers run differs from board to board, so that no number is ever guessed from another.
A pure function of what the hall holds at one moment.
"""

from __future__ import annotations

from collections.abc import Iterable

from wattstat.catalogue import gpu, node
from wattstat.catalogue.metric import Metric, Samples
from wattstat.hall import Snapshot

Key = tuple[str, str]
"""A node and what identifies a board on it."""

# What boards without a serial number have in its place.
_NO_SERIALS = frozenset({"", "0", "unknown", "n/a", "none"})


def samples(snapshot: Snapshot) -> Samples:
    """One sample for each GPU of which both sides tell who it is."""
    by_serial, by_uuid = _boards(snapshot)
    serials = _serials(snapshot) if by_serial else {}
    out = Samples()
    # Also a GPU that is lost has this metric, and of all that identifies it only its UUID.
    for found in snapshot.find(gpu.GPU_LOST):
        name, index, uuid = found.sample.labels
        device = by_serial.get((name, serials.get(uuid, "")), "") or by_uuid.get((name, _bare(uuid)), "")
        if device:
            out.add(gpu.GPU_BMC_INFO, 1, name, index, uuid, device)
    return out


def _boards(snapshot: Snapshot) -> tuple[dict[Key, str], dict[Key, str]]:
    """The BMCs' names of boards by serial number and by UUID."""
    at = _places(node.NODE_GPU_INFO, ("node", "device", "serial", "uuid"))
    told = [tuple(found.sample.labels[place] for place in at) for found in snapshot.find(node.NODE_GPU_INFO)]
    serials = [((name, serial), device) for name, device, serial, _ in told if serial.lower() not in _NO_SERIALS]
    uuids = [((name, _bare(uuid)), device) for name, device, _, uuid in told if uuid]
    return _unambiguous(serials), _unambiguous(uuids)


def _unambiguous(named: Iterable[tuple[Key, str]]) -> dict[Key, str]:
    """What identifies one board only: a number that two of them bear identifies neither."""
    found: dict[Key, str] = {}
    for key, device in named:
        found[key] = device if found.get(key, device) == device else ""
    return found


def _serials(snapshot: Snapshot) -> dict[str, str]:
    """Serial numbers by UUID, as drivers tell them."""
    uuid, serial = _places(gpu.GPU_INFO, ("uuid", "serial"))
    return {found.sample.labels[uuid]: found.sample.labels[serial] for found in snapshot.find(gpu.GPU_INFO)}


def _places(metric: Metric, labels: Iterable[str]) -> list[int]:
    return [metric.labels.index(label) for label in labels]


def _bare(uuid: str) -> str:
    """NVML says `GPU-` before it, Redfish does not."""
    return uuid.lower().removeprefix("gpu-")
