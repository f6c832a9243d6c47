"""The live hall and its exposition."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from wattstat.catalogue import gpu, node
from wattstat.catalogue.metric import Metric, Samples, counter, gauge, info
from wattstat.exposition import Exposition, number
from wattstat.hall import Block, BlockKey, Hall

NOW = 1_000.0


def block(part, *samples, at=NOW, collector="test", interval=10):
    out = Samples()
    for metric, value, *labels in samples:
        out.add(metric, value, *labels)
    return Block(key=BlockKey(collector, "target", part), samples=tuple(out), taken_at=at, interval_seconds=interval)


@pytest.fixture
def hall():
    return Hall(clock=lambda: NOW)


def test_absent_is_never_zero(hall):
    hall.post(block("power", (node.NODE_POWER_WATTS, None, "a", "system"), (node.NODE_POWER_ON, float("nan"), "a")))

    assert len(hall.snapshot()) == 0
    assert hall.snapshot().value(node.NODE_POWER_WATTS) is None


def test_a_new_block_replaces_the_whole_part(hall):
    hall.post(block("power", (node.PSU_INPUT_WATTS, 1, "a", "1"), (node.PSU_INPUT_WATTS, 2, "a", "2")))
    hall.post(block("power", (node.PSU_INPUT_WATTS, 3, "a", "1")))

    assert [found.sample.value for found in hall.snapshot().find(node.PSU_INPUT_WATTS)] == [3]


def test_stale_blocks_are_not_in_a_snapshot(hall):
    hall.post(block("old", (node.NODE_POWER_ON, 1, "a"), at=NOW - 30.1))
    hall.post(block("new", (node.NODE_POWER_ON, 1, "b"), at=NOW - 29.9))

    assert [found.sample.labels for found in hall.snapshot().find(node.NODE_POWER_ON)] == [("b",)]


def test_a_snapshot_tells_ages_and_does_not_change(hall):
    hall.post(block("power", (node.NODE_POWER_ON, 1, "a"), at=NOW - 4))
    snapshot = hall.snapshot()
    hall.post(block("power", (node.NODE_POWER_ON, 0, "a")))

    (found,) = snapshot.find(node.NODE_POWER_ON, node="a")
    assert (found.sample.value, found.age_seconds) == (1, 4)


def test_a_series_reported_twice_is_dropped_and_counted(hall):
    hall.post(block("first", (node.NODE_POWER_ON, 1, "a")))
    hall.post(block("second", (node.NODE_POWER_ON, 0, "a"), (node.NODE_POWER_ON, 1, "b"), (node.NODE_POWER_ON, 0, "b")))

    assert {found.sample.labels: found.sample.value for found in hall.snapshot().find(node.NODE_POWER_ON)} == {
        ("a",): 1,
        ("b",): 1,
    }
    assert hall.duplicates["test", "target"] == 2


def test_a_stale_owner_gives_its_series_up(hall):
    hall.post(block("first", (node.NODE_POWER_ON, 1, "a"), at=NOW - 100))
    hall.post(block("second", (node.NODE_POWER_ON, 0, "a")))

    assert hall.snapshot().value(node.NODE_POWER_ON, node="a") == 0


def test_a_forgotten_target_leaves_nothing(hall):
    hall.post(block("first", (node.NODE_POWER_ON, 1, "a")))
    hall.forget("test", "target")

    assert len(hall.snapshot()) == 0


def test_the_exposition_reads_back_as_it_was_posted(hall):
    hall.post(
        block(
            "all",
            (node.NODE_FAULT_INFO, 1, "a", "1", "critical", "PWR2400", 'say "no"\\\nnow'),
            (node.NODE_POWER_WATTS, 612.5, "a", "system"),
            (gpu.GPU_ENERGY_JOULES_TOTAL, 1.25e18, "a", "0", "GPU-1"),
        )
    )
    families = {each.name: each for each in text_string_to_metric_families(Exposition().render(hall.snapshot()).decode())}

    assert families["wattstat_node_fault_info"].samples[0].labels["message"] == 'say "no"\\\nnow'
    assert families["wattstat_node_power_watts"].samples[0].value == 612.5
    assert families["wattstat_gpu_energy_joules"].type == "counter"
    assert families["wattstat_gpu_energy_joules"].samples[0].value == 1.25e18


def test_a_second_scrape_sees_new_values(hall):
    exposition = Exposition()
    hall.post(block("power", (node.NODE_POWER_WATTS, 1, "a", "system")))
    exposition.render(hall.snapshot())
    hall.post(block("power", (node.NODE_POWER_WATTS, 2, "a", "system")))

    assert b'system"} 2\n' in exposition.render(hall.snapshot())


@pytest.mark.parametrize(("value", "text"), [(0.0, "0"), (-3.0, "-3"), (0.1, "0.1"), (1e22, "1e+22"), (1.5e-7, "1.5e-07")])
def test_numbers_keep_their_full_precision(value, text):
    assert number(value) == text
    assert float(number(value)) == value


@pytest.mark.parametrize(("declare", "name"), [(counter, "joules"), (info, "gpu")])
def test_names_against_the_conventions_are_refused(declare, name):
    with pytest.raises(ValueError, match="must end in"):
        declare(name, "", "", source="")


def test_a_sample_with_too_few_labels_is_refused():
    metric: Metric = gauge("power_watts", "node gpu", "", source="")
    with pytest.raises(ValueError, match="was given the values"):
        metric.series_prefix(("a",))
