"""Books that balance: over random jobs, resets, holes, outages, restarts, late and double data, clocks that jump."""

import json
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.energy.hall import START, Bench
from tests.energy.oracle import MOST_WATTS, Truth


@dataclass(frozen=True)
class Trouble:
    """What goes wrong, in seconds since the start: (from, until) when somebody is silent."""

    core: tuple[tuple[float, float], ...] = ()
    agent: tuple[tuple[float, float], ...] = ()
    scheduler: tuple[tuple[float, float], ...] = ()
    bmc: tuple[tuple[float, float], ...] = ()
    jumps: tuple[tuple[float, float], ...] = ()
    boots: tuple[float, ...] = ()
    resets: tuple[tuple[int, float], ...] = ()
    repeats: bool = False
    same_clock: bool = True

    def wrong_by(self, second: float) -> float:
        """How far core's clock is ahead by then."""
        return sum(by for at, by in self.jumps if at <= second)


def _silent(spans: tuple[tuple[float, float], ...], second: float) -> bool:
    return any(since <= second < until for since, until in spans)


class Play:
    """Core beside the truth, polling every `every` seconds, with everything that goes wrong."""

    def __init__(self, truth: Truth, trouble: Trouble, *, every: int = 10) -> None:
        self.bench = Bench()
        self.truth = truth
        self.trouble = trouble
        self.every = every
        self.random = Random(truth.seed)
        self.have = START - 50

    def run(self) -> Bench:
        was_down = False
        for second in range(0, int(self.truth.seconds) + 60, self.every):
            self.bench.clocks.steady = START + second + 0.37
            self.bench.clocks.wrong_by = self.trouble.wrong_by(second)
            is_down = _silent(self.trouble.core, second)
            if was_down and not is_down:
                self.restart()
            was_down = is_down
            if not is_down:
                self.tell(second)
                self.settle(second)
        return self.bench

    def restart(self) -> None:
        """Core dies and comes back; it knows nothing but the books."""
        self.bench.fresh()
        self.have = START - 50

    def tell(self, second: int) -> None:
        bench, truth, trouble = self.bench, self.truth, self.trouble
        now, wrong_by = bench.clocks.steady, bench.clocks.wrong_by
        if not _silent(trouble.bmc, second):
            bench.power(truth.node_watts(now), limit=MOST_WATTS, gpus=truth.gpus)
        if not _silent(trouble.agent, second):
            journal = truth.journal(self.have, now, 10, wrong_by=wrong_by)
            if trouble.repeats and self.random.random() < 0.5:
                bench.ledger.journal(truth.journal(self.have - 30, now - 5, 5, wrong_by=wrong_by))
            bench.ledger.journal(journal)
            if trouble.repeats:
                bench.ledger.journal(journal)
            self.have = now
        if not _silent(trouble.scheduler, second):
            bench.observe(*truth.runs(now, self.scheduler_clock))

    def scheduler_clock(self, at: float) -> float:
        """What the scheduler's clock showed then."""
        return at + (self.trouble.wrong_by(at - START) if self.trouble.same_clock else 0.0)

    def settle(self, second: int) -> None:
        self.bench.settle()


def check(bench: Bench, truth: Truth) -> None:
    """What must hold whatever happened."""
    postings = bench.books.postings
    state = json.loads(bench.books.newest["n1"].state)
    measured = sum(hour.measured_joules for batch in bench.books.batches for hour in batch.hours)
    posted = sum(posting.joules for posting in postings)
    assert posted == pytest.approx(measured + state["deficit"], rel=1e-9)
    for posting in postings:
        parts = (posting.gpu_joules, posting.cpu_joules, posting.rest_joules, posting.idle_joules, posting.error_joules)
        assert all(part >= 0 for part in parts), posting
        assert 0 <= posting.estimated_joules <= posting.joules * (1 + 1e-9)
    # The end, by the ledger's own steady clock: jumps that the books saw are taken out again.
    until = bench.settled_steady()
    if truth.has_counter and not truth.resets and bench.begun is not None:
        counted = sum(truth.counter(index, until) - truth.counter(index, bench.begun) for index in range(truth.gpu_count))
        # Of each GPU no joule is missing but what readings at both ends are late: a counter's step, an answer's jitter.
        assert abs(gpu_joules(bench) - counted) <= 2 * 0.12 * MOST_WATTS * truth.gpu_count
    for job in truth.jobs:
        mine = [posting for posting in postings if posting.run == job.key]
        got = sum(posting.gpu_joules + posting.idle_joules for posting in mine)
        error = sum(posting.error_joules for posting in mine)
        true = truth.job_joules(job, until)
        # A node is settled up to a reading, and that lies up to a counter's step behind.
        assert abs(got - true) <= error + 0.11 * MOST_WATTS * len(job.gpus), (job, got, true, error)


def gpu_joules(bench: Bench) -> float:
    return sum(posting.gpu_joules + posting.idle_joules for posting in bench.books.postings)


spans = st.lists(
    st.tuples(st.integers(30, 500), st.integers(10, 150)).map(lambda pair: (pair[0], pair[0] + pair[1])), max_size=2
).map(tuple)


@st.composite
def troubles(draw):
    return Trouble(
        core=draw(spans),
        agent=draw(spans),
        scheduler=draw(spans),
        bmc=draw(spans),
        jumps=draw(
            st.lists(st.tuples(st.integers(20, 550), st.sampled_from([-3600.0, -7.0, 0.8, 15.0, 5000.0])), max_size=2).map(
                tuple
            )
        ),
        boots=draw(st.lists(st.floats(20, 550), max_size=2).map(tuple)),
        resets=draw(st.lists(st.tuples(st.integers(0, 1), st.floats(20, 550)), max_size=2).map(tuple)),
        repeats=draw(st.booleans()),
        same_clock=draw(st.booleans()),
    )


def sensible(trouble: Trouble) -> bool:
    """What nobody could tell is not asked: clocks that differ when core starts, or jump a little in a scheduler's silence."""
    if trouble.core:
        return not trouble.jumps
    return all(abs(by) > 100 for _, by in trouble.jumps) or (trouble.same_clock and not trouble.scheduler)


@given(seed=st.integers(0, 10**6), trouble=troubles().filter(sensible), has_counter=st.booleans())
@settings(max_examples=60)
def test_whatever_goes_wrong_the_books_balance(seed, trouble, has_counter):
    truth = Truth(
        seed=seed,
        has_counter=has_counter,
        boots=[START + at for at in trouble.boots],
        resets=[(index, START + at) for index, at in trouble.resets],
    )
    check(Play(truth, trouble).run(), truth)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=20)
def test_without_trouble_all_gpus_together_get_what_their_counters_say(seed):
    truth = Truth(seed=seed)
    bench = Play(truth, Trouble()).run()
    check(bench, truth)
    until = bench.settled_steady()
    first = min(hour.hour for batch in bench.books.batches for hour in batch.hours)
    assert first <= START
    counted = sum(truth.counter(index, until) - truth.counter(index, START + 0.0) for index in range(2))
    assert gpu_joules(bench) == pytest.approx(counted, abs=2 * MOST_WATTS)
