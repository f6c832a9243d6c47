"""Series that were computed: written beside scrapes, ended when their source leaves them out."""

from __future__ import annotations

import pytest

from alerts.model import Written
from wattstat.promql.raw import STALE
from wattstat.store.embedded import EmbeddedStore

T0 = 1_700_000_000


@pytest.fixture
async def store(tmp_path):
    opened = EmbeddedStore(tmp_path / "history.duckdb", target_labels=(("job", "wattstat"),), clock=lambda: float(T0))
    yield opened
    await opened.close()


def written(source: str, **values: float) -> Written:
    return Written(source=source, samples=[({"__name__": "computed", "of": name}, value) for name, value in values.items()])


async def shown(store, at: float) -> dict[str, float]:
    return {series.labels["of"]: float(series.values[0]) for series in (await store.query("computed", at)).series}


async def test_computed_series_keep_their_own_labels(store):
    await store.record([written("rule", a=1.5)], T0 * 1000)
    [series] = (await store.query("computed", T0)).series
    assert dict(series.labels) == {"__name__": "computed", "of": "a"}


async def test_what_a_source_leaves_out_has_ended_at_once(store):
    await store.record([written("one", a=1, b=2), written("two", c=3)], T0 * 1000)
    await store.record([written("one", b=2)], (T0 + 10) * 1000)
    assert await shown(store, T0 + 5) == {"a": 1, "b": 2, "c": 3}
    assert await shown(store, T0 + 10) == {"b": 2, "c": 3}
    await store.record([written("one")], (T0 + 20) * 1000)
    assert await shown(store, T0 + 20) == {"c": 3}


async def test_a_source_may_end_a_series_by_name_and_may_write_it_again(store):
    await store.record([Written(source="one", samples=[({"__name__": "computed", "of": "a"}, STALE)])], T0 * 1000)
    assert await shown(store, T0) == {}
    await store.record([written("one", a=4)], (T0 + 10) * 1000)
    assert await shown(store, T0 + 10) == {"a": 4}


async def test_a_scrape_ends_no_computed_series_and_is_ended_by_none(store):
    await store.ingest("up_here 1\n", T0 * 1000, 0.1)
    await store.record([written("one", a=1)], (T0 + 1) * 1000)
    await store.ingest("up_here 1\n", (T0 + 10) * 1000, 0.1)
    await store.record([written("one", a=1)], (T0 + 11) * 1000)
    assert await shown(store, T0 + 12) == {"a": 1}
    assert len((await store.query("up_here", T0 + 12)).series) == 1


async def test_computed_series_are_there_after_a_restart_and_after_sorting(store, tmp_path):
    await store.record([written("one", a=1)], T0 * 1000)
    await store.compact()
    await store.record([written("one", a=2)], (T0 + 30) * 1000)
    await store.close()
    again = EmbeddedStore(tmp_path / "history.duckdb", clock=lambda: float(T0))
    found = await again.query_range("computed", T0, T0 + 30, 30)
    assert [list(series.values) for series in found.series] == [[1, 2]]
    await again.close()
