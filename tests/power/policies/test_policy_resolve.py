"""What is wanted at one moment, from policies, holds and emergencies."""

from __future__ import annotations

import pytest
from policy_fleet import bounds_of, fleet_of

from power.policies.reader import loads
from power.policies.resolve import resolve
from power.policies.resolved import Resolved
from power.policies.signals import Signals
from power.policies.standing import Standing

NOON = 1_782_900_000.0


def resolved(text: str, **more) -> Resolved:
    fleet = more.pop("fleet", None) or fleet_of()
    signals = more.pop("signals", None) or Signals.nothing(len(fleet.nodes), len(fleet.gpus))
    standing = [Standing(policy=policy) for policy in loads(text)]
    return resolve(standing, fleet, signals, more.pop("at", NOON), bounds=bounds_of(fleet), **more)


def test_the_lowest_cap_wins_and_is_named():
    found = resolved("""
policies:
  - {name: site-cap, owner: ops, reason: test, mode: enforce, ask: {gpu_cap: {watts: 600}}}
  - {name: rack-cap, owner: ops, reason: test, mode: enforce, ask: {gpu_cap: {watts: 400}}, scope: {rack: r1}}
""")
    intent = found.intent
    assert intent.gpu_cap_watts.tolist() == [400.0] * 8 + [600.0] * 8
    assert [intent.names[row] for row in intent.gpu_cap_name] == ["rack-cap"] * 8 + ["site-cap"] * 8


def test_a_policy_that_only_observes_shows_what_it_would_do_and_asks_nothing():
    found = resolved("policies: [{name: quiet, owner: ops, reason: test, ask: {gpu_cap: {percent: 60}}}]")
    assert not (found.intent.gpu_cap_watts < float("inf")).any()
    assert found.shadow.gpu_cap_watts.tolist() == [pytest.approx(420.0)] * 16
    assert [(each.counts, each.gpus, each.binds) for each in found.in_force] == [(False, 16, 16)]
