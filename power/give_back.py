"""Giving devices back: which of them may have again what their operator had set, as far as every envelope holds.

Server by server, the smallest raise first, and no part of a server: then the guard looks at all of it as at any other order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from power.desk.steering import Change, Preview
from power.guard.guard import Rules, admit
from power.model import NOBODY, Bools, Device, Fence, Fleet, Floats, Intent, Mode, NodeOrder, Proposal, View
from power.tree.ceilings import counted, worst_draw


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Giving:
    """What is given back now, and how it looks. `held_back`: servers that would be over a limit with it."""

    orders: tuple[NodeOrder, ...]
    preview: Preview
    held_back: tuple[str, ...]


def giving(
    fleet: Fleet,
    view: View,
    intent: Intent,
    ours: Mapping[Device, float | None],
    *,
    rules: Rules,
    fence: Fence | None,
    why: str,
) -> Giving:
    """What of `ours` may have its operator's watts again (None: no cap). Without a fence nothing is ordered."""
    gpus, nodes = _afterwards(fleet, view, ours)
    chosen = _that_fit(fleet, view, intent, gpus, nodes)
    proposal = Proposal(
        gpu_watts=np.where(chosen[fleet.gpu_node], gpus, np.nan),
        gpu_name=np.full(len(gpus), NOBODY),
        node_cap_watts=np.where(chosen, nodes, np.nan),
        node_name=np.full(len(nodes), NOBODY),
        clock_mhz=np.full(len(gpus), np.nan),
        limit_expected_watts=np.full(len(fleet.tree.limits), np.nan),
    )
    enforced = replace(intent, mode=Mode.ENFORCE)
    admitted = admit(fleet, view, enforced, proposal, rules, fence, view.monotonic)
    gpus_pass = _passes(gpus, view.gpu_limit_watts, admitted.gpu_watts)
    nodes_pass = _passes(nodes, view.node_cap_watts, admitted.node_cap_watts)
    refused = fleet.by_node((~gpus_pass).astype(np.float64)) > 0
    done = chosen & ~refused & nodes_pass & admitted.writes
    by_node: dict[str, list[Device]] = {}
    for device in ours:
        by_node.setdefault(device.node, []).append(device)
    now = {
        **dict(zip(fleet.gpus, view.gpu_limit_watts, strict=True)),
        **{Device(node): view.node_cap_watts[row] for row, node in enumerate(fleet.nodes)},
    }
    orders: list[NodeOrder] = []
    changes: list[Change] = []
    for row, node in enumerate(fleet.nodes):
        if done[row] and (mine := by_node.get(node)):
            orders.append(NodeOrder(node=node, release=frozenset(each.uuid for each in mine), raises=True, why=why))
            changes += [
                Change(device=each, before_watts=_number(now.get(each, np.nan)), after_watts=ours[each], why=why)
                for each in mine
            ]
    held_back = tuple(sorted({device.node for device in ours} - {order.node for order in orders}))
    notes = [f"{len(held_back)} servers stay as they are: a limit above them has no room"] if held_back else []
    return Giving(
        orders=tuple(orders),
        preview=Preview(changes=tuple(changes), notes=(*notes, *([admitted.held_back] if admitted.held_back else []))),
        held_back=held_back,
    )


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _afterwards(fleet: Fleet, view: View, ours: Mapping[Device, float | None]) -> tuple[Floats, Floats]:
    """Caps afterwards of what is given back, NaN for all else; of no cap the highest that there is."""
    gpus, nodes = np.full(len(fleet.gpus), np.nan), np.full(len(fleet.nodes), np.nan)
    for row, device in enumerate(fleet.gpus):
        if device in ours:
            watts = ours[device]
            gpus[row] = view.gpu_max_watts[row] if watts is None else watts
    for row, node in enumerate(fleet.nodes):
        if Device(node) in ours:
            watts = ours[Device(node)]
            nodes[row] = view.node_cap_max_watts[row] if watts is None else watts
    return gpus, nodes


def _that_fit(fleet: Fleet, view: View, intent: Intent, gpus: Floats, nodes: Floats) -> Bools:
    """Servers that may have all of it: no limit above one is over what is trip-safe, or guaranteed, with all before it."""
    tree = fleet.tree
    gpus_now, nodes_now = counted(fleet, view)
    draw = worst_draw(fleet, gpus_now, nodes_now)
    # A server's own cap does not count afterwards: what is highest, or none at all, holds nothing.
    after = np.fmax(draw, worst_draw(fleet, np.fmax(gpus_now, gpus), np.where(np.isnan(nodes), nodes_now, np.nan)))
    bound = np.where(intent.guaranteed, np.minimum(tree.trip_safe_watts, intent.limit_watts), tree.trip_safe_watts)
    room = bound - tree.load(draw)
    more = np.where(after > draw, after - draw, 0.0)
    order = np.argsort(tree.member, kind="stable")
    first = np.searchsorted(tree.member[order], np.arange(len(fleet.nodes) + 1))
    fits = np.zeros(len(fleet.nodes), np.bool_)
    for row in np.argsort(more, kind="stable").tolist():
        entries = order[first[row] : first[row + 1]]
        limits, taken = tree.row_of_entry[entries], tree.share[entries] * more[row]
        # What does not go up fits below anything, also below a limit that is over.
        fits[row] = bool(more[row] == 0 or (taken <= room[limits]).all())
        if fits[row] and more[row] > 0:
            np.subtract.at(room, limits, taken)
    return fits


def _passes(wanted: Floats, now: Floats, admitted: Floats) -> Bools:
    """Whether the guard lets a device have what is wanted: nothing, less than it has, or as much as was admitted."""
    with np.errstate(invalid="ignore"):
        passes: Bools = np.isnan(wanted) | (wanted <= now) | (admitted >= np.floor(wanted))
    return passes
