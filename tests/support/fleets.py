"""Fleets, views and intents for tests of the power room: small ones by hand, random ones by seed.

A fleet is told as limits with the servers below them; servers have GPUs of 200 to 700 W unless told otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from power.model import NOBODY, ControlState, Device, Fleet, Floats, Intent, Ints, Limit, Mode, Tree, View

REST_WATTS = 1000.0
GPU_MIN, GPU_MAX = 200.0, 700.0
LOSS = 1.05


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server of a made fleet. `gpus` 0: one that only its BMC can cap, if at all."""

    name: str
    gpus: int = 8
    rack: str = ""
    rest_watts: float = REST_WATTS
    nameplate_watts: float = 12_000.0


@dataclass(frozen=True, kw_only=True)
class Over:
    """A limit and the servers (by name, with their share) that count against it."""

    name: str
    nodes: Mapping[str, float] | Sequence[str]
    kind: str = "breaker"
    trip_safe_watts: float | None = None
    budget_watts: float | None = None
    fixed_watts: float = 0.0


def fleet(servers: Sequence[Server], limits: Sequence[Over]) -> Fleet:
    """A fleet of these servers under these limits."""
    rows = {server.name: row for row, server in enumerate(servers)}
    members = [limit.nodes if isinstance(limit.nodes, Mapping) else dict.fromkeys(limit.nodes, 1.0) for limit in limits]
    counts = [len(each) for each in members]
    tree = Tree(
        limits=tuple(
            Limit(
                name=limit.name,
                kind=limit.kind,
                rating_watts=limit.trip_safe_watts,
                trip_safe_watts=limit.trip_safe_watts,
                budget_watts=limit.budget_watts,
                fixed_watts=limit.fixed_watts,
            )
            for limit in limits
        ),
        start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        member=np.array([rows[name] for each in members for name in each], np.int64),
        share=np.array([share for each in members for share in each.values()], np.float64),
        row_of_entry=np.repeat(np.arange(len(limits)), counts).astype(np.int64),
        fixed_watts=np.array([limit.fixed_watts for limit in limits], np.float64),
        trip_safe_watts=np.array(
            [np.inf if limit.trip_safe_watts is None else limit.trip_safe_watts for limit in limits], np.float64
        ),
    )
    gpus = [(server.name, index) for server in servers for index in range(server.gpus)]
    return Fleet(
        tree=tree,
        nodes=tuple(server.name for server in servers),
        racks=tuple(server.rack for server in servers),
        gpus=tuple(Device(name, f"GPU-{name}-{index}") for name, index in gpus),
        gpu_index=tuple(str(index) for _, index in gpus),
        gpu_node=np.array([rows[name] for name, _ in gpus], np.int64),
        gpu_model=tuple("NVIDIA H100 80GB HBM3" for _ in gpus),
        rest_watts=np.array([server.rest_watts for server in servers], np.float64),
        loss=np.full(len(servers), LOSS),
        nameplate_watts=np.array([server.nameplate_watts for server in servers], np.float64),
    )


def view(
    made: Fleet,
    *,
    gpu_watts: float | Floats = 400.0,
    gpu_limit_watts: float | Floats = GPU_MAX,
    node_caps: bool = False,
    monotonic: float = 1000.0,
    **columns: Any,
) -> View:
    """What is known of it: every GPU controlled, read just now. Other columns of `View` by name."""
    gpus, nodes = len(made.gpus), len(made.nodes)
    draw = _column(gpu_watts, gpus)
    limit = _column(gpu_limit_watts, gpus)
    node_watts = 0.9 * made.rest_watts + made.loss * made.by_node(np.minimum(draw, limit))
    known = View(
        at=1_790_000_000.0 + monotonic,
        monotonic=monotonic,
        gpu_watts=np.minimum(draw, limit),
        gpu_age=np.zeros(gpus),
        gpu_peak_watts=np.minimum(draw, limit),
        gpu_limit_watts=limit,
        gpu_own_watts=limit.copy(),
        gpu_limit_age=np.zeros(gpus),
        gpu_min_watts=np.full(gpus, GPU_MIN),
        gpu_max_watts=np.full(gpus, GPU_MAX),
        gpu_default_watts=np.full(gpus, GPU_MAX),
        gpu_state=np.full(gpus, ControlState.CONTROLLED, np.int64),
        node_watts=node_watts,
        node_age=np.zeros(nodes),
        node_peak_watts=node_watts.copy(),
        node_cap_watts=np.full(nodes, np.nan),
        node_cap_age=np.zeros(nodes),
        node_cap_min_watts=np.full(nodes, 4000.0 if node_caps else np.nan),
        node_cap_max_watts=made.nameplate_watts.copy() if node_caps else np.full(nodes, np.nan),
        node_state=np.full(nodes, ControlState.CONTROLLED if node_caps else ControlState.UNKNOWN, np.int64),
    )
    return replace(known, **{name: np.asarray(value) for name, value in columns.items()})


def intent(
    made: Fleet,
    *,
    limits: Mapping[str, float] | None = None,
    guaranteed: bool = True,
    floor_watts: float | Floats = 350.0,
    priority: int | Ints = 50,
    mode: Mode = Mode.ENFORCE,
    names: tuple[str, ...] = (),
    **columns: Any,
) -> Intent:
    """What is asked of it: nothing but floors, the limits by name (else the tree's budgets), and other columns by name."""
    gpus, nodes, asked = len(made.gpus), len(made.nodes), limits or {}
    budgets = [asked.get(limit.name, limit.budget_watts) for limit in made.tree.limits]
    wanted = Intent(
        names=names,
        limit_watts=np.array([np.inf if watts is None else watts for watts in budgets], np.float64),
        limit_name=np.full(len(budgets), NOBODY, np.int64),
        guaranteed=np.full(len(budgets), guaranteed),
        gpu_cap_watts=np.full(gpus, np.inf),
        gpu_cap_name=np.full(gpus, NOBODY, np.int64),
        node_cap_watts=np.full(nodes, np.inf),
        node_cap_name=np.full(nodes, NOBODY, np.int64),
        priority=_column(priority, gpus).astype(np.int64),
        group=np.full(gpus, NOBODY, np.int64),
        keep=np.zeros(gpus, np.bool_),
        pinned_watts=np.full(gpus, np.nan),
        pinned_name=np.full(gpus, NOBODY, np.int64),
        clock_mhz=np.full(gpus, np.nan),
        floor_watts=_column(floor_watts, gpus),
        urgent=np.zeros(nodes, np.bool_),
        mode=mode,
    )
    return replace(wanted, **{name: np.asarray(value) for name, value in columns.items()})


def random_fleet(seed: int, *, nodes: int = 24, depth: int = 5, feeds: bool = True) -> Fleet:
    """A random tree of limits with A/B feeds over servers of 0 to 8 GPUs; the same seed gives the same fleet."""
    random = np.random.default_rng(seed)
    servers = [
        Server(
            name=f"n{number:03d}",
            gpus=int(random.choice([0, 1, 2, 4, 8], p=[0.1, 0.1, 0.2, 0.2, 0.4])),
            rest_watts=float(random.integers(300, 2200)),
        )
        for number in range(nodes)
    ]
    limits: list[Over] = []
    _divide(random, servers, depth, "site", limits)
    if feeds:
        half = random.random(nodes) < 0.6
        for feed in ("A", "B"):
            carried = {
                server.name: 1.0 if both or feed == "A" else float(random.choice([0.5, 1.0]))
                for server, both in zip(servers, half, strict=True)
                if both or random.random() < 0.5
            }
            if carried:
                limits.append(
                    Over(name=f"feed-{feed}", kind="feed", nodes=carried, trip_safe_watts=_some(random, servers, carried))
                )
    return fleet(servers, limits)


def permuted(made: Fleet, seed: int) -> tuple[Fleet, Ints, Ints, Ints]:
    """The same hall told in another order: the fleet, and where each server, GPU and limit of it stood before."""
    random = np.random.default_rng(seed)
    nodes = random.permutation(len(made.nodes))
    new_row = np.argsort(nodes)
    by_new_node = new_row[made.gpu_node]
    gpus = np.lexsort([random.random(len(made.gpus)), by_new_node])
    limits = random.permutation(len(made.tree.limits))
    tree = made.tree
    spans = [np.arange(tree.start[row], tree.start[row + 1]) for row in limits]
    entries = np.concatenate([random.permutation(span) for span in spans]) if spans else np.zeros(0, np.int64)
    counts = [len(span) for span in spans]
    other = replace(
        made,
        nodes=tuple(made.nodes[row] for row in nodes),
        racks=tuple(made.racks[row] for row in nodes),
        gpus=tuple(made.gpus[row] for row in gpus),
        gpu_index=tuple(made.gpu_index[row] for row in gpus),
        gpu_model=tuple(made.gpu_model[row] for row in gpus),
        gpu_node=by_new_node[gpus],
        rest_watts=made.rest_watts[nodes],
        loss=made.loss[nodes],
        nameplate_watts=made.nameplate_watts[nodes],
        tree=Tree(
            limits=tuple(tree.limits[row] for row in limits),
            start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            member=new_row[tree.member[entries]],
            share=tree.share[entries],
            row_of_entry=np.repeat(np.arange(len(limits)), counts).astype(np.int64),
            fixed_watts=tree.fixed_watts[limits],
            trip_safe_watts=tree.trip_safe_watts[limits],
        ),
    )
    return other, nodes, gpus, limits


def reordered(columns: Any, made: Fleet, nodes: Ints, gpus: Ints, limits: Ints) -> Any:
    """A `View` or `Intent` of the fleet, in the order of its `permuted` fellow."""
    changed = {}
    for name in columns.__dataclass_fields__:
        value = getattr(columns, name)
        if not isinstance(value, np.ndarray):
            continue
        if name in ("limit_watts", "limit_name", "guaranteed"):
            changed[name] = value[limits]
        elif name.startswith("node_") or name == "urgent":
            changed[name] = value[nodes]
        else:
            changed[name] = value[gpus]
    return replace(columns, **changed)


def _divide(random: np.random.Generator, servers: Sequence[Server], depth: int, name: str, limits: list[Over]) -> None:
    nodes = {server.name: 1.0 for server in servers}
    fixed = float(random.choice([0.0, 0.0, 700.0]))
    is_breaker = random.random() < 0.6
    watts = fixed + _some(random, servers, nodes)
    limits.append(
        Over(
            name=name,
            kind="breaker" if is_breaker else ("site" if name == "site" else "row"),
            nodes=nodes,
            trip_safe_watts=watts if is_breaker else None,
            budget_watts=None if is_breaker else watts,
            fixed_watts=fixed,
        )
    )
    if depth <= 1 or len(servers) < 2:
        return
    cuts = np.sort(
        random.choice(np.arange(1, len(servers)), size=min(len(servers) - 1, int(random.integers(1, 4))), replace=False)
    )
    for number, part in enumerate(np.split(np.arange(len(servers)), cuts)):
        _divide(random, [servers[row] for row in part], depth - 1, f"{name}.{number}", limits)


def _some(random: np.random.Generator, servers: Sequence[Server], carried: Mapping[str, float]) -> float:
    """A limit somewhere between what these servers must have and what they could take."""
    by_name = {server.name: server for server in servers}
    least = sum(share * (by_name[name].rest_watts + LOSS * GPU_MIN * by_name[name].gpus) for name, share in carried.items())
    most = sum(share * (by_name[name].rest_watts + LOSS * GPU_MAX * by_name[name].gpus) for name, share in carried.items())
    return float(least + random.uniform(0.05, 1.1) * (most - least) + 1.0)


def _column(value: Any, length: int) -> Floats:
    return np.broadcast_to(np.asarray(value, np.float64), (length,)).copy()
