"""Core dies at any line: thrown away before or after the books took what was settled, and built anew from them."""

from random import Random

import pytest

from energy.ledger.ledger import Settled
from tests.energy.hall import START, Bench
from tests.energy.oracle import Truth
from tests.energy.test_conservation import Play, Trouble, check, gpu_joules


class Crashing(Play):
    """Dies after so many calls of anything; a commit that was under way is done or not."""

    def __init__(self, truth: Truth, trouble: Trouble, deaths: list[int], *, commits: bool) -> None:
        super().__init__(truth, trouble)
        self.deaths = deaths
        self.commits = commits
        self.calls = 0

    def dies(self) -> bool:
        self.calls += 1
        return self.calls in self.deaths

    def tell(self, second: int) -> None:
        super().tell(second)
        if self.dies():
            self.restart()

    def settle(self, second: int) -> None:
        settled: Settled = self.bench.ledger.settle(self.bench.clocks.wall())
        if self.dies():
            if self.commits:
                self.bench.books.commit(settled.batches, settled.runs)
            self.restart()
            return
        refused = self.bench.books.commit(settled.batches, settled.runs)
        assert not refused
        if self.dies():
            self.restart()
            return
        self.bench.ledger.committed(refused)


def _deaths(truth: Truth, number: int) -> list[int]:
    """Calls at which to die; the books hold something by the tenth."""
    return Random(truth.seed).sample(range(10, 3 * int(truth.seconds + 60) // 10), number)


@pytest.mark.parametrize("seed", range(50))
def test_killed_at_four_random_points_the_totals_are_the_same(seed):
    truth = Truth(seed=seed)
    deaths = _deaths(truth, 4)
    killed = Crashing(truth, Trouble(), deaths, commits=seed % 2 == 0).run()
    calm = Play(Truth(seed=seed), Trouble()).run()
    check(killed, truth)
    assert killed.settled_steady() == pytest.approx(calm.settled_steady(), abs=20)
    until = min(killed.settled_steady(), calm.settled_steady())
    # Both settled up to readings of their own; what lies between is drawn at 700 W by each of two GPUs at the most.
    apart = abs(killed.settled_steady() - calm.settled_steady())
    assert gpu_joules(killed) == pytest.approx(gpu_joules(calm), abs=1400 * apart + 150)
    assert until > START + truth.seconds - 30


@pytest.mark.parametrize("seed", range(8))
def test_killed_at_every_turn_nothing_is_lost_or_posted_twice(seed):
    truth = Truth(seed=seed)
    deaths = _deaths(truth, 60)
    check(Crashing(truth, Trouble(resets=((0, 200.0),)), deaths, commits=seed % 2 == 0).run(), truth)


def test_a_batch_that_the_books_have_is_refused_and_the_node_is_restored():
    truth = Truth(seed=1)
    play = Play(truth, Trouble())
    bench: Bench = play.bench
    for second in (0, 10, 20, 30):
        bench.clocks.steady = START + second + 0.37
        play.tell(second)
    settled = bench.ledger.settle(bench.clocks.wall())
    assert bench.books.commit(settled.batches, settled.runs) == ()
    refused = bench.books.commit(settled.batches, settled.runs)
    assert refused == ("n1",)
    bench.ledger.committed(refused)
    bench.ledger.restore()
    posted = len(bench.books.batches)
    for second in (40, 50):
        bench.clocks.steady = START + second + 0.37
        play.tell(second)
        bench.settle()
    assert len(bench.books.batches) > posted
    check(bench, truth)
