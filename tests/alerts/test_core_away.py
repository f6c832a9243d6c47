"""While core gives no data nobody knows whether an alert still holds: it is held, and said to be not confirmed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from alerts.evaluation.engine import Engine
from alerts.evaluation.loader import load_rules
from alerts.memory import Memory
from alerts.model import Conditions, Notice, Raised
from tests.support.series_store import SeriesStore
from wattstat.promql.raw import STALE

RULES = """
groups:
  - name: test
    interval: 10s
    rules:
      - {alert: Hot, expr: 'wattstat_gpu_temperature_celsius > 80', keep_firing_for: 30s}
      - {alert: CoreDown, expr: 'up{job="wattstat"} == 0', for: 20s}
      - {alert: QueueGrows, expr: 'wattstat_alert_queue_oldest_seconds > 300'}
      - {alert: Theirs, expr: 'node_load1 > 10'}
"""
CORE = {"job": "wattstat", "instance": "core:9400"}
AWAY = None


@dataclass
class Told:
    """Delivery that only remembers."""

    ends: list[tuple[float, str]] = field(default_factory=list)
    last: dict[str, Notice] = field(default_factory=dict)

    async def tell(self, notices: Sequence[Notice], at: float) -> None:
        self.ends += [(at, each.labels["alertname"]) for each in notices if each.ends_at is not None]
        self.last = {each.labels["alertname"]: each for each in notices if each.ends_at is None}


@dataclass
class Site:
    """A core that is scraped every ten seconds, what web and others write, and the engine that looks."""

    path: Path
    store: SeriesStore = field(default_factory=SeriesStore)
    told: Told = field(default_factory=Told)
    now: float = 0.0
    is_scraped: bool = True
    has_up: bool = True
    has_spoken: bool = False

    def __post_init__(self) -> None:
        self.memory = Memory(self.path / "alerts.sqlite")
        (self.path / "rules.yml").write_text(RULES)
        self.start()

    def start(self, *, is_ours: bool = False, finders: Sequence[object] = ()) -> None:
        self.engine = Engine(
            store=self.store, memory=self.memory, groups=load_rules([self.path / "rules.yml"]), tell=self.told,
            record=self.store.record if is_ours else None, finders=finders, clock=lambda: self.now,
        )  # fmt: skip

    async def after(self, celsius: float | None, *, queue: float = 0.0, load: float = 0.0, times: int = 1) -> list[str]:
        """What fires after so many scrapes and evaluations; None is a core that does not answer."""
        for _ in range(times):
            self.now += 10
            at = round(self.now * 1000)
            self.store.add({"__name__": "wattstat_alert_queue_oldest_seconds", "receiver": "pager"}, [(at, queue)])
            self.store.add({"__name__": "node_load1", "instance": "a"}, [(at, load)])
            if self.is_scraped and self.has_up:
                self.store.add({"__name__": "up", **CORE}, [(at, float(celsius is not None))])
            if self.is_scraped and (celsius is not None or self.has_spoken):
                value = STALE if celsius is None else celsius
                self.store.add({"__name__": "wattstat_gpu_temperature_celsius", "node": "n1"}, [(at, value)])
            self.has_spoken = celsius is not None
            for state in self.engine.groups:
                await self.engine.evaluate(state.group, self.now)
        return sorted(alert.name for alert in self.engine.active() if alert.state == "firing")

    def unconfirmed(self) -> dict[str, float | None]:
        return {alert.name: alert.unconfirmed_since for alert in self.engine.active() if alert.state == "firing"}


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path)
    yield made
    made.memory.close()


async def test_an_alert_is_held_for_as_long_as_core_is_away(site):
    await site.after(90, times=2)
    assert await site.after(AWAY, times=60) == ["CoreDown", "Hot"]
    assert site.unconfirmed() == {"Hot": 30.0, "CoreDown": None}
    assert site.told.ends == []
    assert site.told.last["Hot"].unconfirmed_since == 30.0


async def test_back_and_cool_it_ends_when_the_collectors_had_their_time_and_it_has_fired_on(site):
    await site.after(90, times=2)
    await site.after(AWAY, times=60)
    assert await site.after(60, times=5) == ["Hot"]
    assert site.unconfirmed() == {"Hot": 30.0}
    assert await site.after(60, times=2) == ["Hot"]
    assert site.unconfirmed() == {"Hot": None}
    assert await site.after(60, times=4) == []
    assert [name for _, name in site.told.ends] == ["CoreDown", "Hot"]


async def test_back_and_hot_it_is_confirmed_and_is_the_same_alert(site):
    await site.after(90, times=2)
    [hot] = site.engine.active()
    await site.after(AWAY, times=60)
    await site.after(95)
    found = next(alert for alert in site.engine.active() if alert.name == "Hot")
    assert (found.active_at, found.fired_at, found.unconfirmed_since) == (hot.active_at, hot.fired_at, None)
    assert site.told.ends == [(site.now, "CoreDown")]


async def test_what_fired_on_when_core_went_away_was_last_confirmed_before(site):
    await site.after(90)
    await site.after(60)
    await site.after(AWAY, times=60)
    assert site.unconfirmed()["Hot"] == 20.0


async def test_that_core_is_down_begins_and_ends_by_itself(site):
    await site.after(90)
    assert await site.after(AWAY, times=2) == ["Hot"]
    assert await site.after(AWAY) == ["CoreDown", "Hot"]
    assert await site.after(90) == ["Hot"]


async def test_what_web_or_others_tell_ends_while_core_is_away(site):
    assert await site.after(60, queue=400, load=20) == ["QueueGrows", "Theirs"]
    assert await site.after(AWAY) == []


async def test_in_a_history_of_our_own_everything_that_web_does_not_write_is_cores(site):
    site.start(is_ours=True)
    await site.after(60, queue=400, load=20)
    assert await site.after(AWAY) == ["Theirs"]


async def test_a_history_that_nobody_fills_any_more_ends_nothing(site):
    await site.after(90, times=2)
    site.is_scraped = False
    assert await site.after(AWAY, times=60) == ["Hot"]
    assert site.unconfirmed() == {"Hot": 330.0}, "the last sample counts for five minutes"


async def test_without_any_word_of_a_core_alerts_end_as_in_prometheus(site):
    site.has_up = False
    assert await site.after(90, times=2) == ["Hot"]
    assert await site.after(AWAY, times=4) == []


async def test_what_is_not_confirmed_is_so_after_a_restart_of_web(site):
    await site.after(90, times=2)
    await site.after(AWAY, times=10)
    site.start()
    await site.engine.start()
    assert site.unconfirmed()["Hot"] == 30.0
    assert await site.after(AWAY, times=20) == ["CoreDown", "Hot"]
    assert site.unconfirmed()["Hot"] == 30.0
    assert await site.after(60, times=30) == []


async def test_a_finding_is_held_too(site):
    class Slow:
        name, every_seconds, conditions, summary = "Slow", 10.0, Conditions(), "Something is slow."

        async def look(self, at: float) -> Sequence[Raised]:
            found = (await site.store.query("wattstat_gpu_temperature_celsius", at)).series
            return [Raised(labels={"alertname": "Slow"}, annotations={}, value=1.0) for _ in found]

    site.start(finders=[Slow()])
    assert await site.after(60) == ["Slow"]
    assert "Slow" in await site.after(AWAY, times=30)
