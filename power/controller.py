"""One decision: what is known and wanted in, orders out. It asks nobody and writes nothing, so it can be made again.

Core makes one a second; a rehearsal makes as many as the processor allows.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from power.control.allocator import propose
from power.control.memory import Memory
from power.control.peaks import Peaks
from power.control.tuning import Tuning
from power.guard.admitted import Admitted
from power.guard.brake import ShedTable, shed_table
from power.guard.cold import Readiness, readiness
from power.guard.guard import Rules, admit
from power.guard.history import History
from power.guard.orders import Pace, orders
from power.model import Fence, Fleet, Floats, Intent, NodeOrder, Proposal, View
from power.tree.budgets import BudgetStatus, budgets
from power.tree.ceilings import counted, worst_draw
from power.tree.envelope import Envelope, envelope


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Given:
    """Everything that a decision follows from; the view with the peaks of its window."""

    fleet: Fleet
    view: View
    intent: Intent
    fence: Fence | None
    memory: Memory
    history: History
    tuning: Tuning
    rules: Rules
    pace: Pace


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decided:
    """What follows."""

    proposal: Proposal
    admitted: Admitted
    orders: tuple[NodeOrder, ...]


def decide(given: Given) -> tuple[Decided, Memory]:
    """Decide. Pure: the same inputs give the same orders, to the last bit."""
    fleet, view, intent = given.fleet, given.view, given.intent
    proposal, memory = propose(fleet, view, intent, given.tuning, given.memory)
    admitted = admit(fleet, view, intent, proposal, given.rules, given.fence, view.monotonic + given.rules.late_seconds)
    due = orders(fleet, view, admitted, given.history, given.pace)
    return Decided(proposal=proposal, admitted=admitted, orders=due), memory


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decision:
    """A decision, and how things stood."""

    given: Given
    decided: Decided
    readiness: Readiness
    seconds: float

    @property
    def fleet(self) -> Fleet:
        """What stands in the hall."""
        return self.given.fleet

    @property
    def view(self) -> View:
        """What was known."""
        return self.given.view

    @property
    def orders(self) -> tuple[NodeOrder, ...]:
        """What is to be written."""
        return self.decided.orders

    def envelope(self) -> Envelope:
        """The worst case under what is confirmed."""
        return envelope(self.fleet, self.view)

    def budgets(self) -> tuple[BudgetStatus, ...]:
        """How every limit stands."""
        return budgets(self.fleet, self.view, self.given.intent, self.decided.proposal)


class Controller:
    """Remembers from one decision to the next. Not for several threads."""

    def __init__(
        self,
        tuning: Tuning,
        rules: Rules,
        *,
        seed: int = 0,
        pace: Pace | None = None,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.tuning = tuning
        self.rules = rules
        self.shed: ShedTable | None = None
        """What to shed in an emergency, by limit; kept current by every decision."""
        self._pace = pace or Pace(write_seconds=tuning.write_seconds)
        self._timer = timer
        self._fleet: Fleet | None = None
        self._peaks = Peaks(tuning.window_seconds, tuning.cycle_seconds)
        self._memory = Memory(seed=seed)
        self._history: History | None = None
        self._wall_offset: float | None = None

    def decide(self, fleet: Fleet, raw: View, intent: Intent, fence: Fence | None, *, late_seconds: float = 0.0) -> Decision:
        """Decide so long after the moment of the view; its peaks are put in here. Without a fence nothing is ordered."""
        began = self._timer()
        history = self._history_of(fleet).settled(raw)
        # What was ordered and waits, or got lost, counts as well: nobody else may have noted it yet.
        view = self._with_peaks(fleet, history.counted_in(raw))
        given = Given(
            fleet=fleet,
            view=view,
            intent=intent,
            fence=fence,
            memory=self._memory,
            history=history,
            tuning=self.tuning,
            rules=replace(self.rules, wall_offset=self._wall_offset, late_seconds=late_seconds),
            pace=self._pace,
        )
        self._wall_offset = view.at - view.monotonic
        decided, self._memory = decide(given)
        self._history = history.after(fleet, decided.orders, view.monotonic)
        self.shed = shed_table(fleet, view, intent, self.shed)
        ready = readiness(fleet, view, self.rules.complete_ratio)
        return Decision(given=given, decided=decided, readiness=ready, seconds=self._timer() - began)

    def _history_of(self, fleet: Fleet) -> History:
        """What was ordered, in the rows of this fleet."""
        if self._fleet is None or self._history is None:
            self._history = History.empty(fleet)
        elif self._fleet is not fleet:
            # Rows mean other devices now. The windows fill again; until then the newest readings are the peaks.
            self._history = self._history.moved(self._fleet, fleet)
            self._peaks = Peaks(self.tuning.window_seconds, self.tuning.cycle_seconds)
        self._fleet = fleet
        return self._history

    def _with_peaks(self, fleet: Fleet, view: View) -> View:
        gpu_ceiling, node_cap = counted(fleet, view)
        gpu_peak, node_peak = self._peaks.update(
            view.monotonic,
            view.gpu_watts,
            view.gpu_age,
            _known(gpu_ceiling),
            view.node_watts,
            view.node_age,
            _known(worst_draw(fleet, gpu_ceiling, node_cap)),
        )
        return replace(view, gpu_peak_watts=gpu_peak, node_peak_watts=node_peak)


def _known(ceiling: Floats) -> Floats:
    return np.where(np.isinf(ceiling), np.nan, ceiling)
