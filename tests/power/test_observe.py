"""What agents and meters tell, in columns: nothing is made up, nothing old is taken for new."""

import numpy as np
import pytest

from power.model import ControlState, Device, DeviceCaps, Way
from power.observe import Telemetry, found_by_node, meters_of, unknown_caps
from tests.support.fleets import LOSS, Over, Server, fleet
from wattstat.catalogue.metric import Samples
from wattstat.catalogue.node import NODE_POWER_WATTS
from wattstat.hall import Block, BlockKey, Snapshot

NOW = 1000.0


@pytest.fixture
def hall():
    return fleet(
        [Server(name="a", gpus=2), Server(name="b", gpus=2), Server(name="c", gpus=0)], [Over(name="all", nodes="abc")]
    )


def told(hall, row, watts=400.0, limit=700.0):
    return DeviceCaps(
        device=hall.gpus[row], way=Way.NVML, limit_watts=limit, own_watts=limit, min_watts=200, max_watts=700, power_watts=watts
    )


def meters(age=0.0, **watts):
    out = Samples()
    for name, value in watts.items():
        out.add(NODE_POWER_WATTS, value, name, "system")
    block = Block(key=BlockKey("redfish", "x", "fast"), samples=tuple(out), taken_at=100 - age, interval_seconds=10)
    return meters_of(Snapshot(taken_at=100, blocks=(block,)))


def seen(telemetry, at=NOW):
    return telemetry.view(unknown_caps(telemetry.fleet), at=100, monotonic=at)


def test_what_nobody_told_is_no_number_and_infinitely_old(hall):
    view = seen(Telemetry(hall))

    assert np.isnan(view.gpu_watts).all()
    assert np.isnan(view.node_watts).all()
    assert np.isinf(view.gpu_age).all()
    assert (view.gpu_state == ControlState.UNKNOWN).all()


def test_an_answer_has_the_age_of_its_moment(hall):
    telemetry = Telemetry(hall)
    telemetry.take([told(hall, 1, watts=333.0)], NOW - 2, age_seconds=0.5)

    view = seen(telemetry)

    assert view.gpu_watts[1] == 333.0
    assert view.gpu_age[1] == 2.5
    assert view.gpu_limit_age[1] == 2.0
    assert np.isnan(view.gpu_watts[0])


def test_a_gpu_that_tells_its_limit_and_no_power_keeps_the_power_it_told_last(hall):
    telemetry = Telemetry(hall)
    telemetry.take([told(hall, 0, watts=333.0)], NOW - 5)
    telemetry.take([told(hall, 0, watts=None, limit=500.0)], NOW)

    view = seen(telemetry)

    assert (view.gpu_watts[0], view.gpu_age[0], view.gpu_limit_watts[0]) == (333.0, 5.0, 500.0)


def test_an_answer_of_an_unknown_gpu_changes_nothing(hall):
    telemetry = Telemetry(hall)
    telemetry.take([DeviceCaps(device=Device("a", "GPU-new"), way=Way.NVML, limit_watts=300)], NOW)

    assert np.isnan(seen(telemetry).gpu_limit_watts).all()


def test_a_server_is_known_each_second_by_its_gpus_and_what_its_meter_taught_of_the_rest(hall):
    telemetry = Telemetry(hall)
    telemetry.take([told(hall, row, watts=400.0) for row in (0, 1)], NOW - 10)
    telemetry.take_meters(meters(a=LOSS * 800 + 650), NOW - 10)
    telemetry.take([told(hall, row, watts=600.0) for row in (0, 1)], NOW)

    view = seen(telemetry)

    assert view.node_watts[0] == pytest.approx(LOSS * 1200 + 650)
    assert view.node_age[0] == 0


def test_a_server_without_gpus_is_known_by_its_meter(hall):
    telemetry = Telemetry(hall)
    telemetry.take_meters(meters(c=480, age=3.0), NOW)

    view = seen(telemetry)

    assert (view.node_watts[2], view.node_age[2]) == (480, 3.0)


def test_a_server_whose_agent_fell_silent_is_known_by_its_meter(hall):
    telemetry = Telemetry(hall)
    telemetry.take([told(hall, row) for row in (0, 1)], NOW - 60)
    telemetry.take_meters(meters(a=2000), NOW - 60)
    telemetry.take_meters(meters(a=1500, age=1.0), NOW)

    view = seen(telemetry)

    assert (view.node_watts[0], view.node_age[0]) == (1500, 1.0)


def test_the_rest_of_a_server_is_learnt_from_many_readings_however_its_gpus_swing(hall):
    telemetry, rest, high, low = Telemetry(hall), 650.0, 700.0, 200.0
    for second in range(0, 300, 10):
        meter_sees, agent_saw = ((high, low), (low, high))[second // 10 % 2]
        telemetry.take([told(hall, row, watts=agent_saw) for row in (0, 1)], NOW + second)
        telemetry.take_meters(meters(a=LOSS * 2 * meter_sees + rest), NOW + second)
    telemetry.take([told(hall, row, watts=high) for row in (0, 1)], NOW + 300)

    assert seen(telemetry, NOW + 300).node_watts[0] == pytest.approx(LOSS * 2 * high + rest, rel=0.07)


def test_what_is_known_of_a_device_outlives_a_new_fleet(hall):
    telemetry = Telemetry(hall)
    telemetry.take([told(hall, 2, watts=123.0)], NOW)
    telemetry.take_meters(meters(c=480), NOW)
    larger = fleet(
        [Server(name="new", gpus=1), Server(name="b", gpus=2), Server(name="c", gpus=0)],
        [Over(name="all", nodes=["new", "b", "c"])],
    )

    after = Telemetry(larger)
    after.inherit(telemetry)

    view = seen(after)
    assert view.gpu_watts[1] == 123.0
    assert np.isnan(view.gpu_watts[0])
    assert view.node_watts[2] == 480


def test_gpus_stand_in_the_order_of_their_index_and_the_server_itself_is_none():
    caps = [
        DeviceCaps(device=Device("a", uuid), way=Way.NVML, limit_watts=700, index=index)
        for uuid, index in (("GPU-c", "10"), ("GPU-b", "2"), ("", ""))
    ]

    assert [each.device.uuid for each in found_by_node({"a": caps})["a"]] == ["GPU-b", "GPU-c"]


def test_a_reading_from_before_the_wall_clock_was_set_back_is_not_taken_for_new(hall):
    telemetry = Telemetry(hall)
    telemetry.take_meters(meters(c=500.0), NOW)
    telemetry.take_meters(meters(age=-3600.0, c=500.0), NOW + 5)
    assert seen(telemetry, NOW + 5).node_age[2] == 5

    telemetry.take_meters(meters(c=800.0), NOW + 10)
    assert seen(telemetry, NOW + 10).node_watts[2] == 800
