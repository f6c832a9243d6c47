"""Rehearsals by the web process: on its history, one at a time, with every refusal a problem document."""

import asyncio

import pytest

from tests.support.power_desk import night_cap
from wattstat.api.problems import Problem
from wattstat.cli.rehearsal_words import rehearsed
from wattstat.config import Config
from wattstat.serve import rehearsals
from wattstat.serve.rehearsals import Rehearsals
from wattstat.store.embedded import EmbeddedStore

NOW = 1_790_000_000.0
SECONDS = 1800


class Inventoried:
    """A core that tells the inventory."""

    async def inventory(self):
        return {"racks": [{"name": "r1"}], "nodes": [{"name": "n1", "rack": "r1", "gpus": 1, "gpu_model": "H100 SXM5 80GB"}]}


@pytest.fixture
async def store(tmp_path):
    made = EmbeddedStore(tmp_path / "history.duckdb", clock=lambda: NOW)
    yield made
    await made.close()


@pytest.fixture
def rehearse(store):
    return Rehearsals(store, Inventoried(), Config(), clock=lambda: NOW)


async def fill(store):
    labels = 'node="n1",gpu="0",uuid="GPU-1"'
    limits = "".join(
        f'wattstat_gpu_power_limit_watts{{{labels},kind="{kind}"}} {watts}\n'
        for kind, watts in (("enforced", 700), ("min", 200), ("max", 700), ("default", 700))
    )
    node = 'node="n1",source="system"'
    for second in range(0, SECONDS, 30):
        watts = 80 if second < SECONDS / 2 else 700
        gpu = f'wattstat_gpu_power_watts{{{labels},window="1s",scope="gpu"}} {watts}\n'
        text = f"{gpu}{limits}wattstat_node_power_watts{{{node}}} {1500 + watts}\n"
        await store.ingest(text, (NOW - SECONDS + second) * 1000, 0.01)


async def test_a_policy_runs_on_the_history(rehearse, store):
    await fill(store)
    found = await rehearse([night_cap(ask={"gpu_cap": {"watts": 490}})], SECONDS / 86400)

    assert (found["nodes"], found["gpus"]) == (1, 1)
    assert found["end"].startswith("2026-09-21T14:13")
    assert found["joules_after"] < 0.95 * found["joules_before"]
    lines = list(rehearsed(found))
    assert "1 server, 1 GPU, steps of 60 s" in lines[0]
    assert any(line.startswith("energy 0.95 kWh -> 0.89 kWh") for line in lines)


async def test_without_history_it_is_told(rehearse):
    with pytest.raises(Problem) as problem:
        await rehearse([night_cap()], 1)
    assert (problem.value.status, problem.value.title) == (409, "No history")


async def test_what_is_no_policy_is_told_with_its_problems(rehearse):
    with pytest.raises(Problem, match="ask: is missing") as problem:
        await rehearse([{"name": "x", "owner": "x", "reason": "x"}], 1)
    assert problem.value.status == 422
    with pytest.raises(Problem, match="is empty"):
        await rehearse([], 1)


async def test_two_at_a_time_are_not_taken(rehearse, monkeypatch):
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow(*_given, **_named):
        begun.set()
        await go.wait()
        raise rehearsals.NoHistory("nothing")

    monkeypatch.setattr(rehearsals, "rehearse", slow)
    first = asyncio.ensure_future(rehearse([night_cap()], 1))
    await begun.wait()
    with pytest.raises(Problem, match="when it is over") as problem:
        await rehearse([night_cap()], 1)
    go.set()
    with pytest.raises(Problem, match="nothing"):
        await first

    assert (problem.value.status, problem.value.headers) == (429, {"Retry-After": "15"})


def test_a_rehearsal_is_printed_for_people():
    cost = {"name": "train", "gpu_hours": 160.0, "lost_ratio": 0.096, "low": 0.048, "high": 0.19}
    line = {
        "name": "r1", "kind": "rack", "seconds": 3600.0, "over_before_seconds": 1200.0, "over_after_seconds": 0.0,
        "peak_before_watts": 45_000.0, "peak_after_watts": 40_000.0,
    }  # fmt: skip
    found = {
        "start": "2026-11-16T00:00:00Z", "end": "2026-11-23T00:00:00Z", "step_seconds": 60.0, "nodes": 2, "gpus": 16,
        "joules_before": 3.6e9, "joules_after": 3.24e9, "peak_before_watts": 45_000.0, "peak_after_watts": 40_000.0,
        "cap_changes": 12, "changes_per_device_hour": 0.01, "hidden_ratio": 0.02, "recorded_ratio": 0.99,
        "work": [cost], "jobs": [], "limits": [line], "notes": ["n1 was not recorded"],
    }  # fmt: skip
    told = "\n".join(rehearsed(found))

    assert "energy 1,000 kWh -> 900 kWh (-10 %)" in told
    assert "peak 45.0 kW -> 40.0 kW" in told
    assert "! n1 was not recorded" in told
    assert "train      160.0  9.6 %  4.8 % to 19 %" in told
