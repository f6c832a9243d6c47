"""BudgetBreachForecast: growth that nothing holds is told; starts of jobs, and budgets that are held, are not."""

import numpy as np
import pytest

from alerts.findings import budgets
from alerts.findings.past import Past
from tests.support.alert_history import History

T0 = 1_700_006_400.0
HOUR = 3600.0


def ramp(watts: float, per_hour: float, noise: float = 150.0):
    rng = np.random.default_rng(3)
    return lambda since: watts + per_hour * since / HOUR + rng.normal(0, noise, len(since))


async def found(
    tmp_path, power, *, limit=27_500.0, envelope=34_000.0, coverage=0.6, mode="observe", leads=0.0, seconds=3 * HOUR
):
    history = History(start=T0, seconds=seconds, step=30)
    labels = {"budget": "r1", "kind": "rack"}
    history.add("wattstat_budget_power_watts", power, **labels)
    history.add("wattstat_budget_limit_watts", limit, **labels)
    if envelope is not None:
        history.add("wattstat_budget_envelope_watts", envelope, **labels)
        history.add("wattstat_budget_coverage_ratio", coverage, **labels)
    history.add("wattstat_controller_mode", float(mode == "enforce"), mode="enforce")
    history.add("wattstat_controller_leader", leads, holder="core-1")
    async with history.stored(tmp_path) as store:
        return list(await budgets.finder(Past(store)).look(history.end))


async def test_growth_towards_a_limit_that_nobody_holds_is_told_with_the_time_that_is_left(tmp_path):
    (raised,) = await found(tmp_path, ramp(18_000, 3000))

    assert raised.labels["budget"] == "r1"
    assert raised.labels["kind"] == "rack"
    said = raised.annotations["description"]
    assert "rack r1 draws 26.7 kW and grows by 3.0 kW an hour" in said
    assert "over its limit of 27.5 kW" in said
    assert "Nobody enforces it" in said
    assert raised.value == pytest.approx(29_700, abs=300)
    assert raised.evidence[0].limit_expression == 'wattstat_budget_limit_watts{budget="r1",kind="rack"}'


@pytest.mark.parametrize("watts", [12_000, 15_000])
async def test_growth_that_will_not_get_there_is_not(tmp_path, watts):
    assert await found(tmp_path, ramp(watts, 3000)) == []


@pytest.mark.parametrize("minutes_ago", [1, 5, 10, 20, 30, 60, 90, 110])
@pytest.mark.parametrize("ramp_minutes", [0, 5])
async def test_the_start_of_a_job_is_no_growth(tmp_path, minutes_ago, ramp_minutes):
    start = 3 * HOUR - minutes_ago * 60
    rng = np.random.default_rng(1)

    def power(since):
        part = np.clip((since - start) / max(1, ramp_minutes * 60), 0, 1)
        return 18_000 + 8_500 * part + rng.normal(0, 200, len(since))

    assert await found(tmp_path, power) == []


async def test_two_jobs_that_start_are_no_growth(tmp_path):
    def power(since):
        return 16_000 + 5_000 * (since > 1.5 * HOUR) + 5_500 * (since > 2.4 * HOUR)

    assert await found(tmp_path, power) == []


async def test_what_is_held_by_the_controller_is_not_told(tmp_path):
    assert await found(tmp_path, ramp(18_000, 3000), mode="enforce", leads=1.0) == []


async def test_a_controller_without_the_lease_holds_nothing(tmp_path):
    assert len(await found(tmp_path, ramp(18_000, 3000), mode="enforce", leads=0.0)) == 1


async def test_a_controller_that_has_too_little_to_take_away_is_named_as_such(tmp_path):
    (raised,) = await found(tmp_path, ramp(18_000, 3000), mode="enforce", leads=1.0, coverage=0.1)

    assert "even with every cap at its lowest" in raised.annotations["description"]


async def test_what_all_devices_together_could_not_draw_is_not_told(tmp_path):
    assert await found(tmp_path, ramp(18_000, 3000), envelope=27_000.0) == []


async def test_where_nothing_bounds_the_worst_case_growth_alone_decides(tmp_path):
    assert len(await found(tmp_path, ramp(18_000, 3000), envelope=None)) == 1


async def test_what_is_over_its_limit_already_is_another_alert(tmp_path):
    assert await found(tmp_path, ramp(20_000, 3000)) == []


async def test_growth_that_has_ended_is_not_told(tmp_path):
    def power(since):
        return 18_000 + 3000 * np.minimum(since, 2 * HOUR) / HOUR + 0 * since

    assert await found(tmp_path, power, limit=24_800) == []


async def test_noise_is_no_growth(tmp_path):
    assert await found(tmp_path, ramp(26_500, 0, noise=800)) == []


async def test_half_an_hour_of_history_forecasts_nothing(tmp_path):
    assert await found(tmp_path, ramp(25_000, 3000), seconds=1800) == []


def test_three_levels_tell_three_levels_exactly_and_a_line_badly():
    levels = np.repeat([10.0, 25.0, 18.0], [5, 9, 11])

    assert budgets.by_steps(levels) == pytest.approx(0, abs=1e-6)
    assert budgets.by_steps(np.arange(25.0)) > 100


@pytest.mark.parametrize("seed", range(20))
def test_jobs_that_come_and_go_at_random_are_hardly_ever_growth(seed):
    rng = np.random.default_rng(seed)
    watts = 15_000 + rng.normal(0, 300, 25)
    for _ in range(2):
        watts[int(rng.integers(25)) :] += rng.uniform(1000, 6000)

    assert budgets.pace(watts, 500) is None
