"""Cold start: how much of the fleet has been read. Until enough has, caps are only lowered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from power.model import ControlState, Fleet, View


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """How many devices have been read. `missing` names some of the servers that have not."""

    read: int
    of: int
    complete: bool
    missing: tuple[str, ...] = ()

    @property
    def ratio(self) -> float | None:
        """The share that has been read; None in an empty hall."""
        return self.read / self.of if self.of else None

    def __str__(self) -> str:
        return f"caps of {self.read} of {self.of} devices have been read"


def readiness(fleet: Fleet, view: View, ratio: float, *, named: int = 5) -> Readiness:
    """Whether at least `ratio` of the devices have been read: every GPU, and every server that shows none.

    A GPU has been read when its limit and bounds are known. A server without GPUs (its agent was not reached yet, or it has
    none) when anything is known of its cap, be it that it takes none.
    """
    bounds = np.isfinite(view.gpu_limit_watts) & np.isfinite(view.gpu_min_watts) & np.isfinite(view.gpu_max_watts)
    gpus = bounds & (view.gpu_state != ControlState.UNKNOWN)
    bare = fleet.by_node(np.ones(len(fleet.gpus))) == 0
    unread = bare & (view.node_state == ControlState.UNKNOWN)
    read = int(gpus.sum()) + int((bare & ~unread).sum())
    of = len(fleet.gpus) + int(bare.sum())
    unread[fleet.gpu_node[~gpus]] = True
    missing = tuple(fleet.nodes[row] for row in np.flatnonzero(unread)[:named])
    # Nothing read is nothing known: an empty hall is not complete.
    return Readiness(read=read, of=of, complete=of > 0 and read >= ratio * of, missing=missing)
