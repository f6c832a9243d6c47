"""Sensors that stand still are taken for old where something tells that they cannot be true, and only there."""

import numpy as np
import pytest

from power.actuators.findings import Why
from power.model import Device, DeviceCaps, Way
from power.observe import Meter, Telemetry, unknown_caps
from tests.support.fleets import LOSS, Over, Server, fleet

NOW = 1000.0


@pytest.fixture
def hall():
    return fleet([Server(name="a", gpus=2), Server(name="b", gpus=2)], [Over(name="all", nodes="ab")])


def watch(hall, gpu, meter=lambda _second: None, seconds=40):
    """The telemetry and its views when the first GPU of `a` tells `gpu(second)` and all others move, busy."""
    telemetry, views = Telemetry(hall), []
    for second in range(seconds):
        for row, device in enumerate(hall.gpus):
            watts = gpu(second) if row == 0 else 400 + second % 7
            caps = DeviceCaps(device=device, way=Way.NVML, limit_watts=700.0, min_watts=200, max_watts=700, power_watts=watts)
            telemetry.take([caps], NOW + second)
        if second % 5 == 0 and (watts := meter(second)) is not None:
            telemetry.take_meters({"a": Meter(watts, 0.0)}, NOW + second)
        views.append(telemetry.view(unknown_caps(hall), at=5000.0 + second, monotonic=NOW + second))
    return telemetry, views


def test_a_busy_gpu_that_stands_still_is_old_and_named_within_thirty_seconds(hall):
    telemetry, views = watch(hall, lambda second: 402.125 if second >= 5 else 390.0 + second)
    late = [second for second, view in enumerate(views) if view.gpu_age[0] > 15]
    assert late[0] == 25
    assert [(each.device, each.why, each.since) for each in telemetry.frozen] == [(hall.gpus[0], Why.FROZEN, 5025.0)]
    assert views[-1].gpu_age[0] == 34
    assert views[-1].gpu_age[1] == 0


def test_one_that_moves_again_counts_again(hall):
    telemetry, views = watch(hall, lambda second: 402.125 if second < 35 else 390.0 + second)
    assert max(view.gpu_age[0] for view in views) > 15
    assert views[-1].gpu_age[0] == 0
    assert telemetry.frozen == ()


@pytest.mark.parametrize("watts", [72.5, 700.0])
def test_one_that_idles_or_sits_at_its_cap_may_stand_still(hall, watts):
    telemetry, views = watch(hall, lambda _second: watts)
    assert telemetry.frozen == ()
    assert views[-1].gpu_age[0] == 0


def test_one_that_claims_to_idle_while_its_server_draws_more_than_that_is_old(hall):
    rest = float(hall.rest_watts[0])
    telemetry, views = watch(hall, lambda _second: 72.5, lambda second: rest + LOSS * (400 + 650) + second % 3)
    assert views[-1].gpu_age[0] > 15
    assert {each.device for each in telemetry.frozen} == {hall.gpus[0]}


def test_a_meter_that_stands_while_its_gpus_move_is_old(hall):
    ramp = lambda second: 100.0 + 10 * second  # noqa: E731 - a number a second
    telemetry, views = watch(hall, ramp, lambda _second: 1800.0)
    assert {each.device for each in telemetry.frozen} == {Device("a")}
    assert np.isfinite(views[-1].node_watts[0])


def test_an_idle_servers_meter_may_stand_still(hall):
    telemetry, _ = watch(hall, lambda second: 70.0 + second % 2, lambda _second: 1500.0)
    assert telemetry.frozen == ()


def test_what_was_known_of_standing_still_outlives_a_new_fleet(hall):
    older, _ = watch(hall, lambda _second: 402.125, seconds=15)
    telemetry = Telemetry(hall)
    telemetry.inherit(older)
    for second in range(15, 22):
        caps = DeviceCaps(
            device=hall.gpus[0], way=Way.NVML, limit_watts=700.0, min_watts=200, max_watts=700, power_watts=402.125
        )
        telemetry.take([caps], NOW + second)
    telemetry.view(unknown_caps(hall), at=5022.0, monotonic=NOW + 21)
    assert {each.device for each in telemetry.frozen} == {hall.gpus[0]}
