"""What findings ask of history comes back on one grid, with holes where nothing was."""

import numpy as np

from alerts.findings.past import Past
from alerts.findings.trends import growth, rises, slope
from tests.support.alert_history import History

T0 = 1_700_006_400.0


class Counting:
    """A store that counts how it is asked."""

    def __init__(self, store):
        self.store, self.spans = store, []

    async def query_range(self, expression, start, end, step):
        self.spans.append(end - start)
        return await self.store.query_range(expression, start, end, step)


async def test_a_long_table_is_asked_for_in_parts_and_is_whole(tmp_path):
    history = History(start=T0, seconds=86_400, step=300)
    history.add("up", lambda since: since, node="a")
    history.add("up", lambda since: np.where(since > 43_000, since, np.nan), node="b")
    async with history.stored(tmp_path) as store:
        counting = Counting(store)
        table = await Past(counting).table("up", "node", history.end, seconds=86_400, step=900)

    assert len(counting.spans) > 3
    assert max(counting.spans) <= 6 * 3600
    assert table[("a",)].tolist() == list(range(0, 86_401, 900))
    assert np.isnan(table[("b",)][:47]).all()
    assert table[("b",)][-1] == 86_400
    assert np.isnan(table[("nobody",)]).all()


async def test_where_two_cores_tell_of_one_device_the_larger_counts(tmp_path):
    history = History(start=T0, seconds=600)
    history.add("watts", 100.0, node="a", instance="one")
    history.add("watts", 200.0, node="a", instance="two")
    async with history.stored(tmp_path) as store:
        past = Past(store)
        assert await past.now("watts", "node", history.end) == {("a",): 200.0}
        table = await past.table("watts", "node", history.end, seconds=120, step=60)
    assert table[("a",)].tolist() == [200.0] * 3


def test_a_slope_minds_no_outliers():
    times = np.arange(20.0)
    values = 3 * times
    values[[4, 9, 17]] = 1e6
    assert slope(times, values) == 3
    assert np.isnan(slope(times[:1], values[:1]))


def test_only_the_order_counts_for_a_trend():
    assert rises(np.arange(24.0)) > 6
    assert rises(-np.arange(24.0)) < -6
    assert rises(np.ones(24)) == 0
    one_noisy = np.zeros(24)
    one_noisy[20] = 1e9
    assert abs(rises(one_noisy)) < 2
    assert np.isnan(rises(np.array([1.0, 2, np.nan])))


def test_chance_looks_like_a_trend_once_in_hundreds():
    rng = np.random.default_rng(5)
    assert sum(rises(rng.normal(size=24)) >= 3 for _ in range(2000)) <= 8


def test_a_counter_that_begins_anew_has_counted_what_it_shows():
    assert growth(np.array([10.0, 15, 3, 4])).tolist() == [5, 3, 1]
