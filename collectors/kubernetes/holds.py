"""Which pod holds which GPU, from what the agents' kubelets told the hall."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, NamedTuple

from collectors.kubelet.devices import DRIVERS
from collectors.kubernetes.pods import items, mapping, text
from wattstat.catalogue.gpu import GPU_INFO, MIG_INFO, MIG_SLICES
from wattstat.catalogue.job import POD_GPU_INFO
from wattstat.catalogue.own import COLLECTOR_SUCCESS
from wattstat.hall import Snapshot
from wattstat.jobs import GpuHold, Hold

_SLICES = 7  # compute slices of an A100, H100 or later board
_SLICES_A30 = 4
# Compute slices in mig-3g.40gb (a resource) and gpu-5-mig-3g40gb-9-0 (a device that was allocated by claim).
_PROFILE = re.compile(r"mig-(\d)g")
# Memory slices, of 8, in gpu-5-mig-9-0-4: what older drivers for claims call the same; profile, first slice, slices.
_PLACED = re.compile(r"-mig-\d+-\d+-(\d+)$")
_MEMORY_SLICES = 8


class PodName(NamedTuple):
    """What the kubelet knows a pod by."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """What a ResourceSlice says of a device: its UUID."""

    uuid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Holds:
    """All holds of one moment by node and pod. `heard` are the nodes whose kubelet was heard, whether or not pods hold GPUs."""

    by_node: Mapping[str, Mapping[PodName, tuple[GpuHold, ...]]] = field(default_factory=lambda: MappingProxyType({}))
    heard: frozenset[str] = frozenset()

    def of(self, node: str, pod: PodName) -> tuple[GpuHold, ...]:
        """What a pod holds on a node."""
        return self.by_node.get(node, {}).get(pod, ())


class _Mig(NamedTuple):
    uuid: str
    instance: str
    fraction: float


class _Row(NamedTuple):
    """A hold before its GPU's replicas are counted; `replicas` is 0 where nobody tells them, 1 where there are none."""

    device: str
    hold: GpuHold
    replicas: int


def holds(hall: Snapshot, slices: Mapping[str, Slice]) -> Holds:
    """The holds of a snapshot. `slices` by `driver/pool/device` resolve what was allocated by claim."""
    instances = _instances(hall)
    rows: dict[str, dict[PodName, list[_Row]]] = defaultdict(lambda: defaultdict(list))
    for found in hall.find(POD_GPU_INFO):
        label = dict(zip(POD_GPU_INFO.labels, found.sample.labels, strict=True))
        if (given := slices.get(label["device"])) is not None:
            label["uuid"] = given.uuid
        row = _Row(label["device"], _hold(label, instances), _replicas(label))
        rows[label["node"]][PodName(label["namespace"], label["pod"])].append(row)
    heard = {found.sample.labels[1] for found in hall.find(COLLECTOR_SUCCESS, collector="kubelet") if found.sample.value}
    return Holds(
        by_node=MappingProxyType({node: _shared(pods) for node, pods in rows.items()}), heard=frozenset(heard | rows.keys())
    )


def needs_slices(hall: Snapshot) -> bool:
    """Whether any device was allocated by claim."""
    return any(found.sample.labels[POD_GPU_INFO.labels.index("resource")] in DRIVERS for found in hall.find(POD_GPU_INFO))


def resource_slices(documents: Iterable[Any]) -> dict[str, Slice]:
    """UUIDs by `driver/pool/device` of ResourceSlices, of resource.k8s.io/v1 and of its betas."""
    found: dict[str, Slice] = {}
    for document in documents:
        spec = mapping(mapping(document).get("spec"))
        driver, pool = text(spec.get("driver")), text(mapping(spec.get("pool")).get("name"))
        for each in items(spec.get("devices")):
            device = mapping(each)
            attributes = mapping(device.get("attributes") or mapping(device.get("basic")).get("attributes"))
            uuid = text(mapping(attributes.get("uuid") or attributes.get(f"{driver}/uuid")).get("string"))
            if uuid:
                found[f"{driver}/{pool}/{text(device.get('name'))}"] = Slice(uuid=uuid)
    return found


def _hold(label: Mapping[str, str], instances: Mapping[str, _Mig]) -> GpuHold:
    uuid, minor, part = label["uuid"], _number(label["minor"]), label["gpu_instance"]
    fraction = _told_fraction(label)
    if uuid.startswith("MIG-"):
        if (mig := instances.get(uuid)) is not None:
            return GpuHold(uuid=mig.uuid, hold=Hold.MIG, fraction=mig.fraction, instance=mig.instance)
        return GpuHold(uuid=uuid, hold=Hold.MIG, fraction=fraction, instance=uuid)
    if part:
        instance = f"mig:{part}" if ":" in part else f"mig:{part}:0"
        known = next((each for each in instances.values() if (each.uuid, each.instance) == (uuid, instance)), None)
        fraction = known.fraction if known is not None else fraction
        return GpuHold(uuid=uuid or None, minor=minor, hold=Hold.MIG, fraction=fraction, instance=instance)
    if "-mig-" in label["device"]:  # allocated by claim, and no ResourceSlice says which instance it is
        return GpuHold(minor=minor, hold=Hold.MIG, fraction=fraction)
    kind = Hold.TIME_SLICED if label["replica"] else Hold.WHOLE
    return GpuHold(uuid=uuid or None, minor=None if uuid else minor, hold=kind)


def _told_fraction(label: Mapping[str, str]) -> float:
    """How much of a GPU a MIG device is by its name; all of it where the name does not say."""
    profile = _PROFILE.search(label["resource"]) or _PROFILE.search(label["device"])
    placed = _PLACED.search(label["device"])
    slices, whole = (profile[1], _SLICES) if profile else (placed[1], _MEMORY_SLICES) if placed else ("1", 1)
    return min(max(int(slices), 1) / whole, 1.0)


def _replicas(label: Mapping[str, str]) -> int:
    return (_number(label["replicas"]) or 0) if label["replica"] else 1


def _number(value: str) -> int | None:
    return int(value) if value.isascii() and value.isdecimal() else None


def _instances(hall: Snapshot) -> dict[str, _Mig]:
    """MIG devices by their UUID, with the share of the GPU that they are."""
    small = {found.sample.labels[2] for found in hall.find(GPU_INFO) if "A30" in found.sample.labels[3].split()}
    slices = {found.sample.labels[1:5]: found.sample.value for found in hall.find(MIG_SLICES)}
    found: dict[str, _Mig] = {}
    for each in hall.find(MIG_INFO):
        labels = each.sample.labels
        uuid, gpu_instance, compute_instance, mig_uuid = labels[2:6]
        whole = _SLICES_A30 if uuid in small else _SLICES
        fraction = min(slices.get(labels[1:5], 1.0) / whole, 1.0)
        found[mig_uuid] = _Mig(uuid, f"mig:{gpu_instance}:{compute_instance}", fraction)
    return found


def _shared(pods: Mapping[PodName, list[_Row]]) -> dict[PodName, tuple[GpuHold, ...]]:
    """Each pod's holds, several replicas of a device as one hold on a larger share of it.

    Containers of one pod may hold the same device, which counts once. Where nobody tells how many replicas a device has, those
    that are held share it equally.
    """
    held: dict[tuple[Any, ...], set[str]] = defaultdict(set)
    for row in (row for rows in pods.values() for row in rows):
        held[_part(row.hold)].add(row.device)
    out: dict[PodName, tuple[GpuHold, ...]] = {}
    for pod, rows in pods.items():
        merged: dict[tuple[Any, ...], GpuHold] = {}
        for row in {row.device: row for row in rows}.values():
            part = _part(row.hold)
            share = row.hold.fraction / (row.replicas or len(held[part]))
            before = merged[part].fraction if part in merged else 0.0
            merged[part] = replace(row.hold, fraction=min(before + share, row.hold.fraction))
        out[pod] = tuple(merged.values())
    return out


def _part(hold: GpuHold) -> tuple[Any, ...]:
    return hold.uuid, hold.minor, hold.instance
