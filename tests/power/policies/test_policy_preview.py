"""What a preview refuses: what cannot be held at night is refused by day, and names that the hall does not have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from policy_fleet import bounds_of, fleet_of, signals_of

from power.control.tuning import Tuning
from power.desk.steering import Preview
from power.model import ControlState, View
from power.policies.reader import loads
from power.policies.resolved import Memory
from power.policies.standing import Standing
from power.preview import Moment, preview
from power.wants import Standings

NOON = 1_782_900_000.0
HEAD = "owner: ops, reason: test, mode: enforce"


def moment() -> Moment:
    fleet = fleet_of()
    gpus, nodes = len(fleet.gpus), len(fleet.nodes)
    view = View(
        at=NOON,
        monotonic=100.0,
        gpu_watts=np.full(gpus, 300.0),
        gpu_age=np.zeros(gpus),
        gpu_peak_watts=np.full(gpus, 300.0),
        gpu_limit_watts=np.full(gpus, 700.0),
        gpu_own_watts=np.full(gpus, 700.0),
        gpu_limit_age=np.zeros(gpus),
        gpu_state=np.full(gpus, ControlState.CONTROLLED),
        node_watts=np.full(nodes, 3_000.0),
        node_age=np.zeros(nodes),
        node_peak_watts=np.full(nodes, 3_000.0),
        node_cap_watts=np.full(nodes, np.nan),
        node_cap_age=np.zeros(nodes),
        node_state=np.full(nodes, ControlState.CONTROLLED),
        **{name: getattr(bounds_of(fleet), name) for name in bounds_of(fleet).__slots__},
    )
    return Moment(
        fleet=fleet,
        view=view,
        signals=signals_of(fleet),
        remembered=Memory(),
        timezone="UTC",
        floor_ratio=0.5,
        tuning=Tuning(),
    )


def shown(text: str, before: Standings | None = None) -> Preview:
    policies = tuple(Standing(policy=policy) for policy in loads(f"policies:\n - {{{text}}}"))
    return preview(moment(), before or Standings(), Standings(policies=policies))


def test_a_night_cap_that_cannot_be_held_lacks_its_watts_by_day():
    found = shown(
        f"name: night, {HEAD}, ask: {{limit: {{watts: 6000}}}}, scope: {{rack: r1}}, "
        "when: {schedule: {spans: [{start: '02:00', end: '03:00'}]}}"
    )
    assert found.changes == ()
    assert [(lack.limit, lack.deficit_watts, lack.before_watts, lack.why) for lack in found.lacks] == [
        ("rack r1", pytest.approx(940.0), 0.0, "night")
    ]


def test_what_lacked_watts_before_is_told_with_what_it_lacked():
    text = f"name: tight, {HEAD}, ask: {{limit: {{watts: 6000}}}}, scope: {{rack: r1}}"
    policies = tuple(Standing(policy=policy) for policy in loads(f"policies:\n - {{{text}}}"))
    found = shown(text.replace("6000", "6500"), Standings(policies=policies))
    assert [(lack.deficit_watts, lack.before_watts) for lack in found.lacks] == [(pytest.approx(440.0), pytest.approx(940.0))]


def test_a_name_that_the_hall_does_not_have_does_not_fit_and_a_board_that_may_come_is_a_note():
    found = shown(f"name: cap, {HEAD}, ask: {{gpu_cap: {{watts: 400}}}}, scope: {{rack: r9, gpu_model: B200}}")
    (misfit,) = found.misfits
    assert misfit.startswith("cap: scope.rack: there is no rack 'r9'; expected r1 or r2")
    assert any("no GPU has 'B200' in its name" in note for note in found.notes)


def test_a_policy_that_stands_already_is_not_judged_again():
    text = f"name: cap, {HEAD}, ask: {{priority: {{by: qos, values: {{urgent: 80}}}}}}, scope: {{rack: r9}}"
    policies = tuple(Standing(policy=policy) for policy in loads(f"policies:\n - {{{text}}}"))
    assert len(shown(text).misfits) == 1
    assert shown(text, replace(Standings(), policies=policies)).misfits == ()
