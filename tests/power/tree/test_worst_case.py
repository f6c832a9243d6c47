"""What must hold for every tree and every view: nothing unknown, and nothing raised, ever lowers a worst case."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from power.model import ControlState, Device, DeviceCaps, Fleet, Floats, Ints, View, Way
from power.tree.build import build
from power.tree.ceilings import counted, worst_draw
from power.tree.envelope import Envelope, envelope
from tests.support.power import view_of
from wattstat.inventory import Breaker, Inventory, Load, Node, Rack

TINY = 1e-6
STATES = [int(state) for state in ControlState]
WATTS = st.one_of(st.just(math.nan), st.floats(0, 1500))


@dataclass(frozen=True, kw_only=True)
class Hall:
    """An inventory, what was found in it, and what is known of it: drawn at random."""

    inventory: Inventory
    found: dict[str, list[DeviceCaps]]
    fleet: Fleet
    view: View


@st.composite
def halls(draw: st.DrawFn) -> Hall:
    """Up to four racks on up to four breakers of two feeds under up to two mains, with uncappable loads."""
    names = [f"b{number}" for number in range(draw(st.integers(1, 4)))]
    mains = [f"m{number}" for number in range(draw(st.integers(0, 2)))]
    breakers = [Breaker(name=name, limit_watts=draw(st.floats(1000, 30_000)), curve="main") for name in mains]
    breakers += [
        Breaker(
            name=name,
            limit_watts=draw(st.floats(500, 20_000)),
            feed=draw(st.sampled_from("AB")),
            upstream=draw(st.sampled_from([None, *mains])),
        )
        for name in names
    ]
    hung = st.lists(st.sampled_from(names), max_size=3, unique=True)
    racks = [Rack(name=f"r{number}", row="1", breakers=tuple(draw(hung)), failover=draw(st.booleans())) for number in range(4)]
    loads = [
        Load(name=f"l{number}", max_watts=draw(st.floats(1, 2000)), rack=draw(st.sampled_from(racks)).name)
        for number in range(draw(st.integers(0, 2)))
    ]
    nodes = [
        Node(
            name=f"n{number}",
            rack=draw(st.sampled_from(racks)).name,
            gpus=draw(st.integers(0, 3)),
            max_watts=draw(st.none() | st.floats(500, 9000)),
            model=draw(st.sampled_from(["", "PowerEdge R660"])),
        )
        for number in range(draw(st.integers(1, 4)))
    ]
    found = {
        node.name: [
            DeviceCaps(device=Device(node.name, f"{node.name}-{index}"), way=Way.NVML, limit_watts=None, index=str(index))
            for index in range(draw(st.integers(0, node.gpus)))
        ]
        for node in nodes
    }
    inventory = Inventory(breakers=tuple(breakers), racks=tuple(racks), nodes=tuple(nodes), loads=tuple(loads))
    fleet = build(inventory, found)

    def column(of: st.SearchStrategy[float], count: int) -> Floats:
        return np.array(draw(st.lists(of, min_size=count, max_size=count)), np.float64)

    def states(count: int) -> Ints:
        return np.array(draw(st.lists(st.sampled_from(STATES), min_size=count, max_size=count)), np.int64)

    gpus, count = len(fleet.gpus), len(fleet.nodes)
    view = replace(
        view_of(fleet, gpu_limit_watts=column(WATTS, gpus), gpu_max_watts=column(WATTS, gpus)),
        node_cap_watts=column(WATTS, count),
        gpu_state=states(gpus),
        node_state=states(count),
    )
    return Hall(inventory=inventory, found=found, fleet=fleet, view=view)


def _not_lower(after: Envelope, before: Envelope) -> bool:
    return bool((after.watts >= before.watts - TINY).all() and (after.slack_watts <= before.slack_watts + TINY).all())


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(halls(), st.data())
def test_raising_any_cap_never_lowers_any_worst_case(hall: Hall, data: st.DataObject) -> None:
    before = envelope(hall.fleet, hall.view)
    by = st.floats(0, 800)
    gpus, nodes = len(hall.fleet.gpus), len(hall.fleet.nodes)
    raised = replace(
        hall.view,
        gpu_limit_watts=hall.view.gpu_limit_watts + data.draw(st.lists(by, min_size=gpus, max_size=gpus)),
        node_cap_watts=hall.view.node_cap_watts + data.draw(st.lists(by, min_size=nodes, max_size=nodes)),
    )

    assert _not_lower(envelope(hall.fleet, raised), before)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(halls(), st.data())
def test_forgetting_anything_never_lowers_any_worst_case(hall: Hall, data: st.DataObject) -> None:
    before = envelope(hall.fleet, hall.view)
    column = data.draw(st.sampled_from(["gpu_max_watts", "node_cap_watts"]))
    known: Floats = getattr(hall.view, column).copy()
    forgotten = data.draw(st.lists(st.booleans(), min_size=len(known), max_size=len(known)))
    known[np.array(forgotten, np.bool_)] = math.nan

    assert _not_lower(envelope(hall.fleet, replace(hall.view, **{column: known})), before)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(halls(), st.data())
def test_a_forgotten_limit_counts_at_least_at_the_most_that_the_gpu_takes(hall: Hall, data: st.DataObject) -> None:
    gpus = len(hall.fleet.gpus)
    limits = np.fmin(hall.view.gpu_limit_watts, hall.view.gpu_max_watts)  # nothing in force is above what the device takes
    view = replace(hall.view, gpu_limit_watts=limits)
    forgotten = np.array(data.draw(st.lists(st.booleans(), min_size=gpus, max_size=gpus)), np.bool_)
    known = np.where(forgotten, math.nan, limits)

    assert _not_lower(envelope(hall.fleet, replace(view, gpu_limit_watts=known)), envelope(hall.fleet, view))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(halls(), st.sampled_from([ControlState.UNKNOWN, ControlState.UNCONTROLLED, ControlState.FOREIGN]))
def test_losing_control_never_lowers_any_worst_case(hall: Hall, state: ControlState) -> None:
    limits = np.fmin(hall.view.gpu_limit_watts, hall.view.gpu_max_watts)
    view = replace(hall.view, gpu_limit_watts=limits)
    lost = replace(
        view, gpu_state=np.full(len(hall.fleet.gpus), int(state)), node_state=np.full(len(hall.fleet.nodes), int(state))
    )

    assert _not_lower(envelope(hall.fleet, lost), envelope(hall.fleet, view))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(halls(), st.randoms(use_true_random=False))
def test_order_changes_nothing(hall: Hall, random: object) -> None:
    inventory = hall.inventory
    shuffled = {kind: list(getattr(inventory, kind)) for kind in ("nodes", "racks", "breakers", "loads")}
    for entries in shuffled.values():
        random.shuffle(entries)  # type: ignore[attr-defined]
    other = build(Inventory(**{kind: tuple(entries) for kind, entries in shuffled.items()}), dict(reversed(hall.found.items())))
    gpu_place = [hall.fleet.gpus.index(gpu) for gpu in other.gpus]
    node_place = [hall.fleet.nodes.index(node) for node in other.nodes]
    names = [name for name in View.__slots__ if name not in {"at", "monotonic", "limit_fixed_watts"}]
    moved = {
        name: getattr(hall.view, name)[np.array(gpu_place if name.startswith("gpu_") else node_place, np.int64)]
        for name in names
    }

    one, two = envelope(hall.fleet, hall.view), envelope(other, replace(hall.view, **moved))

    def told(fleet: Fleet, found: Envelope) -> dict[tuple[str, str], float]:
        return {(limit.kind, limit.name): round(watts, 4) for limit, watts in zip(fleet.tree.limits, found.watts, strict=True)}

    assert told(hall.fleet, one) == told(other, two)
    assert sorted(one.unsafe) == sorted(two.unsafe)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(halls())
def test_a_worst_case_is_a_number_and_covers_what_servers_draw_under_their_caps(hall: Hall) -> None:
    fleet, view = hall.fleet, hall.view
    found = envelope(fleet, view)
    gpu_watts, node_cap = counted(fleet, view)
    obedient = np.where(np.isfinite(gpu_watts), gpu_watts, 0.0)  # each GPU at its cap, each server within its own

    assert not np.isnan(found.watts).any()
    assert (found.node_watts <= fleet.nameplate_watts).all()
    assert (worst_draw(fleet, obedient, node_cap) <= found.node_watts + TINY).all()
    assert found.safe == bool((found.watts <= fleet.tree.trip_safe_watts + TINY).all())


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(halls(), st.data())
def test_no_division_between_living_feeds_carries_more_than_the_worst_case(hall: Hall, data: st.DataObject) -> None:
    """Against the tree by hand: feeds of each rack die or live at random, what lives divides the load as it likes."""
    inventory, fleet = hall.inventory, hall.fleet
    drawn = np.array([data.draw(st.floats(0, 5000)) for _ in fleet.nodes])
    breakers = {breaker.name: breaker for breaker in inventory.breakers}
    carried = dict.fromkeys(breakers, 0.0)
    of_rack = {
        rack.name: sum(watts for watts, name in zip(drawn, fleet.racks, strict=True) if name == rack.name)
        for rack in inventory.racks
    }
    for rack in inventory.racks:
        feeds = sorted({breakers[name].feed for name in rack.breakers})
        weights = {feed: float(data.draw(st.integers(0, 100))) for feed in feeds}
        if not rack.failover:
            weights = {feed: float(sum(breakers[name].feed == feed for name in rack.breakers)) for feed in feeds}
        if not sum(weights.values()):
            continue
        for name in rack.breakers:
            feed = breakers[name].feed
            alike = sum(breakers[other].feed == feed for other in rack.breakers)
            part = of_rack[rack.name] * weights[feed] / sum(weights.values()) / alike
            above: str | None = name
            while above is not None:
                carried[above] += part
                above = breakers[above].upstream

    worst = fleet.tree.load(drawn) - fleet.tree.fixed_watts
    for row, limit in enumerate(fleet.tree.limits):
        if limit.kind == "breaker":
            assert carried[limit.name] <= worst[row] + TINY
