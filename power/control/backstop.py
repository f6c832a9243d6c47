"""The server's own cap, behind the caps of its GPUs: it binds only when those do not hold."""

from __future__ import annotations

import numpy as np

from power.control.tuning import Tuning
from power.model import Bools, Fleet, Floats, View
from power.tree.ceilings import counts


def backstop(fleet: Fleet, view: View, gpu_caps: Floats, has_loads: Bools, tuning: Tuning) -> Floats:
    """Caps of servers whose GPUs are capped: a little above what these and the rest come to, within what the server takes.

    It stays where it is as long as it stands between half and twice that margin: every change is a slow write to a BMC. NaN
    where the server takes no cap.
    """
    takes = has_loads & counts(view.node_state) & (view.node_cap_min_watts <= view.node_cap_max_watts)
    most = fleet.rest_watts + fleet.loss * fleet.by_node(np.where(np.isnan(gpu_caps), view.gpu_max_watts, gpu_caps))
    wanted = np.clip(np.round((1 + tuning.backstop_ratio) * most), view.node_cap_min_watts, view.node_cap_max_watts)
    now = view.node_cap_watts
    holds = (now >= (1 + tuning.backstop_ratio / 2) * most) & (now <= (1 + 2 * tuning.backstop_ratio) * most)
    return np.where(takes & ~np.isnan(wanted), np.where(holds, now, wanted), np.nan)
