"""CapDrifting: caps that slip, that do not hold, or that somebody changes again and again."""

import numpy as np

from alerts.findings import caps
from alerts.findings.past import Past
from tests.support.alert_history import History

T0 = 1_700_006_400.0
HOUR = 3600.0


class Capped:
    """A GPU under a cap of 500 W, for eight hours."""

    def __init__(self, gpu: str = "3") -> None:
        self.history = History(start=T0, seconds=8 * HOUR)
        self.gpu = gpu

    def cap(self, target=500.0, confirmed=500.0) -> None:
        self.history.add("wattstat_cap_target_watts", target, node="gpu-1", gpu=self.gpu)
        self.history.add("wattstat_cap_confirmed_watts", confirmed, node="gpu-1", gpu=self.gpu)

    def power(self, watts) -> None:
        labels = {"node": "gpu-1", "gpu": self.gpu, "uuid": "GPU-3"}
        self.history.add("wattstat_gpu_power_watts", watts, **labels, window="1s", scope="gpu")

    def drifts(self, *hours: float) -> None:
        since = self.history.times - T0
        counted = sum((since >= hour * HOUR).astype(float) for hour in hours)
        self.history.add("wattstat_cap_drift_total", counted + 0 * since, node="gpu-1", gpu=self.gpu)

    async def found(self, tmp_path) -> list:
        async with self.history.stored(tmp_path) as store:
            return list(await caps.finder(Past(store)).look(self.history.end))


async def test_a_cap_that_holds_is_not_told(tmp_path):
    given = Capped()
    given.cap()
    given.power(lambda since: 498 + 4 * np.sin(since))

    assert await given.found(tmp_path) == []


async def test_a_cap_that_slips_watt_by_watt_is_told_before_the_gap_is_large(tmp_path):
    given = Capped()
    given.cap(confirmed=lambda since: (500 + 2.0 * np.maximum(since / HOUR - 2, 0)).round())

    (raised,) = await given.found(tmp_path)

    assert raised.labels["node"] == "gpu-1"
    assert raised.labels["gpu"] == "3"
    assert "Set to 500 W 6.0 hours ago and not since, it reads 512 W" in raised.annotations["description"]
    assert raised.value == 12.0
    assert raised.evidence[0].limit_expression == 'wattstat_cap_target_watts{node="gpu-1",gpu="3"}'


async def test_a_cap_that_follows_its_changing_target_is_not(tmp_path):
    given = Capped()
    given.cap(target=lambda since: 400 + 20 * (since // HOUR), confirmed=lambda since: 400 + 20 * ((since - 60) // HOUR))

    assert await given.found(tmp_path) == []


async def test_a_gap_that_was_there_when_the_cap_was_set_is_rounding_and_no_drift(tmp_path):
    given = Capped()
    given.cap(confirmed=506.0)

    assert await given.found(tmp_path) == []


async def test_more_power_than_the_cap_allows_for_half_an_hour_is_told(tmp_path):
    given = Capped()
    given.cap()
    given.power(lambda since: np.where(since > 7 * HOUR, 560.0, 480.0))

    (raised,) = await given.found(tmp_path)
    assert "It draws 560 W on average under a cap of 500 W" in raised.annotations["description"]


async def test_power_of_before_a_cut_is_not_held_against_the_new_cap(tmp_path):
    given = Capped()
    lowered = 8 * HOUR - 300
    given.cap(*[lambda since: np.where(since > lowered, 400.0, 560.0)] * 2)
    given.power(lambda since: np.where(since > lowered, 398.0, 555.0))

    assert await given.found(tmp_path) == []


async def test_short_peaks_above_a_cap_are_not(tmp_path):
    given = Capped()
    given.cap()
    given.power(lambda since: np.where(since % 600 < 120, 560.0, 470.0))

    assert await given.found(tmp_path) == []


async def test_a_server_is_held_against_its_own_meter(tmp_path):
    given = Capped(gpu="")
    given.cap(6000.0, 6000.0)
    given.history.add("wattstat_node_power_watts", 6500.0, node="gpu-1", source="system")

    (raised,) = await given.found(tmp_path)
    assert "gpu" not in raised.labels
    assert raised.annotations["description"].startswith("The cap of gpu-1 slips.")


async def test_somebody_who_changes_it_every_hour_is_told_though_it_is_put_right_each_time(tmp_path):
    given = Capped()
    given.cap()
    given.drifts(3.1, 4.1, 5.1, 6.1)

    (raised,) = await given.found(tmp_path)
    assert "found changed 4 times, in 4 of the hours" in raised.annotations["description"]


async def test_one_evening_of_tests_is_not(tmp_path):
    given = Capped()
    given.cap()
    given.drifts(6.1, 6.2, 6.3, 6.4)

    assert await given.found(tmp_path) == []


async def test_a_server_that_reads_its_power_and_has_no_cap_is_not_judged(tmp_path):
    given = Capped()
    given.power(690.0)

    assert await given.found(tmp_path) == []
