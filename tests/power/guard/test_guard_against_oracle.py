"""Random halls in random disorder: every promise of the guard is checked by an oracle written from its definition."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from power.guard.guard import admit
from tests.power.guard.guard_cases import mess
from tests.power.guard.guard_oracle import Case, broken
from tests.support import fleets


def random_case(seed: int) -> Case:
    random = np.random.default_rng(seed)
    fleet = fleets.random_fleet(seed, nodes=int(random.integers(1, 8)), depth=int(random.integers(1, 4)))
    return mess(random, fleet, trouble=float(random.choice([0.0, 0.15, 0.5])))


def complaints(case: Case) -> list[str]:
    return broken(case, admit(case.fleet, case.view, case.intent, case.proposal, case.rules, case.fence, case.monotonic))


def test_no_promise_is_broken_in_some_random_halls():
    for seed in range(40):
        assert complaints(random_case(seed)) == [], seed


@settings(max_examples=150)
@given(st.integers(min_value=1000, max_value=2**32 - 1))
def test_no_promise_is_broken_in_any_random_hall(seed):
    assert complaints(random_case(seed)) == []


def test_the_oracle_complains_of_a_guard_that_lets_everything_through():
    found = 0
    for seed in range(40):
        case = random_case(seed)
        answer = admit(case.fleet, case.view, case.intent, case.proposal, case.rules, case.fence, case.monotonic)
        answer.gpu_watts[:] = case.proposal.gpu_watts
        found += bool(broken(case, answer))
    assert found >= 35
