"""The ledger by hand: small stories whose joules one can work out."""

import pytest

from energy.model import Account
from tests.energy.hall import START, Bench, entry, journal
from wattstat.inventory import Inventory, Node
from wattstat.jobs import GpuHold, Placement, Run, RunKey, State
from wattstat.journal import GpuCounts

KEY = RunKey("slurm", "7")


def _run(started: float, ended: float | None = None, gpus: int = 1) -> Run:
    held = tuple(GpuHold(minor=number) for number in range(gpus))
    return Run(
        key=KEY,
        user="ada",
        account="physics",
        started=started,
        ended=ended,
        state=State.RUNNING if ended is None else State.COMPLETED,
        placements=(Placement(node="n1", gpus=held, cpus=8),),
    )


def _story(bench: Bench, *, seconds: int = 100, watts: tuple[float, float] = (500.0, 70.0), run: Run | None = None) -> None:
    """Every 10 s one entry; two GPUs, package 100 W, the node 1000 W."""
    for second in range(0, seconds + 1, 10):
        bench.clocks.steady = START + second
        counts = {
            f"GPU-{index}": GpuCounts(joules=1e6 + power * second, sm_active_seconds=second * 0.5, power_seconds=float(second))
            for index, power in enumerate(watts)
        }
        bench.observe(*([run] if run else []))
        bench.power(1000.0)
        bench.ledger.journal(journal(entry(bench.clocks.wall(), counts, {"package-0": 100.0 * second})))
        bench.settle()


def test_a_node_without_jobs_is_idle_and_adds_up_to_its_meter():
    bench = Bench()
    _story(bench)
    settled = bench.books.newest["n1"].settled_until - START
    assert settled >= 90
    assert bench.books.joules() == pytest.approx(1000 * settled)
    assert {posting.account for posting in bench.books.postings} == {Account.IDLE}


def test_a_job_gets_its_gpu_the_processors_and_its_share_of_the_rest():
    bench = Bench()
    _story(bench, run=_run(START - 100))
    settled = bench.books.newest["n1"].settled_until - START
    mine = [posting for posting in bench.books.postings if posting.run == KEY]
    assert sum(posting.gpu_joules for posting in mine) == pytest.approx(500 * settled)
    assert sum(posting.cpu_joules for posting in mine) == pytest.approx(100 * settled)
    assert sum(posting.rest_joules for posting in mine) == pytest.approx(330 * settled * 600 / 670)
    assert bench.books.joules() == pytest.approx(1000 * settled)
    assert sum(posting.cost for posting in bench.books.postings) == pytest.approx(1e-4 * settled)
    assert sum(hour.measured_joules for batch in bench.books.batches for hour in batch.hours) == pytest.approx(1000 * settled)


def test_a_node_that_no_scheduler_manages_is_overhead():
    bench = Bench()
    for second in range(0, 101, 10):
        bench.clocks.steady = START + second
        bench.observe(nodes=("other",))
        bench.power(300.0)
        bench.settle()
    assert {posting.account for posting in bench.books.postings} == {Account.OVERHEAD}


def test_no_node_is_taken_for_one_without_jobs_before_the_expected_scheduler_has_spoken():
    bench = Bench(expected_schedulers=1)
    for second in range(0, 1001, 10):
        bench.clocks.steady = START + second
        bench.power(300.0)
        bench.settle()
    assert bench.books.postings == []
    bench.observe()
    bench.settle()
    assert {posting.account for posting in bench.books.postings} == {Account.IDLE}


def test_a_second_process_takes_up_where_the_first_ended():
    bench = Bench()
    _story(bench, run=_run(START - 100))
    bench.fresh()
    bench.clocks.steady += 100
    counts = {f"GPU-{index}": GpuCounts(joules=1e6 + power * 200) for index, power in enumerate((500.0, 70.0))}
    bench.observe(_run(START - 100))
    bench.power(1000.0)
    bench.ledger.journal(journal(entry(bench.clocks.wall(), counts, {"package-0": 20000.0})))
    bench.clocks.steady += 10
    bench.observe(_run(START - 100))
    bench.settle()
    assert bench.books.joules() == pytest.approx(1000 * (bench.books.newest["n1"].settled_until - START))
    assert bench.books.joules(KEY) > 0


def test_books_that_were_replaced_by_empty_ones_are_begun_anew():
    bench = Bench()
    _story(bench)
    bench.books.newest.clear()
    for second in range(110, 200, 10):
        bench.clocks.steady = START + second
        bench.observe()
        bench.power(1000.0)
        counts = {f"GPU-{index}": GpuCounts(joules=1e6 + 70.0 * second) for index in range(2)}
        bench.ledger.journal(journal(entry(bench.clocks.wall(), counts, {"package-0": 100.0 * second})))
        bench.settle()
        if bench.ledger.has_refused:
            bench.ledger.restore()
    assert bench.books.newest["n1"].settled_until >= START + 180


def _nodes_shown(bench: Bench) -> set[str]:
    return {sample.labels[0] for sample in bench.ledger.samples() if sample.metric.name.startswith("wattstat_ledger_settled")}


def test_a_node_that_was_removed_is_shown_no_longer_also_after_a_restart():
    bench = Bench()
    _story(bench)
    assert _nodes_shown(bench) == {"n1"}
    bench.inventory = Inventory(nodes=(Node(name="n2"),))
    bench.ledger.inventory(bench.inventory)
    assert _nodes_shown(bench) == set()
    bench.fresh()
    assert _nodes_shown(bench) == set()


def _idle_hour(bench: Bench, *runs: Run, scheduler: str) -> None:
    for second in range(110, 3700, 30):
        bench.clocks.steady = START + second
        bench.observe(*runs, scheduler=scheduler)
        bench.power(1000.0)
        counts = {f"GPU-{index}": GpuCounts(joules=1e6 + 70.0 * second) for index in range(2)}
        bench.ledger.journal(journal(entry(bench.clocks.wall(), counts, {"package-0": 100.0 * second})))
        bench.settle()


@pytest.mark.parametrize("expected", [1, 2])
def test_a_run_of_a_scheduler_that_is_not_asked_any_more_ends_once_all_others_have_spoken(expected):
    bench = Bench(expected_schedulers=1)
    _story(bench, run=_run(START - 100))
    before = bench.books.joules(KEY)
    bench.expected_schedulers = expected
    bench.fresh()
    _idle_hour(bench, scheduler="slurm:renamed")
    run = bench.books.runs[KEY]
    if expected == 1:
        assert run.state is State.GONE
        assert run.ended < START + 300
        assert bench.books.joules(KEY) < before + 300_000
    else:
        assert run.ended is None  # the other one may still tell of it


def test_a_run_from_the_books_that_its_scheduler_still_tells_of_goes_on():
    bench = Bench(expected_schedulers=1)
    _story(bench, run=_run(START - 100))
    bench.fresh()
    _idle_hour(bench, _run(START - 100), scheduler="slurm")
    assert bench.books.runs[KEY].ended is None
    assert bench.books.joules(KEY) > 1e6
