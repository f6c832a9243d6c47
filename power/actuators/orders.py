"""What an order wants of each device, parts of an order, and the records and receipts of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from power.actuators.cap import NO_CAP
from power.model import Device, Fence, NodeOrder, Outcome, Receipt, Way


def devices_of(order: NodeOrder) -> dict[Device, float | None]:
    """What an order wants of each device in watts; None is no cap, or a clock alone, or a release."""
    wanted: dict[Device, float | None] = {Device(order.node, uuid): _watts(watts) for uuid, watts in order.gpu_watts.items()}
    wanted |= {Device(order.node, uuid): None for uuid in (*order.clock_mhz, *order.release) if uuid not in order.gpu_watts}
    if order.node_cap_watts is not None:
        wanted[Device(order.node)] = _watts(order.node_cap_watts)
    return wanted


def caps_of(order: NodeOrder) -> dict[Device, float | None]:
    """The caps that an order sets, without GPUs of which only the clock is to change and without what is given back."""
    left_out = (order.clock_mhz.keys() - order.gpu_watts.keys()) | order.release
    return {device: watts for device, watts in devices_of(order).items() if device.uuid not in left_out}


def only(order: NodeOrder, devices: Iterable[Device]) -> NodeOrder:
    """What of an order concerns these devices."""
    chosen = set(devices)
    return replace(
        order,
        gpu_watts={uuid: watts for uuid, watts in order.gpu_watts.items() if Device(order.node, uuid) in chosen},
        clock_mhz={uuid: mhz for uuid, mhz in order.clock_mhz.items() if Device(order.node, uuid) in chosen},
        node_cap_watts=order.node_cap_watts if Device(order.node) in chosen else None,
        release=frozenset(uuid for uuid in order.release if Device(order.node, uuid) in chosen),
    )


def by_lane(order: NodeOrder) -> list[NodeOrder]:
    """An order's parts that do not wait for each other: the server's own cap, and its GPUs'."""
    own = Device(order.node)
    devices = devices_of(order)
    if own not in devices:
        return [order]
    return [only(order, [own]), *([only(order, devices.keys() - {own})] if len(devices) > 1 else [])]


def is_own(order: NodeOrder) -> bool:
    """Whether it is about the server's own cap."""
    return order.node_cap_watts is not None or "" in order.release


def merged(older: NodeOrder | None, newer: NodeOrder) -> NodeOrder:
    """Both in one; where both want something of a device, the newer."""
    if older is None:
        return newer
    kept = only(older, set(devices_of(older)) - _given(newer))
    return replace(
        newer,
        gpu_watts={**kept.gpu_watts, **newer.gpu_watts},
        clock_mhz={**kept.clock_mhz, **newer.clock_mhz},
        node_cap_watts=kept.node_cap_watts if newer.node_cap_watts is None else newer.node_cap_watts,
        release=kept.release - {device.uuid for device in caps_of(newer)} | newer.release,
        raises=older.raises or newer.raises,
        urgent=older.urgent or newer.urgent,
    )


def _given(order: NodeOrder) -> set[Device]:
    return {Device(order.node, uuid) for uuid in order.release}


def receipts_for(order: NodeOrder, outcome: Outcome, detail: str, *, way: Way, at: float) -> tuple[Receipt, ...]:
    """The same receipt for every device of an order."""
    return tuple(
        Receipt(device=device, way=way, wanted_watts=watts, read_back_watts=None, outcome=outcome, detail=detail, at=at)
        for device, watts in devices_of(order).items()
    )


def intent(
    order: NodeOrder, fence: Fence, device: Device, *, way: Way, from_watts: float | None, to_watts: float | None, attempt: int
) -> dict[str, Any]:
    """The record of a write before it is done."""
    return {
        "device": str(device),
        "way": str(way),
        "from_watts": from_watts,
        "to_watts": to_watts,
        "release": device.uuid in order.release,
        "clock_mhz": order.clock_mhz.get(device.uuid),
        "why": order.why,
        "urgent": order.urgent,
        "try": attempt,
        "fence": fence.token,
        "holder": fence.holder,
    }


def told(receipt: Receipt, fence: Fence) -> dict[str, Any]:
    """The record of a write's outcome."""
    return {
        "device": str(receipt.device),
        "way": str(receipt.way),
        "wanted_watts": receipt.wanted_watts,
        "read_back_watts": receipt.read_back_watts,
        "outcome": str(receipt.outcome),
        "detail": receipt.detail,
        "fence": fence.token,
    }


def _watts(watts: float) -> float | None:
    return watts if watts < NO_CAP else None
