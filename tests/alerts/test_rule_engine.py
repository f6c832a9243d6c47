"""The engine on a real embedded store: rules, state, what is written into history, what delivery is told."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from alerts.evaluation.engine import Engine
from alerts.evaluation.loader import load_rules, shipped_rules
from alerts.memory import Memory, MemoryFailed
from alerts.model import Conditions, Notice, Raised
from wattstat.store.embedded import EmbeddedStore
from wattstat.store.protocol import QueryError

T0 = 1_700_000_000.0

RULES = """
groups:
  - name: test
    interval: 10s
    rules:
      - record: node:power:sum
        expr: sum by (node) (power_watts)
      - alert: NodeHot
        expr: node:power:sum > 500
        for: 20s
        keep_firing_for: 20s
        labels: {severity: warning}
        annotations:
          description: >-
            {{ $labels.node }} draws {{ $value | humanize }}W of
            {{ with printf "limit_watts{node='%s'}" .Labels.node | query }}{{ . | first | value }}{{ else }}no limit{{ end }}
"""


@dataclass
class Told:
    """Delivery that only remembers."""

    notices: list[tuple[float, Notice]] = field(default_factory=list)
    broken: bool = False

    async def tell(self, notices: Sequence[Notice], at: float) -> None:
        if self.broken:
            raise OSError("no space left on device")
        self.notices += [(at, each) for each in notices]

    def ends(self) -> list[Notice]:
        return [each for _, each in self.notices if each.ends_at is not None]


@pytest.fixture
async def store(tmp_path):
    opened = EmbeddedStore(tmp_path / "history.duckdb", clock=lambda: T0)
    yield opened
    await opened.close()


@pytest.fixture
def rules(tmp_path):
    path = tmp_path / "rules.yml"
    path.write_text(RULES)
    return load_rules([path])


@pytest.fixture
def memory(tmp_path):
    opened = Memory(tmp_path / "alerts.sqlite")
    yield opened
    opened.close()


def engine_of(store, memory, rules, tell=None, **given):
    return Engine(store=store, memory=memory, groups=rules, tell=tell, record=store.record, clock=lambda: T0, **given)


async def feed(store, at: float, watts: float | None) -> None:
    body = "" if watts is None else f'power_watts{{node="n1",gpu="0"}} {watts}\n'
    await store.ingest(body + 'limit_watts{node="n1"} 450\n', round(at * 1000), 0.01)


async def stepped(engine, store, watts: Sequence[float | None], start: int = 0) -> list[list[tuple[str, str]]]:
    """The states after each ten seconds."""
    seen = []
    for number, each in enumerate(watts, start):
        at = T0 + 10 * number
        await feed(store, at, each)
        await engine.evaluate(engine.groups[0].group, at)
        seen.append([(alert.name, alert.state) for alert in engine.active()])
    return seen


async def test_an_alert_waits_fires_fires_on_and_ends(store, memory, rules):
    told = Told()
    engine = engine_of(store, memory, rules, told)
    seen = await stepped(engine, store, [600, 600, 600, 600, 100, 100, 100, 100])
    pending, firing = [("NodeHot", "pending")], [("NodeHot", "firing")]
    assert seen == [pending, pending, firing, firing, firing, firing, [], []]
    assert [at - T0 for at, _ in told.notices] == [20, 30, 40, 50, 60]
    assert [each.ends_at for each in told.ends()] == [T0 + 60]
    assert told.notices[0][1].starts_at == T0 + 20
    assert told.notices[0][1].labels == {"alertname": "NodeHot", "node": "n1", "severity": "warning"}
    assert told.notices[0][1].annotations["description"] == "n1 draws 600W of 450"
    [episode] = engine.episodes(T0, T0 + 100)
    assert (episode.alert.fired_at, episode.ended_at) == (T0 + 20, T0 + 60)


async def test_history_has_what_prometheus_would_have_written(store, memory, rules):
    engine = engine_of(store, memory, rules)
    await stepped(engine, store, [600, 600, 600, 100, 100, 100])
    found = await store.query_range("ALERTS", T0, T0 + 50, 10)
    points = {series.labels["alertstate"]: [time - T0 for time in series.times] for series in found.series}
    assert points == {"pending": [0, 10], "firing": [20, 30, 40]}
    found = await store.query_range("ALERTS_FOR_STATE", T0, T0 + 50, 10)
    assert list(found.series[0].values) == [T0] * 5
    recorded = await store.query("node:power:sum", T0 + 50)
    assert [(dict(series.labels), series.values[0]) for series in recorded.series] == [
        ({"__name__": "node:power:sum", "node": "n1"}, 100.0)
    ]


async def test_a_query_that_fails_ends_no_alert(store, memory, rules, monkeypatch):
    told = Told()
    engine = engine_of(store, memory, rules, told)
    await stepped(engine, store, [600, 600, 600])

    async def refuse(expression, at=None):
        raise QueryError("the store is away", kind="unavailable")

    with monkeypatch.context() as patch:
        patch.setattr(store, "query", refuse)
        assert await stepped(engine, store, [600, 600], 3) == [[("NodeHot", "firing")]] * 2
        assert engine.failing() == {"node:power:sum": "the store is away", "NodeHot": "the store is away"}
    assert [at - T0 for at, _ in told.notices] == [20, 30, 40]
    assert not told.ends()
    await stepped(engine, store, [600], 5)
    assert engine.failing() == {}


async def test_a_killed_engine_goes_on_where_it_was(store, memory, rules):
    first = engine_of(store, memory, rules, Told())
    await stepped(first, store, [600, 600, 600])
    told = Told()
    second = engine_of(store, memory, rules, told)
    await second.start()
    assert [(alert.state, alert.fired_at) for alert in second.active()] == [("firing", T0 + 20)]
    assert await stepped(second, store, [600], 3) == [[("NodeHot", "firing")]]
    assert told.notices[0][1].starts_at == T0 + 20


async def test_an_end_that_delivery_did_not_take_is_told_by_the_next_process(store, memory, rules):
    told = Told()
    first = engine_of(store, memory, rules, told)
    await stepped(first, store, [600, 600, 600, 100, 100])
    told.broken = True
    await stepped(first, store, [100], 5)
    assert first.active() == []
    assert "delivery" in first.failing()
    assert told.ends() == []
    again = Told()
    second = engine_of(store, memory, rules, again)
    await second.start()
    await stepped(second, store, [100], 6)
    assert [each.ends_at for each in again.ends()] == [T0 + 50]
    third = engine_of(store, memory, rules, again)
    await third.start()
    await stepped(third, store, [100], 7)
    assert len(again.ends()) == 1


class Straggler:
    name = "GpuStraggler"
    every_seconds = 30.0
    conditions = Conditions(for_seconds=30)
    summary = "A GPU behind its job's others"

    def __init__(self) -> None:
        self.trouble: Exception | None = None

    async def look(self, at: float) -> Sequence[Raised]:
        if self.trouble is not None:
            raise self.trouble
        return [Raised(labels={"alertname": self.name, "severity": "info"}, annotations={"summary": "slow"}, value=0.5)]


async def test_a_finding_goes_through_the_same_states(store, memory):
    finder = Straggler()
    engine = engine_of(store, memory, (), finders=[finder])
    await engine.evaluate(engine.groups[0].group, T0)
    await engine.evaluate(engine.groups[0].group, T0 + 30)
    finder.trouble = KeyError("gpu")
    await engine.evaluate(engine.groups[0].group, T0 + 60)
    [alert] = engine.active()
    assert (alert.state, alert.source, alert.group) == ("firing", "finding", "findings/GpuStraggler")
    assert engine.failing() == {"GpuStraggler": "KeyError: 'gpu'"}


async def test_all_shipped_rules_are_evaluated_on_an_empty_history(store, memory):
    engine = engine_of(store, memory, load_rules(shipped_rules()))
    for state in engine.groups:
        await engine.evaluate(state.group, T0)
    assert engine.failing() == {}


async def test_groups_run_at_their_moments_until_stopped(store, memory, tmp_path):
    path = tmp_path / "often.yml"
    path.write_text("groups: [{name: often, interval: 50ms, rules: [{alert: Always, expr: vector(1)}]}]")
    told = Told()
    engine = Engine(store=store, memory=memory, groups=load_rules([path]), tell=told)
    stop = asyncio.Event()
    running = asyncio.create_task(engine.run(stop))
    async with asyncio.timeout(20):
        while len(told.notices) < 5:
            await asyncio.wait({running}, timeout=0.01)
    stop.set()
    await running
    moments = [at for at, _ in told.notices]
    assert all((round((later - earlier) * 1000)) % 50 == 0 for earlier, later in itertools.pairwise(moments))
    assert len(set(moments)) == len(moments)


async def test_what_ended_while_nobody_looked_ends_in_history_too(store, memory, rules):
    await stepped(engine_of(store, memory, rules), store, [600, 600, 600])
    reopened = engine_of(store, memory, rules)
    await reopened.start()
    store._ingest._recorded.clear()  # as a new process has it
    await stepped(reopened, store, [100, 100, 100, 100, 100, 100, 100, 100, 100, 100], 3)
    assert reopened.active() == []
    assert (await store.query("ALERTS", T0 + 120)).series == ()


async def test_a_full_disk_keeps_nobody_from_being_told(store, memory, rules, monkeypatch):
    told = Told()
    engine = engine_of(store, memory, rules, told)
    with monkeypatch.context() as patch:

        def refuse(*_):
            raise MemoryFailed("alerts.sqlite cannot be written: the disk is full")

        patch.setattr(memory, "save", refuse)
        await stepped(engine, store, [600, 600, 600])
        assert [at - T0 for at, _ in told.notices] == [20]
        assert "the disk is full" in engine.failing()["memory"]
    await stepped(engine, store, [600], 3)
    assert engine.failing() == {}
    [alerts] = memory.load().active.values()
    assert [alert.fired_at for alert in alerts.values()] == [T0 + 20]


async def test_alerts_of_a_rule_that_is_gone_end(store, memory, rules, tmp_path):
    await stepped(engine_of(store, memory, rules, Told()), store, [600, 600, 600])
    path = tmp_path / "other.yml"
    path.write_text("groups: [{name: other, interval: 10s, rules: [{alert: Never, expr: vector(1) > 2}]}]")
    told = Told()
    changed = engine_of(store, memory, load_rules([path]), told)
    await changed.start()
    await stepped(changed, store, [600], 3)
    assert changed.active() == []
    assert [each.labels["alertname"] for each in told.ends()] == ["NodeHot"]
    assert memory.load().active == {}


async def test_a_rule_with_more_alerts_than_its_group_allows_fails_and_keeps_what_it_had(store, memory, tmp_path):
    path = tmp_path / "few.yml"
    path.write_text("groups: [{name: few, interval: 10s, limit: 1, rules: [{alert: Hot, expr: power_watts > 500}]}]")
    engine = engine_of(store, memory, load_rules([path]))
    await stepped(engine, store, [600])
    await store.ingest(
        'power_watts{node="n1",gpu="0"} 600\npower_watts{node="n2",gpu="0"} 600\n', round((T0 + 10) * 1000), 0.01
    )
    await engine.evaluate(engine.groups[0].group, T0 + 10)
    assert len(engine.active()) == 1
    assert engine.failing() == {"Hot": "exceeded limit of 1 with 2 alerts or series"}


async def test_recording_rules_need_a_history_that_is_ours(store, memory, rules):
    engine = Engine(store=store, memory=memory, groups=rules, clock=lambda: T0)
    await stepped(engine, store, [600])
    assert "give its file to the Prometheus" in engine.failing()["node:power:sum"]


async def test_links_of_a_finding_lead_where_people_reach_the_dashboard(store, memory):
    finder = Straggler()
    written = "http://localhost:8050/runbooks/GpuStraggler"
    found = Raised(labels={"alertname": finder.name}, annotations={"runbook_url": written}, value=0.5)

    async def look(at: float) -> Sequence[Raised]:
        return [found]

    finder.look = look
    engine = engine_of(store, memory, (), finders=[finder], public_url="https://watt.example.org")
    await engine.evaluate(engine.groups[0].group, T0)
    [alert] = engine.active()
    assert alert.annotations["runbook_url"] == "https://watt.example.org/runbooks/GpuStraggler"


async def test_an_evaluation_that_found_nothing_is_told_too(store, memory, rules):
    heard = []

    class Listening:
        async def tell(self, notices: Sequence[Notice], at: float) -> None:
            heard.append((len(notices), at))

    await stepped(engine_of(store, memory, rules, Listening()), store, [100])
    assert heard == [(0, T0)]


async def test_who_has_nothing_to_evaluate_waits_until_it_is_stopped(store, memory):
    stop = asyncio.Event()
    running = asyncio.create_task(engine_of(store, memory, ()).run(stop))
    done, _ = await asyncio.wait({running}, timeout=0.5)
    assert not done
    stop.set()
    await running
