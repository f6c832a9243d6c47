"""The judge itself: each invariant that is broken on purpose is found."""

from __future__ import annotations

import numpy as np
import pytest

from power.scenarios.oracle import Claims, Oracle
from power.scenarios.plant import Plant
from power.scenarios.scenario import Budget, Hall, Load, Scenario


@pytest.fixture
def plant():
    return Plant(
        Scenario(
            name="judge",
            title="judge",
            hall=Hall(rows=1, racks_per_row=1, nodes_per_rack=4, gpus_per_node=2, rest_watts=1000, nameplate_watts=3000),
            load=Load(training=0.5, inference=0.5, nodes_per_job=2, job_seconds=(9000, 9000)),
            budget=Budget(watts_per_node=2000),
        ),
        1,
    )


def _look(plant, oracle, claims, seconds):
    for _ in range(seconds):
        plant.step(1.0)
        oracle.look(1.0, claims)


def test_a_breaker_far_over_its_rating_trips(plant):
    oracle = Oracle(plant)
    plant.node_watts[:] = 4000.0
    for _ in range(60):
        oracle.look(1.0, Claims())
    assert oracle.counts["I1"] > 0


def test_a_claim_of_safety_under_the_highest_limits_is_a_lie(plant):
    oracle = Oracle(plant)
    _look(plant, oracle, Claims(safe=True), 10)
    assert oracle.counts["I2"] > 0


def test_a_claim_that_is_withdrawn_in_time_is_none(plant):
    oracle = Oracle(plant)
    _look(plant, oracle, Claims(safe=True), 2)
    _look(plant, oracle, Claims(safe=False), 10)
    assert oracle.counts["I2"] == 0


def test_safe_caps_may_be_called_safe(plant):
    oracle = Oracle(plant)
    plant.devices.limit[:] = 450.0
    _look(plant, oracle, Claims(safe=True), 70)
    assert oracle.counts["I2"] == 0


def test_a_write_below_what_devices_take_is_found(plant):
    oracle = Oracle(plant)
    plant.devices.write(np.array([0]), np.array([[100.0, 300.0]]))
    _look(plant, oracle, Claims(), 3)
    assert oracle.counts["I3"] == 1


def test_a_device_refuses_an_older_token(plant):
    plant.devices.write(np.array([0]), np.array([[300.0, 300.0]]), token=2)
    plant.step(1.0)
    plant.step(1.0)
    plant.devices.write(np.array([0]), np.array([[600.0, 600.0]]), token=1)
    plant.step(1.0)
    plant.step(1.0)
    assert plant.devices.counts.stale_refused == 1
    assert plant.devices.limit[0].tolist() == [300.0, 300.0]


def test_a_write_without_a_record_is_found(plant):
    oracle = Oracle(plant)
    plant.devices.write(np.array([1]), np.array([[300.0, 300.0]]))
    _look(plant, oracle, Claims(audited=np.zeros(4, int), read_at=np.full(4, np.inf)), 1)
    assert oracle.counts["I5"] > 0


def test_important_work_that_is_cut_beside_unimportant_work_with_room_is_found(plant):
    oracle = Oracle(plant)
    plant.devices.limit[plant.work.servers] = 250.0
    claims = Claims(audited=np.zeros(4, int), read_at=np.full(4, np.inf))
    _look(plant, oracle, claims, 120)
    assert oracle.counts["I6"] > 0


def test_a_dead_man_lowers_caps_after_a_minute_of_silence(plant):
    plant.devices.touch(np.ones(4, bool), 1, np.full((4, 2), 400.0))
    for _ in range(58):
        plant.step(1.0)
    assert plant.devices.limit.max() == 700.0
    for _ in range(5):
        plant.step(1.0)
    assert plant.devices.limit.max() == 400.0
