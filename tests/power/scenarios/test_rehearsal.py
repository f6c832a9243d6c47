"""A rehearsal on recorded history: what a policy would have done to watts, work and jobs."""

from __future__ import annotations

import pytest

from power.policies.ask import Ask, GpuCapAsk, LimitAsk
from power.policies.model import Policy
from power.policies.scope import Scope
from power.scenarios.history import NoHistory
from power.scenarios.rehearsal import rehearse
from wattstat.inventory import Inventory, Node, Rack
from wattstat.store.embedded import EmbeddedStore

T0 = 1_790_000_000
MINUTES = 60
INVENTORY = Inventory(
    racks=(Rack(name="r1"),),
    nodes=tuple(Node(name=name, rack="r1", gpus=2, gpu_model="H100 SXM5 80GB") for name in ("n1", "n2")),
)


def _scrape(minute: int) -> str:
    """Two servers of two GPUs: those of n1 train at 700 W from minute 20 to 40, those of n2 idle."""
    trains = 20 <= minute < 40
    lines = []
    for node in ("n1", "n2"):
        watts = 700 if trains and node == "n1" else 80
        for gpu in (0, 1):
            labels = f'node="{node}",gpu="{gpu}",uuid="GPU-{node}-{gpu}"'
            lines.append(f'wattstat_gpu_power_watts{{{labels},window="1s",scope="gpu"}} {watts}')
            lines += [
                f'wattstat_gpu_power_limit_watts{{{labels},kind="{kind}"}} {value}'
                for kind, value in (("enforced", 700), ("min", 200), ("max", 700), ("default", 700))
            ]
            if trains and node == "n1":
                job = 'scheduler="slurm",job_id="17",user="ada",account="lab",partition="train"'
                lines.append(f'wattstat_job_gpu_info{{{job},{labels},gpu_instance=""}} 1')
        lines.append(f'wattstat_node_power_watts{{node="{node}",source="system"}} {1500 + 2 * watts}')
    return "\n".join(lines) + "\n"


@pytest.fixture
async def store(tmp_path):
    store = EmbeddedStore(tmp_path / "history.duckdb", clock=lambda: T0 + 60.0 * MINUTES)
    for minute in range(MINUTES):
        for second in (15, 45):
            await store.ingest(_scrape(minute), (T0 + 60 * minute + second) * 1000, 0.01)
    yield store
    await store.close()


def _policy(ask: Ask, **scope) -> Policy:
    return Policy(name="cap", owner="ops", reason="test", ask=ask, scope=Scope(**scope))


def _rehearse(store, *policies):
    return rehearse(policies, store, INVENTORY, until=T0 + 60.0 * MINUTES, days=1 / 24)


async def test_no_policy_changes_nothing(store):
    found = await _rehearse(store)
    assert found.joules_after == pytest.approx(found.joules_before)
    assert found.cap_changes == 0
    assert found.jobs == ()


async def test_a_cap_costs_the_job_what_the_curve_says(store):
    found = await _rehearse(store, _policy(Ask(gpu_cap=GpuCapAsk(watts=490)), node=("n[1-2]",)))
    (job,) = found.jobs
    assert job.name == "17"
    assert job.gpu_hours == pytest.approx(2 * 20 / 60, rel=0.1)
    assert job.lost_ratio == pytest.approx(1 - 0.904, abs=0.01)
    assert job.low < job.lost_ratio < job.high
    assert {cost.name: cost.lost_ratio for cost in found.work}["idle"] == 0


async def test_a_cap_takes_its_watts_from_those_who_reach_it(store):
    found = await _rehearse(store, _policy(Ask(gpu_cap=GpuCapAsk(watts=490)), node=("n[1-2]",)))
    assert found.peak_before_watts == pytest.approx(1500 * 2 + 2 * 700 + 2 * 80, rel=0.01)
    assert found.peak_after_watts < found.peak_before_watts - 2 * 200
    assert found.joules_after < found.joules_before


async def test_time_over_a_limit_is_told_before_and_after(store):
    found = await _rehearse(store, _policy(Ask(limit=LimitAsk(watts=4000)), rack=("r1",)))
    (line,) = [each for each in found.limits if each.name == "r1"]
    assert line.over_before_seconds == pytest.approx(20 * 60, rel=0.1)
    assert line.over_after_seconds <= 60
    assert found.cap_changes > 0


async def test_work_at_its_limit_may_have_wanted_more(store):
    assert (await _rehearse(store)).hidden_ratio == pytest.approx(1.0)


async def test_a_site_without_history_is_told_what_is_missing(tmp_path):
    store = EmbeddedStore(tmp_path / "empty.duckdb")
    with pytest.raises(NoHistory, match="gpu_power_watts"):
        await rehearse((), store, INVENTORY, until=T0, days=1 / 24)
    await store.close()
