"""LedgerLeaking: a leak is told by its pace, long before a day is out of balance."""

import numpy as np
import pytest

from alerts.findings import ledgers
from alerts.findings.past import Past
from tests.support.alert_history import History

T0 = 1_700_006_400.0
HOUR = 3600.0


def day_share(leak):
    """What is missing of the last day, hour by hour as the ledger drops them, of a server that draws evenly."""

    def share(since):
        hours = since / HOUR
        lost = np.cumsum(np.concatenate([[0.0], np.diff(hours) * np.asarray(leak(hours))[1:]]))
        return lost / 24

    return share


async def found(tmp_path, share, *, guessed=0.0, seconds=6 * HOUR):
    history = History(start=T0, seconds=seconds)
    history.add("wattstat_ledger_residual_ratio", share, node="gpu-1")
    history.add("wattstat_ledger_hole_seconds_total", lambda since: guessed * since, node="gpu-1")
    async with history.stored(tmp_path) as store:
        return list(await ledgers.finder(Past(store)).look(history.end))


async def test_a_leak_is_told_when_the_day_is_still_far_from_its_limit(tmp_path):
    (raised,) = await found(tmp_path, day_share(lambda hours: np.where(hours > 3, 0.04, 0.0)))

    assert raised.labels["node"] == "gpu-1"
    assert raised.value == pytest.approx(0.04, rel=0.15)
    assert "About 4.0% of what gpu-1 draws is posted to nobody" in raised.annotations["description"]
    assert "of the whole day it is 0.50%" in raised.annotations["description"]


async def test_energy_that_nobody_measured_is_told_as_such(tmp_path):
    (raised,) = await found(tmp_path, day_share(lambda hours: np.where(hours > 3, -0.05, 0.0)))

    assert "is posted that its meter did not count" in raised.annotations["description"]
    assert raised.evidence[0].limit_expression == "-0.01"


async def test_guessed_time_is_told_beside_it(tmp_path):
    (raised,) = await found(tmp_path, day_share(lambda hours: 0.05 + 0 * hours), guessed=0.25)

    assert "15 minutes had no readings and were guessed" in raised.annotations["description"]


@pytest.mark.parametrize("leak", [0.0, 0.005])
async def test_books_that_balance_or_leak_by_less_than_matters_are_not(tmp_path, leak):
    assert await found(tmp_path, day_share(lambda hours: leak + 0 * hours)) == []


async def test_rounding_of_meters_is_no_leak(tmp_path):
    rng = np.random.default_rng(2)
    assert await found(tmp_path, lambda since: rng.normal(0, 2e-4, len(since))) == []


async def test_one_hour_that_went_wrong_is_not_told_when_it_is_over(tmp_path):
    assert await found(tmp_path, day_share(lambda hours: np.where((hours > 4) & (hours < 4.5), 0.2, 0.0))) == []


async def test_a_day_that_gets_better_is_not(tmp_path):
    assert await found(tmp_path, lambda since: 0.02 - 0.0015 * since / HOUR) == []


async def test_a_ledger_that_has_just_begun_is_not_judged(tmp_path):
    assert await found(tmp_path, lambda since: 0.05 * since / HOUR, seconds=HOUR) == []
