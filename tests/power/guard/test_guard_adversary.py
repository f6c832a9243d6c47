"""Whatever becomes of the writes, in whichever order, no limit can be exceeded: not at the end, and not on the way."""

from __future__ import annotations

from math import isnan

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from power.guard.guard import admit
from power.model import ControlState
from tests.power.guard.guard_oracle import broken
from tests.power.guard.guard_world import Hall, World


@pytest.mark.parametrize("seed", range(25))
def test_no_limit_is_exceeded_at_any_moment(seed):
    world = World(seed)
    for _ in range(60):
        world.cycle()
        for _ in range(world.random.randint(0, 2 * len(world.boxes))):
            world.disturb()
            assert world.overloaded() == []


def exceeded(hall: Hall) -> bool:
    for _ in range(60):
        hall.cycle()
        for _ in range(hall.random.randint(0, 2 * len(hall.boxes))):
            hall.disturb()
            if hall.overloaded():
                return True
    return False


@pytest.mark.parametrize("seed", range(25))
def test_no_limit_is_exceeded_behind_queues_and_lost_answers(seed):
    assert not exceeded(Hall(seed))


def test_devices_get_what_was_admitted_in_the_end():
    world = World(3)
    begin = sum(box.cap for box in world.gpus)
    for _ in range(40):
        world.cycle()
        for box in world.boxes:
            while box.under_way:
                box.arrive()
            box.confirm()
            assert world.overloaded() == []
    assert sum(box.cap for box in world.gpus) > 1.1 * begin


def test_the_world_notices_a_controller_that_writes_whatever_is_proposed():
    caught = 0
    for seed in range(10):
        world = World(seed)
        for _ in range(10):
            for box, target in zip(world.gpus, world.case().proposal.gpu_watts.tolist(), strict=True):
                box.cap = box.cap if isnan(target) else target
        caught += bool(world.overloaded())
    assert caught >= 8


class Adversary(RuleBasedStateMachine):
    """The same, with the order of events chosen by whoever wants to break it."""

    world: World

    @initialize(seed=st.integers(0, 10_000))
    def begin(self, seed):
        self.world = World(seed)

    @rule()
    def decide(self):
        case = self.world.cycle()
        answer = admit(case.fleet, case.view, case.intent, case.proposal, case.rules, case.fence, case.monotonic)
        assert broken(case, answer) == []

    @rule(pick=st.integers(0, 10_000))
    def a_write_arrives(self, pick):
        waiting = [box for box in self.world.boxes if box.under_way]
        if waiting:
            waiting[pick % len(waiting)].arrive()

    @rule(pick=st.integers(0, 10_000))
    def a_write_is_lost(self, pick):
        waiting = [box for box in self.world.boxes if box.under_way]
        if waiting:
            waiting[pick % len(waiting)].lose()

    @rule()
    def all_writes_arrive_newest_device_first(self):
        for box in reversed(self.world.boxes):
            while box.under_way:
                box.arrive()
                assert self.world.overloaded() == []

    @rule()
    def everything_is_read_back(self):
        for box in self.world.boxes:
            box.confirm()

    @rule(pick=st.integers(0, 10_000))
    def a_device_runs_wild(self, pick):
        self.world._run_wild(self.world.boxes[pick % len(self.world.boxes)])

    @rule()
    def a_cap_is_changed_behind_our_back_and_read(self):
        boxes = [box for box in self.world.gpus if box.state is ControlState.CONTROLLED and not box.under_way]
        if boxes:
            box = self.world.random.choice(boxes)
            box.cap = box.read_back = self.world.random.uniform(box.least, box.most)
            self.world.excuse()

    @rule()
    def anything_else(self):
        self.world.disturb()

    @invariant()
    def no_limit_is_exceeded(self):
        if hasattr(self, "world"):
            assert self.world.overloaded() == []


Adversary.TestCase.settings = settings(max_examples=40, stateful_step_count=30)
TestAdversary = Adversary.TestCase
