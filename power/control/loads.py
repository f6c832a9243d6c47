"""From devices to loads: what rises and falls together.

A load is the GPUs of one server that get the same share of their range: those of one job, or those that want alike. A server
whose GPUs nobody can cap is a load by its BMC. What takes no cap is charged at its most and is nobody's load.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from power.control.exact import charged, granted
from power.control.tuning import Tuning
from power.model import MIDDLE_PRIORITY, NOBODY, Bools, Fleet, Floats, Intent, Ints, View
from power.tree.ceilings import NODE_CAP_TOLERANCE, counted, counts, worst_draw

WANT_CLASSES = 20
"""GPUs of one server and no job share a load when their wants lie in the same of so many parts of their range."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bounds:
    """Points of each device on its way up, W: what it must have, its floor, where it is kept, what it wants, its most."""

    low: Floats
    floor: Floats
    keep: Floats
    want: Floats
    top: Floats


MEASURED_STAGES = (True, False, True, False, True, False)
"""Between which points of the way measured limits are charged: where it lies below what the device wants."""
WANT_STAGE = 4


def points(bounds: Bounds) -> tuple[Floats, ...]:
    """The way up of each device: from its least over its floor, where it is kept, and its want, to its most.

    Floor and keep are two points each, the first no higher than the want: so every stage lies below the want or above it.
    """
    way = [bounds.low]
    for target in (bounds.floor, bounds.keep):
        way.append(np.maximum(way[-1], np.minimum(target, np.maximum(bounds.want, way[-1]))))
        way.append(np.maximum(way[-1], target))
    way.append(np.maximum(way[-1], bounds.want))
    way.append(np.maximum(way[-1], bounds.top))
    return tuple(way)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Loads:
    """Columns of loads. `lift` numbers what rises together: all loads of a synchronous job have the same.

    `gpu_load` and `node_load` say which load a GPU or a server's BMC belongs to, -1 none. `cost` is watts at the inlets per
    watt of cap. `worst_base` and `expected_base` are columns of servers: what they draw beside their loads, at worst and as
    measured.
    """

    node: Ints
    lift: Ints
    lifts: int
    priority: Ints
    cost: Floats
    points: tuple[Floats, ...]
    """Sums of the devices' points."""
    gpu_load: Ints
    node_load: Ints
    worst_base: Floats
    expected_base: Floats
    gpu_bounds: Bounds
    node_bounds: Bounds
    free_above: Bools
    """GPUs whose highest point here is below what they may take: there the server draws its nameplate, and no more above."""


def loads(
    fleet: Fleet,
    view: View,
    intent: Intent,
    *,
    gpu_want: Floats,
    node_want: Floats,
    rest_watts: Floats,
    tuning: Tuning,
) -> Loads:
    """The loads of this moment."""
    cappable = counts(view.gpu_state) & (view.gpu_min_watts <= view.gpu_max_watts)
    counted_gpus, _ = counted(fleet, view)
    is_open = ~np.isfinite(np.where(cappable, 0.0, counted_gpus))
    has_gpus = fleet.by_node(cappable.astype(np.float64)) > 0
    knows_all = fleet.by_node(is_open.astype(np.float64)) == 0
    by_gpu = has_gpus & knows_all
    cappable &= by_gpu[fleet.gpu_node]
    by_bmc = ~by_gpu & counts(view.node_state) & (view.node_cap_min_watts <= view.node_cap_max_watts)

    most = _most(fleet, view, cappable)
    gpu_bounds = _gpu_bounds(fleet, view, intent, gpu_want, most=most, tuning=tuning)
    gpu_bounds = _together(gpu_bounds, view.gpu_max_watts, intent.group, cappable)
    node_bounds = _node_bounds(view, intent, node_want)
    gpu_rows, node_rows = np.flatnonzero(cappable), np.flatnonzero(by_bmc)
    _, first, load_of_row = np.unique(_keys(fleet, intent, gpu_bounds, gpu_rows), return_index=True, return_inverse=True)
    chosen = gpu_rows[first]
    own = len(first)
    # -1 - row is a server's own number: no GPU's row and no job's number is below nought
    lift_key = np.concatenate([_lift_keys(intent.group[chosen], chosen, len(fleet.gpus)), -1 - node_rows])
    _, lift = np.unique(lift_key, return_inverse=True)
    lifts = int(lift.max(initial=-1)) + 1
    gpu_load = np.full(len(fleet.gpus), -1, np.int64)
    gpu_load[gpu_rows] = load_of_row
    node_load = np.full(len(fleet.nodes), -1, np.int64)
    node_load[node_rows] = own + np.arange(len(node_rows))
    priority = np.full(lifts, -1, np.int64)
    highest = _node_priority(fleet, intent)
    np.maximum.at(priority, lift, np.concatenate([intent.priority[chosen], highest[node_rows]]))

    def of_loads(gpu_column: Floats, node_column: Floats) -> Floats:
        return np.concatenate([np.bincount(load_of_row, weights=gpu_column[gpu_rows], minlength=own), node_column[node_rows]])

    worst_base, by_parts = _bases(fleet, view, cappable, by_gpu, by_bmc)
    return Loads(
        node=np.concatenate([fleet.gpu_node[chosen], node_rows]),
        lift=lift.astype(np.int64),
        lifts=lifts,
        priority=priority,
        cost=np.concatenate([fleet.loss[fleet.gpu_node[chosen]], np.full(len(node_rows), NODE_CAP_TOLERANCE)]),
        points=tuple(map(of_loads, points(gpu_bounds), points(node_bounds))),
        gpu_load=gpu_load,
        node_load=node_load,
        worst_base=worst_base,
        expected_base=charged(by_parts + np.where(by_gpu, rest_watts, 0.0)),
        gpu_bounds=gpu_bounds,
        node_bounds=node_bounds,
        free_above=_all_of_lift(cappable & (most < granted(view.gpu_max_watts)), gpu_load, lift, lifts),
    )


def _most(fleet: Fleet, view: View, cappable: Bools) -> Floats:
    """The highest limit of each GPU that counts: above it the server would draw more than its nameplate, which it cannot."""
    low, high = charged(view.gpu_min_watts), granted(view.gpu_max_watts)
    beside = _beside(fleet, view, cappable)
    least = fleet.by_node(np.where(cappable, low, 0.0))
    span = fleet.loss * fleet.by_node(np.where(cappable, high - low, 0.0))
    room = fleet.nameplate_watts - fleet.rest_watts - fleet.loss * (beside + least)
    part = np.clip(np.divide(room, span, out=np.ones(len(span)), where=span > 0), 0.0, 1.0)
    part = np.where(np.isnan(part), 1.0, part)[fleet.gpu_node]
    return np.where(cappable & (part < 1), granted(low + part * (high - low)), high)


def _all_of_lift(is_so: Bools, gpu_load: Ints, lift: Ints, lifts: int) -> Bools:
    """GPUs of which it is so for all that rise with them."""
    mine = np.flatnonzero(gpu_load >= 0)
    of_gpu = lift[gpu_load[mine]]
    all_are = np.bincount(of_gpu[~is_so[mine]], minlength=lifts) == 0
    found = np.zeros(len(is_so), np.bool_)
    found[mine] = all_are[of_gpu]
    return found


def _beside(fleet: Fleet, view: View, cappable: Bools) -> Floats:
    """What GPUs that take no cap may draw, by server; of those whose limit is known."""
    counted_gpus, _ = counted(fleet, view)
    return fleet.by_node(np.where(cappable | ~np.isfinite(counted_gpus), 0.0, counted_gpus))


def _gpu_bounds(fleet: Fleet, view: View, intent: Intent, want: Floats, *, most: Floats, tuning: Tuning) -> Bounds:
    """Of every GPU, on the grid. A cap by policy bounds all, a pin fixes all; the device's own minimum bounds both."""
    low = charged(view.gpu_min_watts)
    asked = np.fmin(intent.gpu_cap_watts, intent.pinned_watts)
    top = np.clip(granted(asked), low, most)
    floor = np.where(np.isnan(intent.floor_watts), tuning.floor_ratio * view.gpu_max_watts, intent.floor_watts)
    floor = np.where(np.isnan(intent.pinned_watts), floor, intent.pinned_watts)
    floor = np.where(intent.urgent[fleet.gpu_node], low, floor)
    floor = np.clip(granted(floor), low, top)
    want = np.clip(granted(want), low, top)
    # A device that wants less than its floor is not hampered below it; others make better use of the watts in between.
    floor = np.where(np.isnan(intent.pinned_watts), np.minimum(floor, want), floor)
    keep = np.where(intent.keep & np.isfinite(view.gpu_limit_watts), view.gpu_limit_watts, floor)
    keep = np.clip(granted(keep), floor, top)
    return Bounds(low=low, floor=floor, keep=keep, want=want, top=top)


def _node_bounds(view: View, intent: Intent, want: Floats) -> Bounds:
    low, high = charged(view.node_cap_min_watts), granted(view.node_cap_max_watts)
    top = np.clip(granted(intent.node_cap_watts / NODE_CAP_TOLERANCE), low, high)
    return Bounds(low=low, floor=low, keep=low, want=np.clip(granted(want), low, top), top=top)


def _together(bounds: Bounds, high: Floats, group: Ints, cappable: Bools) -> Bounds:
    """GPUs of one job at one level: the highest of their wants and floors, the lowest of their caps, relative to their ranges.

    The slowest rank sets the pace: watts beyond what the most restricted GPU of a job may take would be wasted on the others.
    """
    members = np.flatnonzero((group >= 0) & cappable)
    if not len(members):
        return bounds
    numbers, of_member = np.unique(group[members], return_inverse=True)
    low = bounds.low[members]
    span = np.maximum(high[members] - low, 1.0)

    def level(column: Floats, *, lowest: bool = False) -> Floats:
        extreme = np.full(len(numbers), np.inf if lowest else -np.inf)
        (np.minimum if lowest else np.maximum).at(extreme, of_member, (column[members] - low) / span)
        return extreme[of_member]

    def column(level_of_members: Floats, own: Floats) -> Floats:
        changed = own.copy()
        changed[members] = granted(low + level_of_members * span)
        return changed

    top = level(bounds.top, lowest=True)
    floor = np.minimum(level(bounds.floor), top)
    keep = np.minimum(level(bounds.keep), top)
    want = np.minimum(level(bounds.want), top)
    return Bounds(
        low=bounds.low,
        floor=column(floor, bounds.floor),
        keep=column(keep, bounds.keep),
        want=column(want, bounds.want),
        top=column(top, bounds.top),
    )


def _keys(fleet: Fleet, intent: Intent, bounds: Bounds, rows: Ints) -> Ints:
    """A number for each GPU, the same for those of one load."""
    group = intent.group[rows]
    span = np.maximum(bounds.top[rows] - bounds.low[rows], 1.0)
    want = np.ceil((bounds.want[rows] - bounds.low[rows]) / span * WANT_CLASSES).astype(np.int64)
    alike = intent.priority[rows] * (WANT_CLASSES + 1) + want
    groups = int(group.max(initial=-1)) + 1
    within = np.where(group >= 0, group, groups + alike)
    keys: Ints = fleet.gpu_node[rows] * (int(within.max(initial=0)) + 1) + within
    return keys


def _lift_keys(group: Ints, rows: Ints, gpus: int) -> Ints:
    """Loads of one job rise together, every other alone."""
    if not len(group):
        return group
    return np.where(group >= 0, group + gpus, rows)


def _bases(fleet: Fleet, view: View, cappable: Bools, by_gpu: Bools, by_bmc: Bools) -> tuple[Floats, Floats]:
    """What servers draw beside their loads: at worst, and as measured (where GPUs are capped, of other GPUs only)."""
    counted_gpus, node_cap = counted(fleet, view)
    worst = worst_draw(fleet, counted_gpus, node_cap)
    least = fleet.by_node(np.where(cappable, charged(view.gpu_min_watts), 0.0))
    parts = fleet.rest_watts + fleet.loss * _beside(fleet, view, cappable)
    parts = np.fmin(parts, fleet.nameplate_watts - fleet.loss * least)
    worst_base = np.where(by_gpu, parts, np.where(by_bmc, 0.0, worst))
    shown = fleet.by_node(
        np.where(cappable, 0.0, np.fmin(view.gpu_peak_watts, np.where(np.isfinite(counted_gpus), counted_gpus, 0.0)))
    )
    peak = np.where(np.isnan(view.node_peak_watts), worst, np.minimum(view.node_peak_watts, worst))
    return charged(worst_base), np.where(by_gpu, fleet.loss * shown, np.where(by_bmc, 0.0, peak))


def told(fleet: Fleet, view: View) -> Bools:
    """Servers whose power is known by a reading, with that of all their GPUs. What stands for the others is no experience."""
    silent = fleet.by_node((~np.isfinite(view.gpu_age)).astype(np.float64)) > 0
    known: Bools = np.isfinite(view.node_age) & ~silent
    return known


def rest_shown(fleet: Fleet, view: View, tuning: Tuning) -> Floats:
    """What servers are seen to draw beside their GPUs now; NaN where server and GPUs were not both read just now.

    Peaks would not do for what is remembered: those of server and GPUs are of different moments, before and after a cut.
    """
    late = np.fmax(view.node_age, _oldest(fleet, view)) > tuning.fresh_seconds
    seen = view.node_watts - fleet.loss * fleet.by_node(view.gpu_watts)
    return np.where(late, np.nan, np.clip(seen, 0.0, fleet.rest_watts))


def _oldest(fleet: Fleet, view: View) -> Floats:
    oldest = np.zeros(len(fleet.nodes))
    np.maximum.at(oldest, fleet.gpu_node, view.gpu_age)
    return oldest


def rest_now(fleet: Fleet, view: View) -> Floats:
    """What servers draw beside their GPUs, as the peaks of the window tell; where they do not, at most."""
    gpus = fleet.by_node(view.gpu_peak_watts)
    seen = view.node_peak_watts - fleet.loss * gpus
    return np.where(np.isnan(seen), fleet.rest_watts, np.clip(seen, 0.0, fleet.rest_watts))


def _node_priority(fleet: Fleet, intent: Intent) -> Ints:
    """The highest priority on each server; the middle where it has no GPU of its own."""
    highest = np.full(len(fleet.nodes), NOBODY, np.int64)
    np.maximum.at(highest, fleet.gpu_node, intent.priority)
    return np.where(highest == NOBODY, MIDDLE_PRIORITY, highest)
