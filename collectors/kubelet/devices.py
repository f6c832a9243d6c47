"""What the ids mean by which device plugins call GPUs and parts of them."""

from __future__ import annotations

import re
from dataclasses import dataclass

# The device plugin's and GPU operator's names: gpu, gpu.shared, mig-1g.10gb, mig-1g.10gb.shared, and a passed-through board's.
RESOURCES = "nvidia.com/"
DRIVERS = frozenset({"gpu.nvidia.com"})

_HEX = "[0-9A-Fa-f]"
_UUID = rf"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}"
_REPLICA = r"(?:::(?P<replica>\d+))?"
_FORMS = tuple(
    re.compile(form)
    for form in (
        rf"(?P<uuid>GPU-{_UUID}){_REPLICA}",
        rf"(?P<uuid>MIG-{_UUID}){_REPLICA}",
        rf"MIG-(?P<uuid>GPU-{_UUID})/(?P<gi>\d+)/(?P<ci>\d+){_REPLICA}",  # drivers before R470
        r"nvidia(?P<minor>\d+)(?:/gi(?P<gi>\d+))?(?:/vgpu(?P<replica>\d+))?",  # GKE's own device plugin
        rf"(?P<minor>\d+){_REPLICA}",  # the device plugin with deviceIDStrategy: index
    )
)
_DYNAMIC = re.compile(r"gpu-(?P<minor>\d+)(?:-mig-.+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A GPU or a part of one. What the id does not tell is empty.

    `uuid` is a GPU's or a MIG device's; `minor` the number of /dev/nvidia<minor>; `gpu_instance` is `<GPU instance>` or
    `<GPU instance>:<compute instance>`; `replica` counts the users between whom a device is sliced by time.
    """

    uuid: str = ""
    minor: str = ""
    gpu_instance: str = ""
    replica: str = ""

    @property
    def whole(self) -> tuple[str, str, str]:
        """What the replicas of one device have in common."""
        return self.uuid, self.minor, self.gpu_instance


def device(identifier: str) -> Device | None:
    """The device of a device plugin's id; None for an id of no known form."""
    for form in _FORMS:
        if (match := form.fullmatch(identifier)) is not None:
            found = match.groupdict()
            instance = ":".join(part for part in (found.get("gi"), found.get("ci")) if part)
            return Device(
                uuid=found.get("uuid") or "",
                minor=found.get("minor") or "",
                gpu_instance=instance,
                replica=found.get("replica") or "",
            )
    return None


def dynamic_device(name: str) -> Device | None:
    """The device of a name that NVIDIA's driver for dynamic resource allocation gives: `gpu-<minor>`, `gpu-<minor>-mig-…`.

    Which instance the latter is, only the API server's ResourceSlice can tell.
    """
    match = _DYNAMIC.fullmatch(name)
    return Device(minor=match["minor"]) if match is not None else None
