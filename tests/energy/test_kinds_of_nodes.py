"""Nodes with and without each kind of meter, shared GPUs, servers that serve all."""

import json

import pytest

from energy.model import Account, Method
from tests.energy.hall import START, Bench, gpus
from wattstat.catalogue import job as catalogue
from wattstat.config.energy import Energy
from wattstat.jobs import GpuHold, Hold, Placement, Run, RunKey
from wattstat.journal import Boundary, Edge, Entry, Gpu, GpuCounts, NodeJournal

A, B = RunKey("slurm", "1"), RunKey("slurm", "2")


def _run(key: RunKey, *holds: GpuHold, cpus: int | None = 8) -> Run:
    return Run(key=key, account="physics", started=START - 100, placements=(Placement(node="n1", gpus=holds, cpus=cpus),))


def _entry(second: float, at: float, *, watts=(500.0, 70.0), shares=None) -> Entry:
    counts = {
        f"GPU-{index}": GpuCounts(
            joules=1e6 + power * second,
            power_joules=power * second,
            power_seconds=second,
            sm_active_seconds=(0.5 if power > 100 else 0.0) * second,
        )
        for index, power in enumerate(watts)
    }
    return Entry(at=at, gpus=counts, cpus={}, shares={key: rate * second for key, rate in (shares or {}).items()})


def _play(bench: Bench, *runs: Run, seconds=600, power=None, agent=(0, 10**9), shares=None, hardware=None, every=10):
    for second in range(0, seconds + 1, every):
        bench.clocks.steady = START + second
        bench.observe(*runs)
        if power is not None:
            bench.power(power)
        if hardware is not None or (agent is not None and agent[0] <= second < agent[1]):
            known = hardware or gpus(2)
            entry = _entry(second, bench.clocks.wall(), shares=shares)
            bench.ledger.journal(NodeJournal(node="n1", boot="a", gpus=known, entries=(entry,)))
        bench.settle()
    return bench.settled_steady() - START


def _sum(bench: Bench, part: str, run: RunKey | None) -> float:
    return sum(getattr(posting, part) for posting in bench.books.postings if posting.run == run)


def test_a_node_without_a_meter_of_its_own_has_its_devices_and_no_rest():
    bench = Bench()
    settled = _play(bench, _run(A, GpuHold(minor=0)))
    assert bench.books.joules() == pytest.approx(570 * settled)
    assert _sum(bench, "rest_joules", A) == 0
    assert bench.books.batches[0].hours[0].source == "devices"


def test_a_node_without_gpus_is_split_by_processors():
    bench = Bench()
    settled = _play(bench, _run(A, cpus=48), _run(B, cpus=16), power=400.0, agent=None)
    assert bench.books.joules(A) == pytest.approx(300 * settled)
    assert bench.books.joules(B) == pytest.approx(100 * settled)


def test_a_gpu_that_a_run_holds_and_does_not_use_is_its_allocated_idle():
    bench = Bench()
    settled = _play(bench, _run(A, GpuHold(minor=0), GpuHold(minor=1)), power=1000.0)
    assert _sum(bench, "idle_joules", A) == pytest.approx(70 * settled)
    assert _sum(bench, "gpu_joules", A) == pytest.approx(500 * settled)
    assert _sum(bench, "gpu_seconds", A) == pytest.approx(2 * settled)


def test_mig_parts_share_by_activity_and_the_free_part_is_idle():
    gpu = Gpu(uuid="GPU-0", index=0, minor=0, model="H100", slices={"mig:1:0": 3.0, "mig:2:0": 2.0})
    bench = Bench()
    runs = (
        _run(A, GpuHold(minor=0, hold=Hold.MIG, instance="mig:1:0")),
        _run(B, GpuHold(minor=0, hold=Hold.MIG, instance="mig:2:0")),
    )
    shares = {("GPU-0", "mig:1:0"): 0.8, ("GPU-0", "mig:2:0"): 0.3}
    _play(bench, seconds=60, hardware=(gpu,), shares=shares)
    bench.ledger._nodes["n1"].idle_watts["GPU-0"] = 100.0
    for second in range(70, 301, 10):
        bench.clocks.steady = START + second
        bench.observe(*runs)
        entry = _entry(second, bench.clocks.wall(), watts=(500.0,), shares=shares)
        bench.ledger.journal(NodeJournal(node="n1", boot="a", gpus=(gpu,), entries=(entry,)))
        bench.settle()
    seconds = bench.settled_steady() - (START + 65)  # first told of at 70 and not at 60
    dynamic = 2.4 / (2.4 + 0.6)
    assert _sum(bench, "gpu_joules", A) == pytest.approx((100 * 3 / 7 + 400 * dynamic) * seconds)
    assert _sum(bench, "gpu_joules", B) == pytest.approx((100 * 2 / 7 + 400 * (1 - dynamic)) * seconds)
    assert _sum(bench, "error_joules", A) > 0
    split = [posting for posting in bench.books.postings if posting.run == A]
    assert all(Method.SPLIT in posting.methods for posting in split)
    uses = [use for batch in bench.books.batches for use in batch.uses if use.run == A]
    assert {(use.instance, round(use.fraction, 3)) for use in uses} == {("mig:1:0", 0.429)}
    assert sum(use.sm_active_seconds for use in uses) == pytest.approx(0.8 * seconds, rel=0.1)


def test_shards_are_told_by_the_job_of_their_processes():
    bench = Bench()
    runs = [_run(key, GpuHold(minor=0, hold=Hold.SHARD, fraction=0.5)) for key in (A, B)]
    settled = _play(bench, *runs, shares={("GPU-0", "job:1"): 0.6, ("GPU-0", "job:2"): 0.2})
    assert _sum(bench, "gpu_joules", A) + _sum(bench, "gpu_joules", B) == pytest.approx(500 * settled)
    assert _sum(bench, "gpu_joules", A) > _sum(bench, "gpu_joules", B)


def test_an_agent_that_is_silent_for_hours_is_waited_for_and_then_its_run_pays_the_servers_meter():
    bench = Bench()
    _play(bench, _run(A, GpuHold(minor=0), GpuHold(minor=1)), seconds=7000, power=1000.0, agent=(0, 600), every=50)
    assert bench.settled_steady() == START + 550
    settled = _play(bench, _run(A, GpuHold(minor=0), GpuHold(minor=1)), seconds=9000, power=1000.0, agent=(0, 600), every=50)
    assert settled > 8900
    assert bench.books.joules() == pytest.approx(1000 * settled)
    assert _sum(bench, "rest_joules", A) > 1000 * 8000


def test_an_agent_that_comes_back_after_that_does_not_bring_the_same_joules_again():
    bench = Bench()
    run = _run(A, GpuHold(minor=0), GpuHold(minor=1))
    _play(bench, run, seconds=9000, power=1000.0, agent=(0, 600), every=50)
    for second in range(9050, 10001, 50):
        bench.clocks.steady = START + second
        bench.observe(run)
        bench.power(1000.0)
        bench.ledger.journal(NodeJournal(node="n1", boot="a", gpus=gpus(2), entries=(_entry(second, bench.clocks.wall()),)))
        bench.settle()
    settled = bench.settled_steady() - START
    assert bench.books.joules() == pytest.approx(1000 * settled)
    assert _sum(bench, "gpu_joules", A) == pytest.approx(500 * (550 + settled - 8999), rel=0.001)


def test_a_server_that_serves_all_is_overhead_whatever_the_scheduler_says():
    bench = Bench(settings=Energy(settle_seconds=1, overhead_nodes=("n*",)))
    _play(bench, power=300.0, agent=None)
    assert {posting.account for posting in bench.books.postings} == {Account.OVERHEAD}


def test_what_runs_and_nodes_drew_is_shown_in_the_hall():
    bench = Bench()
    settled = _play(bench, _run(A, GpuHold(minor=0)), power=1000.0)
    found = {(sample.metric, sample.labels): sample.value for sample in bench.ledger.samples()}
    assert found[catalogue.JOB_ENERGY_JOULES_TOTAL, ("slurm", "1", "gpu")] == pytest.approx(500 * settled)
    assert found[catalogue.JOB_GPU_INFO, ("slurm", "1", "", "physics", "", "n1", "0", "GPU-0", "")] == 1
    assert found[catalogue.LEDGER_RESIDUAL_RATIO, ("n1",)] == pytest.approx(0, abs=1e-9)
    assert found[catalogue.LEDGER_SETTLED_TIMESTAMP_SECONDS, ("n1",)] == START + settled
    total = sum(value for (metric, _), value in found.items() if metric is catalogue.ACCOUNT_ENERGY_JOULES_TOTAL)
    assert total == pytest.approx(1000 * settled)


def test_a_counter_that_differs_from_integrated_power_is_a_finding():
    bench = Bench()
    for second in range(0, 1301, 10):
        bench.clocks.steady = START + second
        counts = GpuCounts(joules=300.0 * second, power_joules=240.0 * second, power_seconds=float(second))
        entry = Entry(at=bench.clocks.wall(), gpus={"GPU-0": counts})
        bench.ledger.journal(NodeJournal(node="n1", boot="a", gpus=gpus(1), entries=(entry,)))
    (finding,) = bench.ledger.findings()
    assert "differ by 20 %" in finding.replace("20%", "20 %")
    ratio = next(sample.value for sample in bench.ledger.samples() if sample.metric is catalogue.ENERGY_DISAGREEMENT_RATIO)
    assert ratio == pytest.approx(0.2)


def test_a_boundary_of_a_run_that_is_settled_and_forgotten_does_not_bring_it_back():
    bench = Bench()
    settled = _play(bench, _run(A, GpuHold(minor=0)), power=1000.0)
    bench.fresh()
    old = Boundary(id="x", edge=Edge.END, at=START + 50, scheduler="slurm", job_id="99", instance="0", gpus=("GPU-0",))
    entry = _entry(settled + 30, START + settled + 30)
    bench.ledger.journal(NodeJournal(node="n1", boot="a", gpus=gpus(2), entries=(entry,), boundaries=(old,)))
    bench.settle()
    assert {key.job_id for key in bench.books.runs} == {"1"}


def test_a_server_whose_meters_are_all_silent_is_not_settled_by_guesses():
    bench = Bench()
    _play(bench, _run(A, GpuHold(minor=0)), seconds=300, power=1000.0)
    until = bench.settled_steady()
    for second in range(400, 30000, 300):
        bench.clocks.steady = START + second
        bench.observe(_run(A, GpuHold(minor=0)))
        bench.settle()
    assert bench.settled_steady() <= until + 10


def test_a_meter_that_comes_later_than_the_journal_begins_with_an_estimate_and_no_deficit():
    bench = Bench()
    for second in range(0, 301, 10):
        bench.clocks.steady = START + second
        bench.observe(_run(A, GpuHold(minor=0)))
        if second > 105:
            bench.power(1000.0)
        bench.ledger.journal(NodeJournal(node="n1", boot="a", gpus=gpus(2), entries=(_entry(second, bench.clocks.wall()),)))
        bench.settle()
    measured = sum(hour.measured_joules for batch in bench.books.batches for hour in batch.hours)
    assert bench.books.joules() == pytest.approx(measured)
    settled = bench.settled_steady() - START
    assert 570 * settled < measured < 1000 * settled
    assert json.loads(bench.books.newest["n1"].state)["deficit"] == 0


def test_a_shard_whose_job_has_no_process_on_the_gpu_has_no_part_in_its_work():
    bench = Bench()
    runs = [_run(key, GpuHold(minor=0, hold=Hold.SHARD, fraction=0.5)) for key in (A, B)]
    _play(bench, *runs, shares={("GPU-0", "job:1"): 0.6})
    settled = bench.settled_steady() - START
    assert _sum(bench, "gpu_joules", B) == 0
    assert _sum(bench, "idle_joules", B) == pytest.approx(35 * settled)  # half of what an H100 draws at rest
    assert _sum(bench, "gpu_joules", A) == pytest.approx(465 * settled)
