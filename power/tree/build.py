"""From what stands in the hall to the fleet and its electrical tree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from power.model import Device, DeviceCaps, Fleet, Limit, Tree, Uncapped
from power.tree import assumed
from power.tree.assumed import AC_LOSS
from power.tree.paths import Paths
from power.tree.trips import CURVES, Breakers, Curve, Points
from wattstat.inventory import Breaker, Inventory, Node


class _Draw(NamedTuple):
    """How much of a server counts how."""

    rest: float
    nameplate: float
    assumed: float


def build(
    inventory: Inventory,
    found: Mapping[str, Sequence[DeviceCaps]],
    *,
    trip_safe_ratio: float = 1.0,
    ac_loss: float = AC_LOSS,
) -> Fleet:
    """The fleet of an inventory. `found` holds, by server, what its actuators read: its GPUs, and perhaps the server itself.

    A server whose GPUs were not read yet has none here and counts at its nameplate; GPUs that the inventory promises and nobody
    found count in full. `trip_safe_ratio` is the share of a breaker's rating that the worst case may reach, unless the
    breaker has its own.
    """
    names = tuple(node.name for node in inventory.nodes)
    gpus = [_gpus_of(found.get(name, ())) for name in names]
    draws = [_draw(node, mine, found.get(node.name, ()), ac_loss) for node, mine in zip(inventory.nodes, gpus, strict=True)]
    every = list(chain.from_iterable(gpus))
    return Fleet(
        tree=tree(inventory, trip_safe_ratio=trip_safe_ratio),
        nodes=names,
        racks=tuple(node.rack for node in inventory.nodes),
        gpus=tuple(Device(gpu.device.node, gpu.device.uuid) for gpu in every),
        gpu_index=tuple(gpu.index for gpu in every),
        gpu_node=np.repeat(np.arange(len(names)), [len(mine) for mine in gpus]).astype(np.int64),
        gpu_model=tuple(gpu.model for gpu in every),
        rest_watts=np.array([draw.rest for draw in draws], np.float64),
        loss=np.full(len(names), ac_loss),
        nameplate_watts=np.array([draw.nameplate for draw in draws], np.float64),
        assumed_watts=np.array([draw.assumed for draw in draws], np.float64),
    )


def tree(inventory: Inventory, *, trip_safe_ratio: float = 1.0) -> Tree:
    """The electrical tree: site, feeds, breakers with those above them, rows, racks, groups, servers."""
    paths = Paths(inventory)
    rows: dict[tuple[str, str], int] = {}
    limits: list[Limit] = []
    fixed: defaultdict[tuple[str, str], float] = defaultdict(float)
    hung: list[tuple[int, tuple[str, str], float]] = []
    for number, load in enumerate(inventory.uncapped):
        for key, share in paths.of_load(load):
            fixed[key] += share * load.max_watts
            hung.append((number, key, share))
    for limit in _limits(inventory, paths, trip_safe_ratio):
        key = (limit.kind, limit.name)
        rows[key] = len(limits)
        limits.append(_with_fixed(limit, fixed[key]))
    groups: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for group in inventory.groups:
        for name in dict.fromkeys(group.nodes):
            groups[name].append(("group", group.name))
    limit_rows: list[int] = []
    members: list[int] = []
    shares: list[float] = []
    for position, node in enumerate(inventory.nodes):
        here = [*paths.of_rack(node.rack), *((key, 1.0) for key in groups[node.name]), (("node", node.name), 1.0)]
        for key, share in here:
            limit_rows.append(rows[key])
            members.append(position)
            shares.append(share)
    row_of_entry = np.array(limit_rows, np.int64)
    order = np.argsort(row_of_entry, kind="stable")
    counts = np.bincount(row_of_entry, minlength=len(limits))
    return Tree(
        limits=tuple(limits),
        start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        member=np.array(members, np.int64)[order],
        share=np.array(shares, np.float64)[order],
        row_of_entry=row_of_entry[order],
        fixed_watts=np.array([limit.fixed_watts for limit in limits]),
        trip_safe_watts=np.array([np.inf if limit.trip_safe_watts is None else limit.trip_safe_watts for limit in limits]),
        uncapped=Uncapped(
            names=tuple(load.name for load in inventory.uncapped),
            most_watts=np.array([load.max_watts for load in inventory.uncapped], np.float64),
            limit=np.array([rows[key] for _, key, _ in hung], np.int64),
            load=np.array([number for number, _, _ in hung], np.int64),
            share=np.array([share for _, _, share in hung], np.float64),
        ),
    )


def breakers(inventory: Inventory, tree: Tree) -> Breakers:
    """The breakers of an inventory, cold, with their curves. Their loads are `tree.load(…)[list(limit_rows)]`."""
    rows = {limit.name: row for row, limit in enumerate(tree.limits) if limit.kind == "breaker"}
    return Breakers(
        names=tuple(breaker.name for breaker in inventory.breakers),
        limit_rows=tuple(rows[breaker.name] for breaker in inventory.breakers),
        rating_watts=np.array([breaker.limit_watts for breaker in inventory.breakers], np.float64),
        curves=tuple(_curve(breaker) for breaker in inventory.breakers),
    )


def _curve(breaker: Breaker) -> Curve:
    points = tuple((point.ratio, point.seconds) for point in breaker.trip_points)
    return Points(points) if points else CURVES[breaker.curve]


def _limits(inventory: Inventory, paths: Paths, trip_safe_ratio: float) -> Iterator[Limit]:
    yield Limit(name=inventory.site.name, kind="site", budget_watts=inventory.site.budget_watts)
    ratings = {breaker.name: breaker.limit_watts for breaker in inventory.breakers}
    for feed in paths.feeds:
        mains = paths.mains(feed)
        # Of several breakers at the head of a feed nobody says what they hang on.
        yield Limit(name=feed, kind="feed", rating_watts=ratings[mains[0]] if len(mains) == 1 else None)
    for breaker in inventory.breakers:
        ratio = breaker.continuous_ratio or trip_safe_ratio
        yield Limit(
            name=breaker.name,
            kind="breaker",
            rating_watts=breaker.limit_watts,
            trip_safe_watts=breaker.limit_watts * ratio,
        )
    budgets = {row.name: row.budget_watts for row in inventory.rows}
    for row in dict.fromkeys([rack.row for rack in inventory.racks if rack.row] + list(budgets)):
        yield Limit(name=row, kind="row", budget_watts=budgets.get(row))
    for rack in inventory.racks:
        yield Limit(name=rack.name, kind="rack", budget_watts=rack.budget_watts)
    for group in inventory.groups:
        yield Limit(name=group.name, kind="group", budget_watts=group.budget_watts)
    for node in inventory.nodes:
        yield Limit(name=node.name, kind="node")


def _with_fixed(limit: Limit, fixed_watts: float) -> Limit:
    if not fixed_watts:
        return limit
    return Limit(
        name=limit.name,
        kind=limit.kind,
        rating_watts=limit.rating_watts,
        trip_safe_watts=limit.trip_safe_watts,
        budget_watts=limit.budget_watts,
        fixed_watts=fixed_watts,
    )


def _gpus_of(found: Sequence[DeviceCaps]) -> list[DeviceCaps]:
    """The GPUs among what was read of a server, each once, in the order of their indices."""
    once = {caps.device.uuid: caps for caps in found if caps.device.uuid}
    return sorted(once.values(), key=lambda caps: (len(caps.index), caps.index, caps.device.uuid))


def _draw(node: Node, gpus: Sequence[DeviceCaps], found: Sequence[DeviceCaps], loss: float) -> _Draw:
    """What counts of a server beside the limits of the GPUs that were found, and at most.

    A nameplate is the inventory's, else the highest cap that its controller takes (which it computes of what is built in),
    else the sum of assumed parts.
    """
    missing = max(node.gpus - len(gpus), 0) * assumed.gpu_watts(node.gpu_model) * loss
    limits = [assumed.gpu_watts(gpu.model or node.gpu_model) if gpu.max_watts is None else gpu.max_watts for gpu in gpus]
    with_gpus = sum(limits) * loss + missing
    told = node.max_watts or max((caps.max_watts or 0.0 for caps in found if not caps.device.uuid), default=0.0) or None
    table = assumed.server(node.model)
    if node.rest_watts is not None:
        rest, guessed = node.rest_watts, 0.0
    elif table is not None or told is None:
        rest = guessed = (table or assumed.UNKNOWN_SERVER).rest_watts
    else:  # no table knows it: what its nameplate leaves beside its GPUs
        rest, guessed = (told - with_gpus if told > with_gpus else told), 0.0
    # A model that comes with GPUs has them, whether or not the inventory says so and somebody has read them.
    usual = table.watts - table.rest_watts if table is not None and not gpus and not node.gpus else 0.0
    nameplate = told if told is not None else rest + with_gpus + usual
    if gpus or (not node.gpus and not usual):
        return _Draw(rest + missing, nameplate, guessed + (missing if told is None else 0.0))
    return _Draw(nameplate, nameplate, 0.0 if told is not None else nameplate)
