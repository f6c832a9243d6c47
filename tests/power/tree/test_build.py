"""From an inventory to the fleet: which limits carry whom, with how much, and what counts where nobody said."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from power.model import Device, DeviceCaps, Fleet, Way
from power.tree.build import build
from power.tree.ceilings import worst_draw
from wattstat import inventory
from wattstat.inventory import Inventory

TWO_FEEDS = """
breakers:
  - {name: main-a, limit_watts: 100e3, feed: A, curve: main}
  - {name: main-b, limit_watts: 100e3, feed: B, curve: main}
  - {name: "r[1-2]-a", limit_watts: 20e3, feed: A, upstream: main-a}
  - {name: "r[1-2]-b", limit_watts: 20e3, feed: B, upstream: main-b}
racks: [{name: "r[1-2]", row: "7", breakers: ["{name}-a", "{name}-b"]}]
nodes: [{name: "n[1-4]", racks: "r[1-2]", per_rack: 2, max_watts: 4000, rest_watts: 1000}]
"""


def _inventory(text: str) -> Inventory:
    return inventory.loads(text)


def _carried(fleet: Fleet, node_watts: float | Sequence[float] = 1000.0) -> dict[str, float]:
    """What each limit carries when every server draws so much; servers' own left out."""
    drawn = np.broadcast_to(np.asarray(node_watts, np.float64), len(fleet.nodes))
    limits = fleet.tree.limits
    return {
        limit.name: round(watts, 6)
        for limit, watts in zip(limits, fleet.tree.load(drawn).tolist(), strict=True)
        if limit.kind != "node"
    }


def _gpu(node: str, index: int, *, max_watts: float | None = 700.0, model: str = "") -> DeviceCaps:
    device = Device(node, f"GPU-{node}-{index}")
    return DeviceCaps(device=device, way=Way.NVML, limit_watts=500, max_watts=max_watts, index=str(index), model=model)


def test_each_feed_and_all_above_it_carry_everything() -> None:
    assert _carried(build(_inventory(TWO_FEEDS), {})) == {
        "site": 4000.0,
        "A": 4000.0,
        "B": 4000.0,
        "main-a": 4000.0,
        "main-b": 4000.0,
        "r1-a": 2000.0,
        "r2-a": 2000.0,
        "r1-b": 2000.0,
        "r2-b": 2000.0,
        "7": 4000.0,
        "r1": 2000.0,
        "r2": 2000.0,
    }


def test_without_failover_each_feed_carries_its_share() -> None:
    text = TWO_FEEDS.replace('"{name}-b"]', '"{name}-b"], failover: false')

    found = _carried(build(_inventory(text), {}))

    assert (found["main-a"], found["A"], found["r1-b"], found["r1"], found["site"]) == (2000.0, 2000.0, 1000.0, 2000.0, 4000.0)


def test_a_racks_breakers_of_one_feed_share_what_the_feed_carries() -> None:
    text = """
    breakers:
      - {name: a1, limit_watts: 9e3, feed: A, upstream: main}
      - {name: a2, limit_watts: 9e3, feed: A, upstream: main}
      - {name: b1, limit_watts: 9e3, feed: B, upstream: main}
      - {name: main, limit_watts: 90e3, feed: utility}
    racks: [{name: r, breakers: [a1, a2, b1]}]
    nodes: [{name: n, rack: r}]
    """

    found = _carried(build(_inventory(text), {}))

    assert (found["a1"], found["a2"], found["b1"]) == (500.0, 500.0, 1000.0)
    assert (found["A"], found["B"]) == (1000.0, 1000.0)
    assert found["main"] == 1000.0  # above both feeds nothing counts twice


def test_a_main_above_some_of_a_racks_breakers_carries_the_worst_division() -> None:
    text = """
    breakers:
      - {name: left, limit_watts: 90e3, feed: x}
      - {name: a1, limit_watts: 9e3, feed: A, upstream: left}
      - {name: a2, limit_watts: 9e3, feed: A}
      - {name: b1, limit_watts: 9e3, feed: B, upstream: left}
      - {name: b2, limit_watts: 9e3, feed: B}
    racks: [{name: r, breakers: [a1, a2, b1, b2]}]
    nodes: [{name: n, rack: r}]
    """

    assert _carried(build(_inventory(text), {}))["left"] == 500.0


def test_loads_that_take_no_cap_are_charged_at_their_most_where_they_hang() -> None:
    text = TWO_FEEDS + (
        'loads:\n  - {name: "leaf[1-2]", kind: switch, max_watts: 1500, racks: "r[1-2]", per_rack: 1}\n'
        "  - {name: filer, kind: storage, max_watts: 700, breakers: [main-b]}\n"
    )
    fleet = build(_inventory(text), {})
    found = _carried(fleet, 0.0)

    assert found == {
        "site": 3700.0,
        "A": 3000.0,
        "B": 3700.0,
        "main-a": 3000.0,
        "main-b": 3700.0,
        "r1-a": 1500.0,
        "r2-a": 1500.0,
        "r1-b": 1500.0,
        "r2-b": 1500.0,
        "7": 3000.0,
        "r1": 1500.0,
        "r2": 1500.0,
    }
    assert {limit.name: limit.fixed_watts for limit in fleet.tree.limits if limit.fixed_watts} == {
        name: watts for name, watts in found.items() if watts
    }


def test_a_load_on_two_feeds_is_charged_whole_on_both_and_once_at_the_site() -> None:
    fleet = build(
        _inventory(TWO_FEEDS + "loads: [{name: pump, kind: cooling, max_watts: 900, breakers: [main-a, main-b]}]"), {}
    )
    found = _carried(fleet, 0.0)

    assert {name: watts for name, watts in found.items() if watts} == {
        "site": 900.0,
        "A": 900.0,
        "B": 900.0,
        "main-a": 900.0,
        "main-b": 900.0,
    }


def test_limits_have_their_ratings_and_budgets() -> None:
    text = TWO_FEEDS.replace("curve: main}", "curve: main, continuous_ratio: 0.8}", 1) + (
        "site: {name: hall, budget_watts: 90e3}\n"
        'rows: [{name: "7", budget_watts: 50e3}]\n'
        'groups: [{name: pool, nodes: ["n[2-3]"], budget_watts: 5e3}]\n'
    )
    fleet = build(_inventory(text), {}, trip_safe_ratio=0.9)
    limits = {limit.name: limit for limit in fleet.tree.limits}

    assert (limits["hall"].kind, limits["hall"].budget_watts, limits["hall"].trip_safe_watts) == ("site", 90e3, None)
    assert (limits["7"].kind, limits["7"].budget_watts) == ("row", 50e3)
    assert (limits["pool"].kind, limits["pool"].budget_watts) == ("group", 5e3)
    assert (limits["main-a"].rating_watts, limits["main-a"].trip_safe_watts) == (100e3, 80e3)
    assert limits["main-b"].trip_safe_watts == 90e3
    assert _carried(fleet, [1.0, 2.0, 4.0, 8.0])["pool"] == 6.0
    assert np.isinf(fleet.tree.trip_safe_watts[[limit.kind != "breaker" for limit in fleet.tree.limits]]).all()


def test_a_feed_has_the_rating_of_the_main_at_its_head() -> None:
    with_mains = TWO_FEEDS.replace("{name: main-b, limit_watts: 100e3", "{name: main-b, limit_watts: 90e3")
    without = TWO_FEEDS.replace(", upstream: main-a", "").replace(", upstream: main-b", "")

    ratings = [
        [(limit.name, limit.rating_watts) for limit in build(_inventory(text), {}).tree.limits if limit.kind == "feed"]
        for text in (with_mains, without)
    ]

    assert ratings == [[("A", 100e3), ("B", 90e3)], [("A", None), ("B", None)]]


def test_a_server_has_a_limit_of_its_own_that_only_it_counts_against() -> None:
    fleet = build(_inventory(TWO_FEEDS), {})
    rows = [row for row, limit in enumerate(fleet.tree.limits) if limit.kind == "node"]

    assert [fleet.tree.limits[row].name for row in rows] == list(fleet.nodes)
    assert fleet.tree.load(np.array([1.0, 2.0, 4.0, 8.0]))[rows].tolist() == [1.0, 2.0, 4.0, 8.0]


def test_the_servers_of_a_limit_stand_between_its_starts() -> None:
    tree = build(_inventory(TWO_FEEDS), {}).tree

    for row, limit in enumerate(tree.limits):
        entries = slice(tree.start[row], tree.start[row + 1])
        assert (tree.row_of_entry[entries] == row).all()
        if limit.name == "r2-b":
            assert tree.member[entries].tolist() == [2, 3]
            assert tree.share[entries].tolist() == [1.0, 1.0]
    assert tree.start[-1] == len(tree.member)


def test_gpus_stand_by_server_in_the_order_of_their_indices_each_once() -> None:
    read = [_gpu("n2", 10), _gpu("n2", 2), DeviceCaps(device=Device("n2"), way=Way.ATTRIBUTES, limit_watts=None)]

    fleet = build(_inventory(TWO_FEEDS), {"n2": [*read, _gpu("n2", 2)], "n1": [_gpu("n1", 0)], "stranger": [_gpu("x", 0)]})

    assert [str(gpu) for gpu in fleet.gpus] == ["n1/GPU-n1-0", "n2/GPU-n2-2", "n2/GPU-n2-10"]
    assert fleet.gpu_index == ("0", "2", "10")
    assert fleet.gpu_node.tolist() == [0, 1, 1]


def test_a_server_without_a_rack_counts_at_the_site() -> None:
    assert _carried(build(_inventory("nodes: [{name: n}]"), {})) == {"site": 1000.0}


def test_an_empty_inventory_makes_an_empty_fleet() -> None:
    fleet = build(Inventory(), {})

    assert (fleet.nodes, fleet.gpus) == ((), ())
    assert fleet.tree.load(np.zeros(0)).tolist() == [0.0]


@pytest.mark.parametrize(
    ("node", "found", "worst", "assumed"),
    [
        ("max_watts: 9000, rest_watts: 2000, gpus: 2", 2, 2000 + 2 * 500, 0),
        ("max_watts: 9000, rest_watts: 2000, gpus: 2", 0, 9000, 0),
        ("max_watts: 9000, rest_watts: 2000, gpus: 3, gpu_model: H100 SXM5 80GB", 2, 2000 + 700 + 2 * 500, 0),
        ("max_watts: 2500, rest_watts: 2000, gpus: 2", 2, 2500, 0),
        ("max_watts: 9000", 2, 9000 - 2 * 700 + 2 * 500, 0),
        ("model: PowerEdge XE9680, gpus: 2", 2, 5540 + 2 * 500, 5540),
        ("model: PowerEdge XE9680, gpus: 8, gpu_model: H100", 0, 5540 + 8 * 700, 5540 + 8 * 700),
        ("model: PowerEdge XE9680", 0, 11_500, 11_500),
        ("model: PowerEdge R660", 0, 1400, 1400),
        ("model: PowerEdge R760xa, gpus: 4, gpu_model: NVIDIA L4", 0, 1710 + 4 * 72, 1710 + 4 * 72),
        ("gpus: 4, gpu_model: L40", 0, 2800 + 4 * 300, 2800 + 4 * 300),
        ("{}", 0, 2800, 2800),
        ("rest_watts: 700, gpus: 2", 2, 700 + 2 * 500, 0),
    ],
)
def test_what_counts_of_a_server(node: str, found: int, worst: float, assumed: float) -> None:
    text = f"nodes: [{{name: n, {node}}}]" if node != "{}" else "nodes: [{name: n}]"
    fleet = build(_inventory(text), {"n": [_gpu("n", index) for index in range(found)]}, ac_loss=1.0)

    drawn = worst_draw(fleet, np.full(found, 500.0), np.array([np.nan]))

    assert drawn.tolist() == [worst]
    assert fleet.assumed_watts is not None
    assert fleet.assumed_watts.tolist() == [assumed]


def test_the_highest_cap_that_a_controller_takes_is_the_nameplate() -> None:
    told = DeviceCaps(device=Device("n"), way=Way.ATTRIBUTES, limit_watts=None, min_watts=3000, max_watts=6000)

    fleet = build(_inventory("nodes: [{name: n, model: PowerEdge XE9680, gpus: 8}]"), {"n": [told]})

    assert worst_draw(fleet, np.zeros(0), np.array([np.nan])).tolist() == [6000.0]


@pytest.mark.parametrize(
    ("model", "watts"),
    [
        ("NVIDIA H100 80GB HBM3", 700),
        ("NVIDIA H100 PCIe", 350),
        ("NVIDIA H100 NVL", 400),
        ("NVIDIA L4", 72),
        ("NVIDIA L40", 300),
        ("NVIDIA L40S", 350),
        ("nobody's", 700),
    ],
)
def test_a_gpu_that_does_not_tell_its_highest_limit_counts_by_its_model(model: str, watts: float) -> None:
    text = "nodes: [{name: n, model: PowerEdge R660, rest_watts: 100}]"

    fleet = build(_inventory(text), {"n": [_gpu("n", 0, max_watts=None, model=model)]}, ac_loss=1.0)

    assert fleet.nameplate_watts.tolist() == [100 + watts]
