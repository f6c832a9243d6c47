"""The past once more, step by step, under the real policies, allocator and guard."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from power.control.allocator import propose
from power.control.memory import Memory
from power.control.tuning import Tuning
from power.guard.guard import Rules, admit
from power.model import ControlState, DeviceCaps, Fence, Floats, Ints, Mode, View
from power.policies.resolve import Resolver
from power.policies.resolved import Memory as PolicyMemory
from power.policies.signals import JobTable, Signals
from power.policies.standing import Bounds, Standing
from power.scenarios.history import History, Hold
from power.tree.build import build
from wattstat.capcurve import MEAN
from wattstat.inventory import Inventory

HOLDER = "rehearsal"
AT_LIMIT = 0.97
BUSY_RATIO = 0.2
"""A GPU above this share between idle and its maximum is at work."""
CHANGE_WATTS = 5.0
IDLE = "idle"


class Replay:
    """Columns of GPUs in the fleet's order."""

    def __init__(
        self, standing: Sequence[Standing], history: History, inventory: Inventory, *, tuning: Tuning, trip_safe_ratio: float
    ) -> None:
        """Nothing replayed yet."""
        self._standing, self._history, self._tuning = tuple(standing), history, tuning
        found: dict[str, tuple[DeviceCaps, ...]] = {}
        for caps in history.caps:
            found[caps.device.node] = (*found.get(caps.device.node, ()), caps)
        self.fleet = build(inventory, found, trip_safe_ratio=trip_safe_ratio)
        columns = {caps.device: row for row, caps in enumerate(history.caps)}
        self._gpu: Ints = np.array([columns[device] for device in self.fleet.gpus], np.int64)
        rows = {name: row for row, name in enumerate(history.nodes)}
        self._node: Ints = np.array([rows.get(name, -1) for name in self.fleet.nodes], np.int64)
        given = [history.caps[row] for row in self._gpu]
        self._most = np.array([_or(each.max_watts, each.default_watts) for each in given])
        self._least = np.array([_or(each.min_watts, None) for each in given])
        self._default = np.array([_or(each.default_watts, each.max_watts) for each in given])
        self._idle = np.nan_to_num(np.nanmin(_with_zero(history.gpu_mean[:, self._gpu]), axis=0))
        self.caps = self._most.copy()
        self._resolver, self._memory, self._remembered = Resolver(), Memory(), PolicyMemory()
        self._by_start = _by_step(history.holds, lambda hold: hold.first)
        self._by_end = _by_step(history.holds, lambda hold: hold.end)
        self._alive: set[Hold] = set()
        self._jobs = JobTable()
        self._row_of: dict[int, int] = {int(row): place for place, row in enumerate(self._gpu)}
        self._workload = np.full(len(self._gpu), IDLE, object)
        self._holder = np.full(len(self._gpu), "", object)
        curve = np.array(MEAN[::-1])
        self._shares, self._paces = curve[:, 0], curve[:, 1]
        limits = len(self.fleet.tree.limits)
        self.asked_steps, self.over_before, self.over_after = (np.zeros(limits) for _ in range(3))
        self.peak_before, self.peak_after = np.zeros(limits), np.zeros(limits)
        self.site_before: list[float] = []
        self.site_after: list[float] = []
        self.work: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        self.jobs: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        self.changes = 0
        self.busy_seconds = self.hidden_seconds = 0.0
        self.notes: dict[str, None] = {}

    def step(self, step: int) -> None:
        """One step: what was wanted, what the caps leave of it, what the controller then decides."""
        history, seconds = self._history, self._history.step_seconds
        self._follow_jobs(step)
        mean, peak = history.gpu_mean[step, self._gpu], history.gpu_peak[step, self._gpu]
        peak = np.fmax(peak, mean)
        drawn, pace = self._under_caps(mean, peak)
        nodes = np.where(self._node >= 0, history.node_mean[step, self._node], np.nan)
        by_gpus = self.fleet.rest_watts + self.fleet.loss * self.fleet.by_node(np.nan_to_num(mean))
        before = np.where(np.isnan(nodes), by_gpus, nodes)
        after = before - self.fleet.loss * self.fleet.by_node(np.nan_to_num(mean - drawn))
        self._count(mean, peak, pace, history.gpu_limit[step, self._gpu], seconds)
        self.site_before.append(float(before.sum()))
        self.site_after.append(float(after.sum()))
        swing = self.fleet.loss * self.fleet.by_node(np.nan_to_num(np.minimum(peak, self.caps) - drawn))
        view = self._view(step, np.minimum(peak, self.caps), after + swing)
        self._decide(step, view, before, after)

    def _under_caps(self, mean: Floats, peak: Floats) -> tuple[Floats, Floats]:
        """Mean power and pace of each GPU under the caps: at its peak for a share of the step, at idle for the rest."""
        span = np.maximum(peak - self._idle, 1e-9)
        share = np.clip((mean - self._idle) / span, 0, 1)
        held = np.minimum(peak, self.caps)
        drawn = np.where(peak > self.caps, mean - share * (peak - held), mean)
        free = np.interp(peak / self._most, self._shares, self._paces)
        pace = np.where(peak > self.caps, np.interp(held / self._most, self._shares, self._paces) / free, 1.0)
        return drawn, 1 - share * (1 - pace)

    def _count(self, mean: Floats, peak: Floats, pace: Floats, limit: Floats, seconds: float) -> None:
        known = np.isfinite(mean)
        busy = known & (mean > self._idle + BUSY_RATIO * (self._most - self._idle))
        self.busy_seconds += float(busy.sum()) * seconds
        self.hidden_seconds += float((busy & (peak >= AT_LIMIT * limit)).sum()) * seconds
        lost = np.where(known, 1 - pace, 0.0) * seconds
        for names, totals in ((self._workload, self.work), (self._holder, self.jobs)):
            for name in np.unique(names[known].astype(str)):
                mine = known & (names == name)
                if name:
                    totals[name][0] += float(mine.sum()) * seconds
                    totals[name][1] += float(lost[mine].sum())

    def _decide(self, step: int, view: View, before: Floats, after: Floats) -> None:
        at = float(self._history.times[step])
        temperatures = np.where(self._node >= 0, self._history.inlet_celsius[step, self._node], np.nan)
        nothing = Signals.nothing(len(self.fleet.nodes), len(self.fleet.gpus))
        signals = Signals(
            inlet_celsius=temperatures,
            exhaust_celsius=nothing.exhaust_celsius,
            lost_ratio=nothing.lost_ratio,
            node_watts=after,
            energy_joules=nothing.energy_joules,
            utilisation=nothing.utilisation,
            jobs=self._jobs,
        )
        resolved = self._resolver.resolve(
            self._standing,
            self.fleet,
            signals,
            at,
            monotonic=view.monotonic,
            bounds=Bounds.of(view),
            mode=Mode.ENFORCE,
            memory=self._remembered,
        )
        self._remembered = resolved.memory
        self.notes.update(dict.fromkeys(resolved.notes))
        intent = resolved.intent
        self._lines(intent.limit_watts, before, after)
        proposal, self._memory = propose(self.fleet, view, intent, self._tuning, self._memory)
        fence = Fence(token=1, holder=HOLDER, valid_until=np.inf)
        admitted = admit(self.fleet, view, intent, proposal, Rules(holder=HOLDER), fence, view.monotonic)
        new = np.where(np.isfinite(admitted.gpu_watts), admitted.gpu_watts, self.caps)
        changed = np.abs(new - self.caps) >= CHANGE_WATTS
        self.changes += int(changed.sum())
        self.caps = np.where(changed, new, self.caps)

    def _lines(self, limit_watts: Floats, before: Floats, after: Floats) -> None:
        asked = np.isfinite(limit_watts)
        was, would = self.fleet.tree.load(before), self.fleet.tree.load(after)
        self.asked_steps += asked
        self.over_before += asked & (was > limit_watts)
        self.over_after += asked & (would > limit_watts)
        self.peak_before, self.peak_after = np.fmax(self.peak_before, was), np.fmax(self.peak_after, would)

    def _view(self, step: int, gpu_watts: Floats, node_watts: Floats) -> View:
        gpus, nodes = len(self.fleet.gpus), len(self.fleet.nodes)
        fresh, unknown = np.zeros(gpus), np.full(nodes, np.nan)
        at = float(self._history.times[step])
        known = np.isfinite(self._most) & np.isfinite(self._least)
        return View(
            at=at,
            monotonic=at - float(self._history.times[0]),
            gpu_watts=gpu_watts,
            gpu_age=np.where(np.isnan(gpu_watts), np.inf, 0.0),
            gpu_peak_watts=gpu_watts,
            gpu_limit_watts=self.caps,
            gpu_own_watts=self.caps,
            gpu_limit_age=fresh,
            gpu_min_watts=self._least,
            gpu_max_watts=self._most,
            gpu_default_watts=self._default,
            gpu_state=np.where(known, ControlState.CONTROLLED, ControlState.UNCONTROLLED).astype(np.int64),
            node_watts=node_watts,
            node_age=np.zeros(nodes),
            node_peak_watts=node_watts,
            node_cap_watts=unknown,
            node_cap_age=np.full(nodes, np.inf),
            node_cap_min_watts=unknown,
            node_cap_max_watts=unknown,
            node_state=np.full(nodes, int(ControlState.UNKNOWN)),
        )

    def _follow_jobs(self, step: int) -> None:
        ended, begun = self._by_end.get(step, ()), self._by_start.get(step, ())
        if not ended and not begun:
            return
        self._alive.difference_update(ended)
        self._alive.update(begun)
        alive = sorted((hold for hold in self._alive if hold.gpu in self._row_of), key=lambda hold: (hold.job.job_id, hold.gpu))
        numbers = {job: number for number, job in enumerate(dict.fromkeys(hold.job for hold in alive))}
        self._workload[:], self._holder[:] = IDLE, ""
        for hold in alive:
            row = self._row_of[hold.gpu]
            self._workload[row] = hold.job.partition or "jobs"
            self._holder[row] = hold.job.job_id
        self._jobs = JobTable(
            jobs=tuple(numbers),
            holder=np.array([numbers[hold.job] for hold in alive], np.int64),
            gpu=np.array([self._row_of[hold.gpu] for hold in alive], np.int64),
        )


def _by_step(holds: Sequence[Hold], key: Callable[[Hold], int]) -> dict[int, list[Hold]]:
    found: defaultdict[int, list[Hold]] = defaultdict(list)
    for hold in holds:
        found[key(hold)].append(hold)
    return dict(found)


def _or(value: float | None, other: float | None) -> float:
    if value is not None:
        return value
    return np.nan if other is None else other


def _with_zero(values: Floats) -> Floats:
    """Columns without any value have their lowest at nought."""
    return np.where(np.isnan(values).all(axis=0), 0.0, values)
