"""A million random targets, a third of them garbage: none is admitted out of bounds, and no limit is exceeded by any."""

from __future__ import annotations

import numpy as np

from power.guard.guard import admit
from power.model import ControlState
from power.tree.ceilings import counted, worst_draw
from tests.power.guard.guard_cases import mess
from tests.support import fleets

TARGETS = 1_000_000


def test_a_million_random_targets_stay_within_bounds_and_limits():
    seen = written = raised = 0
    seed = 0
    while seen < TARGETS:
        seed += 1
        random = np.random.default_rng(seed)
        case = mess(random, fleets.random_fleet(seed, nodes=2000, depth=4), trouble=float(random.choice([0.0, 0.02, 0.15])))
        answer = admit(case.fleet, case.view, case.intent, case.proposal, case.rules, case.fence, case.monotonic)
        view, targets = case.view, answer.gpu_watts
        seen += len(targets)
        is_target = ~np.isnan(targets)
        written += int(is_target.sum())
        low, high = view.gpu_min_watts, np.fmin(view.gpu_max_watts, view.gpu_default_watts)
        assert ((low <= targets) & (targets <= high))[is_target].all()
        assert (targets[is_target] > 0).all()
        own = ~np.isnan(answer.node_cap_watts)
        within = (view.node_cap_min_watts <= answer.node_cap_watts) & (answer.node_cap_watts <= view.node_cap_max_watts)
        assert within[own].all()

        ups = is_target & (targets > np.where(np.isnan(view.gpu_limit_watts), np.inf, view.gpu_limit_watts))
        raised += int(ups.sum())
        holds = (view.gpu_state == ControlState.CONTROLLED) | (view.gpu_state == ControlState.PENDING)
        assert holds[ups].all()
        _no_subset_of_the_writes_exceeds_a_limit(random, case, answer)
    assert written > TARGETS / 4
    assert raised > TARGETS / 100


def _no_subset_of_the_writes_exceeds_a_limit(random, case, answer):
    gpus, caps = counted(case.fleet, case.view)
    tree = case.fleet.tree
    with np.errstate(invalid="ignore"):
        now = tree.load(worst_draw(case.fleet, gpus, caps))
        policy = np.where(case.intent.guaranteed, case.intent.limit_watts, np.inf)
        bound = np.minimum(tree.trip_safe_watts, policy)
        for share in (0.0, 0.3, 0.7, 1.0):
            through = random.random(len(gpus)) < share
            some = np.where(through & ~np.isnan(answer.gpu_watts), answer.gpu_watts, gpus)
            own = np.where((random.random(len(caps)) < share) & ~np.isnan(answer.node_cap_watts), answer.node_cap_watts, caps)
            load = tree.load(worst_draw(case.fleet, some, np.where(np.isnan(caps), caps, own)))
            known = ~np.isnan(bound) & ~np.isnan(load)
            assert (load <= np.maximum(bound, now) + 1e-6)[known].all()
