"""One decision: from what is known and wanted to the caps that should stand. Pure, and not trusted: the guard decides."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from power.control.allocate import Allocation, allocate, stages
from power.control.backstop import backstop
from power.control.bands import Bands, bands
from power.control.demand import Held, at_cap, wanted
from power.control.demand import shown as shown_want
from power.control.exact import sums
from power.control.loads import Bounds, Loads, loads, points, rest_now, rest_shown
from power.control.memory import Asked, Memory, State
from power.control.ramps import Risers, raises
from power.control.rows import Filled, rows
from power.control.settle import Devices, settled
from power.control.tuning import Tuning
from power.model import NOBODY, Bools, Fleet, Floats, Intent, Ints, Proposal, View
from power.tree.ceilings import counted, worst_draw

HIDDEN_RATIO = 0.75
"""A GPU that shows less of what it is known to want pauses: it writes a checkpoint, or its job ended."""
READ_BACK_WATTS = 0.6
"""Devices round to whole watts."""


def propose(fleet: Fleet, view: View, intent: Intent, tuning: Tuning, memory: Memory) -> tuple[Proposal, Memory]:
    """What every cap should be, and what to remember for the next time."""
    now = view.monotonic
    state = memory.of(fleet, now)
    wants = _wants(view, state, tuning)
    rest_seen = rest_shown(fleet, view, tuning)
    # The most is what counts before a meter has told, too: it counts as long as it is seen, and is not remembered.
    is_most = rest_seen >= fleet.rest_watts
    rest = state.rest.take(now, np.where(is_most, np.nan, rest_seen), tuning.want_seconds)
    rest_watts = np.where(is_most | np.isnan(rest.highest), fleet.rest_watts, rest.highest)
    made = loads(fleet, view, intent, gpu_want=wants.gpus, node_want=wants.nodes, rest_watts=rest_watts, tuning=tuning)
    counting = np.where(made.free_above, np.fmin(view.gpu_limit_watts, made.gpu_bounds.top), view.gpu_limit_watts)
    in_force = np.concatenate([counting, view.node_cap_watts])
    standing, under_way = _standing(state.asked, in_force, now, tuning)
    landed = np.where(under_way, now, state.asked.landed_at)
    seen = _bands(
        fleet,
        view,
        intent,
        state,
        made,
        rest=rest_watts,
        shown=wants.gpu_shown,
        standing=standing,
        landed=landed,
        tuning=tuning,
    )
    filled = _rows(intent, state, made, seen, tuning)
    allocation = allocate(made, filled.rows)
    devices = _devices(intent, made, allocation, standing)
    caps = settled(devices, made, filled, tuning)
    risers = Risers(
        standing=standing,
        wanted=caps,
        span=np.where(
            devices.load >= 0, np.concatenate([view.gpu_max_watts, view.node_cap_max_watts]) - devices.bounds.low, 0.0
        ),
        raised_at=state.asked.raised_at,
        phase=_phases(state, made, devices.load),
        at_cap=wants.at_cap,
        lift=np.where(devices.load >= 0, made.lift[devices.load], NOBODY) if len(made.lift) else devices.load,
        node=np.concatenate([fleet.gpu_node, np.arange(len(fleet.nodes))]),
    )
    risen, history = raises(state.layout, risers, state.raises, before=state.at, now=now, tuning=tuning)
    asked = np.where(np.isnan(standing), caps, np.minimum(caps, standing + risen))
    asked = np.maximum(np.floor(asked + 1e-6), devices.bounds.low)
    gpus = len(fleet.gpus)
    changed = ~(np.abs(asked - state.asked.watts) < READ_BACK_WATTS)
    remembered = Asked(
        watts=asked,
        since=np.where(changed, now, state.asked.since),
        raised_at=np.where(risen > 0, now, state.asked.raised_at),
        landed_at=np.where(changed, now, landed),
    )
    gpu_caps = _with_free(view, intent, made, asked[:gpus])
    has_loads = np.bincount(made.node, minlength=len(fleet.nodes)) > 0
    behind = backstop(fleet, view, gpu_caps, has_loads & (made.node_load < 0), tuning)
    node_caps = np.where(made.node_load >= 0, asked[gpus:], np.minimum(behind, intent.node_cap_watts))
    node_caps = np.maximum(node_caps, view.node_cap_min_watts)
    name = _names(intent, made, filled, allocation, devices)
    proposal = Proposal(
        gpu_watts=gpu_caps,
        gpu_name=name[:gpus],
        node_cap_watts=node_caps,
        node_name=np.where(intent.node_cap_watts <= node_caps, intent.node_cap_name, name[gpus:]),
        clock_mhz=intent.clock_mhz,
        limit_expected_watts=_expected(fleet, view, seen, made, asked),
    )
    deficit = np.zeros(len(fleet.tree.limits))
    real = filled.limit >= 0
    lacking = np.maximum(allocation.deficit_watts - (filled.most_watts - filled.base_watts - filled.rows.room), 0.0)
    np.maximum.at(deficit, filled.limit[real], lacking[real])
    return proposal, replace(
        memory,
        state=replace(
            state,
            at=now,
            asked=remembered,
            gpu_want=wants.gpu_held,
            node_want=wants.node_held,
            rest=rest,
            window=seen.window,
            ratio=seen.ratio,
            rising=seen.rising,
            raises=history,
            deficit_watts=deficit,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Wants:
    gpus: Floats
    nodes: Floats
    gpu_shown: Floats
    """What GPUs want as the window alone tells."""
    gpu_held: Held
    node_held: Held
    at_cap: Bools
    """GPUs, then servers."""


def _wants(view: View, state: State, tuning: Tuning) -> _Wants:
    now, span = view.monotonic, tuning.want_seconds
    gpu_low, gpu_high = view.gpu_min_watts, view.gpu_max_watts
    node_low, node_high = view.node_cap_min_watts, view.node_cap_max_watts
    gpu_shown = shown_want(view.gpu_peak_watts, gpu_low, gpu_high, tuning)
    gpus = state.gpu_want.take(now, gpu_shown, span)
    nodes = state.node_want.take(now, shown_want(view.node_peak_watts, node_low, node_high, tuning), span)
    gpus_at = at_cap(view.gpu_watts, view.gpu_age, view.gpu_limit_watts, tuning)
    nodes_at = at_cap(view.node_watts, view.node_age, view.node_cap_watts, tuning)
    return _Wants(
        gpus=wanted(gpus, gpus_at, view.gpu_limit_watts, gpu_low, gpu_high, tuning=tuning),
        nodes=wanted(nodes, nodes_at, view.node_cap_watts, node_low, node_high, tuning=tuning),
        gpu_shown=gpu_shown,
        gpu_held=gpus,
        node_held=nodes,
        at_cap=np.concatenate([gpus_at, nodes_at]),
    )


def _standing(asked: Asked, in_force: Floats, now: float, tuning: Tuning) -> tuple[Floats, Bools]:
    """Caps as they stand: what was asked for while it is under way, else what is in force. And which are under way."""
    under_way = (np.abs(asked.watts - in_force) > READ_BACK_WATTS) & (now - asked.since < tuning.patience_seconds)
    return np.where(under_way, asked.watts, in_force), under_way


def _bands(
    fleet: Fleet,
    view: View,
    intent: Intent,
    state: State,
    made: Loads,
    *,
    rest: Floats,
    shown: Floats,
    standing: Floats,
    landed: Floats,
    tuning: Tuning,
) -> Bands:
    gpus = len(fleet.gpus)
    counted_gpus, _ = counted(fleet, view)
    capped = made.gpu_load >= 0
    lets = np.where(capped, np.fmin(standing[:gpus], view.gpu_max_watts), counted_gpus)
    draws = np.where(capped, np.fmin(made.gpu_bounds.want, lets), np.fmin(view.gpu_peak_watts, counted_gpus))
    by_bmc = made.node_load >= 0
    by_parts = rest + fleet.loss * fleet.by_node(np.where(np.isfinite(draws), draws, 0.0))
    hides = capped & (shown < HIDDEN_RATIO * made.gpu_bounds.want)
    missing = np.subtract(draws, np.fmin(shown, lets), out=np.zeros(gpus), where=hides)
    hidden = fleet.loss * fleet.by_node(np.maximum(missing, 0.0))
    hidden += np.where(hidden > 0, np.maximum(rest - rest_now(fleet, view), 0.0), 0.0)
    planned = np.where(by_bmc, np.fmin(made.node_bounds.want, standing[gpus:]), by_parts)
    has_loads = np.bincount(made.node, minlength=len(fleet.nodes)) > 0
    planned = np.where(has_loads, planned, made.expected_base)
    clip = np.where(by_bmc, standing[gpus:], rest + fleet.loss * fleet.by_node(lets))
    clip = np.where(has_loads & np.isfinite(clip), clip, np.inf)
    node_landed = landed[gpus:].copy()
    np.maximum.at(node_landed, fleet.gpu_node, landed[:gpus])
    return bands(
        state.layout,
        view,
        np.where(intent.guaranteed, np.inf, intent.limit_watts),
        planned_node_watts=planned,
        hidden_node_watts=np.where(has_loads & np.isfinite(hidden), hidden, 0.0),
        clip_node_watts=clip,
        landed_at=node_landed,
        window=state.window,
        ratio=state.ratio,
        rising=state.rising,
        tuning=tuning,
    )


def _rows(intent: Intent, state: State, made: Loads, shown: Bands, tuning: Tuning) -> Filled:
    worst = np.minimum(state.layout.fleet.tree.trip_safe_watts, np.where(intent.guaranteed, intent.limit_watts, np.inf))
    return rows(
        state.layout,
        intent,
        made,
        worst_most=worst,
        worst_aim=(1 - tuning.slack_ratio) * worst,
        most=shown.most_watts,
        aim=shown.aim_watts,
        fixed=shown.fixed_watts,
    )


def _devices(intent: Intent, made: Loads, allocation: Allocation, standing: Floats) -> Devices:
    """GPUs and servers in one column each, with what their loads' ways come to for them."""
    gpu_target = _along(made.gpu_bounds, made.gpu_load, allocation)
    node_target = _along(made.node_bounds, made.node_load, allocation)
    return Devices(
        load=np.concatenate([made.gpu_load, made.node_load]),
        bounds=Bounds(
            low=np.concatenate([made.gpu_bounds.low, made.node_bounds.low]),
            floor=np.concatenate([made.gpu_bounds.floor, made.node_bounds.floor]),
            keep=np.concatenate([made.gpu_bounds.keep, made.node_bounds.keep]),
            want=np.concatenate([made.gpu_bounds.want, made.node_bounds.want]),
            top=np.concatenate([made.gpu_bounds.top, made.node_bounds.top]),
        ),
        target=np.concatenate([gpu_target, node_target]),
        standing=standing,
        must_match=np.concatenate([~np.isnan(intent.pinned_watts), np.zeros(len(node_target), np.bool_)]),
    )


def _along(bounds: Bounds, load: Ints, allocation: Allocation) -> Floats:
    """Where each device comes to when it goes its own way as far as its load goes. NaN without a load."""
    if not len(allocation.watts):
        return np.full(len(load), np.nan)
    target = bounds.low.copy()
    for way, part in zip(stages(points(bounds)), allocation.parts, strict=True):
        target += part[load] * (way.end - way.begin)
    return np.where(load >= 0, target, np.nan)


def _with_free(view: View, intent: Intent, made: Loads, gpu_caps: Floats) -> Floats:
    """GPUs of servers at their nameplate get all they may take: nothing draws more by it."""
    allowed = np.fmin(np.fmin(intent.gpu_cap_watts, intent.pinned_watts), view.gpu_max_watts)
    at_top = made.free_above & (gpu_caps >= np.floor(made.gpu_bounds.top))
    return np.where(at_top, np.maximum(np.floor(allowed), gpu_caps), gpu_caps)


def _phases(state: State, made: Loads, load: Ints) -> Floats:
    """Each device's moment for raises; one for all that rise together, spread as evenly as those of single devices."""
    own = np.concatenate([state.layout.phase, state.layout.node_phase])
    mine = np.flatnonzero(load >= 0)
    lift = made.lift[load[mine]]
    own[mine] = np.mod(sums(lift, own[mine], made.lifts), 1.0)[lift]
    return own


def _names(intent: Intent, made: Loads, filled: Filled, allocation: Allocation, devices: Devices) -> Ints:
    """Whom to name: the limit that stopped a load, else the policy that bounds it from above, else nobody."""
    gpus = len(made.gpu_load)
    policy = np.where(np.isnan(intent.pinned_watts), intent.gpu_cap_name, intent.pinned_name)
    policy = np.concatenate([policy, intent.node_cap_name])
    bounded = np.concatenate(
        [np.isfinite(np.fmin(intent.gpu_cap_watts, intent.pinned_watts)), np.zeros(len(policy) - gpus, np.bool_)]
    )
    itself = np.where(bounded, policy, NOBODY)
    if not len(allocation.watts):
        return np.full(len(itself), NOBODY)
    stopped = np.append(filled.name, NOBODY)[allocation.bound_by][devices.load]  # row -1 is nobody
    is_stopped = (allocation.bound_by >= 0)[devices.load]
    return np.where(devices.load < 0, NOBODY, np.where(is_stopped, stopped, itself))


def _expected(fleet: Fleet, view: View, shown: Bands, made: Loads, asked: Floats) -> Floats:
    """What each limit will carry: at worst where it is held by worst cases, as predicted where by measured power."""
    gpus = len(fleet.gpus)
    counted_gpus, node_cap = counted(fleet, view)
    then = np.where(np.isnan(asked[:gpus]), counted_gpus, asked[:gpus])
    worst = fleet.tree.load(worst_draw(fleet, then, np.where(made.node_load >= 0, asked[gpus:], node_cap)))
    return np.where(np.isfinite(shown.most_watts), shown.predicted_watts, worst)
