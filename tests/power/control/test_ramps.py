"""How fast caps rise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from power.control.allocator import propose
from power.control.memory import Memory
from power.control.tuning import Tuning
from power.model import Fleet, Floats
from tests.support.fleets import Over, Server, fleet, intent, view

NODES = [f"n{row:02d}" for row in range(20)]
SPAN = 500.0


def row_of_twenty() -> Fleet:
    return fleet([Server(name=name) for name in NODES], [Over(name="row", kind="row", nodes=NODES)])


def caps_over_time(made: Fleet, start: Floats, draw: Floats, seconds: int, *, seed: int = 1) -> Floats:
    """Caps second by second when they land at once."""
    memory, limit, seen = Memory(seed=seed), start, [start]
    for second in range(seconds):
        now = view(made, gpu_watts=draw, gpu_limit_watts=limit, monotonic=1000.0 + second)
        proposal, memory = propose(made, now, intent(made), Tuning(), memory)
        limit = proposal.gpu_watts
        seen.append(limit)
    return np.array(seen)


def highest_raise(caps: Floats, seconds: int) -> Floats:
    """The highest raise of each column within so many seconds."""
    ups = np.maximum(np.diff(caps, axis=0), 0.0)
    sums = np.cumsum(np.vstack([np.zeros(caps.shape[1]), ups]), axis=0)
    return (sums[seconds:] - sums[:-seconds]).max(axis=0)


def test_a_cap_rises_by_a_tenth_of_its_range_in_ten_seconds():
    made = row_of_twenty()
    caps = caps_over_time(made, np.full(160, 300.0), np.full(160, 100.0), 130)
    assert (caps[-1] == 700).all()
    assert highest_raise(caps, 9).max() <= 0.1 * SPAN


def test_raises_of_a_row_do_not_come_together():
    made = row_of_twenty()
    caps = caps_over_time(made, np.full(160, 300.0), np.full(160, 100.0), 60)
    rising = (np.diff(caps, axis=0) > 0).sum(axis=1)
    assert rising.max() < 0.3 * 160
    assert highest_raise(caps.sum(axis=1, keepdims=True), 10)[0] <= 0.1 * SPAN * 160


def test_a_server_at_its_cap_rises_at_once_with_what_its_row_leaves_over():
    made = row_of_twenty()
    start, draw = np.full(160, 700.0), np.full(160, 100.0)
    start[:8], draw[:8] = 300.0, 690.0
    caps = caps_over_time(made, start, draw, 60)
    reached = int(np.argmax(caps[:, 0] >= 680))
    assert 0 < reached <= 45  # at its own rate it takes 80 s
    assert highest_raise(caps.sum(axis=1, keepdims=True), 10)[0] <= 0.1 * SPAN * 160


def test_another_seed_spreads_raises_otherwise():
    made = row_of_twenty()
    one = caps_over_time(made, np.full(160, 300.0), np.full(160, 100.0), 5)
    other = caps_over_time(made, np.full(160, 300.0), np.full(160, 100.0), 5, seed=2)
    assert (one != other).any()


def test_gpus_of_a_job_rise_together():
    made = row_of_twenty()
    memory, limit = Memory(), np.full(160, 300.0)
    wanted = intent(made, group=np.zeros(160, np.int64))
    for second in range(40):
        now = view(made, gpu_watts=100.0, gpu_limit_watts=limit, monotonic=1000.0 + second)
        proposal, memory = propose(made, now, wanted, Tuning(), memory)
        limit = proposal.gpu_watts
        assert np.ptp(limit) == 0
    assert limit[0] >= 400


def test_a_preview_shows_where_raises_arrive():
    made = row_of_twenty()
    now = view(made, gpu_watts=100.0, gpu_limit_watts=300.0)
    proposal, _ = propose(made, now, intent(made), Tuning().at_once(), Memory())
    assert (proposal.gpu_watts == 700).all()


def test_a_cut_is_at_once():
    made = row_of_twenty()
    wanted = replace(intent(made), gpu_cap_watts=np.full(160, 250.0), gpu_cap_name=np.zeros(160, np.int64), names=("night",))
    proposal, _ = propose(made, view(made), wanted, Tuning(), Memory())
    assert (proposal.gpu_watts == 250).all()
    assert (proposal.gpu_name == 0).all()
