"""From one evaluation to the next: pending, firing, firing on, gone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from alerts.evaluation.states import Origin, step
from alerts.model import Conditions, Raised, fingerprint

LABELS = {"alertname": "A", "node": "n1"}
KEY = fingerprint(LABELS)
ORIGIN = Origin(group="g", expression="x")


def states(holds: list[bool], conditions: Conditions, every: float = 10.0) -> list[str]:
    """The state after each evaluation."""
    active, seen = {}, []
    for place, each in enumerate(holds):
        raised = {KEY: Raised(labels=LABELS, annotations={}, value=1.0)} if each else {}
        active = step(active, raised, conditions, every * place, origin=ORIGIN).active
        seen.append(active[KEY].state if active else "")
    return seen


def test_an_alert_fires_when_it_has_held_for_long_enough():
    assert states([True] * 4, Conditions(for_seconds=20)) == ["pending", "pending", "firing", "firing"]


def test_an_alert_without_a_time_fires_at_once():
    assert states([True, False], Conditions()) == ["firing", ""]


def test_a_gap_begins_anew():
    assert states([True, True, False, True, True], Conditions(for_seconds=20)) == [
        "pending",
        "pending",
        "",
        "pending",
        "pending",
    ]


def test_an_alert_fires_on_until_it_was_quiet_for_long_enough():
    assert states([True, False, False, True, False, False, False], Conditions(keep_firing_seconds=20)) == [*["firing"] * 6, ""]


def test_what_only_waits_does_not_fire_on():
    assert states([True, False], Conditions(for_seconds=30, keep_firing_seconds=60)) == ["pending", ""]


def test_tenths_of_seconds_add_up():
    assert states([True] * 4, Conditions(for_seconds=0.3), every=0.1) == ["pending", "pending", "pending", "firing"]


def test_a_new_value_and_text_keep_since_when():
    first = step({}, {KEY: Raised(labels=LABELS, annotations={"a": "1"}, value=1.0)}, Conditions(), 0, origin=ORIGIN)
    again = {KEY: Raised(labels=LABELS, annotations={"a": "2"}, value=2.0)}
    alert = step(first.active, again, Conditions(), 10, origin=ORIGIN).active[KEY]
    assert (alert.value, alert.annotations, alert.active_at, alert.fired_at) == (2.0, {"a": "2"}, 0, 0)


def test_only_what_fired_ends():
    waits = step({}, {KEY: Raised(labels=LABELS, annotations={}, value=1.0)}, Conditions(for_seconds=60), 0, origin=ORIGIN)
    assert step(waits.active, {}, Conditions(for_seconds=60), 10, origin=ORIGIN).ended == ()
    fires = step({}, {KEY: Raised(labels=LABELS, annotations={}, value=1.0)}, Conditions(), 0, origin=ORIGIN)
    assert [alert.fingerprint for alert in step(fires.active, {}, Conditions(), 10, origin=ORIGIN).ended] == [KEY]


def test_what_is_held_stays_as_it_is():
    fires = step({}, {KEY: Raised(labels=LABELS, annotations={}, value=1.0)}, Conditions(), 0, origin=ORIGIN)
    assert step(fires.active, {}, Conditions(), 10, origin=ORIGIN, held={KEY}).active == fires.active


@given(
    some.lists(some.booleans(), max_size=60),
    some.integers(0, 6).map(lambda n: 10.0 * n),
    some.integers(0, 6).map(lambda n: 10.0 * n),
)
def test_it_fires_exactly_where_it_held_and_then_until_it_was_quiet(holds, wait, keep):
    """The same said otherwise: by looking back over all evaluations instead of forward from one to the next."""
    expected, fires_until = [], -1.0
    since: float | None = None
    for place, each in enumerate(holds):
        at = 10.0 * place
        still = expected and expected[-1] == "firing"
        if each:
            since = at if since is None and not still else since
            fires_until = at
        quiet = [number for number in range(place, -1, -1) if holds[number]]
        silent = at - 10.0 * (quiet[0] + 1) if quiet else 0.0
        if each:
            expected.append("firing" if still or (since is not None and at - since >= wait) else "pending")
        else:
            expected.append("firing" if still and keep > 0 and silent < keep else "")
            since = None
    assert states(holds, Conditions(for_seconds=wait, keep_firing_seconds=keep)) == expected
    assert fires_until <= 10.0 * len(holds)
