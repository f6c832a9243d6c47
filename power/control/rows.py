"""The limits as the allocator fills them: worst cases, measured budgets, and caps on single servers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from power.control.allocate import Rows
from power.control.exact import charged, granted, sums
from power.control.layout import Layout
from power.control.loads import Loads
from power.model import NOBODY, Bools, Floats, Intent, Ints


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Filled:
    """The allocator's rows, what each really is, and what it may carry at most before somebody must be cut.

    `limit` is the row of the tree, or -1 for a server's own cap; `name` what to name (see `Proposal`); `base_watts` what is
    there beside the loads; `most_watts` where cuts become needed, which is above where they aim.
    """

    rows: Rows
    limit: Ints
    name: Ints
    base_watts: Floats
    most_watts: Floats

    def over(self, watts: Floats, drawn_watts: Floats) -> Bools:
        """Rows that would carry more than they may with these caps of the loads, of which they want so much."""
        counts = np.where(self.rows.measured[self.rows.row], drawn_watts[self.rows.load], watts[self.rows.load])
        carried = self.base_watts + sums(self.rows.row, charged(self.rows.cost * counts), len(self.base_watts))
        return carried > self.most_watts + 1e-6


def rows(
    layout: Layout,
    intent: Intent,
    loads: Loads,
    *,
    worst_most: Floats,
    worst_aim: Floats,
    most: Floats,
    aim: Floats,
    fixed: Floats,
) -> Filled:
    """Rows for the loads.

    Columns of the tree's limits, infinite where there is none: `worst_*` for worst cases, the others for what is expected;
    `aim` is what is filled, `most` what must not be exceeded; `fixed` is what takes no cap and is expected.
    """
    tree = layout.fleet.tree
    worst = np.flatnonzero(np.isfinite(worst_most))
    shown = np.flatnonzero(np.isfinite(most))
    capped = np.flatnonzero(
        np.isfinite(intent.node_cap_watts) & (np.bincount(loads.node, minlength=len(layout.node_phase)) > 0)
    )
    base = np.concatenate(
        [
            (tree.fixed_watts + layout.carried(loads.worst_base))[worst],
            (fixed + layout.carried(loads.expected_base))[shown],
            loads.worst_base[capped],
        ]
    )
    at = np.concatenate([worst_aim[worst], aim[shown], intent.node_cap_watts[capped]])
    highest = np.concatenate([worst_most[worst], most[shown], intent.node_cap_watts[capped]])
    itself = -2 - np.arange(len(tree.limits))
    policy = np.where(intent.limit_name != NOBODY, intent.limit_name, itself)
    of_worst = np.where(intent.guaranteed & (intent.limit_watts <= tree.trip_safe_watts), policy, itself)
    key = np.concatenate([2 * layout.rank[worst], 2 * layout.rank[shown] + 1, 2 * len(itself) + layout.node_phase[capped]])
    entries = _entries(layout, loads, worst, shown, capped)
    return Filled(
        rows=Rows(
            room=granted(at - base),
            measured=np.repeat([False, True, False], [len(worst), len(shown), len(capped)]),
            row=entries[0],
            load=entries[1],
            cost=entries[2],
            rank=np.argsort(np.argsort(key)),
        ),
        limit=np.concatenate([worst, shown, np.full(len(capped), NOBODY)]),
        name=np.concatenate([of_worst[worst], policy[shown], intent.node_cap_name[capped]]),
        base_watts=base,
        most_watts=highest,
    )


def _entries(layout: Layout, loads: Loads, worst: Ints, shown: Ints, capped: Ints) -> tuple[Ints, Ints, Floats]:
    """Row, load and cost of every entry; those of one lift together."""
    order = np.argsort(loads.lift, kind="stable")
    nodes = loads.node[order]
    counts = layout.start[nodes + 1] - layout.start[nodes]
    load = np.repeat(order, counts)
    within = np.arange(len(load)) - np.repeat(np.cumsum(counts) - counts, counts)
    entry = np.repeat(layout.start[nodes], counts) + within
    limit, cost = layout.limit[entry], layout.share[entry] * loads.cost[load]
    parts = []
    for first, chosen in ((0, worst), (len(worst), shown)):
        row = _places(len(layout.rank), chosen, first)[limit]
        here = np.flatnonzero(row >= 0)
        parts.append((row[here], load[here], cost[here]))
    own = _places(len(layout.node_phase), capped, len(worst) + len(shown))[nodes]
    here = np.flatnonzero(own >= 0)
    parts.append((own[here], order[here], loads.cost[order[here]]))
    row, load, cost = (np.concatenate(column) for column in zip(*parts, strict=True))
    together = np.argsort(loads.lift[load], kind="stable")
    return row[together], load[together], cost[together]


def _places(length: int, chosen: Ints, first: int) -> Ints:
    """Where each of `length` stands among the chosen, counted from `first`; -1 for the others."""
    places = np.full(length, -1, np.int64)
    places[chosen] = first + np.arange(len(chosen))
    return places
