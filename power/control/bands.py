"""Measured budgets: hold the highest power of the window between bands, without winding up.

The window is longer than an iteration of training, so its highest value still shows power from before the last cut. Samples
from before a cut took effect therefore count as if the cut had been in force: what is under way is not cut twice.
What devices' own peaks come to and what the limit really carried differ (not all peak at once); the ratio of both is learned
and remembered as long as wants are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from power.control.demand import Held
from power.control.layout import Layout
from power.control.loads import rest_now, told
from power.control.tuning import Tuning
from power.model import Bools, Fleet, Floats, Ints, View
from power.tree.ceilings import counted, worst_draw

LEAST_RATIO, MOST_RATIO = 0.5, 1.5
NEARLY = 0.998


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """Power of the servers at one moment."""

    at: float
    node_watts: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bands:
    """Columns of limits, in the watts in which loads are planned: where filling aims, and above what cuts are needed."""

    predicted_watts: Floats
    aim_watts: Floats
    most_watts: Floats
    fixed_watts: Floats
    """What takes no cap, as read."""
    window: tuple[Sample, ...]
    ratio: Held
    rising: Bools


def node_now(fleet: Fleet, view: View, tuning: Tuning) -> Floats:
    """What each server draws now, by its own meter or by its GPUs', whichever shows more; if neither is fresh, what counts."""
    gpus = fleet.by_node(np.fmin(view.gpu_watts, view.gpu_peak_watts))
    late = fleet.by_node((~(view.gpu_age <= tuning.fresh_seconds)).astype(np.float64)) > 0
    by_gpus = np.where(late, np.nan, rest_now(fleet, view) + fleet.loss * gpus)
    by_meter = np.where(view.node_age <= tuning.fresh_seconds, np.fmin(view.node_watts, view.node_peak_watts), np.nan)
    worst = worst_draw(fleet, *counted(fleet, view))
    seen = np.fmax(by_gpus, by_meter)
    counts = np.where(np.isnan(seen), view.node_peak_watts, seen)
    return np.where(np.isnan(counts), worst, counts)


def bands(
    layout: Layout,
    view: View,
    budget_watts: Floats,
    *,
    planned_node_watts: Floats,
    hidden_node_watts: Floats,
    clip_node_watts: Floats,
    landed_at: Floats,
    window: tuple[Sample, ...],
    ratio: Held,
    rising: Bools,
    tuning: Tuning,
) -> Bands:
    """Where measured budgets (infinite: none) stand.

    Columns of servers: what is planned under the caps as they stand, how much of it does not show in the window (a job that
    writes a checkpoint comes back), what the caps let them draw, and when the last of their changes took effect.
    """
    now = view.monotonic
    fixed = layout.fleet.tree.fixed_watts if view.limit_fixed_watts is None else view.limit_fixed_watts
    taken = Sample(at=now, node_watts=node_now(layout.fleet, view, tuning))
    kept = (*(sample for sample in window if now - tuning.window_seconds < sample.at < now), taken)
    entries = np.flatnonzero(np.isfinite(budget_watts)[layout.fleet.tree.row_of_entry])
    peak = _peak(
        layout, kept, entries, present=taken.node_watts, clip=clip_node_watts, shows_from=landed_at + tuning.settle_seconds
    )
    planned = layout.carried(planned_node_watts, entries)
    shown = np.divide(peak, planned, out=np.ones(len(peak)), where=planned > 0)
    if now - kept[0].at < tuning.window_seconds / 2:
        shown = np.maximum(shown, 1.0)
    # What a server counts at that has not told its power yet teaches nothing.
    silent = layout.carried((~told(layout.fleet, view)).astype(np.float64), entries) > 0
    shown = np.where(silent, np.nan, shown)
    held = ratio.take(now, shown, tuning.want_seconds)
    # What is hidden comes on top of what shows: others may have risen meanwhile.
    with_hidden = peak + layout.carried(hidden_node_watts, entries)
    back = np.divide(with_hidden, planned, out=np.ones(len(peak)), where=planned > 0)
    factor = np.clip(np.fmax(held.highest, np.fmax(back, np.where(silent, 1.0, np.nan))), LEAST_RATIO, MOST_RATIO)
    predicted = fixed + np.maximum(peak, factor * planned)
    is_over = predicted > tuning.cut * budget_watts
    may_rise = np.where(rising, predicted < NEARLY * tuning.hold * budget_watts, predicted < tuning.release * budget_watts)
    in_band = np.clip(predicted, tuning.release * budget_watts, tuning.hold * budget_watts)
    aim = np.where(is_over | may_rise, tuning.hold * budget_watts, in_band)
    return Bands(
        predicted_watts=predicted,
        aim_watts=fixed + (aim - fixed) / factor,
        most_watts=fixed + (tuning.cut * budget_watts - fixed) / factor,
        fixed_watts=fixed,
        window=kept,
        ratio=held,
        rising=may_rise,
    )


def _peak(
    layout: Layout, window: tuple[Sample, ...], entries: Ints, *, present: Floats, clip: Floats, shows_from: Floats
) -> Floats:
    """The highest that each limit carried beside its fixed loads, cuts counted from the moment they were asked for."""
    highest = np.full(len(layout.rank), -np.inf)
    for sample in window:
        watts = np.where(np.isnan(sample.node_watts), present, sample.node_watts)
        watts = np.where(sample.at < shows_from, np.fmin(watts, clip), watts)
        highest = np.maximum(highest, layout.carried(watts, entries))
    return highest
