"""GpuStraggler: found are slow GPUs, spared is everything that only looks like one."""

import numpy as np
import pytest

from alerts.findings import stragglers
from alerts.findings.past import Past
from tests.support.alert_history import History

T0 = 1_700_006_400.0


class Job:
    """Eight GPUs of one server that work together, for 20 minutes."""

    def __init__(self, gpus: int = 8) -> None:
        self.gpus = gpus
        self.history = History(start=T0, seconds=1200)
        self.said: dict[int, dict] = {}

    def gpu(self, number: int, **said) -> None:
        self.said[number] = said

    async def found(self, tmp_path) -> list:
        for number in range(self.gpus):
            self._write(number, **self.said.get(number, {}))
        async with self.history.stored(tmp_path) as store:
            return list(await stragglers.finder(Past(store)).look(self.history.end))

    def _write(
        self,
        number,
        *,
        clock=1.755e9,
        utilization=1.0,
        watts=600.0,
        reasons=(),
        limit=700.0,
        celsius=60.0,
        held=1.0,
        model="H100",
        job="17",
    ):
        labels = {"node": "gpu-1", "gpu": str(number), "uuid": f"GPU-{number}"}
        add = self.history.add
        who = {"scheduler": "slurm", "job_id": job, "user": "u", "account": "a", "partition": "p", "gpu_instance": ""}
        add("wattstat_job_gpu_info", held, **labels, **who)
        add("wattstat_gpu_info", 1, **labels, model=model)
        add("wattstat_gpu_clock_hertz", clock, **labels, domain="sm")
        add("wattstat_gpu_utilization_ratio", utilization, **labels)
        add("wattstat_gpu_power_watts", watts, **labels, window="1s", scope="gpu")
        add("wattstat_gpu_temperature_celsius", celsius, **labels, sensor="gpu")
        add("wattstat_gpu_power_limit_watts", limit, **labels, kind="enforced")
        for reason in ("idle", "sw_power_cap", "hw_power_brake", "sw_thermal", "hw_slowdown"):
            add("wattstat_gpu_throttle_active", float(reason in reasons), **labels, reason=reason)


async def test_eight_equal_gpus_have_no_straggler(tmp_path):
    assert await Job().found(tmp_path) == []


async def test_a_slow_gpu_is_named_with_the_reason_that_it_gives_and_with_evidence(tmp_path):
    job = Job()
    job.gpu(3, clock=1.2e9, watts=480.0, celsius=86.0, reasons=("sw_thermal",))

    (raised,) = await job.found(tmp_path)

    assert raised.labels == {
        "alertname": "GpuStraggler", "severity": "warning", "component": "gpu", "category": "performance",
        "node": "gpu-1", "gpu": "3", "uuid": "GPU-3",
    }  # fmt: skip
    said = raised.annotations["description"]
    assert "1200 MHz" in said
    assert "1755 MHz" in said
    assert "32% slower" in said
    assert "hot (86 °C, the others 60 °C)" in said
    assert raised.value == pytest.approx(1.2 / 1.755)
    assert raised.annotations["dashboard_url"].endswith("/node/gpu-1")
    clock = raised.evidence[0]
    assert (clock.expression, clock.unit) == ('wattstat_gpu_clock_hertz{node="gpu-1",gpu="3",domain="sm"}', "hertz")
    assert any("wattstat_gpu_temperature_celsius" in line.expression for line in raised.evidence)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"reasons": ("sw_power_cap",), "limit": 400.0}, "Its power limit is 400 W, the others' 700 W."),
        ({"reasons": ("sw_power_cap",)}, "It reaches its power limit at a lower clock"),
        ({"reasons": ("hw_power_brake",)}, "power brake"),
        ({"reasons": ("hw_slowdown",)}, "HW slowdown"),
        ({}, "The device gives no reason."),
    ],
)
async def test_each_reason_has_its_words(tmp_path, said, reason):
    job = Job()
    job.gpu(3, clock=1.2e9, watts=400.0, **said)

    (raised,) = await job.found(tmp_path)

    assert reason in raised.annotations["description"]


async def test_evidence_can_be_drawn(tmp_path):
    job = Job()
    job.gpu(3, clock=1.2e9, watts=480.0, reasons=("sw_thermal",))
    (raised,) = await job.found(tmp_path / "first")

    async with job.history.stored(tmp_path / "again") as store:
        limit = await store.query(raised.evidence[0].limit_expression, job.history.end)
        assert [series.values[-1] for series in limit.series] == pytest.approx([0.9 * 1.755e9])
        for line in raised.evidence:
            assert (await store.query(line.expression, job.history.end)).series


async def test_a_job_that_uses_half_of_its_gpus_has_no_straggler(tmp_path):
    job = Job()
    for number in range(4, 8):
        job.gpu(number, clock=345e6, utilization=0.0, watts=75.0, reasons=("idle",))

    assert await job.found(tmp_path) == []


async def test_a_slow_gpu_is_found_among_those_that_work(tmp_path):
    job = Job()
    job.gpu(0, clock=1.2e9, watts=450.0)
    for number in range(4, 8):
        job.gpu(number, clock=345e6, utilization=0.0, watts=75.0, reasons=("idle",))

    (raised,) = await job.found(tmp_path)
    assert raised.labels["gpu"] == "0"


async def test_ranks_that_wait_at_a_barrier_are_none(tmp_path):
    job = Job()
    for number in range(1, 8):
        job.gpu(number, watts=350.0)  # spinning at full clocks, while rank 0 works

    assert await job.found(tmp_path) == []


async def test_a_checkpoint_that_one_rank_writes_makes_none(tmp_path):
    job = Job()
    pause = lambda since: np.where(since % 600 < 300, 0.1, 1.0)  # noqa: E731
    for number in range(1, 8):
        job.gpu(number, utilization=pause, clock=lambda since: np.where(since % 600 < 300, 345e6, 1.755e9))

    assert await job.found(tmp_path) == []


async def test_who_has_more_to_do_at_its_power_limit_is_none(tmp_path):
    job = Job()
    job.gpu(3, clock=1.4e9, watts=698.0, reasons=("sw_power_cap",))
    for number in (0, 1, 2, 4, 5, 6, 7):
        job.gpu(number, watts=420.0)

    assert await job.found(tmp_path) == []


async def test_boards_that_differ_by_a_few_percent_are_equal(tmp_path):
    job = Job()
    for number in range(8):
        job.gpu(number, clock=(1.5 + 0.02 * number) * 1e9, watts=500.0, reasons=("sw_power_cap",), limit=500.0)

    assert await job.found(tmp_path) == []


async def test_a_short_dip_is_none(tmp_path):
    job = Job()
    job.gpu(3, clock=lambda since: np.where(since > 1000, 1.2e9, 1.755e9))

    assert await job.found(tmp_path) == []


async def test_boards_of_two_models_are_not_compared(tmp_path):
    job = Job(gpus=4)
    for number in (2, 3):
        job.gpu(number, model="L40", clock=1.2e9, watts=250.0)

    assert await job.found(tmp_path) == []


async def test_neighbours_with_jobs_of_their_own_are_not_compared(tmp_path):
    job = Job(gpus=4)
    job.gpu(3, clock=1.2e9, watts=300.0, job="18")

    assert await job.found(tmp_path) == []


async def test_who_joined_a_minute_ago_is_not_judged_yet(tmp_path):
    job = Job()
    job.gpu(3, clock=1.2e9, watts=300.0, held=lambda since: np.where(since > 1100, 1.0, np.nan))

    assert await job.found(tmp_path) == []


async def test_a_cap_that_was_set_on_purpose_makes_none_but_a_hot_gpu_under_it_does(tmp_path):
    for reasons, expected in ((("sw_power_cap",), 0), (("sw_thermal",), 1)):
        job = Job()
        job.gpu(3, clock=1.2e9, watts=400.0, limit=400.0, reasons=reasons)
        for name in ("wattstat_cap_target_watts", "wattstat_cap_confirmed_watts"):
            job.history.add(name, 400.0, node="gpu-1", gpu="3")

        assert len(await job.found(tmp_path / reasons[0])) == expected


async def test_without_history_there_is_none(tmp_path):
    history = History(start=T0, seconds=600)
    history.add("up", 1.0)
    async with history.stored(tmp_path) as store:
        assert await stragglers.finder(Past(store)).look(history.end) == []


async def test_gpus_that_tell_neither_clock_nor_utilization_are_not_judged(tmp_path):
    job = Job()
    job.gpu(3, clock=np.nan, utilization=np.nan)

    assert await job.found(tmp_path) == []
