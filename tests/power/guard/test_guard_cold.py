"""Readiness: how much of the fleet has been read."""

from __future__ import annotations

from typing import Any

import numpy as np

from power.guard.cold import Readiness, readiness
from tests.support import fleets

NAN = float("nan")
FLEET = fleets.fleet([fleets.Server(name="a", gpus=2), fleets.Server(name="b", gpus=2), fleets.Server(name="bare", gpus=0)], [])


def ready(ratio: float = 0.8, **columns: Any) -> Readiness:
    return readiness(FLEET, fleets.view(FLEET, **columns), ratio)


def test_gpus_and_servers_without_gpus_count():
    answer = ready()
    assert (answer.read, answer.of, answer.complete, answer.missing) == (4, 5, True, ("bare",))
    assert answer.ratio == 0.8
    assert not ready(0.81).complete
    everything = ready(1.0, node_state=np.array([0, 0, 3]))
    assert (everything.read, everything.complete, everything.missing) == (5, True, ())


def test_a_gpu_without_limit_bounds_or_state_is_not_read():
    for column in ("gpu_limit_watts", "gpu_min_watts", "gpu_max_watts"):
        answer = ready(**{column: np.array([NAN, 300, 300, 300])})
        assert (answer.read, answer.complete, answer.missing) == (3, False, ("a", "bare")), column
    assert ready(gpu_state=np.array([1, 2, 0, 4])).missing == ("b", "bare")


def test_only_some_of_the_missing_are_named():
    many = fleets.fleet([fleets.Server(name=f"n{number}", gpus=0) for number in range(8)], [])
    answer = readiness(many, fleets.view(many), 0.95)
    assert answer.missing == ("n0", "n1", "n2", "n3", "n4")
    assert str(answer) == "caps of 0 of 8 devices have been read"


def test_an_empty_hall_is_not_ready():
    empty = fleets.fleet([], [])
    answer = readiness(empty, fleets.view(empty), 0.95)
    assert (answer.complete, answer.ratio) == (False, None)
