"""What of a fleet is worked out once: who hangs under what, seen from the servers, and each device's own moment for raises."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from power.control.exact import charged, sums
from power.model import Fleet, Floats, Ints

ROW = "row"
"""Kind of the limits that are rows of the hall."""
_ALL = slice(None)
_HASHES = float(2**32)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layout:
    """Limits by server: entry k of server n, `start[n] <= k < start[n + 1]`, is limit `limit[k]` with share `share[k]`.

    `rank` orders limits by name: it decides ties, so that their order in the inventory does not. `phase` is each GPU's moment
    within a span of raises, 0 to 1; `node_phase` that of servers.
    """

    fleet: Fleet
    start: Ints
    limit: Ints
    share: Floats
    rank: Ints
    phase: Floats
    node_phase: Floats
    row_entries: Ints
    """Entries of the tree that belong to rows of the hall: across those raises are limited in sum."""

    def carried(self, node_watts: Floats, entries: Ints | slice = _ALL) -> Floats:
        """What each limit carries beside its fixed loads: as `Tree.load`, but the same in any order of servers.

        With `entries` of the tree, only what these carry.
        """
        tree = self.fleet.tree
        watts = charged(tree.share[entries] * node_watts[tree.member[entries]])
        return sums(tree.row_of_entry[entries], watts, len(tree.limits))


def layout(fleet: Fleet, seed: int) -> Layout:
    """The layout of a fleet. Loops over names, so it is made once a fleet."""
    tree = fleet.tree
    order = np.argsort(tree.member, kind="stable")
    counts = np.bincount(tree.member, minlength=len(fleet.nodes))
    names = sorted(range(len(tree.limits)), key=lambda row: (tree.limits[row].kind, tree.limits[row].name))
    rank = np.empty(len(names), np.int64)
    rank[names] = np.arange(len(names))
    return Layout(
        fleet=fleet,
        start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        limit=tree.row_of_entry[order],
        share=tree.share[order],
        rank=rank,
        phase=np.array([_phase(seed, str(device)) for device in fleet.gpus], np.float64),
        node_phase=np.array([_phase(seed, node) for node in fleet.nodes], np.float64),
        row_entries=np.flatnonzero(np.array([limit.kind == ROW for limit in tree.limits], np.bool_)[tree.row_of_entry]),
    )


def _phase(seed: int, name: str) -> float:
    digest = blake2b(f"{seed}:{name}".encode(), digest_size=4).digest()
    return int.from_bytes(digest) / _HASHES
