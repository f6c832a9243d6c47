"""The guard: nothing is written to a device that has not come through `admit`.

It trusts the fleet (made of the inventory), reads everything else as what a stranger handed in, and depends on nothing but the
words of this room and the formula of the worst case. What it promises, whatever the proposal says:

1. A target lies within what the device itself tells in this view; no bounds, no target.
2. A cap goes up only if every limit above holds its worst case with it, whichever of the admitted and the pending writes get
   through, in whichever order: each device counts at the higher of what it has and what it may get.
3. Beneath a limit that is over its worst case already, nothing goes up. Cuts are never held back by any limit.
4. Nothing goes up on what is not known: before enough of the fleet has been read, on an old view, after a jump of the clock,
   where caps do not hold, where an emergency is on.
5. Without a valid lease of its own, and in any mode but enforce, it says the same and lets nothing be written.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from power.guard.admitted import Admitted, Verdict
from power.guard.cold import readiness
from power.guard.columns import column, misfit, names
from power.guard.targets import Targets, keep_within
from power.model import NOBODY, Bools, ControlState, Fence, Fleet, Floats, Intent, Ints, Mode, Proposal, View
from power.tree.ceilings import NODE_CAP_TOLERANCE, counted, worst_draw

# Shares are taken this much short of what a limit has left, so that the sum of rounded numbers stays below it.
_SHORT = 1 - 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the guard holds to besides the devices' own bounds and the limits."""

    holder: str
    """Whose lease counts."""
    complete_ratio: float = 0.95
    """Share of the devices that must have been read before any cap goes up."""
    view_seconds: float = 5.0
    """No cap goes up on an older view."""
    late_seconds: float = 0.0
    """How old the view is already: whoever decides may have been stopped, or kept waiting, since it was made."""
    cap_seconds: float = 180.0
    """Nor at a device whose cap was read back longer ago: three times the interval of verifying."""
    wall_offset: float | None = None
    """Wall clock less monotonic clock, one cycle ago."""
    jump_seconds: float = 2.0
    """A wall clock that moved further since then freezes raises for this cycle: a schedule may have switched by mistake."""


@np.errstate(invalid="ignore", divide="ignore", over="ignore")
def admit(  # noqa: PLR0917 # a pure function of all that is known; each has a type of its own
    fleet: Fleet, view: View, intent: Intent, proposal: Proposal, rules: Rules, fence: Fence | None, monotonic: float
) -> Admitted:
    """What of the proposal may be written. Never raises, whatever that holds: what makes no sense is refused, and said."""
    stranger = misfit(fleet, view, intent)
    if stranger:
        return _nothing(fleet, stranger)
    garbage: list[str] = []
    case = _worst_case(fleet, view, intent)
    # Floors are for work; where a limit is over its worst case, or in an emergency, a cap goes down to what the device takes.
    no_floor = case.pressed | intent.urgent
    gpus = _gpu_targets(fleet, view, intent, no_floor, column(proposal, "gpu_watts", len(fleet.gpus), garbage))
    nodes = _node_targets(view, intent, column(proposal, "node_cap_watts", len(fleet.nodes), garbage))
    gpus.refuse(gpus.raises & ~(view.gpu_limit_age <= rules.cap_seconds), Verdict.STALE)
    nodes.refuse(nodes.raises & ~(view.node_cap_age <= rules.cap_seconds), Verdict.STALE)
    frozen = _frozen(fleet, view, rules, fence, monotonic)
    if frozen:
        gpus.refuse(gpus.raises, Verdict.FROZEN)
        nodes.refuse(nodes.raises, Verdict.FROZEN)
    asked = fleet.tree.load(_with_raises(fleet, case, gpus, nodes))
    binding = _hold_the_envelope(fleet, case, gpus, nodes)
    held_back = _held_back(intent, rules, fence, monotonic)
    return Admitted(
        gpu_watts=gpus.watts,
        gpu_verdict=gpus.verdict,
        gpu_limit=_limit_of(gpus, binding[fleet.gpu_node]),
        gpu_name=names(proposal, "gpu_name", len(fleet.gpus)),
        node_cap_watts=nodes.watts,
        node_verdict=nodes.verdict,
        node_limit=_limit_of(nodes, binding),
        node_name=names(proposal, "node_name", len(fleet.nodes)),
        clock_mhz=_clocks(view, column(proposal, "clock_mhz", len(fleet.gpus), garbage)),
        urgent=intent.urgent,
        pressed=case.pressed,
        limit_now_watts=case.load,
        limit_asked_watts=asked,
        limit_worst_watts=fleet.tree.load(_with_raises(fleet, case, gpus, nodes)),
        limit_bound_watts=case.bound,
        names=tuple(intent.names),
        writes=not held_back,
        urgent_only=fence is not None and fence.urgent_only,
        held_back=held_back,
        frozen=frozen,
        garbage=tuple(garbage),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Case:
    """The worst case as it is: of GPUs, servers and limits. `pressed` marks servers below a limit that is `over` it."""

    gpu_watts: Floats
    node_cap_watts: Floats
    node_watts: Floats
    load: Floats
    bound: Floats
    over: Bools
    pressed: Bools


def _worst_case(fleet: Fleet, view: View, intent: Intent) -> _Case:
    trip_safe = fleet.tree.trip_safe_watts
    bound = np.where(intent.guaranteed, np.minimum(trip_safe, intent.limit_watts), trip_safe)
    gpu_watts, node_cap_watts = counted(fleet, view)
    node_watts = worst_draw(fleet, gpu_watts, node_cap_watts)
    load = fleet.tree.load(node_watts)
    over = _over(load, bound)
    return _Case(
        gpu_watts=gpu_watts,
        node_cap_watts=node_cap_watts,
        node_watts=node_watts,
        load=load,
        bound=bound,
        over=over,
        pressed=_beneath(fleet, over),
    )


def _gpu_targets(fleet: Fleet, view: View, intent: Intent, no_floor: Bools, asked: Floats) -> Targets:
    targets = Targets(asked, view.gpu_limit_watts, view.gpu_min_watts)
    # Whoever pins a device may go below the floor, and is not held by a policy's cap; every limit holds all the same.
    pinned = np.isfinite(intent.pinned_watts)
    floor = np.where(pinned, np.minimum(intent.floor_watts, intent.pinned_watts), intent.floor_watts)
    floor = np.where(no_floor[fleet.gpu_node], 0.0, floor)
    cap = np.where(pinned, np.inf, intent.gpu_cap_watts)
    state = np.where(np.isnan(view.gpu_limit_watts), ControlState.UNKNOWN, view.gpu_state)
    highest = np.fmin(view.gpu_max_watts, view.gpu_default_watts)
    keep_within(targets, high=highest, floor=floor, cap=cap, state=state, urgent=intent.urgent[fleet.gpu_node])
    return targets


def _node_targets(view: View, intent: Intent, asked: Floats) -> Targets:
    targets = Targets(asked, view.node_cap_watts, view.node_cap_min_watts)
    keep_within(
        targets,
        high=view.node_cap_max_watts,
        floor=np.zeros_like(asked),
        cap=intent.node_cap_watts,
        state=view.node_state,
        urgent=intent.urgent,
    )
    return targets


def _hold_the_envelope(fleet: Fleet, case: _Case, gpus: Targets, nodes: Targets) -> Ints:
    """Scale raises down to what every limit above has left; beneath a limit that is over, refuse them.

    Gives the limit that leaves each server the least.
    """
    tree = fleet.tree
    _refuse_raises(fleet, gpus, nodes, case.pressed)
    draw = _with_raises(fleet, case, gpus, nodes)
    load = tree.load(draw)
    # The share of its raise that each server gets: the smallest that a limit above it has left.
    left = np.where(load > case.bound, (case.bound - case.load) / (load - case.load) * _SHORT, 1.0)
    entry = np.where(case.over, 0.0, left)[tree.row_of_entry]
    share = np.ones(len(fleet.nodes))
    np.minimum.at(share, tree.member, entry)
    _scale(fleet, gpus, nodes, case, np.where(share < 1, case.node_watts + share * (draw - case.node_watts), np.inf))
    # Last, and whatever was computed above: no raise stays beneath a limit that does not hold with it.
    _refuse_raises(fleet, gpus, nodes, _beneath(fleet, _over(tree.load(_with_raises(fleet, case, gpus, nodes)), case.bound)))
    binds = (entry < 1) & (entry == share[tree.member])
    binding = np.full(len(fleet.nodes), NOBODY)
    binding[tree.member[binds]] = tree.row_of_entry[binds]
    return binding


def _scale(fleet: Fleet, gpus: Targets, nodes: Targets, case: _Case, allowed: Floats) -> None:
    """Shorten the raises of servers that may draw `allowed` and no more.

    A server draws the least of what its GPUs may, its cap and its nameplate. Where the GPUs' part is below `allowed` they are
    shortened until it stays there, and the server's cap may be anything; else its cap alone holds it, and is shortened.
    """
    parts_now = fleet.rest_watts + fleet.loss * fleet.by_node(case.gpu_watts)
    more = fleet.loss * fleet.by_node(np.where(gpus.raises, gpus.watts - gpus.now, 0.0))
    by_gpus = parts_now <= allowed
    part = np.where(by_gpus & (more > 0), np.minimum((allowed - parts_now) / more, 1.0), 1.0)[fleet.gpu_node]
    gpus.raise_at_most(np.where(part < 1, gpus.now + part * (gpus.watts - gpus.now), np.inf))
    nodes.raise_at_most(np.where(by_gpus, np.inf, allowed / NODE_CAP_TOLERANCE))


def _with_raises(fleet: Fleet, case: _Case, gpus: Targets, nodes: Targets) -> Floats:
    """The most that each server draws, each device at the higher of what counts now and what it may get."""
    gpu_watts = np.where(gpus.watts > case.gpu_watts, gpus.watts, case.gpu_watts)
    return worst_draw(fleet, gpu_watts, np.where(nodes.watts > case.node_cap_watts, nodes.watts, case.node_cap_watts))


def _over(load: Floats, bound: Floats) -> Bools:
    """Limits that do not hold; what cannot be told does not hold."""
    over: Bools = ~(load <= bound) & (bound != np.inf)
    return over


def _beneath(fleet: Fleet, limits: Bools) -> Bools:
    """Servers that hang below any of these limits."""
    servers = np.zeros(len(fleet.nodes), dtype=np.bool_)
    servers[fleet.tree.member[limits[fleet.tree.row_of_entry]]] = True
    return servers


def _refuse_raises(fleet: Fleet, gpus: Targets, nodes: Targets, servers: Bools) -> None:
    gpus.refuse(gpus.raises & servers[fleet.gpu_node], Verdict.ENVELOPE)
    nodes.refuse(nodes.raises & servers, Verdict.ENVELOPE)


def _limit_of(targets: Targets, binding: Ints) -> Ints:
    """The limit to name, where one had a say."""
    had_a_say = (targets.verdict == Verdict.SCALED) | (targets.verdict == Verdict.ENVELOPE)
    return np.where(had_a_say, binding, NOBODY)


def _clocks(view: View, asked: Floats) -> Floats:
    """Clock locks for devices that obey. A clock is no guarantee and counts nowhere; it only has to be one."""
    holds = (view.gpu_state == ControlState.CONTROLLED) | (view.gpu_state == ControlState.PENDING)
    return np.where(holds & (asked > 0) & (asked < np.inf), asked, np.nan)


def _frozen(fleet: Fleet, view: View, rules: Rules, fence: Fence | None, monotonic: float) -> str:
    """Why no cap may go up anywhere in this cycle; empty: it may."""
    if fence is not None and fence.urgent_only:
        return "the lease's database is away; only urgent cuts are written"
    ready = readiness(fleet, view, rules.complete_ratio)
    if not ready.complete:
        return f"{ready}; raises wait for {rules.complete_ratio:.0%}"
    age = monotonic - view.monotonic
    if not 0 <= age <= rules.view_seconds:
        return f"the view is {age:.1f} s old; raises want one of at most {rules.view_seconds:g} s"
    moved = 0.0 if rules.wall_offset is None else view.at - view.monotonic - rules.wall_offset
    if not abs(moved) <= rules.jump_seconds:
        return f"the wall clock jumped by {moved:+.1f} s"
    return ""


def _held_back(intent: Intent, rules: Rules, fence: Fence | None, monotonic: float) -> str:
    """Why nothing may be written; empty: it may."""
    if intent.mode is not Mode.ENFORCE:
        return f"mode is {intent.mode}"
    if fence is None:
        return "another controller leads, or the lease's database is away"
    if fence.holder != rules.holder:
        return f"the lease is {fence.holder}'s"
    if not (fence.token > 0 and monotonic < fence.valid_until):
        return f"the lease with token {fence.token} has lapsed"
    return ""


def _nothing(fleet: Fleet, why: str) -> Admitted:
    """Nothing is written and nothing is known."""
    gpus, nodes, limits = (np.full(len(each), np.nan) for each in (fleet.gpus, fleet.nodes, fleet.tree.limits))
    gpu_nobody, node_nobody = (np.full(len(each), NOBODY) for each in (gpus, nodes))
    no = np.zeros(len(nodes), dtype=np.bool_)
    return Admitted(
        gpu_watts=gpus,
        gpu_verdict=np.full(len(gpus), Verdict.LEFT),
        gpu_limit=gpu_nobody,
        gpu_name=gpu_nobody,
        node_cap_watts=nodes,
        node_verdict=np.full(len(nodes), Verdict.LEFT),
        node_limit=node_nobody,
        node_name=node_nobody,
        clock_mhz=gpus,
        urgent=no,
        pressed=no,
        limit_now_watts=limits,
        limit_asked_watts=limits,
        limit_worst_watts=limits,
        limit_bound_watts=limits,
        names=(),
        writes=False,
        held_back=why,
        frozen=why,
        garbage=(why,),
    )
