"""GpuNotFound and DeviceUnwatched: the inventory promises what nobody sees."""

import pytest

from alerts.findings import gpus, unwatched
from alerts.findings.past import Past
from tests.support.alert_history import History
from wattstat.inventory import loads

T0 = 1_700_006_400.0
INVENTORY = loads(
    """
racks: [{name: r1}]
nodes: [{name: gpu-1, rack: r1, gpus: 8}, {name: login, rack: r1}]
switches: [{name: leaf-1, rack: r1}]
storage: [{name: scratch, kind: powerscale, url: "https://s:8080", nodes: [{name: "scratch-[1-2]", rack: r1}]}]
pdus: [{name: pdu-1a, rack: r1, snmp: {address: p}}]
"""
)


async def missing(tmp_path, *, driver: int, bmc: int | None = None, answers: float = 1.0):
    history = History(start=T0, seconds=600)
    history.add("wattstat_collector_success", answers, collector="agent", target="gpu-1", tier="fast")
    for gpu in range(driver):
        history.add("wattstat_gpu_lost", 0.0, node="gpu-1", gpu=str(gpu), uuid=f"GPU-{gpu}")
    for gpu in range(bmc or 0):
        history.add("wattstat_node_gpu_info", 1.0, node="gpu-1", device=f"GPU_SXM_{gpu}")
    async with history.stored(tmp_path) as store:
        return list(await gpus.finder(Past(store), lambda: INVENTORY).look(history.end))


async def test_a_server_with_all_of_its_gpus_is_whole(tmp_path):
    assert await missing(tmp_path, driver=8) == []


@pytest.mark.parametrize(("driver", "says"), [(7, "1 is missing"), (0, "8 are missing")])
async def test_gpus_that_neither_driver_nor_bmc_see_are_missing(tmp_path, driver, says):
    (raised,) = await missing(tmp_path, driver=driver)

    assert raised.labels["node"] == "gpu-1"
    assert says in raised.annotations["description"]
    assert raised.value == driver


async def test_where_the_bmc_sees_more_than_the_driver_the_rule_speaks(tmp_path):
    assert await missing(tmp_path, driver=7, bmc=8) == []
    assert len(await missing(tmp_path / "both", driver=7, bmc=7)) == 1


async def test_a_server_whose_agent_is_silent_is_not_judged(tmp_path):
    assert await missing(tmp_path, driver=0, answers=0.0) == []


async def unread(tmp_path, *names: str, since: float = T0):
    history = History(start=T0, seconds=7200)
    for name in names:
        history.add("wattstat_collector_success", 0.0, collector="any", target=name, tier="fast")
    history.add("wattstat_switch_port_up", 1.0, switch="leaf-1", port="1")
    async with history.stored(tmp_path) as store:
        return list(await unwatched.finder(Past(store), lambda: INVENTORY, since=since).look(history.end))


async def test_a_device_that_is_nobodys_target_is_told(tmp_path):
    raised = await unread(tmp_path, "gpu-1", "scratch", "pdu-1a")

    (only,) = raised
    assert only.labels["node"] == "login"
    assert only.labels["severity"] == "info"


async def test_a_switch_that_only_the_fabric_manager_tells_of_is_watched(tmp_path):
    assert await unread(tmp_path, "gpu-1", "login", "scratch", "pdu-1a") == []


async def test_nothing_is_told_in_the_first_half_hour(tmp_path):
    assert await unread(tmp_path, "gpu-1", since=T0 + 6000) == []


async def test_a_history_of_somebody_elses_is_not_judged(tmp_path):
    history = History(start=T0, seconds=7200)
    history.add("up", 1.0)
    async with history.stored(tmp_path) as store:
        assert await unwatched.finder(Past(store), lambda: INVENTORY, since=T0).look(history.end) == []
