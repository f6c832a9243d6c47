"""Caps through simulated BMCs over HTTPS: what is written is read back, what is refused is told."""

import pytest

from power.actuators.cap import NO_CAP
from power.model import Device, NodeOrder, Outcome, Way
from tests.support.bmc_hall import FENCE, SETTING, VALUE, bmc_hall


@pytest.fixture
async def hall(tmp_path):
    async with bmc_hall(tmp_path) as hall:
        yield hall


async def read(hall, node):
    return [caps for actuator in hall.actuators(node)[node] for caps in await actuator.read()]


async def write(hall, node, **wanted):
    order = NodeOrder(node=node, why="test", **wanted)
    return [receipt for actuator in hall.actuators(node)[node] for receipt in await actuator.write(order, FENCE)]


async def test_a_server_with_a_baseboard_tells_its_own_cap_and_those_of_its_gpus(hall):
    node = hall.named("xe9680")
    caps = await read(hall, node)

    assert [each.way for each in caps] == [Way.ATTRIBUTES] + [Way.HGX] * 8
    server = hall.controllers[node].server
    assert {each.device for each in caps[1:]} == {Device(node, server.gpu_uuid(row)) for row in range(8)}
    assert caps[0].limit_watts is None
    assert "switched off" in caps[0].detail
    assert {(each.limit_watts, each.min_watts, each.max_watts) for each in caps[1:]} == {(700, 200, 700)}


async def test_a_cap_is_written_and_read_back(hall):
    node = hall.named("xe9680")
    (receipt,) = await write(hall, node, node_cap_watts=6200.7)

    assert (receipt.outcome, receipt.read_back_watts) == (Outcome.CONFIRMED, 6200)
    assert hall.controllers[node].cap_enabled
    assert hall.controllers[node].cap_value == 6200


async def test_a_cap_is_cleared(hall):
    node = hall.named("xe9680")
    await write(hall, node, node_cap_watts=6200)
    (receipt,) = await write(hall, node, node_cap_watts=NO_CAP)

    assert (receipt.outcome, receipt.read_back_watts) == (Outcome.CONFIRMED, None)
    assert not hall.controllers[node].cap_enabled


@pytest.mark.parametrize("watts", [100, 99_999])
async def test_a_cap_out_of_the_servers_range_is_not_even_sent(hall, watts):
    node = hall.named("xe9680")
    (receipt,) = await write(hall, node, node_cap_watts=watts)

    assert receipt.outcome is Outcome.OUT_OF_RANGE
    assert hall.controllers[node].attributes == {}


async def test_gpus_are_capped_on_the_baseboard(hall):
    node = hall.named("xe9680")
    controller = hall.controllers[node]
    wanted = {controller.server.gpu_uuid(row): 400.0 + row for row in range(8)}
    receipts = await write(hall, node, gpu_watts=wanted)

    assert {receipt.outcome for receipt in receipts} == {Outcome.CONFIRMED}
    assert [controller.gpu("setpoint_watts", row) for row in range(8)] == [400.0 + row for row in range(8)]


async def test_a_gpu_out_of_its_range_does_not_keep_others_from_theirs(hall):
    node = hall.named("xe9680")
    one, two = (hall.controllers[node].server.gpu_uuid(row) for row in range(2))
    receipts = await write(hall, node, gpu_watts={one: 900.0, two: 300.0})

    assert [receipt.outcome for receipt in receipts] == [Outcome.OUT_OF_RANGE, Outcome.CONFIRMED]


async def test_lockdown_is_told_by_its_name(hall):
    node = hall.named("xe9680")
    hall.fault(node, "bmc_lockdown")
    (receipt,) = await write(hall, node, node_cap_watts=6200)

    assert receipt.outcome is Outcome.LOCKED
    assert "SYS406" in receipt.detail


async def test_an_idrac10_is_capped_too(hall):
    node = hall.named("r660")
    least = hall.controllers[node].model.cap_min_watts
    (receipt,) = await write(hall, node, node_cap_watts=least + 10)

    assert receipt.outcome is Outcome.CONFIRMED
    assert hall.controllers[node].attributes[SETTING] == "Enabled"
    assert hall.controllers[node].attributes[VALUE] == round(least + 10)
