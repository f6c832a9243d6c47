"""A day of history: its names, its numbers, and the seam to what follows."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from simulator.history import CONSTANT_SECONDS, FINE_SECONDS, grid, write_history
from simulator.series import families
from simulator.site import layout
from simulator.world import World
from wattstat.catalogue import ALL, Kind
from wattstat.store.embedded import EmbeddedStore

START = 1_760_000_000.0
HOURS = 3


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    directory = tmp_path_factory.mktemp("history")
    world = World(layout(5), 4, START)
    count = write_history(world, START + HOURS * 3600, directory)
    rows = pq.read_table(directory / "series.parquet").to_pylist()
    samples = pq.read_table(directory / "samples.parquet")
    assert samples.num_rows == count
    ids, times, values = (samples.column(name).to_numpy() for name in ("id", "time_ms", "value"))
    series = {}
    for row in rows:
        mine = ids == row["id"]
        series[row["name"], tuple(sorted(json.loads(row["labels"]).items()))] = (times[mine], values[mine])
    return world, directory, series


def test_every_name_and_label_stands_in_the_catalogue():
    for family in families(World(layout(16), 1, START)):
        metric = ALL[family.name]
        for labels in family.labels:
            assert tuple(sorted(labels)) == tuple(sorted(metric.labels)), family.name


def test_no_series_is_written_twice():
    found = [
        (family.name, tuple(sorted(labels.items())))
        for family in families(World(layout(16), 1, START))
        for labels in family.labels
    ]
    assert len(found) == len(set(found))


def test_counters_never_fall_and_nothing_is_unbelievable(written):
    _, _, series = written
    for (name, labels), (times, values) in series.items():
        assert (np.diff(times) > 0).all()
        assert np.isfinite(values).all(), name
        if ALL[name].kind is Kind.COUNTER:
            assert (np.diff(values) >= 0).all(), name
        if name == "wattstat_gpu_power_watts":
            assert ((values > 3) & (values <= 712)).all()
        if name == "wattstat_gpu_temperature_celsius":
            assert ((values >= 20) & (values <= 92)).all(), labels
        if name.endswith("_ratio"):
            assert ((values >= 0) & (values <= 1)).all()


def test_history_ends_where_the_live_hall_begins(written):
    world, _, series = written
    physics = world.physics
    assert world.now == START + HOURS * 3600
    energy = {
        dict(labels)["uuid"]: values
        for (name, labels), (_, values) in series.items()
        if name.endswith("gpu_energy_joules_total")
    }
    for server in world.hall.servers:
        for number, row in enumerate(server.gpu_rows):
            gap = physics.counter_joules[row] - energy[server.gpu_uuid(number)][-1]
            assert 0 <= gap + 1e-3 <= 712 * FINE_SECONDS
    newest = max(times[-1] for times, _ in series.values())
    assert world.now - newest / 1000 <= FINE_SECONDS


def test_a_samples_power_is_one_second_of_a_breathing_job_and_its_counter_the_exact_sum(written):
    _, _, series = written
    uuids = {}
    for (name, labels), (times, values) in series.items():
        known = dict(labels)
        if name == "wattstat_gpu_energy_joules_total":
            uuids.setdefault(known["uuid"], {})["energy"] = (times, values)
        if name == "wattstat_gpu_power_watts" and known["window"] == "1s" and known["scope"] == "gpu":
            uuids.setdefault(known["uuid"], {})["power"] = values
    spread = 0.0
    for found in uuids.values():
        times, joules = found["energy"]
        by_counter = (joules[-1] - joules[0]) / ((times[-1] - times[0]) / 1000)
        # Samples stand closer together towards the end.
        by_power = np.average(found["power"][1:], weights=np.diff(times))
        assert by_counter == pytest.approx(by_power, rel=0.25)
        spread = max(spread, float(found["power"].std()))
    assert spread > 50


def test_samples_are_dense_enough_for_prometheus_to_join_them():
    times = list(grid(0, 24 * 3600))
    gaps = np.diff(times)
    assert gaps.max() <= 60
    assert gaps[-100:].max() == FINE_SECONDS
    assert CONSTANT_SECONDS < 300


async def test_the_embedded_store_takes_it_and_answers_from_it(written, tmp_path):
    world, directory, series = written
    store = EmbeddedStore(tmp_path / "history.duckdb", clock=lambda: world.now)
    try:
        assert await store.import_history(directory) == sum(len(values) for _, values in series.values())
        answer = await store.query_range('sum(wattstat_node_power_watts{source="system"})', START + 600, START + 7200, 60)
    finally:
        await store.close()
    (total,) = answer.series
    assert len(total.values) == 111
    assert all(3000 < value < 40_000 for value in total.values)
