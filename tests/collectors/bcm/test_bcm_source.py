"""A manager is read as it is, and what it sees otherwise than we do is told."""

import pytest
from structlog.testing import capture_logs

from collectors import bcm
from collectors.frame.errors import AuthFailed, BadPayload, Misconfigured, Unreachable
from wattstat.catalogue import manager as catalogue
from wattstat.config import Config
from wattstat.inventory import Inventory

GPU_NODES = ("gpu001", "gpu002", "gpu003")


async def test_totals_states_and_jobs_are_told_in_our_units(bench, source, values):
    bench.shown.machines[1].up = False
    bench.shown.machines[1].gpus = []
    found = await source.collect("fast")

    assert not found.errors
    assert values(found, catalogue.CLUSTER_MANAGER_UP) == {("bcm",): 1}
    assert values(found, catalogue.CLUSTER_GPUS) == {("bcm", "total"): 24, ("bcm", "up"): 16}
    assert values(found, catalogue.CLUSTER_GPU_POWER_WATTS) == {("bcm",): 16 * 400}
    assert values(found, catalogue.CLUSTER_GPU_UTILIZATION_RATIO) == {("bcm",): 0.5}
    assert values(found, catalogue.CLUSTER_GPU_MEMORY_RATIO) == {("bcm",): pytest.approx(0.35)}
    assert values(found, catalogue.CLUSTER_DEVICE_STATE) == {
        ("bcm", "gpu001", "up"): 1,
        ("bcm", "gpu002", "down"): 1,
        ("bcm", "gpu003", "up"): 1,
        ("bcm", "login1", "up"): 1,
        ("bcm", "ib-leaf-1", "up"): 1,
    }
    assert values(found, catalogue.CLUSTER_DEVICES) == {("bcm", "up"): 4, ("bcm", "down"): 1}
    assert values(found, catalogue.CLUSTER_DEVICE_GPUS) == {("bcm", "gpu001"): 8, ("bcm", "gpu003"): 8}
    assert values(found, catalogue.CLUSTER_JOBS) == {("bcm", "defq", "running"): 7, ("bcm", "defq", "queued"): 3}
    assert values(found, catalogue.CLUSTER_CHECK_OK)["bcm", "gpu001", "health"] == 1


async def test_devices_have_categories_and_racks(source, values):
    found = await source.collect("slow")

    assert values(found, catalogue.CLUSTER_DEVICE_INFO) == {
        ("bcm", "gpu001", "dgx", "r1", "PhysicalNode"): 1,
        ("bcm", "gpu002", "dgx", "r1", "PhysicalNode"): 1,
        ("bcm", "gpu003", "dgx", "r1", "PhysicalNode"): 1,
        ("bcm", "login1", "login", "r2", "PhysicalNode"): 1,
        ("bcm", "ib-leaf-1", "", "", "Switch"): 1,
    }
    assert values(found, catalogue.CLUSTER_UNLISTED_DEVICES) == {("bcm", "manager"): 0, ("bcm", "inventory"): 0}


async def test_servers_that_only_one_list_has_are_counted(bench, values):
    source = bench.source(nodes=("gpu001", "gpu002", "elsewhere"))
    found = await source.collect("slow")
    await source.close()

    assert values(found, catalogue.CLUSTER_UNLISTED_DEVICES) == {("bcm", "manager"): 2, ("bcm", "inventory"): 1}


async def test_names_are_the_inventorys(bench, values):
    bench.shown.machines[0].name = "node001.cluster"
    bench.shown.machines[1].name = "gpu002.cluster"
    source = bench.source(nodes=GPU_NODES)
    source.settings = source.settings.model_copy(update={"nodes": {"node001.cluster": "gpu001"}})
    found = await source.collect("fast")
    await source.close()

    names = {labels[1] for labels in values(found, catalogue.CLUSTER_DEVICE_STATE)}
    assert names == {"gpu001", "gpu002", "gpu003", "login1", "ib-leaf-1"}


async def test_no_gpus_have_no_utilization(bench, source, values):
    for machine in bench.shown.machines:
        machine.gpus = []
    found = await source.collect("fast")

    assert values(found, catalogue.CLUSTER_GPU_UTILIZATION_RATIO) == {}
    assert values(found, catalogue.CLUSTER_GPUS)["bcm", "up"] == 0
    assert values(found, catalogue.CLUSTER_DEVICE_GPUS) == {}


async def test_a_gpu_that_the_manager_lacks_is_told_once_it_lasts(bench, source, values):
    bench.agents.update(dict.fromkeys(GPU_NODES, 8))
    await source.collect("fast")
    bench.shown.machines[0].gpus.pop()
    with capture_logs() as logs:
        first = await source.collect("fast")
        second = await source.collect("fast")
        await source.collect("fast")
        bench.shown.machines[0].gpus.append((0.5, 400.0))
        after = await source.collect("fast")

    assert values(first, catalogue.CLUSTER_MISMATCH_ACTIVE)["bcm", "gpu001", "gpus"] == 0
    assert not first.errors
    assert values(second, catalogue.CLUSTER_MISMATCH_ACTIVE)["bcm", "gpu001", "gpus"] == 1
    assert values(second, catalogue.CLUSTER_MISMATCH_ACTIVE)["bcm", "gpu002", "gpus"] == 0
    assert str(second.errors["cross-check of gpus"]) == "gpu001: the manager says 7 GPUs, Wattstat 8"
    assert values(after, catalogue.CLUSTER_MISMATCH_ACTIVE)["bcm", "gpu001", "gpus"] == 0
    assert not after.errors
    assert [entry["event"] for entry in logs] == ["manager sees something else", "manager and Wattstat agree again"]


async def test_without_an_agent_the_inventory_says_how_many_gpus_there_are(bench, values):
    source = bench.source(gpus=4)
    for _ in range(2):
        found = await source.collect("fast")
    await source.close()

    assert values(found, catalogue.CLUSTER_MISMATCH_ACTIVE)["bcm", "gpu001", "gpus"] == 1
    # A server that should have none and of which nobody tells any is compared with nothing.
    assert ("bcm", "login1", "gpus") not in values(found, catalogue.CLUSTER_MISMATCH_ACTIVE)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ((True, True, True), 0),
        ((True, False, False), 1),
        ((False, True, True), 1),
        ((False, False, False), 0),
        ((True, False, True), None),  # it may be starting
        ((False, False, None), None),
    ],
)
async def test_a_state_differs_where_both_know_it(bench, source, values, seen, expected):
    bench.shown.machines[0].up, agent, powered = seen
    bench.agents.update({"gpu001": 8} if agent else {})
    bench.powered.update({"gpu001": powered} if powered is not None else {})
    for _ in range(2):
        found = await source.collect("fast")

    assert values(found, catalogue.CLUSTER_MISMATCH_ACTIVE).get(("bcm", "gpu001", "state")) == expected


async def test_a_failed_check_is_told_and_others_are_read_where_they_are_wanted(bench, values):
    bench.shown.machines[2].healthy = False
    source = bench.source(measurables=["GPUsTotal", "gpu_health_overall"])
    found = await source.collect("fast")
    await source.close()
    checks = values(found, catalogue.CLUSTER_CHECK_OK)

    assert checks["bcm", "gpu003", "health"] == 0
    assert checks["bcm", "gpu003", "gpu_health_overall:gpu5"] == 0
    assert checks["bcm", "gpu001", "gpu_health_overall:gpu0"] == 1
    assert values(found, catalogue.CLUSTER_GPUS) == {("bcm", "total"): 24}
    assert values(found, catalogue.CLUSTER_JOBS) == {}


async def test_a_figure_of_unknown_unit_is_refused_with_the_reason(bench):
    source = bench.source(measurables=["gpu_utilization"])
    found = await source.collect("fast")
    await source.close()

    assert "does not know its unit" in str(found.errors["gpu_utilization"])


async def test_a_release_without_status_tells_states_by_its_check(bench, source, values):
    bench.server.has_status = False
    bench.shown.machines[1].up = False
    for _ in range(2):
        found = await source.collect("fast")

    assert not found.errors
    assert values(found, catalogue.CLUSTER_DEVICE_STATE)["bcm", "gpu002", "down"] == 1
    assert len(bench.asked("/rest/v1/status")) == 1


async def test_a_release_without_racks_has_none(bench, source, values):
    bench.server.has_racks = False
    found = await source.collect("slow")

    assert not found.errors
    assert ("bcm", "gpu001", "dgx", "", "PhysicalNode") in values(found, catalogue.CLUSTER_DEVICE_INFO)


async def test_a_user_and_password_do_as_well(bench, values):
    source = bench.source(certificate=None, credentials="bcm")
    found = await source.collect("fast")
    await source.close()

    assert values(found, catalogue.CLUSTER_MANAGER_UP) == {("bcm",): 1}


async def test_a_stranger_is_refused(bench, tmp_path):
    (tmp_path / "other").mkdir()
    other = type(bench.authority)(tmp_path / "other").issue("stranger", "127.0.0.1", days=3, client=True)
    source = bench.source(certificate=str(other.path))
    with pytest.raises(Unreachable):
        await source.collect("fast")
    await source.close()


@pytest.mark.parametrize("tier", ["fast", "slow"])
@pytest.mark.parametrize(
    ("fault", "error"),
    [("bcm_gone", Unreachable), ("bcm_unauthorized", AuthFailed), ("bcm_broken_json", BadPayload)],
)
async def test_troubles_are_told_as_what_they_are_and_end_with_their_cause(bench, source, tier, fault, error):
    before = len((await source.collect(tier)).samples)
    number = bench.faults.add("bcm", fault, {}, bench.shown.now).id
    with pytest.raises(error):
        await source.collect(tier)
    bench.faults.remove(number)

    assert len((await source.collect(tier)).samples) == before


async def test_something_else_at_the_address_is_told(bench, source, monkeypatch):
    monkeypatch.setattr(bench.server, "_found", lambda _: None)
    for tier in ("fast", "slow"):
        with pytest.raises(BadPayload, match="is this a CMDaemon"):  # "not supported" would never be asked again
            await source.collect(tier)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"certificate": None}, "neither certificate nor credentials"),
        ({"certificate": None, "credentials": "nobody"}, "no credentials named 'nobody'"),
        ({"certificate": "/none.pem"}, "tls"),
        ({"tls": {"ca_file": "/none.pem"}}, "tls"),
        ({"tls": {"fingerprint": "ab" * 32}}, "do not go together"),
        ({"url": "http://head:8081"}, "expected https://"),
    ],
)
async def test_settings_that_cannot_be_used_fail_with_the_reason(bench, changes, told):
    settings = bench.settings(**changes)
    config = Config.model_validate({"collectors": {"bcm": [settings]}})
    (source,) = bcm.sources(config, Inventory(), hall=bench.hall)
    with pytest.raises(Misconfigured, match=told):
        await source.collect("fast")
    await source.close()


async def test_a_changed_inventory_is_taken_over(bench, source, values):
    other = bench.source(nodes=("gpu001",))
    source.renew(other)
    await other.close()

    assert values(await source.collect("slow"), catalogue.CLUSTER_UNLISTED_DEVICES)["bcm", "manager"] == 3
