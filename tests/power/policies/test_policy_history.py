"""What a site has seen of caps, and the cap that it then finds the best."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from power.policies.efficiency import Seen, most_efficient
from power.policies.history import history_of


class Run(NamedTuple):
    work: str
    gpu_model: str
    limit_watts: float
    joules: float
    seconds: float


def runs(work: str = "ann/train/8", *, model: str = "NVIDIA H100 80GB HBM3") -> list[Run]:
    told = ((700.0, 1000.0, 100.0), (560.0, 800.0, 105.0), (490.0, 750.0, 111.0), (420.0, 790.0, 130.0))
    return [Run(work, model, watts, joules, seconds) for watts, joules, seconds in told]


def test_the_same_work_under_another_cap_is_compared_with_itself_without_one():
    heavy = [run._replace(joules=10 * run.joules, seconds=3 * run.seconds, work="bob/other/64") for run in runs()]
    seen = history_of(lambda: [*runs(), *heavy])("H100")
    assert [each.share for each in seen] == [0.6, 0.7, 0.8, 1.0]
    assert seen[1] == Seen(share=0.7, energy=pytest.approx(0.75), speed=pytest.approx(100 / 111))
    assert most_efficient("H100", lambda _: seen).share == 0.7


def test_work_that_was_never_done_without_a_cap_is_compared_with_nothing():
    assert history_of(lambda: [*runs()[1:], runs("cid/else/1")[0]])("H100") == [Seen(share=1.0, energy=1.0, speed=1.0)]


def test_other_boards_are_another_history():
    history = history_of(lambda: [*runs(model="NVIDIA L40"), *runs()[:1]])
    assert len(history("H100")) == 1
    assert len(history("L40")) == 4
    assert len(history("any")) == 4
    assert history("L4") == []


def test_the_median_of_several_runs_counts_and_one_that_failed_to_count_does_not():
    odd = [run._replace(joules=9e9) for run in runs()[1:2]]
    nothing = [run._replace(joules=0.0) for run in runs()[1:2]]
    seen = history_of(lambda: [*runs(), *runs(), *odd, *nothing])("H100")
    assert seen[2].energy == pytest.approx(0.8)
