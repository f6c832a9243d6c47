"""Which GPU of a driver is which of the BMC: the same board has two names, and its serial number or UUID in both.

NVML numbers GPUs by their place on the PCIe bus, a baseboard by its sockets (`GPU_SXM_3`), an iDRAC by its slots
(`Video.Slot.2-1`). How the numbers run differs from board to board, so that no number is ever guessed from another.
A pure function of what the hall holds at one moment.
"""

from __future__ import annotations

from collections.abc import Iterator

from wattstat.catalogue import gpu, node
from wattstat.catalogue.metric import Metric, Sample, Samples
from wattstat.hall import Snapshot

Key = tuple[str, str]
"""A node and what identifies a board on it."""

# What boards without a serial number have in its place.
_NO_SERIALS = frozenset({"", "0", "unknown", "n/a", "none"})

_UUID, _SERIAL = (gpu.GPU_INFO.labels.index(label) for label in ("uuid", "serial"))
_BMC_NODE, _BMC_DEVICE, _BMC_SERIAL, _BMC_UUID = (
    node.NODE_GPU_INFO.labels.index(label) for label in ("node", "device", "serial", "uuid")
)


def samples(snapshot: Snapshot) -> Samples:
    """One sample for each GPU of which both sides tell who it is."""
    by_serial, by_uuid = _boards(snapshot)
    serials = {labels[_UUID]: labels[_SERIAL] for labels in _told(snapshot, gpu.GPU_INFO)} if by_serial else {}
    out = Samples()
    # Also a GPU that is lost has this metric, and of all that identifies it only its UUID.
    for name, index, uuid in _told(snapshot, gpu.GPU_LOST):
        device = by_serial.get((name, serials.get(uuid, ""))) or by_uuid.get((name, uuid.lower()))
        if device:
            out.append(Sample(gpu.GPU_BMC_INFO, (name, index, uuid, device), 1.0))
    return out


def _boards(snapshot: Snapshot) -> tuple[dict[Key, str], dict[Key, str]]:
    """The BMCs' names of boards by serial number and by UUID. What two of them bear identifies neither: an empty name."""
    by_serial: dict[Key, str] = {}
    by_uuid: dict[Key, str] = {}
    for labels in _told(snapshot, node.NODE_GPU_INFO):
        name, device, serial, uuid = labels[_BMC_NODE], labels[_BMC_DEVICE], labels[_BMC_SERIAL], labels[_BMC_UUID].lower()
        if serial.lower() not in _NO_SERIALS and by_serial.setdefault((name, serial), device) != device:
            by_serial[name, serial] = ""
        if uuid:
            # NVML says `GPU-` before it, Redfish does not.
            key = (name, uuid if uuid.startswith("gpu-") else f"gpu-{uuid}")
            if by_uuid.setdefault(key, device) != device:
                by_uuid[key] = ""
    return by_serial, by_uuid


def _told(snapshot: Snapshot, metric: Metric) -> Iterator[tuple[str, ...]]:
    """The labels of all samples of a metric."""
    return (sample.labels for block in snapshot.blocks for sample in block.by_metric.get(metric, ()))
