"""The ledger beside the truth: an hour of the simulated hall, with everything that can go wrong meanwhile.

Jobs come at fifteen times the usual pace, so that some seventy of all kinds begin and end: on whole GPUs, in shards and MIG
instances, on cores alone, arrays and requeued ones, failed and cancelled. A quarter of the servers has no prolog.
"""

import pytest

from simulator.site import layout
from tests.energy.truth_hall import START, Told, compared, lived, overhead, residual
from wattstat.config.energy import Energy

SETTINGS = Energy(settle_seconds=30, overhead_nodes=("r660-02",))
HALL = layout(16, 4)
WITHOUT_PROLOG = {server.name for server in HALL.servers if not server.has_prolog}
# Slurm tells whole seconds: half a second either way where nobody else tells better.
WHOLE_SECOND = 0.55
GPU_ERROR = 0.005


@pytest.fixture(scope="module")
def hour(tmp_path_factory):
    return lived(tmp_path_factory.mktemp("hour"), hours=1)


@pytest.fixture(scope="module")
def plain(hour):
    return told(hour)


def told(hour, **wrong):
    world, past = hour
    return Told(world.hall, past, settings=SETTINGS, **wrong).tell()


def gpu_error_allowed(run):
    return max(GPU_ERROR, WHOLE_SECOND / run.seconds) if run.nodes & WITHOUT_PROLOG else GPU_ERROR


def assert_true(runs):
    wrong = [str(run) for run in runs if run.error > gpu_error_allowed(run)]
    assert wrong == []


def test_every_run_over_a_minute_has_its_joules_and_the_books_balance(hour, plain):
    world, _ = hour
    done = plain
    runs = compared(world, done.books)
    assert len(runs) > 50
    assert {run.kind for run in runs} == {"whole", "shard", "mig", "cores"}
    assert {run.job["outcome"] for run in runs} >= {"COMPLETED", "REQUEUED", "FAILED", "CANCELLED"}
    assert_true(runs)
    assert residual(done.books) < 0.001
    assert overhead(done.books) > 0


def test_what_processors_and_the_rest_of_the_server_drew_is_as_true_as_its_meter(hour, plain):
    # Power is read every ten seconds: what a short job's server drew beside its GPUs is known to a few percent.
    world, _ = hour
    runs = compared(world, plain.books)
    wrong = [str(run) for run in runs if run.whole > (0.005 if run.seconds > 600 else 0.04)]
    assert wrong == []
    total, true = sum(run.total for run in runs), sum(run.job["joules"] for run in runs)
    assert total == pytest.approx(true, rel=0.002)


def test_ten_minutes_without_core_cost_no_run_its_joules(hour):
    world, _ = hour
    out = (START + 1200, START + 1800)
    done = told(hour, is_out=lambda at: out[0] < at < out[1])
    runs = compared(world, done.books)
    # Of what began or ended unseen only Slurm's memory tells, where no prolog did.
    unseen = [
        run for run in runs if run.nodes & WITHOUT_PROLOG and any(_is_within(run, edge, out) for edge in ("start", "end"))
    ]
    assert_true(run for run in runs if run not in unseen)
    assert residual(done.books) < 0.001
    assert [str(run) for run in unseen if run.total and abs(run.total - run.job["joules"]) > 1.5 * run.bound] == []


def test_a_core_that_is_killed_every_ten_minutes_posts_the_same(hour, plain):
    world, past = hour
    killed = Told(world.hall, past, settings=SETTINGS).tell(restart_every=600)
    runs = compared(world, killed.books)
    assert_true(runs)
    assert residual(killed.books) < 0.001
    assert killed.books.joules() == pytest.approx(plain.books.joules(), rel=0.002)


def test_a_clock_that_jumps_takes_nothing_from_anybody(hour):
    world, _ = hour
    done = told(hour, wrong_by=lambda at: 0.0 if at < START + 900 else 120.0 if at < START + 2400 else -30.0)
    runs = [run for run in compared(world, done.books) if not run.nodes & WITHOUT_PROLOG]
    assert_true(runs)
    assert residual(done.books) < 0.001


def test_a_counter_that_begins_anew_is_filled_and_no_run_pays_for_it(tmp_path):
    def reload(world):
        rows = slice(0, 64)
        world.physics.counter_start_joules[rows] = -world.physics.gpu_joules[rows]

    world, past = lived(tmp_path, hours=1, at={1503.0: reload, 2707.0: reload})
    done = told((world, past))
    runs = compared(world, done.books)
    assert_true(runs)
    assert residual(done.books) < 0.001


def _is_within(run, edge, span):
    at = run.job[f"{edge}_unix"]
    return span[0] - 10 <= at <= span[1] + 10
