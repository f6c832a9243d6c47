"""Who pays for which joule: one small pure function a rule, with its reason beside it. All energies are joules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from wattstat.jobs import RunKey

# How much more one program may draw than another for the same share of activity: tensor cores at work draw far more than plain
# arithmetic does. An assumption, and a wide one: no power of a part can be measured to check it.
INTENSITY = 2.0
REST_WATTS = 70.0
REST_SHARE = 0.1


class Holder(NamedTuple):
    """A run that holds a GPU or a part of it. `activity` is its active share of the whole GPU; None where nobody tells."""

    run: RunKey
    fraction: float
    activity: float | None = None
    suspended: bool = False


class Part(NamedTuple):
    """Somebody's part of a GPU's energy; `run` None is nobody's. `is_idle`: held and not used."""

    run: RunKey | None
    joules: float
    error: float = 0.0
    is_idle: bool = False
    is_split: bool = False


def whole_gpu(joules: float, holder: Holder | None, activity: float | None, idle_ratio: float) -> Part:
    """A GPU that one run holds is that run's alone, also while it does nothing with it: nobody else could have used it.

    Then the joules are its `allocated_idle`, so that waste shows. Where the board tells no activity, it counts as used.
    """
    if holder is None:
        return Part(None, joules)
    idle = holder.suspended or (activity is not None and activity < idle_ratio)
    return Part(holder.run, joules, is_idle=idle)


def static_watts(at_rest: float | None, limit: float | None) -> float:
    """What a GPU draws whoever works: the least that it was seen to draw while nobody did.

    One that was never seen at rest: an H100 rests at about 70 W under its limit of 700 W, and others at about that share.
    """
    if at_rest is not None:
        return at_rest
    return REST_WATTS if limit is None else REST_SHARE * limit


def shared_gpu(joules: float, idle_joules: float, holders: Sequence[Holder], idle_ratio: float) -> list[Part]:
    """A GPU in parts: what it draws anyway (static) by the fraction held, what work adds (dynamic) by activity.

    Static energy flows whoever works, so whoever reserves a part pays for it; what nobody reserved is idle. Dynamic energy
    follows the work. Where no activity is known, or nobody was active, fractions stand for it.
    """
    static = min(joules, idle_joules)
    dynamic = joules - static
    held = sum(holder.fraction for holder in holders)
    scale = 1.0 if held <= 1.0 else 1.0 / held  # shares may be oversubscribed
    weights = activity_weights(holders)
    fallback = weights is None
    if weights is None:
        weights = [holder.fraction / held if held else 1 / len(holders) for holder in holders]
    parts = []
    for holder, weight in zip(holders, weights, strict=True):
        low, high = (0.0, 1.0) if fallback and len(holders) > 1 else weight_bounds(weight)
        error = dynamic * max(weight - low, high - weight)
        idle = holder.suspended or (holder.activity is not None and holder.activity < idle_ratio * holder.fraction)
        parts.append(Part(holder.run, static * holder.fraction * scale + dynamic * weight, error, idle, is_split=True))
    free = max(0.0, 1.0 - held)
    if free > 0:
        parts.append(Part(None, static * free, is_split=True))
    return parts


def activity_weights(holders: Sequence[Holder]) -> list[float] | None:
    """Each holder's share of all their activity; None when any of them is unknown, or all stood still."""
    known = [holder.activity for holder in holders if holder.activity is not None]
    total = sum(known)
    if len(known) < len(holders) or total <= 0:
        return None
    return [activity / total for activity in known]


def weight_bounds(weight: float) -> tuple[float, float]:
    """Between what a share of dynamic energy may truly lie, when programs differ by `INTENSITY` in what they draw for it."""
    other = 1.0 - weight
    return weight / (weight + INTENSITY * other), INTENSITY * weight / (INTENSITY * weight + other)


def rest_of_node(node: float, devices: float, deficit: float) -> tuple[float, float]:
    """What fans, network cards and power supplies took: the node's energy less its devices'. Also the deficit to carry on.

    Meters tick differently, so that for a short while devices may seem to have drawn more than the node; the rest is never
    negative, and what is missing is kept back from the next rest.
    """
    rest = node - devices - deficit
    return max(0.0, rest), max(0.0, -rest)


class Tenant(NamedTuple):
    """A run on a node: the processors and GPUs that it was given, and what its devices drew."""

    run: RunKey
    cpus: int | None
    gpus: float
    device_joules: float = 0.0


def cpu_weights(tenants: Sequence[Tenant], node_gpus: float) -> dict[RunKey | None, float]:
    """Processors and memory by allocated processors, for a run keeps others off them; else by allocated GPUs, free ones idle.

    With none of both known, evenly; a node without runs is idle.
    """
    if not tenants:
        return {None: 1.0}
    cpus = sum(tenant.cpus or 0 for tenant in tenants)
    if cpus and all(tenant.cpus is not None for tenant in tenants):
        return {tenant.run: (tenant.cpus or 0) / cpus for tenant in tenants}
    return gpu_weights(tenants, node_gpus)


def gpu_weights(tenants: Sequence[Tenant], node_gpus: float) -> dict[RunKey | None, float]:
    """Shares by allocated GPUs; what of the node's GPUs nobody holds is idle. Evenly where nobody holds any."""
    if not tenants:
        return {None: 1.0}
    held = sum(tenant.gpus for tenant in tenants)
    if held <= 0:
        return {tenant.run: 1 / len(tenants) for tenant in tenants}
    all_gpus = max(held, node_gpus)
    weights: dict[RunKey | None, float] = {tenant.run: tenant.gpus / all_gpus for tenant in tenants}
    if all_gpus > held:
        weights[None] = (all_gpus - held) / all_gpus
    return weights


def rest_weights(tenants: Sequence[Tenant], idle_joules: float, node_gpus: float) -> dict[RunKey | None, float]:
    """The rest by share of device energy: fans and power supplies follow heat. Idle devices' share stays idle.

    Where no device counted anything, by what was allocated: processors, else GPUs.
    """
    devices = idle_joules + sum(tenant.device_joules for tenant in tenants)
    if devices <= 0:
        return cpu_weights(tenants, node_gpus) if node_gpus <= 0 else gpu_weights(tenants, node_gpus)
    weights: dict[RunKey | None, float] = {tenant.run: tenant.device_joules / devices for tenant in tenants}
    if idle_joules > 0:
        weights[None] = idle_joules / devices
    return weights


def split(joules: float, weights: Mapping[RunKey | None, float]) -> dict[RunKey | None, float]:
    """Joules by weights that add up to 1."""
    return {run: joules * weight for run, weight in weights.items()}
