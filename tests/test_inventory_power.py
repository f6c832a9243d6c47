"""inventory.yaml: breakers above breakers, trip curves, loads, rows, groups, what servers draw."""

import pytest

from tests.test_inventory import only_problem_of, problems_of
from wattstat import inventory
from wattstat.inventory import Breaker, Inventory, Rack, http_sd

MAINS = "breakers:\n  - {name: main, limit_watts: 9e5}\n  - {name: r1-a, limit_watts: 3e4, upstream: main}\n"


def test_todays_inventories_mean_what_they_meant():
    found = inventory.loads(
        "breakers: [{name: a, limit_watts: 1}]\nracks: [{name: r, breakers: [a]}]\nnodes: [{name: n, rack: r}]"
    )

    assert found.breakers == (Breaker(name="a", limit_watts=1),)
    assert found.racks == (Rack(name="r", breakers=("a",)),)
    assert (found.rows, found.loads, found.groups) == ((), (), ())
    assert (found.racks[0].failover, found.breakers[0].curve, found.breakers[0].upstream) == (True, "rack", None)


def test_an_electrical_tree_reads_as_it_is_written():
    found = inventory.loads(
        MAINS + "racks: [{name: r1, row: '1', breakers: [r1-a], failover: false}]\n"
        "rows: [{name: '1', budget_watts: 80e3}]\n"
        "nodes: [{name: 'n[1-3]', rack: r1, max_watts: 11500, rest_watts: 3900}]\n"
        "loads: [{name: 'sw{n}', kind: switch, max_watts: 700, rack: r1}, {name: filer, max_watts: 1, breakers: [main]}]\n"
        "groups: [{name: pool, nodes: ['n[1-2]', n3], budget_watts: 2e4}]\n"
    )

    assert found.breakers[1].upstream == "main"
    assert found.groups[0].nodes == ("n1", "n2", "n3")
    assert (found.nodes[2].max_watts, found.nodes[2].rest_watts) == (11500, 3900)
    assert found.loads[1].breakers == ("main",)


def test_loads_fill_racks_as_servers_do():
    found = inventory.loads(
        "racks: [{name: 'r[1-2]'}]\nloads: [{name: 'sw[1-4]', max_watts: 700, racks: 'r[1-2]', per_rack: 2}]\n"
    )

    assert [(load.name, load.rack) for load in found.loads] == [("sw1", "r1"), ("sw2", "r1"), ("sw3", "r2"), ("sw4", "r2")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "breakers: [{name: r1-a, limit_watts: 1, upstream: mian}, {name: main, limit_watts: 1}]",
            "breakers[r1-a].upstream: there is no breaker 'mian'; expected main or r1-a; did you mean main?",
        ),
        (
            (
                "breakers: [{name: a, limit_watts: 1, upstream: b}, {name: b, limit_watts: 1, upstream: c},"
                " {name: c, limit_watts: 1, upstream: b}]"
            ),
            "breakers[a].upstream: goes in a circle: b under c under b; expected a breaker nearer to the supply",
        ),
        (
            "breakers: [{name: a, limit_watts: 1, upstream: a}]",
            "breakers[a].upstream: goes in a circle: a under a; expected a breaker nearer to the supply",
        ),
        (
            "breakers: [{name: a, limit_watts: 1, trip_points: [{ratio: 1.4, seconds: 60}, {ratio: 1.2, seconds: 9}]}]",
            "the curve goes from 60 s at 1.4 to 9 s at 1.2; expected points in order of load, each with less time",
        ),
        ("breakers: [{name: a, limit_watts: 1, curve: rcak}]", "breakers[a].curve"),
        ("breakers: [{name: a, limit_watts: 1, continuous_ratio: 1.2}]", "breakers[a].continuous_ratio"),
        ("loads: [{name: sw, max_watts: 9}]", "loads[sw]: sw has no place; expected rack, or breakers; say what it hangs on"),
        ("loads: [{name: sw, max_watts: 9, rack: r1}]", "loads[sw].rack: there is no rack 'r1'"),
        ("loads: [{name: sw, max_watts: 9, breakers: [x]}]", "loads[sw].breakers[0]: there is no breaker 'x'"),
        ("loads: [{name: sw, rack: r1}]\nracks: [{name: r1}]", "max_watts"),
        (
            "racks: [{name: r1, row: north}]\nrows: [{name: nroth, budget_watts: 1}]",
            "rows[nroth].name: no rack stands in row 'nroth'; expected north; did you mean north?",
        ),
        (
            "nodes: [{name: gpu01}]\ngroups: [{name: g, nodes: [gpu1]}]",
            "groups[g].nodes[0]: there is no node 'gpu1'; expected gpu01; did you mean gpu01?",
        ),
        (
            "nodes: [{name: 'n[1-3]'}]\ngroups:\n  - name: g\n    nodes:\n      - n[1-2]\n      - n[3-4]\n",
            "inventory.yaml:6:9: groups[g].nodes[3]: there is no node 'n4'",
        ),
        ("groups: [{name: g, nodes: []}]", "groups[g].nodes: g has no servers"),
        (
            "nodes: [{name: n}]\ngroups: [{name: g, nodes: ['n[3']}]",
            "groups[g].nodes[0]: 'n[3' has a bracket without its partner",
        ),
        (
            "nodes: [{name: n, max_watts: 900, rest_watts: 1000}]",
            "nodes[n].rest_watts: n draws 1000 W beside its GPUs, 900 W with them; expected at most max_watts, 900",
        ),
        ("nodes: [{name: n, max_watts: 0}]", "nodes[n].max_watts"),
        ("racks: [{name: r, row: x}]\nrows: [{name: x}, {name: x}]", "rows[x].name: x already belongs to rows[x]"),
        ("racks: [{name: r}]\nloads: [{name: s, max_watts: 1, rack: r}, {name: s, max_watts: 1, rack: r}]", "already belongs"),
        ("nodes: [{name: n}]\ngroups: [{name: g, nodes: [n]}, {name: g, nodes: [n]}]", "groups[g].name: g already belongs"),
    ],
)
def test_what_does_not_hold_together_is_told_once_with_the_way_out(text, told):
    assert told in only_problem_of(text)


def test_every_circle_is_told_once():
    text = (
        "breakers: [" + ", ".join(f"{{name: {n}, limit_watts: 1, upstream: {up}}}" for n, up in ("ab", "ba", "cd", "dc")) + "]"
    )

    assert len(problems_of(text)) == 2


def test_groups_of_servers_that_http_sd_will_list_wait_for_it():
    base = inventory.loads("groups: [{name: g, nodes: [gpu1]}]\nloads: []")
    group = {"targets": ["10.0.0.1"], "labels": {"node": "gpu1"}}

    assert http_sd.parse([group], source="sd", base=base).groups[0].nodes == ("gpu1",)
    with pytest.raises(ValueError, match="there is no node 'gpu1'"):
        http_sd.parse([{**group, "labels": {"node": "gpu2"}}], source="sd", base=base)


def test_an_inventory_that_goes_round_by_json_stays_the_same():
    found = inventory.loads(MAINS + "loads: [{name: x, max_watts: 3, breakers: [main]}]\n")

    assert Inventory.model_validate_json(found.model_dump_json()) == found
