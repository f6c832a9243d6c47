"""Who is the first of a group to be told of, what is too late for a first word, and ends that are owed to who was told."""

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from alerts.delivery.awaited import tells
from alerts.delivery.board import Board, Known
from alerts.delivery.reader import parse_routing
from alerts.delivery.receivers import Destination
from alerts.model import fingerprint

PAGER = Destination("pager", 0)
ROUTING = parse_routing(
    """
route: {receiver: pager, group_by: [alertname], group_wait: 30s, group_interval: 5m, repeat_interval: 4h}
receivers: [{name: pager}]
inhibit_rules:
  - source_matchers: ['alertname="Planned"']
    target_matchers: ['alertname!="Planned"']
    equal: [node]
""",
    source="routing.yml",
    zone=ZoneInfo("UTC"),
)


class Pager:
    """It has the duty always."""

    def now(self, _receiver, _at):
        return (PAGER,)

    def ever(self, _receiver):
        return frozenset({PAGER})


class Hall:
    """A board, the time, and silences by server."""

    def __init__(self):
        self.board = Board(ROUTING, Pager())
        self.now = 1_000_000.0
        self.silenced = set()

    def tell(self, node, *, name="PsuFailed", **fields):
        labels = {"alertname": name, "severity": "critical", "node": node}
        known = Known(
            fingerprint=fingerprint(labels), own_labels=labels, labels=labels, annotations={}, starts_at=self.now, ends_at=None,
            value=1.0, generator_url="", first_seen=self.now, last_seen=self.now,
        )  # fmt: skip
        self.board.take(replace(known, **fields))
        return known.fingerprint

    def said(self):
        """Servers of the messages that are due by now; they are sent."""
        for group in self.board.due(self.now):
            self.board.flush(group, self.now, lambda labels, _: labels["node"] in self.silenced, lambda _: True)
        entries = [each for of in self.board.waiting.get(PAGER, {}).values() for each in of.values()]
        found = sorted(self.board.alerts[each.fingerprint].labels["node"] for each in entries)
        self.board.said(entries)
        return found

    def seconds_until_told(self, *, most=600):
        began = self.now
        while self.now < began + most:
            if said := self.said():
                return self.now - began, said
            self.now += 1
        return None, []


@pytest.fixture
def hall():
    return Hall()


def test_an_alert_beside_silenced_ones_waits_for_group_wait_alone(hall):
    hall.silenced.add("gpu001")
    hall.tell("gpu001")
    assert hall.seconds_until_told(most=48) == (None, [])
    new = hall.tell("gpu002")

    assert tells(hall.board, ROUTING)[new] == hall.now + 30
    assert hall.seconds_until_told() == (30, ["gpu002"])


def test_an_alert_that_comes_while_its_group_waits_for_a_silenced_one_has_a_wait_of_its_own(hall):
    hall.silenced.add("gpu001")
    hall.tell("gpu001")
    hall.now += 29
    hall.tell("gpu002")

    assert hall.seconds_until_told() == (30, ["gpu002"])


def test_news_of_a_group_that_has_told_something_waits_for_group_interval(hall):
    hall.tell("gpu001")
    assert hall.seconds_until_told() == (30, ["gpu001"])
    hall.now += 10
    hall.tell("gpu002")

    assert hall.seconds_until_told() == (290, ["gpu002"])


def test_when_a_silence_ends_its_alerts_wait_for_group_wait(hall):
    hall.silenced.add("gpu001")
    hall.tell("gpu001")
    assert hall.seconds_until_told(most=1000) == (None, [])
    hall.silenced.clear()

    seconds, said = hall.seconds_until_told()
    assert said == ["gpu001"]
    assert 30 <= seconds <= 45


def test_when_planned_work_ends_the_alerts_of_its_server_wait_for_group_wait(hall):
    hall.tell("gpu001", name="Planned")
    assert hall.seconds_until_told() == (30, ["gpu001"])
    hall.tell("gpu001")
    assert hall.seconds_until_told() == (None, [])
    hall.tell("gpu001", name="Planned", ends_at=hall.now)
    hall.now += 16
    hall.said()

    assert hall.seconds_until_told()[0] <= 30


def test_what_outlives_its_cause_is_not_told_and_is_when_it_comes_back(hall):
    hall.silenced.add("gpu001")
    told = hall.tell("gpu001")
    assert hall.seconds_until_told(most=60) == (None, [])
    hall.silenced.clear()
    hall.now += 5
    hall.tell("gpu001", keep_firing_since=hall.now)

    assert hall.seconds_until_told() == (None, [])
    assert tells(hall.board, ROUTING) == {}
    hall.tell("gpu001")
    assert told in tells(hall.board, ROUTING)
    seconds, said = hall.seconds_until_told()
    assert said == ["gpu001"]
    assert 30 <= seconds <= 45


def test_what_ends_while_its_group_waits_for_group_interval_is_not_told_minutes_later(hall):
    hall.tell("gpu001")
    hall.seconds_until_told()
    hall.now += 10
    hall.tell("gpu002")
    hall.now += 20
    hall.tell("gpu002", keep_firing_since=hall.now)

    assert hall.seconds_until_told() == (None, [])


def test_a_condition_that_flaps_is_told(hall):
    hall.tell("gpu001")
    hall.now += 20
    hall.tell("gpu001", keep_firing_since=hall.now)

    assert hall.seconds_until_told() == (10, ["gpu001"])


def test_an_alert_that_was_told_and_is_silenced_is_told_to_have_ended(hall):
    hall.tell("gpu001")
    hall.seconds_until_told()
    hall.silenced |= {"gpu001", "gpu002"}
    hall.tell("gpu002")
    hall.now += 100
    hall.tell("gpu001", ends_at=hall.now)
    hall.tell("gpu002", ends_at=hall.now)

    assert hall.seconds_until_told() == (200, ["gpu001"])
