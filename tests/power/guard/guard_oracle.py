"""What the guard promises, said again from the definition: one device, one server, one limit at a time, in plain numbers.

Nothing of the guard or of the tree's formulas is used here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import floor, inf, isfinite, isnan, nan

from power.guard.admitted import Admitted
from power.guard.guard import Rules
from power.model import ControlState, Fence, Fleet, Intent, Mode, Proposal, View

HOLDS = {ControlState.CONTROLLED, ControlState.PENDING}
TRIED = {*HOLDS, ControlState.UNCONTROLLED}


@dataclass(frozen=True, kw_only=True)
class Case:
    """All that a decision is made of."""

    fleet: Fleet
    view: View
    intent: Intent
    proposal: Proposal
    rules: Rules
    fence: Fence | None
    monotonic: float


def gpu_now(view: View, gpu: int) -> float:
    """What a GPU may draw at most, as far as anybody knows."""
    limit, highest = float(view.gpu_limit_watts[gpu]), float(view.gpu_max_watts[gpu])
    if view.gpu_state[gpu] in HOLDS and not isnan(limit):
        return limit
    if isnan(highest):
        return inf
    return highest if isnan(limit) else max(highest, limit)


def cap_now(view: View, node: int) -> float:
    """A server's own cap; infinite where none counts."""
    cap = float(view.node_cap_watts[node])
    return cap if view.node_state[node] in HOLDS and not isnan(cap) else inf


def draw(fleet: Fleet, node: int, gpus: list[float], cap: float) -> float:
    """The most that a server draws when its GPUs may draw so much each, and it has this cap (infinite: none)."""
    most = min(float(fleet.nameplate_watts[node]), 1.02 * cap)
    return min(most, float(fleet.rest_watts[node]) + float(fleet.loss[node]) * sum(gpus))


def draws(fleet: Fleet, gpus: list[float], caps: list[float]) -> list[float]:
    """That of every server."""
    mine: list[list[float]] = [[] for _ in fleet.nodes]
    for gpu, watts in enumerate(gpus):
        mine[int(fleet.gpu_node[gpu])].append(watts)
    return [draw(fleet, node, mine[node], caps[node]) for node in range(len(fleet.nodes))]


def entries(fleet: Fleet, limit: int) -> Iterator[tuple[int, float]]:
    """Servers below a limit, with their share."""
    for entry in range(int(fleet.tree.start[limit]), int(fleet.tree.start[limit + 1])):
        yield int(fleet.tree.member[entry]), float(fleet.tree.share[entry])


def loads(fleet: Fleet, servers: list[float]) -> list[float]:
    """What each limit carries when the servers draw this."""
    return [
        float(fleet.tree.fixed_watts[limit]) + sum(share * servers[node] for node, share in entries(fleet, limit))
        for limit in range(len(fleet.tree.limits))
    ]


def bounds(case: Case) -> list[float]:
    """What the worst case of each limit may be at most."""
    found = []
    for row, trip_safe in enumerate(case.fleet.tree.trip_safe_watts.tolist()):
        policy = float(case.intent.limit_watts[row]) if case.intent.guaranteed[row] else inf
        found.append(nan if isnan(policy) else min(trip_safe, policy))
    return found


def below(fleet: Fleet, limits: list[int]) -> set[int]:
    """Servers below any of these limits."""
    return {node for limit in limits for node, _ in entries(fleet, limit)}


def counted(case: Case) -> tuple[list[float], list[float]]:
    """What every GPU and every server's cap count at now."""
    gpus = [gpu_now(case.view, gpu) for gpu in range(len(case.fleet.gpus))]
    return gpus, [cap_now(case.view, node) for node in range(len(case.fleet.nodes))]


def over(case: Case) -> list[int]:
    """Limits whose worst case is over what it may be, now."""
    carried = loads(case.fleet, draws(case.fleet, *counted(case)))
    return [row for row, bound in enumerate(bounds(case)) if bound != inf and not carried[row] <= bound]


def frozen(case: Case) -> bool:
    """Whether nothing may go up anywhere."""
    view, fleet = case.view, case.fleet
    read = [
        view.gpu_state[gpu] != ControlState.UNKNOWN
        and isfinite(view.gpu_limit_watts[gpu])
        and isfinite(view.gpu_min_watts[gpu])
        and isfinite(view.gpu_max_watts[gpu])
        for gpu in range(len(fleet.gpus))
    ]
    with_gpus = {int(node) for node in fleet.gpu_node}
    read += [view.node_state[node] != ControlState.UNKNOWN for node in range(len(fleet.nodes)) if node not in with_gpus]
    if not read or sum(read) < case.rules.complete_ratio * len(read):
        return True
    if not 0 <= case.monotonic - view.monotonic <= case.rules.view_seconds:
        return True
    offset = case.rules.wall_offset
    return offset is not None and abs(view.at - view.monotonic - offset) > case.rules.jump_seconds


@dataclass(frozen=True, kw_only=True)
class Told:
    """What is known of one device and asked of it."""

    asked: float
    in_force: float
    low: float
    high: float
    floor: float
    cap: float
    state: int
    read: bool
    age: float
    urgent: bool
    free: bool
    """No floor counts: an emergency, or a limit above is over."""


def allowed(told: Told, rules: Rules, *, nothing_up: bool) -> float:
    """The target that one device gets when no limit stands against it; NaN: it is left alone."""
    asked, now = told.asked, inf if isnan(told.in_force) else told.in_force
    if isnan(asked) or not 0 < asked < inf or not 0 < told.low <= told.high < inf:
        return nan
    known = told.read and told.state in {*TRIED, ControlState.FOREIGN}
    if not told.urgent and (not known or told.state == ControlState.FOREIGN):
        return nan
    target = asked if known else min(asked, told.low)
    lowest = told.low
    if not told.free and not isnan(told.floor):
        lowest = max(lowest, min(told.floor, now))
    target = max(target, lowest)
    if target > now and not isnan(told.cap):
        target = min(target, told.cap)
    target = min(max(target, told.low), told.high)
    if (target > now) != (asked > now):
        return nan
    if target <= now:
        return max(floor(target), min(lowest, target))
    may = told.state in HOLDS and told.read and not told.urgent and told.age <= rules.cap_seconds and not nothing_up
    whole = max(floor(target), min(lowest, target))
    return whole if may and whole > now else nan


def gpu_told(case: Case, gpu: int, free: set[int]) -> Told:
    """What there is to one GPU."""
    view, intent, node = case.view, case.intent, int(case.fleet.gpu_node[gpu])
    default, pinned = float(view.gpu_default_watts[gpu]), float(intent.pinned_watts[gpu])
    highest = float(view.gpu_max_watts[gpu])
    is_pinned = isfinite(pinned)
    lowest = float(intent.floor_watts[gpu])
    urgent = bool(intent.urgent[node])
    return Told(
        asked=float(case.proposal.gpu_watts[gpu]),
        in_force=float(view.gpu_limit_watts[gpu]),
        low=float(view.gpu_min_watts[gpu]),
        high=highest if isnan(default) else default if isnan(highest) else min(highest, default),
        floor=min(lowest, pinned) if is_pinned else lowest,
        cap=inf if is_pinned else float(intent.gpu_cap_watts[gpu]),
        state=int(view.gpu_state[gpu]),
        read=not isnan(view.gpu_limit_watts[gpu]),
        age=float(view.gpu_limit_age[gpu]),
        urgent=urgent,
        free=urgent or node in free,
    )


def node_told(case: Case, node: int) -> Told:
    """What there is to one server's own cap."""
    view = case.view
    return Told(
        asked=float(case.proposal.node_cap_watts[node]),
        in_force=float(view.node_cap_watts[node]),
        low=float(view.node_cap_min_watts[node]),
        high=float(view.node_cap_max_watts[node]),
        floor=0.0,
        cap=float(case.intent.node_cap_watts[node]),
        state=int(view.node_state[node]),
        read=True,
        age=float(view.node_cap_age[node]),
        urgent=bool(case.intent.urgent[node]),
        free=True,
    )


def higher(now: float, target: float) -> float:
    """What counts while nobody knows whether a write got through."""
    return now if isnan(target) else max(now, target)


def broken(case: Case, admitted: Admitted) -> list[str]:
    """Every promise that this answer breaks."""
    return [*_devices(case, admitted), *_limits(case, admitted), *_right(case, admitted)]


def _up(told: Told, target: float) -> bool:
    return target > (inf if isnan(told.in_force) else told.in_force)


def _devices(case: Case, admitted: Admitted) -> Iterator[str]:
    """Every cut is what it must be, every raise at most that; where no limit had a say, exactly that."""
    fleet, pressed, nothing_up = case.fleet, below(case.fleet, over(case)), frozen(case)
    told = [(str(device), gpu_told(case, row, pressed)) for row, device in enumerate(fleet.gpus)]
    told += [(node, node_told(case, row)) for row, node in enumerate(fleet.nodes)]
    targets = [*admitted.gpu_watts.tolist(), *admitted.node_cap_watts.tolist()]
    servers = [*fleet.gpu_node.tolist(), *range(len(fleet.nodes))]
    tight = below(fleet, _tight(case, _unlimited(case, pressed, nothing_up=nothing_up)))
    for (name, each), target, node in zip(told, targets, servers, strict=True):
        wanted = allowed(each, case.rules, nothing_up=nothing_up)
        if not isnan(target) and not each.low <= target <= each.high:
            yield f"{name}: {target} W is out of {each.low} to {each.high} W"
        if _up(each, wanted):
            if node in pressed and not isnan(target):
                yield f"{name}: goes to {target} W below a limit that is over"
            elif not isnan(target) and not (_up(each, target) and target <= wanted):
                yield f"{name}: {target} W where a raise to at most {wanted} W was allowed"
            elif target != wanted and node not in tight and node not in pressed:
                yield f"{name}: {target} W, though no limit stands against {wanted} W"
        elif target != wanted and not (isnan(target) and isnan(wanted)):
            yield f"{name}: {target} W; expected {wanted} W"


def _unlimited(case: Case, pressed: set[int], *, nothing_up: bool) -> tuple[list[float], list[float]]:
    """Targets of all devices as if no limit stood against them but those that are over."""
    gpus, caps = [], []
    for gpu in range(len(case.fleet.gpus)):
        told = gpu_told(case, gpu, pressed)
        target = allowed(told, case.rules, nothing_up=nothing_up)
        gpus.append(nan if _up(told, target) and int(case.fleet.gpu_node[gpu]) in pressed else target)
    for node in range(len(case.fleet.nodes)):
        told = node_told(case, node)
        target = allowed(told, case.rules, nothing_up=nothing_up)
        caps.append(nan if _up(told, target) and node in pressed else target)
    return gpus, caps


def worst(case: Case, gpus: list[float], caps: list[float]) -> list[float]:
    """What every server draws at most while nobody knows which of these targets got through."""
    gpus_now, caps_now = counted(case)
    most = [higher(now, target) for now, target in zip(gpus_now, gpus, strict=True)]
    return draws(case.fleet, most, [higher(now, target) for now, target in zip(caps_now, caps, strict=True)])


def _tight(case: Case, targets: tuple[list[float], list[float]]) -> list[int]:
    """Limits that could not hold with all of these."""
    carried = loads(case.fleet, worst(case, *targets))
    return [row for row, bound in enumerate(bounds(case)) if carried[row] > bound - 1e-6]


def _limits(case: Case, admitted: Admitted) -> Iterator[str]:
    """Every limit above a raise holds its worst case with it, and raises get the share that limits have left."""
    fleet = case.fleet
    targets = admitted.gpu_watts.tolist(), admitted.node_cap_watts.tolist()
    now, after = draws(fleet, *counted(case)), worst(case, *targets)
    carried_now, carried = loads(fleet, now), loads(fleet, after)
    for row, bound in enumerate(bounds(case)):
        if not isnan(bound) and carried[row] > max(bound, carried_now[row]) + 1e-6:
            yield f"{fleet.tree.limits[row].name}: {carried[row]} W in the worst case; may be {bound} W"
    pressed, nothing_up = below(fleet, over(case)), frozen(case)
    wanted = worst(case, *_unlimited(case, pressed, nothing_up=nothing_up))
    carried_wanted = loads(fleet, wanted)
    share = [1.0] * len(fleet.nodes)
    for row, bound in enumerate(bounds(case)):
        if carried_wanted[row] > bound and carried_now[row] <= bound:
            left = (bound - carried_now[row]) / (carried_wanted[row] - carried_now[row])
            for node, _ in entries(fleet, row):
                share[node] = min(share[node], left)
    for node, name in enumerate(fleet.nodes):
        if node in pressed or now[node] == inf:
            continue
        # A watt of each GPU and of the server's cap may go to rounding; a raise below the device's least is refused whole.
        gpus = sum(1 for each in fleet.gpu_node if each == node)
        least = now[node] + share[node] * (wanted[node] - now[node]) - gpus * float(fleet.loss[node]) - 1.02 - 1e-3
        if after[node] < least and not _below_its_least(case, node):
            yield f"{name}: gets {after[node]} W of at least {least} W"


def _below_its_least(case: Case, node: int) -> bool:
    view = case.view
    gpus = [gpu for gpu, each in enumerate(case.fleet.gpu_node) if each == node]
    return bool(view.node_cap_watts[node] < view.node_cap_min_watts[node]) or any(
        view.gpu_limit_watts[gpu] < view.gpu_min_watts[gpu] for gpu in gpus
    )


def _right(case: Case, admitted: Admitted) -> Iterator[str]:
    """Nothing is written without the right to."""
    fence = case.fence
    valid = fence is not None and fence.holder == case.rules.holder and fence.token > 0
    valid = valid and fence is not None and case.monotonic < fence.valid_until
    if admitted.writes != (valid and case.intent.mode is Mode.ENFORCE):
        yield f"writes is {admitted.writes}"
