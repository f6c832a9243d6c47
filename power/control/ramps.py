"""How fast caps may rise. Cuts are at once; raises come one device at a time, so that a row's never come together.

Every device has its own moment within `raise_seconds`, drawn from its name and the seed, at which its cap may rise by
`raise_ratio` of its range. A device whose power stands at its cap may rise at once, by as much as the raises of its row leave
over: what a row's caps rise by within `raise_seconds` stays below `raise_ratio` of the row's range.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from power.control.exact import charged, sums
from power.control.layout import Layout
from power.control.tuning import Tuning
from power.model import Bools, Floats, Ints


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Risers:
    """Columns of devices: where they stand, where they would go, their range, when they last rose, and their moment.

    `lift` numbers devices that rise together (-1: none), `node` is the row of their server.
    """

    standing: Floats
    wanted: Floats
    span: Floats
    raised_at: Floats
    phase: Floats
    at_cap: Bools
    lift: Ints
    node: Ints


def raises(
    layout: Layout, risers: Risers, history: tuple[tuple[float, Floats], ...], *, before: float, now: float, tuning: Tuning
) -> tuple[Floats, tuple[tuple[float, Floats], ...]]:
    """By how much each device may rise now, and what stands in the history of raises (watts by limit) after it."""
    # Writes take a second or two, some longer than others: what was asked for further apart may land within `raise_seconds`.
    period = tuning.raise_seconds + tuning.settle_seconds
    recent = tuple((at, watts) for at, watts in history if now - at < period - tuning.settle_seconds / 2)
    asked = np.maximum(risers.wanted - risers.standing, 0.0)
    asked = np.where(np.isnan(asked), 0.0, asked)
    if not tuning.paced or not asked.any():
        return asked, recent
    slot = np.floor(now / period + risers.phase) > np.floor(before / period + risers.phase)
    since = now - risers.raised_at
    due = slot & (since >= period - tuning.cycle_seconds / 2)
    urgent = risers.at_cap & (since >= tuning.write_seconds)
    step = tuning.raise_ratio * risers.span
    rows = _RowRule(layout, risers, tuning, recent)
    first = rows.fit(np.where(due, np.minimum(asked, step), 0.0))
    then = rows.fit(np.where(urgent, asked - first, 0.0), otherwise_watts=step)
    risen = first + then
    worth = np.minimum(np.maximum(tuning.deadband_watts, tuning.deadband_ratio * risers.standing), asked)
    risen = np.where(risen >= 0.999 * worth, risen, 0.0)
    if not risen.any():
        return risen, recent
    return risen, (*recent, (now, rows.by_limit(risen)))


class _RowRule:
    """What is left of each row's share of raises."""

    def __init__(self, layout: Layout, risers: Risers, tuning: Tuning, recent: tuple[tuple[float, Floats], ...]) -> None:
        tree = layout.fleet.tree
        self._limit, self._member = tree.row_of_entry[layout.row_entries], tree.member[layout.row_entries]
        self._limits, self._nodes = len(tree.limits), len(layout.fleet.nodes)
        self._risers = risers
        self._left = tuning.raise_ratio * self.by_limit(risers.span)
        for _, watts in recent:
            self._left = self._left - watts

    def by_limit(self, watts: Floats) -> Floats:
        """Sums of devices' watts by row of the hall."""
        by_node = sums(self._risers.node, charged(np.nan_to_num(watts)), self._nodes)
        return sums(self._limit, by_node[self._member], self._limits)

    def fit(self, asked: Floats, otherwise_watts: Floats | None = None) -> Floats:
        """What of these raises fits, in whole watts: shared alike within a row, and alike within a job."""
        wanted = self.by_limit(asked)
        factor = np.divide(np.maximum(self._left, 0.0), wanted, out=np.ones(self._limits), where=wanted > 0)
        of_node = np.ones(self._nodes)
        np.minimum.at(of_node, self._member, np.minimum(factor, 1.0)[self._limit])
        share = of_node[self._risers.node]
        together = np.flatnonzero((self._risers.lift >= 0) & (asked > 0))
        if len(together):
            lowest = np.ones(int(self._risers.lift.max()) + 1)
            np.minimum.at(lowest, self._risers.lift[together], share[together])
            share[together] = lowest[self._risers.lift[together]]
        given = np.where(share < 1, np.floor(share * asked), asked)
        if otherwise_watts is not None:  # where no row watches, a device's own rate is the only rule
            in_row = np.zeros(self._nodes, np.bool_)
            in_row[self._member] = True
            given = np.where(in_row[self._risers.node], given, np.minimum(given, otherwise_watts))
        self._left = self._left - self.by_limit(given)
        return given
