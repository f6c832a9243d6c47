"""One node, run or checkpoint that the ledger cannot cope with costs only itself."""

from dataclasses import replace

import pytest

from energy.model import Checkpoint
from tests.energy.hall import START, Bench, entry, journal
from wattstat.jobs import GpuHold, Placement, Run, RunKey
from wattstat.journal import GpuCounts

BAD, GOOD = "n0", "n1"


def _story(bench: Bench, *, watts: float = 500.0, strange: float = 500.0, first: int = 0) -> None:
    """Every 10 s two nodes are read and settled, whose meters show so many watts."""
    for second in range(first, first + 101, 10):
        bench.clocks.steady = START + second
        bench.observe(nodes=(BAD, GOOD))
        for node, drawn in ((BAD, strange), (GOOD, watts)):
            bench.power(drawn, node)
            counts = {"GPU-0": GpuCounts(joules=100.0 * second)}
            bench.ledger.journal(journal(entry(bench.clocks.wall(), counts), node=node, gpu_count=1))
        bench.settle()


def test_a_node_whose_joules_are_no_number_is_left_out_and_told_and_the_others_are_settled():
    bench = Bench()
    _story(bench, strange=1e308)
    assert {posting.node for posting in bench.books.postings} == {GOOD}
    assert bench.books.joules() == pytest.approx(500 * (bench.books.newest[GOOD].settled_until - START))
    (finding,) = bench.ledger.findings()
    assert finding.startswith("n0: settling it failed (ValueError: inf J for nobody")


def test_a_checkpoint_that_cannot_be_read_costs_its_own_node():
    bench = Bench()
    _story(bench)
    bench.books.newest[BAD] = Checkpoint(node=BAD, settled_until=bench.books.newest[BAD].settled_until, state="{}")
    posted = bench.books.joules()

    bench.fresh()
    _story(bench, first=110)

    assert bench.books.joules() > posted + 500 * 80
    assert any(finding.startswith("n0: reading its checkpoint failed") for finding in bench.ledger.findings())


def test_a_run_that_holds_what_no_node_can_have_costs_its_own_nodes():
    bench = Bench()
    _story(bench)
    held = Placement(node=BAD, gpus=(GpuHold(instance="slurm:gone"),))
    run = Run(key=RunKey("slurm", "7"), started=START, placements=(held,))
    fine = replace(run, key=RunKey("slurm", "8"), placements=(Placement(node=GOOD, gpus=(GpuHold(index=0),)),))
    settled = bench.books.newest[GOOD].settled_until

    for second in (120, 140, 160):
        bench.clocks.steady = START + second
        bench.observe(run, fine, nodes=(BAD, GOOD))
        bench.power(500.0, GOOD)
        bench.ledger.journal(journal(entry(bench.clocks.wall(), {"GPU-0": GpuCounts(joules=100.0 * second)}), gpu_count=1))
        bench.settle()

    assert bench.books.newest[GOOD].settled_until > settled
    shown = {sample.labels[1] for sample in bench.ledger.samples() if sample.metric.name.endswith("job_info")}
    assert shown == {"7", "8"}
    assert any(finding.startswith("job 7: showing it failed") for finding in bench.ledger.findings())


def test_trouble_that_is_over_is_no_finding_any_more():
    bench = Bench()
    bench.ledger._alone.tried("settling it", "n1", lambda: 1 // 0)
    assert bench.ledger.findings() != ()
    _story(bench)
    assert bench.ledger.findings() == ()
