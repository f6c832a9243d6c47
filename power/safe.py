"""What every GPU may have without anybody's care: caps that fit under every limit at once, whatever is drawn.

Agents that hear nothing from core for a minute go down to these. They are equal shares, for nobody knows who will need the
watts by then, and a site in trouble does not want surprises.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from power.control.allocator import propose
from power.control.memory import Memory
from power.control.tuning import Tuning
from power.model import MIDDLE_PRIORITY, ControlState, Fleet, Floats, Intent, View


def safe_caps(fleet: Fleet, view: View, intent: Intent, tuning: Tuning) -> Floats:
    """Watts by GPU, NaN where its bounds are not known. Every limit counts as guaranteed here, budgets too."""
    gpus = len(fleet.gpus)
    known = np.isfinite(view.gpu_max_watts)
    highest = np.where(known, view.gpu_max_watts, np.nan)
    unhampered = replace(
        view,
        gpu_watts=highest,
        gpu_peak_watts=highest,
        gpu_age=np.zeros(gpus),
        gpu_limit_watts=highest,
        gpu_own_watts=highest,
        gpu_limit_age=np.zeros(gpus),
        gpu_state=np.where(view.gpu_state == ControlState.PENDING, ControlState.CONTROLLED, view.gpu_state),
    )
    equal = replace(
        intent,
        guaranteed=np.ones(len(fleet.tree.limits), np.bool_),
        priority=np.full(gpus, MIDDLE_PRIORITY, np.int64),
        group=np.full(gpus, -1, np.int64),
        keep=np.zeros(gpus, np.bool_),
        urgent=np.zeros(len(fleet.nodes), np.bool_),
        pinned_watts=np.full(gpus, np.nan),
    )
    proposal, _ = propose(fleet, unhampered, equal, tuning, Memory())
    return np.where(np.isnan(proposal.gpu_watts), highest, proposal.gpu_watts)
