"""Health scores: what takes points off whom, and how many."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.health import samples, scores
from alerts.model import Alert, fingerprint
from wattstat.api.alerts import CATEGORIES
from wattstat.inventory import loads

INVENTORY = loads(
    """
site: {name: hall}
breakers:
  - {name: main-a, limit_watts: 100000}
  - {name: r1-a, limit_watts: 30000, upstream: main-a}
racks: [{name: r1, breakers: [r1-a]}]
nodes: [{name: "gpu-[1-3]", rack: r1}]
switches: [{name: leaf-1, rack: r1}]
storage:
  - {name: scratch, kind: powerscale, url: "https://s:8080", nodes: [{name: "scratch-[1-2]", rack: r1}]}
pdus: [{name: pdu-1a, rack: r1, snmp: {address: p}}]
"""
)
SEVERITIES = st.sampled_from(["critical", "warning", "info"])
_NUMBERS = itertools.count()


def alert(severity="warning", category="components", state="firing", **labels):
    labels = {"alertname": f"A{next(_NUMBERS)}", "severity": severity, "category": category, **labels}
    return Alert(
        fingerprint=fingerprint(labels),
        labels={name: value for name, value in labels.items() if value},
        annotations={"summary": "s", "description": "d"},
        state=state,
        value=1,
        active_at=100,
    )


def view(views, kind, name):
    return next(each for each in views if (each.kind, each.name) == (kind, name))


def test_a_hall_without_alerts_is_healthy_and_every_device_says_so():
    views = scores([], INVENTORY)

    assert {(each.kind, each.name) for each in views} == {
        ("node", "gpu-1"), ("node", "gpu-2"), ("node", "gpu-3"), ("switch", "leaf-1"), ("storage", "scratch"),
        ("pdu", "pdu-1a"), ("rack", "r1"), ("site", "hall"),
    }  # fmt: skip
    assert all(each.score == 100 and not each.deductions for each in views)


def test_an_alert_takes_its_points_off_its_device_alone_and_says_why():
    views = scores([alert("critical", node="gpu-2", gpu="3")], INVENTORY)

    worst = views[0]
    assert (worst.name, worst.score, worst.by_category["components"]) == ("gpu-2", 60, 40)
    (why,) = worst.deductions
    assert (why.points, why.severity, why.what, why.since) == (40, "critical", "d", 100)
    assert all(each.score == 100 for each in views[1:])


def test_what_is_pending_takes_nothing():
    assert scores([alert("critical", state="pending", node="gpu-2")], INVENTORY)[0].score == 100


def test_the_watchdog_takes_nothing():
    assert scores([alert("none")], INVENTORY)[0].score == 100


def test_each_further_alert_of_a_category_takes_half_as_much():
    views = scores([alert("warning", node="gpu-1", gpu=str(number)) for number in range(4)], INVENTORY)

    assert [each.points for each in views[0].deductions] == [15, 7, 3, 1]


def test_categories_add_up():
    views = scores([alert(category=each, node="gpu-1") for each in ("capacity", "security", "performance")], INVENTORY)

    assert views[0].score == 100 - 3 * 15
    assert views[0].by_category == {"components": 0, "configuration": 0, "capacity": 15, "performance": 15, "security": 15}


def test_one_category_takes_no_more_than_sixty():
    views = scores([alert("critical", node="gpu-1", gpu=str(number)) for number in range(8)], INVENTORY)

    assert views[0].score == 40


@pytest.mark.parametrize(
    ("labels", "whose"),
    [
        ({"switch": "leaf-1", "port": "3"}, ("switch", "leaf-1")),
        ({"storage": "scratch", "storage_node": "scratch-2"}, ("storage", "scratch")),
        ({"kind": "storage", "device": "scratch-2"}, ("storage", "scratch")),
        ({"pdu": "pdu-1a", "phase": "L1"}, ("pdu", "pdu-1a")),
        ({"budget": "r1", "kind": "rack"}, ("rack", "r1")),
        ({"budget": "r1-a", "kind": "breaker"}, ("rack", "r1")),
        ({"budget": "main-a", "kind": "breaker"}, ("site", "hall")),
        ({"target": "leaf-1"}, ("switch", "leaf-1")),
        ({"collector": "redfish", "target": "gpu-1"}, ("node", "gpu-1")),
        ({"manager": "bcm", "device": "gpu-1", "check": "mounts"}, ("node", "gpu-1")),
        ({"manager": "bcm"}, ("site", "hall")),
        ({"scheduler": "slurm", "job_id": "1"}, ("site", "hall")),
        ({"instance": "127.0.0.1:9838"}, ("site", "hall")),
        ({}, ("site", "hall")),
    ],
)
def test_points_go_on_the_account_of_the_device_that_the_labels_name(labels, whose):
    assert view(scores([alert(**labels)], INVENTORY), *whose).score == 85


def test_a_device_that_is_in_no_inventory_has_a_score_when_it_fires():
    assert view(scores([alert(node="stranger")], INVENTORY), "node", "stranger").score == 85


@pytest.mark.parametrize(
    ("component", "category"),
    [("security", "security"), ("collectors", "configuration"), ("gpu", "components"), ("of-the-site", "components")],
)
def test_a_rule_without_category_has_that_of_its_component(component, category):
    (why,) = scores([alert(category="", component=component, node="gpu-1")], INVENTORY)[0].deductions

    assert why.category == category


@given(st.lists(st.tuples(st.sampled_from(["critical", "warning", "info", "none"]), st.sampled_from(CATEGORIES)), max_size=40))
def test_points_lost_are_what_the_deductions_say_and_never_more_than_all(found):
    views = scores([alert(severity, category, node="gpu-1") for severity, category in found], INVENTORY)

    mine = view(views, "node", "gpu-1")
    assert 0 <= mine.score <= 100
    assert mine.score == max(0, 100 - sum(each.points for each in mine.deductions))
    for category in CATEGORIES:
        assert mine.by_category[category] == sum(each.points for each in mine.deductions if each.category == category) <= 60


@given(
    st.lists(st.sampled_from(["critical", "warning", "info"]), max_size=10), st.sampled_from(["critical", "warning", "info"])
)
def test_one_more_alert_never_makes_a_device_healthier(severities, another):
    before = [alert(each, node="gpu-1") for each in severities]

    first = view(scores(before, INVENTORY), "node", "gpu-1").score
    assert view(scores([*before, alert(another, node="gpu-1")], INVENTORY), "node", "gpu-1").score <= first


def test_the_metrics_have_a_score_and_the_points_of_each_category_for_every_device():
    found = samples(scores([alert("critical", node="gpu-1")], INVENTORY))

    by_name = {(sample.metric.name, *sample.labels): sample.value for sample in found}
    assert by_name["wattstat_health_score", "node", "gpu-1"] == 60
    assert by_name["wattstat_health_points_lost", "node", "gpu-1", "components"] == 40
    assert by_name["wattstat_health_points_lost", "node", "gpu-2", "security"] == 0
