"""One decision after the other, on fleets of a few servers."""

from __future__ import annotations

import numpy as np

from power.control.allocator import propose
from power.control.memory import Memory
from power.control.tuning import Tuning
from power.tree.ceilings import worst_draw
from tests.support.fleets import Over, Server, fleet, intent, view

SERVERS = [Server(name=name) for name in ("a", "b", "c", "d")]
ROW = Over(name="row", kind="row", nodes=["a", "b", "c", "d"])
BREAKER = Over(name="breaker", nodes=["a", "b"], trip_safe_watts=11_000)


def test_a_server_that_needs_little_leaves_its_watts_to_the_others():
    made = fleet(SERVERS, [ROW])
    seen = view(made, gpu_watts=np.repeat([250.0, 690.0, 690.0, 690.0], 8))
    proposal, _ = propose(made, seen, intent(made, limits={"row": 22_000}), Tuning(), Memory())
    by_server = proposal.gpu_watts.reshape(4, 8)
    assert (by_server[0] == 270).all()
    assert (by_server[1:] >= 600).all()
    assert made.tree.load(worst_draw(made, proposal.gpu_watts, proposal.node_cap_watts))[0] <= 22_000


def test_a_cap_names_the_limit_that_binds_it():
    made = fleet(SERVERS, [ROW, BREAKER])
    proposal, _ = propose(made, view(made, gpu_watts=690.0), intent(made), Tuning(), Memory())
    assert (proposal.gpu_name[:16] == -2 - 1).all()
    assert (proposal.gpu_watts[16:] == 700).all()
    assert (proposal.gpu_name[16:] == -1).all()


def test_a_cut_that_is_under_way_is_not_made_twice():
    made = fleet(SERVERS, [ROW])
    memory, limit = Memory(), np.full(32, 700.0)
    seen: list[float] = []
    for second in range(40):
        now = view(made, gpu_watts=690.0, gpu_limit_watts=limit, monotonic=1000.0 + second)
        proposal, memory = propose(made, now, intent(made, limits={"row": 22_000}, guaranteed=False), Tuning(), memory)
        limit = proposal.gpu_watts
        seen.append(float(limit[0]))
    assert seen[0] < 560
    assert min(seen) == seen[0]
