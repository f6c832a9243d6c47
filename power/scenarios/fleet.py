"""The simulated hall as the controller's fleet: breakers with what is trip-safe, rows and the site with budgets."""

from __future__ import annotations

import numpy as np

from power.model import Bools, Device, Fleet, Floats, Ints, Limit, Tree
from power.scenarios.hall import Layout


def fleet_of(hall: Layout, feed_alive: Bools, *, trip_safe_ratio: float = 1.0) -> Fleet:
    """The fleet while these feeds live: a server's power is shared by them."""
    names = tuple(f"n{number + 1:05d}" for number in range(hall.nodes))
    everyone = np.ones(hall.nodes)
    limits: list[Limit] = [Limit(name="site", kind="site")]
    parts: list[tuple[Ints, Floats]] = [(np.zeros(hall.nodes, np.int64), everyone)]
    for number, watts in enumerate(hall.row_budget_watts):
        limits.append(Limit(name=f"row{number + 1:03d}", kind="row", budget_watts=float(watts)))
    parts.append((1 + hall.row_of_node, everyone))
    for layer in hall.layers:
        share = float(feed_alive[layer.feed]) / max(int(feed_alive.sum()), 1)
        first = len(limits)
        limits += [
            Limit(name=name, kind="breaker", rating_watts=rating, trip_safe_watts=trip_safe_ratio * rating)
            for name, rating in zip(layer.names, layer.rating_watts.tolist(), strict=True)
        ]
        if share:
            parts.append((first + layer.of_node, np.full(hall.nodes, share)))
    gpu_node = np.repeat(np.arange(hall.nodes), hall.gpus)
    return Fleet(
        tree=_tree(tuple(limits), parts, hall.nodes),
        nodes=names,
        racks=tuple(f"rack{rack + 1:03d}" for rack in hall.rack_of_node.tolist()),
        gpus=tuple(Device(name, f"{name}-{gpu}") for name in names for gpu in range(hall.gpus)),
        gpu_index=tuple(str(gpu) for _ in names for gpu in range(hall.gpus)),
        gpu_node=gpu_node,
        gpu_model=("NVIDIA H100 80GB HBM3",) * len(gpu_node),
        rest_watts=np.full(hall.nodes, hall.rest_watts),
        loss=everyone,
        nameplate_watts=np.full(hall.nodes, hall.nameplate_watts),
    )


def _tree(limits: tuple[Limit, ...], parts: list[tuple[Ints, Floats]], nodes: int) -> Tree:
    row = np.concatenate([rows for rows, _ in parts])
    share = np.concatenate([shares for _, shares in parts])
    member = np.tile(np.arange(nodes), len(parts))
    order = np.argsort(row, kind="stable")
    return Tree(
        limits=limits,
        start=np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(limits)))]).astype(np.int64),
        member=member[order],
        share=share[order],
        row_of_entry=row[order],
        fixed_watts=np.zeros(len(limits)),
        trip_safe_watts=np.array([np.inf if each.trip_safe_watts is None else each.trip_safe_watts for each in limits]),
    )
