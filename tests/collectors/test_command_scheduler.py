"""A command's JSON becomes runs, or is refused with what is wrong."""

import json
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import command_scheduler
from collectors.command_scheduler import Answer, GpuEntry, PlacementEntry, RunEntry, parse, reading
from collectors.frame.errors import BadPayload
from collectors.frame.runner import Runner, reconcile
from collectors.node_names import Names
from wattstat.catalogue.job import SCHEDULER_JOBS
from wattstat.config import Config
from wattstat.hall import Hall
from wattstat.inventory import Inventory, Node
from wattstat.jobs import GpuHold, Hold, Placement, RunKey, State

RUN = {
    "job_id": "1234",
    "instance": "1",
    "name": "train",
    "user": "ann",
    "account": "physics",
    "partition": "gpu",
    "state": "running",
    "submitted": "2026-01-01T00:00:00Z",
    "started": 1767225610,
    "placements": [{"node": "gpu001", "cpus": 16, "gpus": [{"index": 0}, {"uuid": "GPU-x", "hold": "shard", "fraction": 0.5}]}],
    "labels": {"project": "p"},
}
ANSWER = {"runs": [RUN], "nodes": ["gpu001", "gpu002.example.org"], "pending": 7}
NAMES = Names(given={}, inventory=frozenset({"gpu001", "gpu002"}))


def refused(**changes):
    """Why an answer is refused whose second run has these members."""
    with pytest.raises(BadPayload) as refusal:
        parse(json.dumps({"runs": [RUN, {**RUN, "job_id": "5", **changes}]}).encode(), "qstat")
    return str(refusal.value)


@pytest.fixture
def source(tmp_path):
    def made(document, inventory=("gpu001", "gpu002")):
        (tmp_path / "answer.json").write_text(json.dumps(document))
        script = f"print(open({str(tmp_path / 'answer.json')!r}).read())"
        command = {"name": "pbs", "command": [sys.executable, "-c", script]}
        told = []
        (found,) = command_scheduler.sources(
            Config.model_validate({"schedulers": {"commands": [command]}}),
            Inventory(nodes=tuple(Node(name=name) for name in inventory)),
            sink=told.append,
        )
        found.told = told
        return found

    return made


async def test_an_answer_becomes_runs_under_the_schedulers_name(source):
    made = source(ANSWER)
    collected = await made.collect("fast")

    (observed,) = made.told
    (run,) = observed.runs
    assert (observed.scheduler, observed.nodes) == ("pbs", {"gpu001", "gpu002"})
    assert run.key == RunKey("pbs", "1234", "1")
    assert (run.name, run.user, run.account, run.partition, run.state) == ("train", "ann", "physics", "gpu", State.RUNNING)
    assert (run.submitted, run.started, run.ended) == (1767225600, 1767225610, None)
    holds = (GpuHold(index=0), GpuHold(uuid="GPU-x", hold=Hold.SHARD, fraction=0.5))
    assert run.placements == (Placement(node="gpu001", cpus=16, gpus=holds),)
    assert dict(run.labels) == {"project": "p"}
    assert collected.errors == {}
    values = {sample.labels[1]: sample.value for sample in collected.samples if sample.metric is SCHEDULER_JOBS}
    assert values == {"running": 1, "suspended": 0, "pending": 7}


async def test_nodes_that_the_inventory_lacks_are_told_and_left_out(source):
    made = source(ANSWER, inventory=("gpu002",))
    collected = await made.collect("fast")

    assert "not in the inventory: gpu001" in str(collected.errors["nodes"])
    assert made.told[0].nodes == {"gpu002"}
    assert made.told[0].runs[0].placements == ()


async def test_a_node_that_comes_into_the_inventory_is_known_from_then_on(source):
    before, after = source(ANSWER, inventory=("gpu002",)), source(ANSWER)
    runner = Runner(Hall(clock=lambda: 0.0), concurrency=1, per_host=1)
    await reconcile(runner, [before], changed=frozenset())
    await reconcile(runner, [after], changed=frozenset())
    await runner.collect_now("command_scheduler", "pbs", "fast")
    await runner.stop()

    assert after.told == []
    assert before.told[0].nodes == {"gpu001", "gpu002"}


async def test_a_broken_answer_tells_the_ledger_nothing(source):
    made = source({"runs": [{"job_id": "1"}]})
    with pytest.raises(BadPayload, match=r"runs\[0\] \(job 1\)\.started: is missing"):
        await made.collect("fast")

    assert made.told == []


def test_a_refusal_names_the_run_the_member_and_what_was_expected():
    assert "runs[1] (job 5).started: expected Unix seconds, or an RFC 3339 time" in refused(started="noon")
    assert "runs[1] (job 5).started: expected" in refused(started="2026-01-01T00:00:00")
    assert 'runs[1] (job 5).state: is "asleep", expected' in refused(state="asleep")
    assert "runs[1] (job 5).wallclock: is no member of the format" in refused(wallclock=1)
    assert "runs[1] (job 5): is completed and has no end; expected a time in `ended`" in refused(state="completed")
    assert "runs[1] (job 5): is running and has an end" in refused(ended=1767225700)
    assert "ended before it started" in refused(state="failed", ended=1)
    assert "placements[0].gpus[0]: expected one of uuid, index and minor" in refused(placements=[{"node": "n", "gpus": [{}]}])
    gpus = [{"index": 0, "fraction": 1.5}]
    assert "gpus[0].fraction: is 1.5, expected less than or equal to 1" in refused(placements=[{"node": "n", "gpus": gpus}])


def test_many_problems_are_told_in_part():
    with pytest.raises(BadPayload, match="and 3 more"):
        parse(json.dumps({"runs": [{"job_id": "1"}] * 8}).encode(), "qstat")


def test_a_run_that_stands_twice_is_refused():
    with pytest.raises(BadPayload, match="job 1234 instance 1 stands more than once"):
        parse(json.dumps({"runs": [RUN, RUN]}).encode(), "qstat")


@pytest.mark.parametrize("text", [b"", b"Connection refused", b"[]", b"null", b'{"nodes": []}', b"\xff"])
def test_what_is_no_answer_is_refused(text):
    with pytest.raises(BadPayload, match="qstat: "):
        parse(text, "qstat")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted({*RUN, "ended", "suspended", "exit_code", "x"})), ANYTHING)
def test_any_member_may_be_anything(member, value):
    try:
        answer = parse(json.dumps({"runs": [{**RUN, member: value}]}).encode(), "qstat")
    except BadPayload:
        return
    assert len(reading(answer, "pbs", NAMES).runs) == 1


def test_the_documented_answer_is_good_and_every_member_is_documented():
    page = (Path(__file__).parents[2] / "docs/schedulers.md").read_text()
    (example,) = re.findall(r"```json\n(.*?)```", page, flags=re.DOTALL)
    table = page.partition("| member | meaning |")[2]
    members = {*Answer.model_fields, *RunEntry.model_fields, *PlacementEntry.model_fields, *GpuEntry.model_fields}

    assert reading(parse(example.encode(), "docs"), "pbs", NAMES).nodes == {"gpu001", "gpu002"}
    assert [name for name in sorted(members) if f"`{name}`" not in table] == []
    assert [state for state in State if f"`{state}`" not in table] == []
