"""Ten thousand alerts at once: all of them are told, each text is its own, and the event loop stays free."""

from __future__ import annotations

import asyncio
import gc
import time

import pytest

from alerts.evaluation.engine import Engine
from alerts.evaluation.loader import load_rules
from alerts.evaluation.template_queries import answered, plain_selector
from alerts.evaluation.templates import Sample
from alerts.memory import Memory
from tests.support.series_store import SeriesStore

RULES = """
groups:
  - name: many
    interval: 30s
    rules:
      - alert: GpuHot
        expr: temperature > 80
        labels: {severity: warning}
        annotations:
          description: >-
            GPU {{ $labels.gpu }} of {{ $labels.node }} has {{ $value | humanize }} of
            {{ with printf "limit{node='%s',gpu='%s'}" $labels.node $labels.gpu | query }}{{ . | first | value }}{{ end }}
"""
NODES, GPUS = 1250, 8


class Counted(SeriesStore):
    """Counts what it is asked."""

    asked = 0

    async def query(self, expression, at=None):
        self.asked += 1
        return await asyncio.to_thread(lambda: asyncio.run(SeriesStore.query(self, expression, at)))


class Told:
    def __init__(self) -> None:
        self.firing: dict[str, str] = {}
        self.ended: set[str] = set()

    async def tell(self, notices, at) -> None:
        await asyncio.to_thread(self._take, notices)

    def _take(self, notices) -> None:
        self.firing.update({each.fingerprint: each.annotations["description"] for each in notices if each.ends_at is None})
        self.ended |= {each.fingerprint for each in notices if each.ends_at is not None}


async def longest_stretch(stop: asyncio.Event) -> float:
    """Seconds of processor time that the event loop's own thread spent between two turns of ours, at most."""
    longest, before = 0.0, time.thread_time()
    while not stop.is_set():
        await asyncio.sleep(0)
        now = time.thread_time()
        longest, before = max(longest, now - before), now
    return longest


@pytest.fixture
def engine(tmp_path):
    path = tmp_path / "rules.yml"
    path.write_text(RULES)
    store, memory = Counted(), Memory(tmp_path / "alerts.sqlite")
    for node in range(NODES):
        for gpu in range(GPUS):
            labels = {"node": f"n{node}", "gpu": str(gpu)}
            store.add({"__name__": "temperature", **labels}, [(0, 90.0), (600_000, 50.0)])
            store.add({"__name__": "limit", **labels}, [(0, 80.0 + gpu)])
    made = Engine(store=store, memory=memory, groups=load_rules([path]), tell=Told())
    made.store, made.told = store, made._keeper._tell
    gc.collect()
    gc.freeze()  # the made-up history is twenty thousand lists, which no real store has and which the collector would walk
    yield made
    gc.unfreeze()
    memory.close()


async def test_ten_thousand_alerts_block_nobody_and_none_is_lost(engine):
    stop = asyncio.Event()
    watching = asyncio.create_task(longest_stretch(stop))
    await engine.evaluate(engine.groups[0].group, 0.0)
    assert len(engine.active()) == len(engine.told.firing) == NODES * GPUS
    assert min(engine.told.firing.values()) == "GPU 0 of n0 has 90 of 80"
    assert len(set(engine.told.firing.values())) == NODES * GPUS
    assert engine.store.asked == 2, "one for the rule, one for all limits"
    await engine.evaluate(engine.groups[0].group, 600.0)
    assert engine.active() == []
    assert engine.told.ended == engine.told.firing.keys()
    stop.set()
    assert await watching < 0.1


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("x{a='1',b=\"2\"}", ("x", (("a", "1"), ("b", "2")))),
        (" x { a = '1' , } ", ("x", (("a", "1"),))),
        ("x{}", ("x", ())),
        ("x", None),
        ("x{a!='1'}", None),
        ("x{a=~'1'}", None),
        ("x{a='1'} offset 5m", None),
        ("sum(x{a='1'})", None),
        (r"x{a='\n'}", None),
        ("x{a='1',a='2'}", None),
        ("{__name__='x'}", None),
    ],
)
def test_only_plain_selectors_are_fetched_together(query, found):
    assert plain_selector(query) == found


async def test_what_is_fetched_together_is_what_each_query_would_have_given():
    store = Counted()
    for number in range(60):
        labels = {"__name__": "x", "a": str(number % 40), **({"b": "y"} if number % 3 else {})}
        store.add({**labels, "n": str(number)}, [(0, float(number))])
    queries = [f"x{{a='{number}'}}" for number in range(45)] + [f"x{{a='{number}',b=''}}" for number in range(45)] + ["sum(x)"]

    def plain(found: list[Sample]):
        return sorted((tuple(sorted(each.labels.items())), each.value) for each in found)

    together = await answered(store, queries, 0.0)
    assert store.asked == 2
    for query in queries:
        [alone] = (await answered(store, [query], 0.0)).values()
        assert plain(together[query]) == plain(alone), query
