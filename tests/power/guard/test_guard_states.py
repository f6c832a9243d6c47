"""What may be tried in which state, and when nothing goes up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from power.guard.admitted import Verdict
from power.model import ControlState
from tests.power.guard.guard_cases import FENCE, admitted, two_servers, verdicts, watts
from tests.support import fleets

NAN = float("nan")


def test_what_may_be_tried_in_each_state():
    wanted = {
        ControlState.UNKNOWN: (None, None),
        ControlState.CONTROLLED: (400, 650),
        ControlState.PENDING: (400, 650),
        ControlState.UNCONTROLLED: (400, None),
        ControlState.FOREIGN: (None, None),
    }
    for state, targets in wanted.items():
        for target, expected in zip((400, 650), targets, strict=True):
            answer = admitted(
                gpu_watts=target,
                gpu_limit_watts=500.0,
                gpu_state=np.array([state, 1, 1, 1]),
                complete_ratio=0.5,
            )
            assert watts(answer) == [expected, target, target, target], state


def test_why_a_state_stands_against_it_is_said():
    said = {
        ControlState.UNKNOWN: Verdict.UNREAD,
        ControlState.UNCONTROLLED: Verdict.UNCONTROLLED,
        ControlState.FOREIGN: Verdict.FOREIGN,
    }
    for state, verdict in said.items():
        answer = admitted(gpu_watts=650, gpu_limit_watts=500.0, gpu_state=np.array([state, 1, 1, 1]), complete_ratio=0.5)
        assert verdicts(answer)[0] == verdict


def test_a_state_that_nobody_knows_counts_as_unread():
    assert watts(admitted(gpu_watts=400, gpu_state=np.array([9, -1, 1, 1]), complete_ratio=0.5)) == [None, None, 400, 400]


def test_a_device_whose_cap_is_not_read_is_not_written_whatever_its_state():
    answer = admitted(gpu_watts=400, gpu_limit_watts=np.array([NAN, 700, 700, 700]), complete_ratio=0.5)
    assert watts(answer) == [None, 400, 400, 400]
    assert verdicts(answer)[0] == Verdict.UNREAD


def test_in_an_emergency_everything_is_cut_and_the_unread_to_its_lowest():
    answer = admitted(
        gpu_watts=400,
        gpu_limit_watts=np.array([NAN, 600, 600, 600]),
        gpu_state=np.array([ControlState.UNKNOWN, ControlState.FOREIGN, ControlState.UNCONTROLLED, 1]),
        urgent=np.array([True, True]),
    )
    assert watts(answer) == [200, 400, 400, 400]


def test_in_an_emergency_nothing_goes_up():
    answer = admitted(gpu_watts=650, gpu_limit_watts=500.0, urgent=np.array([True, False]))
    assert watts(answer) == [None, None, 650, 650]
    assert verdicts(answer)[:2] == [Verdict.URGENT] * 2


def test_a_cap_that_was_read_too_long_ago_does_not_go_up():
    ages = np.array([0, 180, 180.1, np.inf])
    answer = admitted(gpu_watts=650, gpu_limit_watts=500.0, gpu_limit_age=ages)
    assert watts(answer) == [650, 650, None, None]
    assert verdicts(answer)[2:] == [Verdict.STALE] * 2
    assert watts(admitted(gpu_watts=400, gpu_limit_watts=500.0, gpu_limit_age=ages)) == [400] * 4


def test_before_enough_has_been_read_caps_only_go_down():
    unread = {"gpu_state": np.array([0, 1, 1, 1]), "gpu_limit_watts": 500.0}
    answer = admitted(gpu_watts=[650, 650, 400, 400], **unread)
    assert watts(answer) == [None, None, 400, 400]
    assert verdicts(answer)[1] == Verdict.FROZEN
    assert answer.frozen == "caps of 3 of 4 devices have been read; raises wait for 95%"
    assert watts(admitted(gpu_watts=650, complete_ratio=0.75, **unread)) == [None, 650, 650, 650]


def test_on_an_old_view_caps_only_go_down():
    for now, up in ((1000.0, 650), (1005.0, 650), (1005.1, None), (999.9, None), (NAN, None)):
        fence = replace(FENCE, valid_until=2000.0)
        answer = admitted(gpu_watts=[650, 400, 400, 650], gpu_limit_watts=500.0, now=now, fence=fence)
        assert watts(answer) == [up, 400, 400, up], now
        assert bool(answer.frozen) == (up is None)


def test_after_a_jump_of_the_wall_clock_caps_only_go_down():
    usual = fleets.view(two_servers()).at - fleets.view(two_servers()).monotonic
    for moved, up in ((0.0, 650), (2.0, 650), (-2.0, 650), (2.1, None), (-2.1, None), (3600.0, None), (-3600.0, None)):
        answer = admitted(gpu_watts=[650, 400, 400, 650], gpu_limit_watts=500.0, wall_offset=usual - moved)
        assert watts(answer) == [up, 400, 400, up], moved
        assert bool(answer.frozen) == (up is None)
    assert admitted(wall_offset=usual - 3600.0).frozen == "the wall clock jumped by +3600.0 s"


def test_without_an_older_clock_to_compare_with_nothing_has_jumped():
    assert admitted(jump_seconds=0.5).frozen == ""


def test_with_the_right_to_urgent_cuts_only_nothing_goes_up():
    answer = admitted(gpu_watts=[650, 400, 650, 400], gpu_limit_watts=500.0, fence=replace(FENCE, urgent_only=True))
    assert watts(answer) == [None, 400, None, 400]
    assert answer.frozen == "the lease's database is away; only urgent cuts are written"
    assert answer.urgent_only
    assert answer.writes
    assert not admitted().urgent_only
    assert not admitted(fence=None).urgent_only
