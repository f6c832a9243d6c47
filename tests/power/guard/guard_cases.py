"""Cases for the guard: ones by hand, and random ones with everything in them that can be wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from power.guard.admitted import Admitted, Verdict
from power.guard.guard import Rules, admit
from power.model import NOBODY, ControlState, Fence, Fleet, Floats, Intent, Mode, Proposal, View
from tests.power.guard.guard_oracle import Case
from tests.support import fleets

HOLDER = "core-1"
FENCE = Fence(token=7, holder=HOLDER, valid_until=1005.0)
RULES = Rules(holder=HOLDER)
STATES = [state.value for state in ControlState]


def proposal(fleet: Fleet, *, gpu_watts: Any = np.nan, node_cap_watts: Any = np.nan, **columns: Any) -> Proposal:
    """Targets by column or as one value for all; NaN leaves all as it is."""
    gpus, nodes = len(fleet.gpus), len(fleet.nodes)
    made = Proposal(
        gpu_watts=np.broadcast_to(np.asarray(gpu_watts, np.float64), gpus).copy(),
        gpu_name=np.full(gpus, NOBODY),
        node_cap_watts=np.broadcast_to(np.asarray(node_cap_watts, np.float64), nodes).copy(),
        node_name=np.full(nodes, NOBODY),
        clock_mhz=np.full(gpus, np.nan),
        limit_expected_watts=np.full(len(fleet.tree.limits), np.nan),
    )
    return replace(made, **columns)


def two_servers(**limit: Any) -> Fleet:
    """Servers a and b with two GPUs each, one breaker over both: 1,000 W of rest, and 1.05 W for every watt of a GPU."""
    servers = [fleets.Server(name="a", gpus=2), fleets.Server(name="b", gpus=2)]
    return fleets.fleet(servers, [fleets.Over(name="breaker", nodes=["a", "b"], **{"trip_safe_watts": 1e6, **limit})])


def case(fleet: Fleet, *, gpu_watts: Any = np.nan, node_cap_watts: Any = np.nan, **given: Any) -> Case:
    """A case in which all is well, but what is given: columns of view and intent by name, or a rule, fence or clock."""
    view = {name: given.pop(name) for name in list(given) if name in {*View.__slots__, "node_caps"}}
    if "caps" in given:
        view["node_cap_watts"] = given.pop("caps")
    intent = {name: given.pop(name) for name in list(given) if name in {*Intent.__slots__, "limits"}}
    rules = {name: given.pop(name) for name in list(given) if name in Rules.__slots__}
    seen = fleets.view(fleet, **view)
    return Case(
        fleet=fleet,
        view=seen,
        intent=fleets.intent(fleet, **intent),
        proposal=proposal(fleet, gpu_watts=gpu_watts, node_cap_watts=node_cap_watts),
        rules=replace(RULES, **rules),
        fence=given.pop("fence", FENCE),
        monotonic=given.pop("now", seen.monotonic + 0.5),
        **given,
    )


def decided(given: Case) -> Admitted:
    """What the guard says to a case."""
    return admit(given.fleet, given.view, given.intent, given.proposal, given.rules, given.fence, given.monotonic)


def admitted(*, trip_safe_watts: float | None = 1e6, **given: Any) -> Admitted:
    """What it says to one of two servers."""
    return decided(case(two_servers(trip_safe_watts=trip_safe_watts), **given))


def watts(answer: Admitted) -> list[float | None]:
    """Targets of the GPUs."""
    return [None if np.isnan(each) else float(each) for each in answer.gpu_watts]


def verdicts(answer: Admitted) -> list[Verdict]:
    """And what was said of them."""
    return [Verdict(each) for each in answer.gpu_verdict]


def garbage(random: np.random.Generator, count: int, low: float = -100.0, high: float = 900.0) -> Floats:
    """Targets of which a third makes no sense, or is an edge."""
    values = random.uniform(low, high, count)
    edges = np.array([np.nan, np.inf, -np.inf, -1.0, 0.0, 1e-300, 1e308, 200.0, 700.0, 199.999, 700.001, 350.0, 399.5, 400.5])
    odd = random.random(count) < 0.3
    values[odd] = random.choice(edges, int(odd.sum()))
    return values


def mess(random: np.random.Generator, fleet: Fleet, *, trouble: float = 0.15) -> Case:
    """A random case. About `trouble` of all devices are in another state than they should be, or have odd bounds."""
    gpus, nodes = len(fleet.gpus), len(fleet.nodes)

    def some(count: int, usual: Floats, *odd: float) -> Floats:
        column = usual.astype(np.float64)
        hit = random.random(count) < trouble / 4
        column[hit] = random.choice(np.array(odd), int(hit.sum()))
        return column

    low = some(gpus, random.choice([100.0, 200.0, 150.5], gpus), np.nan, 0.0, -5.0, 900.0, np.inf)
    limit = some(gpus, random.uniform(150.0, 700.0, gpus).round(int(random.integers(0, 2))), np.nan, 90.0, 700.0)
    cap = np.where(random.random(nodes) < 0.5, np.nan, random.uniform(1000.0, 9000.0, nodes).round())
    troubled = bool(random.random() < 0.5)
    view = fleets.view(
        fleet,
        gpu_limit_watts=limit,
        gpu_min_watts=low,
        gpu_max_watts=some(gpus, np.full(gpus, 700.0), np.nan, 50.0, np.inf),
        gpu_default_watts=some(gpus, random.choice([700.0, 600.0], gpus), np.nan),
        gpu_limit_age=some(gpus, random.uniform(0, 60, gpus), np.inf, np.nan, 181.0),
        gpu_state=_states(random, gpus, trouble if troubled else 0.02),
        node_cap_watts=cap,
        node_cap_min_watts=some(nodes, np.full(nodes, 1500.0), np.nan, 0.0),
        node_cap_max_watts=some(nodes, np.full(nodes, 9500.0), np.nan, 1000.0),
        node_cap_age=some(nodes, random.uniform(0, 60, nodes), np.inf),
        node_state=_states(random, nodes, trouble if troubled else 0.02),
    )
    # Most halls stand below their limits; raises are of interest there.
    carried = _carried(fleet, limit)
    slack = random.uniform(0.9, 1.4, len(carried)) * carried
    intent = fleets.intent(
        fleet,
        floor_watts=some(gpus, np.full(gpus, 350.0), np.nan, 800.0, 0.0, -1.0),
        guaranteed=True,
        limit_watts=some(len(carried), np.where(random.random(len(carried)) < 0.5, slack, np.inf), np.nan),
        gpu_cap_watts=some(gpus, np.where(random.random(gpus) < 0.2, 500.0, np.inf), 50.0, np.nan),
        node_cap_watts=np.where(random.random(nodes) < 0.2, 5000.0, np.inf),
        pinned_watts=np.where(random.random(gpus) < 0.1, random.uniform(100, 800, gpus), np.nan),
        urgent=random.random(nodes) < (0.2 if random.random() < 0.3 else 0.0),
        mode=Mode(random.choice(["enforce", "enforce", "advise", "observe"])),
    )
    intent = replace(intent, guaranteed=random.random(len(carried)) < 0.7)
    tree = replace(fleet.tree, trip_safe_watts=np.where(np.isinf(fleet.tree.trip_safe_watts), np.inf, slack * 1.05))
    fences = [FENCE, FENCE, FENCE, None, replace(FENCE, token=0), replace(FENCE, holder="x"), replace(FENCE, valid_until=1.0)]
    return Case(
        fleet=replace(fleet, tree=tree),
        view=view,
        intent=intent,
        proposal=proposal(
            fleet, gpu_watts=garbage(random, gpus), node_cap_watts=garbage(random, nodes, low=500.0, high=11_000.0)
        ),
        rules=replace(RULES, complete_ratio=float(random.choice([0.5, 0.95]))),
        fence=fences[int(random.integers(len(fences)))],
        monotonic=view.monotonic + float(random.choice([0.0, 0.5, 5.0, 5.1, -1.0], p=[0.4, 0.4, 0.1, 0.05, 0.05])),
    )


def _states(random: np.random.Generator, count: int, trouble: float) -> Floats:
    usual = random.choice([ControlState.CONTROLLED.value, ControlState.PENDING.value], count, p=[0.8, 0.2])
    return np.where(random.random(count) < trouble, random.choice([*STATES, 9], count), usual).astype(np.int64)


def _carried(fleet: Fleet, limit: Floats) -> Floats:
    known = np.where(np.isnan(limit), 700.0, limit)
    return fleet.tree.load(fleet.rest_watts + fleet.loss * fleet.by_node(known))
