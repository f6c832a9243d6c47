"""LinkFailingSlowly: links that get worse are found; noisy hours, tired cables and restarts are not."""

import numpy as np
import pytest

from alerts.findings import links
from alerts.findings.past import Past
from tests.support.alert_history import History

T0 = 1_700_006_400.0
HOUR, DAY = 3600.0, 86_400.0


class Fabric:
    """Four ports of a leaf for two days, each with the odd symbol error."""

    def __init__(self, seconds: float = 2 * DAY) -> None:
        self.history = History(start=T0, seconds=seconds, step=300)
        self.rng = np.random.default_rng(7)
        for port in range(2, 6):
            self.symbols(str(port), lambda since: 0.5 / HOUR + 0 * since)

    def symbols(self, port: str, rate, since: float = 0.0) -> None:
        """A counter that chance moves at a rate of so many a second."""
        times = self.history.times - T0
        counted = self.rng.poisson(np.asarray(rate(times)) * self.history.step).cumsum()
        values = np.where(times >= since, 1e5 + counted, np.nan)
        self.history.add("wattstat_switch_port_symbol_errors_total", values, switch="leaf-1", port=port)

    def ratio(self, port: str, value) -> None:
        labels = {"switch": "leaf-1", "port": port, "kind": "effective"}
        self.history.add("wattstat_switch_port_bit_error_ratio", value, **labels)

    def downs(self, port: str, *at: float) -> None:
        values = sum((self.history.times - T0 >= moment).astype(float) for moment in at) + 0 * self.history.times
        self.history.add("wattstat_switch_port_link_faults_total", values, switch="leaf-1", port=port, kind="down")

    async def found(self, tmp_path) -> list:
        async with self.history.stored(tmp_path) as store:
            return list(await links.finder(Past(store)).look(self.history.end))


async def test_a_quiet_fabric_has_none(tmp_path):
    assert await Fabric().found(tmp_path) == []


async def test_a_link_whose_errors_grow_is_named_with_what_hangs_on_it(tmp_path):
    fabric = Fabric()
    fabric.symbols("1", lambda since: 1 / HOUR * 10 ** (since / DAY))
    cable = {"node": "gpu-1", "device": "mlx5_0", "rail": "1", "switch": "leaf-1", "port": "1", "source": "ufm"}
    fabric.history.add("wattstat_fabric_link_info", 1.0, **cable)

    (raised,) = await fabric.found(tmp_path)

    assert raised.labels["switch"] == "leaf-1"
    assert raised.labels["port"] == "1"
    assert "symbol errors an hour" in raised.annotations["description"]
    assert "mlx5_0 of gpu-1" in raised.annotations["description"]
    assert raised.value > 4
    assert raised.evidence[0].expression.startswith("increase(wattstat_switch_port_symbol_errors_total{")
    assert float(raised.evidence[0].limit_expression) >= 4


@pytest.mark.parametrize("hours", [1, 2, 3])
@pytest.mark.parametrize("ago", [0, 1, 5, 20])
async def test_noisy_hours_are_no_trend(tmp_path, hours, ago):
    fabric = Fabric()
    begin, end = 2 * DAY - (ago + hours) * HOUR, 2 * DAY - ago * HOUR
    fabric.symbols("1", lambda since: np.where((since > begin) & (since <= end), 40.0, 0.5 / HOUR))

    assert await fabric.found(tmp_path) == []


async def test_a_cable_that_is_tired_for_weeks_is_no_trend(tmp_path):
    fabric = Fabric()
    fabric.symbols("1", lambda since: 0.02 + 0 * since)

    assert await fabric.found(tmp_path) == []


async def test_errors_by_the_hour_of_the_day_are_no_trend(tmp_path):
    fabric = Fabric()
    fabric.symbols("1", lambda since: 0.02 * (1.5 + np.sin(2 * np.pi * since / DAY)))

    assert await fabric.found(tmp_path) == []


async def test_a_counter_that_begins_anew_is_no_trend(tmp_path):
    fabric = Fabric()
    times = fabric.history.times - T0
    fabric.history.add(
        "wattstat_switch_port_symbol_errors_total",
        np.where(times < DAY, 1e9 + times * 0.02, (times - DAY) * 0.02).round(),
        switch="leaf-1",
        port="1",
    )

    assert await fabric.found(tmp_path) == []


async def test_counts_that_chance_explains_are_no_trend(tmp_path):
    fabric = Fabric()
    fabric.symbols("1", lambda since: 0.03 / HOUR * 10 ** (since / DAY))  # three an hour in the end

    assert await fabric.found(tmp_path) == []


async def test_an_hour_of_history_has_no_trend(tmp_path):
    fabric = Fabric(seconds=HOUR)
    fabric.symbols("1", lambda since: since / 60)

    assert await fabric.found(tmp_path) == []


async def test_a_bad_evening_after_good_days_is_found_while_it_goes_on(tmp_path):
    fabric = Fabric()
    fabric.symbols("1", lambda since: np.where(since > 2 * DAY - 10 * HOUR, 0.5, 0.5 / HOUR))

    (raised,) = await fabric.found(tmp_path)
    assert raised.labels["port"] == "1"


async def test_a_bit_error_ratio_that_climbs_is_found_with_the_time_that_is_left(tmp_path):
    fabric = Fabric()
    fabric.ratio("1", lambda since: 1e-15 * 10 ** (since / DAY))  # a decade a day: 1e-13 now, 1e-12 in a day

    (raised,) = await fabric.found(tmp_path)

    assert "bit error ratio of" in raised.annotations["description"]
    assert "it loses data (1e-12) in 27 hours" in raised.annotations["description"]
    assert raised.evidence[0].limit_expression == "1e-12"


@pytest.mark.parametrize("value", [1e-15, 4e-14])
async def test_a_bit_error_ratio_that_stands_still_is_not(tmp_path, value):
    fabric = Fabric()
    fabric.ratio("1", fabric.rng.lognormal(np.log(value), 0.3, len(fabric.history.times)))

    assert await fabric.found(tmp_path) == []


async def test_a_ratio_that_climbs_where_links_are_good_is_not(tmp_path):
    fabric = Fabric()
    fabric.ratio("1", lambda since: 1e-17 * 10 ** (since / DAY))

    assert await fabric.found(tmp_path) == []


async def test_a_link_that_goes_down_once_in_a_while_is_found(tmp_path):
    fabric = Fabric()
    for port in "2345":
        fabric.downs(port)
    fabric.downs("1", 5 * HOUR, 20 * HOUR, 44 * HOUR)

    (raised,) = await fabric.found(tmp_path)
    assert "went down 3 times, in 3 different quarters of a day" in raised.annotations["description"]


async def test_a_port_on_which_somebody_works_for_an_evening_is_not(tmp_path):
    fabric = Fabric()
    fabric.downs("1", 40 * HOUR, 40.5 * HOUR, 41 * HOUR, 44 * HOUR)

    assert await fabric.found(tmp_path) == []


async def test_a_switch_that_is_started_anew_thrice_has_no_failing_links(tmp_path):
    fabric = Fabric()
    for port in "12345":
        fabric.downs(port, 5 * HOUR, 20 * HOUR, 44 * HOUR)

    assert await fabric.found(tmp_path) == []


async def test_falling_light_is_found_and_light_that_follows_the_day_is_not(tmp_path):
    fabric = Fabric()
    for lane, fall in (("1", 2.5), ("2", 0.0)):
        values = -2.0 - fall * (fabric.history.times - T0) / (2 * DAY) + 0.2 * np.sin(fabric.history.times / DAY * 2 * np.pi)
        labels = {"switch": "leaf-1", "port": "1", "lane": lane, "direction": "receive"}
        fabric.history.add("wattstat_switch_transceiver_power_dbm", values, **labels)

    (raised,) = await fabric.found(tmp_path)
    assert len(raised.evidence) == 1
    assert "dBm of light" in raised.annotations["description"]
    assert 'lane="1"' in raised.evidence[0].expression


async def test_both_ends_of_a_cable_are_one_alert(tmp_path):
    fabric = Fabric()
    fabric.symbols("1", lambda since: 1 / HOUR * 10 ** (since / DAY))
    times = fabric.history.times - T0
    worse = (10 ** (times / DAY) * 20).round()
    for device in ("mlx5_0", "mlx5_1"):
        labels = {"node": "gpu-1", "device": device, "port": "1", "kind": "symbol"}
        fabric.history.add("wattstat_infiniband_port_errors_total", worse, **labels)
    cable = {"node": "gpu-1", "device": "mlx5_0", "rail": "1", "switch": "leaf-1", "port": "1", "source": "ufm"}
    fabric.history.add("wattstat_fabric_link_info", 1.0, **cable)

    raised = await fabric.found(tmp_path)

    assert [each.labels.get("switch") or each.labels["device"] for each in raised] == ["leaf-1", "mlx5_1"]
