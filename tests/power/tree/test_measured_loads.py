"""Switches and storage count at what they draw where power is measured, and at their most where breakers must not trip."""

import dataclasses

import numpy as np
import pytest

from power.tree.build import build
from wattstat import inventory

HALL = inventory.loads("""
breakers:
  - {name: main, limit_watts: 90000, curve: main}
  - {name: a, limit_watts: 9000, upstream: main}
  - {name: b, limit_watts: 9000, feed: B}
racks: [{name: r1, breakers: [a, b], budget_watts: 9000}]
nodes: [{name: n1, rack: r1, max_watts: 6000}]
loads: [{name: pump, rack: r1, max_watts: 300}]
switches: [{name: leaf1, rack: r1, max_watts: 1000}]
storage:
  - {name: s, kind: powerscale, url: "https://s", nodes: [{name: s-1, rack: r1, max_watts: 500}, {name: s-2, rack: r1}]}
""")


@pytest.fixture
def tree():
    return build(HALL, {}).tree


def at(tree, watts, kind, name):
    return watts[next(row for row, limit in enumerate(tree.limits) if (limit.kind, limit.name) == (kind, name))]


def test_breakers_are_charged_with_the_most_of_everything_that_has_a_most(tree):
    assert tree.uncapped.names == ("pump", "leaf1", "s-1")
    for kind, name in (("rack", "r1"), ("breaker", "a"), ("breaker", "main"), ("breaker", "b")):
        assert at(tree, tree.fixed_watts, kind, name) == 1800


def test_what_was_read_counts_with_a_tenth_more_and_what_was_not_at_its_most(tree):
    now = tree.fixed_now({"leaf1": 400.0, "somebody else": 1.0})

    for kind, name in (("rack", "r1"), ("breaker", "a"), ("breaker", "main")):
        assert at(tree, now, kind, name) == pytest.approx(300 + 440 + 500)


def test_a_tenth_more_is_never_more_than_the_most_and_a_reading_above_it_is_believed(tree):
    assert at(tree, tree.fixed_now({"leaf1": 980.0}), "rack", "r1") == 1800
    assert at(tree, tree.fixed_now({"leaf1": 1100.0}), "rack", "r1") == 1900


def test_nothing_read_is_everything_at_its_most(tree):
    assert (tree.fixed_now({}) == tree.fixed_watts).all()
    assert (dataclasses.replace(tree, uncapped=None).fixed_now({"leaf1": 1.0}) == tree.fixed_watts).all()


def test_a_limit_carries_what_is_drawn_by_servers_and_by_the_rest(tree):
    carried = tree.load(np.array([5000.0]), tree.fixed_now({"leaf1": 400.0, "s-1": 200.0, "pump": 100.0}))

    assert at(tree, carried, "rack", "r1") == pytest.approx(5000 + 440 + 220 + 110)
