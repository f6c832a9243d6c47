"""Signals from the hall's snapshots: temperatures, supplies, meters, utilisation, and who runs where."""

from __future__ import annotations

import numpy as np
import pytest
from policy_fleet import fleet_of

from power.policies import hall_signals
from power.policies.hall_signals import HallSignals
from wattstat.catalogue.gpu import GPU_UTILIZATION_RATIO
from wattstat.catalogue.job import JOB_GPU_INFO, JOB_INFO, JOB_START_TIMESTAMP_SECONDS
from wattstat.catalogue.metric import Sample, Samples
from wattstat.catalogue.node import (
    NODE_ENERGY_JOULES_TOTAL,
    NODE_POWER_WATTS,
    NODE_TEMPERATURE_CELSIUS,
    PSU_HEALTH,
    PSU_INPUT_VOLTS,
    PSU_INPUT_WATTS,
)
from wattstat.hall import Block, BlockKey, Snapshot

NAN = float("nan")
NOW = 1_782_900_000.0


def block(samples: list[Sample], *, who: str = "bmc", at: float = NOW) -> Block:
    return Block(key=BlockKey("test", who, ""), samples=tuple(samples), taken_at=at, interval_seconds=10)


def read(*blocks: Block, reader: HallSignals | None = None, fleet=None, at: float = NOW):
    return (reader or HallSignals())(Snapshot(taken_at=at, blocks=blocks), fleet or fleet_of(1, 2, 2), at)


def samples(*told: tuple) -> list[Sample]:
    found = Samples()
    for metric, value, *labels in told:
        found.add(metric, value, *labels)
    return found


def test_the_hottest_inlet_of_a_server_counts_and_what_is_not_told_is_not_a_number():
    found = read(
        block(
            samples(
                (NODE_TEMPERATURE_CELSIUS, 24.0, "n0", "front left", "inlet"),
                (NODE_TEMPERATURE_CELSIUS, 27.0, "n0", "front right", "inlet"),
                (NODE_TEMPERATURE_CELSIUS, 41.0, "n0", "rear", "exhaust"),
                (NODE_TEMPERATURE_CELSIUS, 70.0, "n0", "cpu 1", "cpu"),
                (NODE_TEMPERATURE_CELSIUS, 99.0, "elsewhere", "front", "inlet"),
            )
        )
    )
    np.testing.assert_equal(found.inlet_celsius, [27.0, NAN])
    np.testing.assert_equal(found.exhaust_celsius, [41.0, NAN])


@pytest.mark.parametrize(
    ("supplies", "lost"),
    [
        ([(230.0, 400.0, 0), (230.0, 0.0, 0)], 0.0),  # the second one rests: it has volts
        ([(230.0, 400.0, 0), (0.0, 0.0, 2)], 0.5),
        ([(0.0, 0.0, 2), (3.0, 0.0, 2)], 1.0),
        ([(None, 400.0, 0), (None, 0.0, 0)], 0.0),  # no watts and in good health: it rests
        ([(None, 400.0, 0), (None, 0.0, 2)], 0.5),
        ([(None, 400.0, 0), (None, None, 2)], 0.0),  # it tells nothing of its input
        ([(None, None, None)], NAN),
    ],
)
def test_a_supply_without_input_is_lost_and_one_that_rests_is_not(supplies, lost):
    told = [
        (metric, value, "n0", f"psu{number}")
        for number, (volts, watts, health) in enumerate(supplies)
        for metric, value in ((PSU_INPUT_VOLTS, volts), (PSU_INPUT_WATTS, watts), (PSU_HEALTH, health))
    ]
    np.testing.assert_equal(read(block(samples(*told))).lost_ratio, [lost, NAN])


def test_a_servers_own_meter_goes_over_the_sum_of_its_supplies_and_its_own_counter_over_our_sums():
    found = read(
        block(samples((NODE_POWER_WATTS, 900.0, "n0", "psu_sum"), (NODE_POWER_WATTS, 5_000.0, "n0", "hgx")), who="a"),
        block(samples((NODE_POWER_WATTS, 800.0, "n0", "system"), (NODE_POWER_WATTS, 700.0, "n1", "psu_sum")), who="b"),
        block(samples((NODE_ENERGY_JOULES_TOTAL, 7.0, "n0", "integrated"), (NODE_ENERGY_JOULES_TOTAL, 5.0, "n0", "counter"))),
    )
    np.testing.assert_equal(found.node_watts, [800.0, 700.0])
    np.testing.assert_equal(found.energy_joules, [5.0, NAN])


def test_what_changed_is_read_anew_and_what_is_gone_is_not_known():
    reader, fleet = HallSignals(), fleet_of(1, 2, 2)
    first = block(samples((NODE_TEMPERATURE_CELSIUS, 24.0, "n0", "a", "inlet")), who="one")
    other = block(samples((NODE_TEMPERATURE_CELSIUS, 26.0, "n0", "b", "inlet")), who="two")
    np.testing.assert_equal(read(first, other, reader=reader, fleet=fleet).inlet_celsius, [26.0, NAN])
    np.testing.assert_equal(read(first, reader=reader, fleet=fleet).inlet_celsius, [24.0, NAN])
    newer = block(samples((NODE_TEMPERATURE_CELSIUS, 20.0, "n1", "a", "inlet")), who="one")
    np.testing.assert_equal(read(newer, reader=reader, fleet=fleet).inlet_celsius, [NAN, 20.0])
    np.testing.assert_equal(read(reader=reader, fleet=fleet).inlet_celsius, [NAN, NAN])


def test_signals_that_were_given_away_do_not_change_afterwards():
    reader, fleet = HallSignals(), fleet_of(1, 2, 2)
    first = read(block(samples((NODE_POWER_WATTS, 900.0, "n0", "system"))), reader=reader, fleet=fleet)
    read(block(samples((NODE_POWER_WATTS, 100.0, "n0", "system"))), reader=reader, fleet=fleet)
    np.testing.assert_equal(first.node_watts, [900.0, NAN])


def test_utilisation_is_read_every_few_seconds_and_a_clock_put_back_does_not_stop_it():
    reader, fleet = HallSignals(), fleet_of(1, 2, 2)
    used = []
    for second in [*range(40), -3600]:
        told = samples((GPU_UTILIZATION_RATIO, abs(second) / 10_000, "n0", "0", "GPU-0-0"))
        found = read(block(told, at=NOW + second), reader=reader, fleet=fleet, at=NOW + second)
        used.append(round(10_000 * found.utilisation[0]))
    assert 4 <= len(set(used[:-1])) <= 8
    assert all(0 <= second - seen < 10 for second, seen in enumerate(used[:-1]))
    assert used[-1] == 3600


def job(job_id: str, *rows: int, start: float | None = None, qos: str = "normal") -> list[tuple]:
    who = ("ann", "astro", "batch")
    told = [(JOB_INFO, 1, "slurm", job_id, "train", *who, qos, "running")]
    told += [(JOB_GPU_INFO, 1, "slurm", job_id, *who, "n0", str(row), f"GPU-{row // 2}-{row % 2}", "") for row in rows]
    return told if start is None else [*told, (JOB_START_TIMESTAMP_SECONDS, start, "slurm", job_id)]


def test_jobs_are_known_by_the_gpus_that_they_hold():
    found = read(block(samples(*job("8", 3, qos="urgent"), *job("7", 0, 1, start=NOW - 60)))).jobs
    assert [(each.job_id, each.partition, each.account, each.user, each.qos, each.started) for each in found.jobs] == [
        ("7", "batch", "astro", "ann", "normal", NOW - 60),
        ("8", "batch", "astro", "ann", "urgent", None),
    ]
    assert list(zip(found.holder.tolist(), found.gpu.tolist(), strict=True)) == [(0, 0), (0, 1), (1, 3)]


def test_two_parts_of_one_gpu_are_one_hold_and_a_gpu_that_is_not_there_is_none():
    told = job("7", 0, 0, 9)
    assert read(block(samples(*told))).jobs.gpu.tolist() == [0]


def test_a_job_that_only_its_gpus_tell_of_is_known_too():
    told = [each for each in job("7", 1) if each[0] is not JOB_INFO]
    (known,) = read(block(samples(*told))).jobs.jobs
    assert (known.job_id, known.account, known.qos) == ("7", "astro", "")


def test_jobs_that_did_not_change_are_the_same_table():
    reader, fleet = HallSignals(), fleet_of(1, 2, 2)
    first = read(block(samples(*job("7", 0))), reader=reader, fleet=fleet).jobs
    assert read(block(samples(*job("7", 0))), reader=reader, fleet=fleet).jobs is first
    assert read(block(samples(*job("7", 1))), reader=reader, fleet=fleet).jobs is not first


def test_a_fleet_that_was_made_anew_gets_columns_of_its_own():
    reader = HallSignals()
    told = block(samples((NODE_POWER_WATTS, 900.0, "n1", "system")))
    read(told, reader=reader, fleet=fleet_of(1, 2, 2))
    np.testing.assert_equal(read(told, reader=reader, fleet=fleet_of(1, 3, 1)).node_watts, [NAN, 900.0, NAN])


def test_numbers_and_checkpoints_come_from_who_was_given():
    reader = HallSignals(numbers=lambda at: {"price": at}, announced=lambda at: {("slurm", "7"): at + 1})
    found = read(reader=reader)
    assert (found.numbers, found.checkpoints) == ({"price": NOW}, {("slurm", "7"): NOW + 1})
    plain = read()
    assert (plain.numbers, plain.checkpoints) == ({}, {})
    assert hall_signals.no_numbers(NOW) == {}
