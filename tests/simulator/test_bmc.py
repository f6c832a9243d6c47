"""Controllers over HTTPS: what they answer, whom they let in, what may be written."""

import asyncio
import base64
import json
import ssl
from contextlib import asynccontextmanager

import aiohttp
import pytest

from simulator.bmc.server import Bmcs, free_port
from simulator.certificates import Authority
from simulator.control import Control, controllers_of
from simulator.faults import Faults
from simulator.site import layout
from simulator.world import World

ATTRIBUTES = "/redfish/v1/Managers/iDRAC.Embedded.1/Oem/Dell/DellAttributes/System.Embedded.1"
CHASSIS = "/redfish/v1/Chassis/System.Embedded.1"
GPU_1 = "/redfish/v1/Systems/HGX_Baseboard_0/Processors/GPU_SXM_1/EnvironmentMetrics"
SESSIONS = "/redfish/v1/SessionService/Sessions"
SETTING, VALUE = "ServerPwr.1.PowerCapSetting", "ServerPwr.1.PowerCapValue"
# By row in a hall of 16: an XE9680 with iDRAC9, an R660 with iDRAC10.
XE9680, R660 = 0, 14


class Hall:
    """A running hall and a client of it."""

    def __init__(self, world, control, client, port):
        self.world, self.control, self.client, self.port = world, control, client, port

    def url(self, index, path):
        return f"https://{self.world.hall.servers[index].bmc_address}:{self.port}{path}"

    async def ask(self, method, path, body=None, index=XE9680, headers=None):
        basic = {"Authorization": "Basic " + base64.b64encode(b"reader:secret").decode()}
        async with self.client.request(
            method, self.url(index, path), json=body, headers=basic if headers is None else headers
        ) as response:
            return response.status, await response.json(content_type=None), response.headers

    async def get(self, path, index=XE9680):
        status, body, _ = await self.ask("GET", path, index=index)
        assert status == 200, body
        return body


@asynccontextmanager
async def running(directory, nodes=16):
    world = World(layout(nodes), 1, 1_760_000_000.0)
    faults = Faults()
    controllers = controllers_of(world, faults, ("reader", "secret"))
    port = free_port(list(controllers), 0)
    bmcs = Bmcs(controllers, port)
    authority = Authority(directory)
    issued = {address: authority.issue(f"bmc-{number}", address, days=30) for number, address in enumerate(controllers)}
    await bmcs.start(issued)
    context = ssl.create_default_context(cafile=directory / "ca.pem")
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as client:
            yield Hall(world, Control(world, faults, bmcs), client, port)
    finally:
        await bmcs.stop()


@pytest.fixture
async def hall(tmp_path):
    async with running(tmp_path) as hall:
        yield hall


async def test_every_link_of_every_model_leads_to_a_document_that_knows_its_own_place(hall):
    indexes = {server.model.key: server.index for server in hall.world.hall.servers}
    for index in indexes.values():
        seen, todo = set(), ["/redfish/v1"]
        while todo:
            path = todo.pop()
            if path in seen or "#" in path:
                continue
            seen.add(path)
            status, body, _ = await hall.ask("GET", path, index=index)
            assert status == 200, path
            assert body["@odata.id"] == path
            todo += _links(body)
        assert len(seen) > 100


def _links(value):
    if isinstance(value, dict):
        own = [value["@odata.id"]] if set(value) == {"@odata.id"} else []
        return own + [found for inner in value.values() for found in _links(inner)]
    if isinstance(value, list):
        return [found for inner in value for found in _links(inner)]
    return []


async def test_the_newer_controllers_have_no_legacy_power_and_thermal(hall):
    old, new = await hall.get(CHASSIS, XE9680), await hall.get(CHASSIS, R660)
    assert {"Power", "Thermal"} <= set(old)
    assert not {"Power", "Thermal"} & set(new)
    assert {"PowerSubsystem", "ThermalSubsystem", "Sensors", "EnvironmentMetrics"} <= set(new)
    status, _, _ = await hall.ask("GET", f"{CHASSIS}/Power", index=R660)
    assert status == 404


async def test_all_sources_of_a_servers_power_agree_with_the_model(hall):
    truth = hall.world.physics.node_watts[XE9680]
    power = await hall.get(f"{CHASSIS}/Power")
    environment = await hall.get(f"{CHASSIS}/EnvironmentMetrics")
    sensors = {sensor["Id"]: sensor for sensor in (await hall.get(f"{CHASSIS}/Sensors?$expand=*($levels=1)"))["Members"]}
    assert power["PowerControl"][0]["PowerConsumedWatts"] == pytest.approx(truth, abs=1)
    assert environment["PowerWatts"]["Reading"] == pytest.approx(truth, abs=1)
    assert sensors["SystemBoardPwrConsumption"]["Reading"] == pytest.approx(truth, abs=1)
    assert sum(supply["PowerInputWatts"] for supply in power["PowerSupplies"]) == pytest.approx(truth, abs=2)


async def test_the_baseboards_margin_and_temperature_add_up_as_on_the_recorded_one(hall):
    report = await hall.get("/redfish/v1/TelemetryService/MetricReports/HGX_PlatformEnvironmentMetrics_0")
    values = {entry["MetricProperty"].rsplit("/", 1)[-1]: float(entry["MetricValue"]) for entry in report["MetricValues"]}
    for number in range(1, 9):
        assert values[f"HGX_GPU_SXM_{number}_TEMP_0"] + values[f"HGX_GPU_SXM_{number}_TEMP_1"] == pytest.approx(87, abs=0.1)


async def test_a_cap_is_taken_read_back_and_felt(hall):
    status, body, _ = await hall.ask("PATCH", ATTRIBUTES, {"Attributes": {SETTING: "Enabled", VALUE: 6200}})
    assert status == 200
    assert [entry["MessageId"] for entry in body["@Message.ExtendedInfo"]] == ["Base.1.12.Success", "IDRAC.2.8.SYS413"]
    attributes = (await hall.get(ATTRIBUTES))["Attributes"]
    assert (attributes[SETTING], attributes[VALUE], attributes["ServerPwr.1.ActivePowerCapVal"]) == ("Enabled", 6200, 6200)
    hall.world.advance(hall.world.now + 300, 0.5)
    assert hall.world.physics.node_watts[XE9680] <= 6200 * 1.03
    await hall.ask("PATCH", ATTRIBUTES, {"Attributes": {SETTING: "Disabled"}})
    assert (await hall.get(ATTRIBUTES))["Attributes"][SETTING] == "Disabled"
    assert hall.world.physics.cap_watts[XE9680] == float("inf")


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({VALUE: 6200}, "SYS432"),
        ({SETTING: "Enabled", VALUE: 100}, "SYS409"),
        ({SETTING: "Enabled", VALUE: 99999}, "SYS409"),
        ({SETTING: "Enabled", VALUE: "6200"}, "SYS409"),
        ({SETTING: "On"}, "SYS409"),
        ({"ServerPwr.1.NoSuchThing": 1}, "SYS429"),
        ({}, "SYS405"),
    ],
)
async def test_a_bad_cap_is_refused_with_dells_message_and_changes_nothing(hall, attributes, message):
    before = (await hall.get(ATTRIBUTES))["Attributes"]
    status, body, _ = await hall.ask("PATCH", ATTRIBUTES, {"Attributes": attributes})
    assert status == 400
    assert body["error"]["@Message.ExtendedInfo"][0]["MessageId"].endswith(message)
    assert {name: value for name, value in (await hall.get(ATTRIBUTES))["Attributes"].items() if "PowerCap" in name} == {
        name: value for name, value in before.items() if "PowerCap" in name
    }


async def test_a_set_point_of_a_gpu_is_taken_read_back_felt_and_cleared(hall):
    status, _, _ = await hall.ask("PATCH", GPU_1, {"PowerLimitWatts": {"SetPoint": 350}})
    assert status == 200
    document = await hall.get(GPU_1)
    assert document["PowerLimitWatts"]["SetPoint"] == 350
    hall.world.advance(hall.world.now + 60, 0.5)
    assert hall.world.physics.gpu_watts[0] <= 351
    status, _, _ = await hall.ask("PATCH", GPU_1, {"PowerLimitWatts": {"SetPoint": 100}})
    assert status == 400
    target = document["Actions"]["Oem"]["Nvidia"]["#NvidiaEnvironmentMetrics.ClearOOBSetPoint"]["target"]
    status, _, _ = await hall.ask("POST", target, {})
    assert status == 200
    assert (await hall.get(GPU_1))["PowerLimitWatts"]["SetPoint"] == 700


async def test_the_old_limit_is_refused_while_the_setting_is_off_and_the_new_one_works_on_newer_controllers(hall):
    body = {"PowerControl": [{"PowerLimit": {"LimitInWatts": 6500}}]}
    status, answer, _ = await hall.ask("PATCH", f"{CHASSIS}/Power", body)
    assert status == 400
    assert answer["error"]["@Message.ExtendedInfo"][0]["MessageId"].endswith("SYS432")
    limit = {"PowerLimitWatts": {"SetPoint": 600, "ControlMode": "Automatic"}}
    status, _, _ = await hall.ask("PATCH", f"{CHASSIS}/EnvironmentMetrics", limit, index=R660)
    assert status == 200
    read = (await hall.get(f"{CHASSIS}/EnvironmentMetrics", R660))["PowerLimitWatts"]
    assert (read["SetPoint"], read["ControlMode"]) == (600, "Automatic")


async def test_the_ninth_session_is_refused_and_a_deleted_one_makes_room(hall):
    login = {"UserName": "reader", "Password": "secret"}
    opened = [await hall.ask("POST", SESSIONS, login, headers={}) for _ in range(8)]
    assert {status for status, _, _ in opened} == {201}
    status, body, _ = await hall.ask("POST", SESSIONS, login, headers={})
    assert status == 503
    assert body["error"]["@Message.ExtendedInfo"][0]["MessageId"] == "IDRAC.2.8.RAC0218"
    _, _, headers = opened[0]
    token = {"X-Auth-Token": headers["X-Auth-Token"]}
    assert (await hall.ask("GET", CHASSIS, headers=token))[0] == 200
    assert (await hall.ask("DELETE", headers["Location"], headers=token))[0] == 200
    assert (await hall.ask("GET", CHASSIS, headers=token))[0] == 401
    assert (await hall.ask("POST", SESSIONS, login, headers={}))[0] == 201


async def test_nobody_reads_without_the_password_but_everybody_finds_the_root(hall):
    assert (await hall.ask("GET", "/redfish/v1", headers={}))[0] == 200
    assert (await hall.ask("GET", CHASSIS, headers={}))[0] == 401
    status, body, _ = await hall.ask("POST", SESSIONS, {"UserName": "reader", "Password": "wrong"}, headers={})
    assert status == 401
    assert body["error"]["@Message.ExtendedInfo"][0]["MessageId"].endswith("SYS415")


async def test_a_fault_touches_its_own_server_only(hall):
    names = [server.name for server in hall.world.hall.servers]
    fault = await hall.control.switch_on({"target": names[0], "kind": "bmc_sentinels"})
    assert (await hall.get(f"{CHASSIS}/Power"))["PowerControl"][0]["PowerConsumedWatts"] == -2147483648.0
    assert (await hall.get(f"{CHASSIS}/Power", index=1))["PowerControl"][0]["PowerConsumedWatts"] > 0
    await hall.control.switch_off(fault.id)
    assert (await hall.get(f"{CHASSIS}/Power"))["PowerControl"][0]["PowerConsumedWatts"] > 0


async def test_frozen_lost_and_lying_telemetry_do_what_they_say(hall):
    name = hall.world.hall.servers[0].name

    async def watts():
        return (await hall.get(f"{CHASSIS}/EnvironmentMetrics"))["PowerWatts"]["Reading"]

    lie = await hall.control.switch_on({"target": name, "kind": "bmc_lying", "factor": 0.25})
    assert await watts() == pytest.approx(hall.world.physics.node_watts[0] / 4, abs=1)
    await hall.control.switch_off(lie.id)
    await hall.control.switch_on({"target": name, "kind": "telemetry_frozen"})
    before = await watts()
    hall.world.advance(hall.world.now + 600, 5.0)
    assert await watts() == before
    await hall.control.switch_on({"target": name, "kind": "telemetry_lost"})
    assert await watts() is None


async def test_a_controller_that_refuses_does_not_answer_and_comes_back(hall):
    name = hall.world.hall.servers[0].name
    assert (await hall.ask("GET", CHASSIS))[0] == 200
    fault = await hall.control.switch_on({"target": name, "kind": "bmc_refuse"})
    with pytest.raises(aiohttp.ClientConnectionError):
        await hall.ask("GET", CHASSIS)
    assert (await hall.ask("GET", CHASSIS, index=1))[0] == 200
    await hall.control.switch_off(fault.id)
    assert (await hall.ask("GET", CHASSIS))[0] == 200


@pytest.mark.parametrize("kind", ["bmc_broken_json", "bmc_html", "bmc_truncated", "bmc_unavailable", "bmc_unauthorized"])
async def test_bad_answers_are_as_bad_as_they_are_called(hall, kind):
    await hall.control.switch_on({"target": hall.world.hall.servers[0].name, "kind": kind})
    headers = {"Authorization": "Basic " + base64.b64encode(b"reader:secret").decode()}
    try:
        async with hall.client.get(hall.url(0, f"{CHASSIS}/Power"), headers=headers) as response:
            text, status = await response.text(), response.status
    except aiohttp.ClientPayloadError:
        assert kind == "bmc_truncated"
        return
    expected = {"bmc_broken_json": 200, "bmc_html": 403, "bmc_unavailable": 503, "bmc_unauthorized": 401}
    assert status == expected[kind]
    if kind == "bmc_broken_json":
        with pytest.raises(json.JSONDecodeError):
            json.loads(text)
    if kind == "bmc_unavailable":
        assert response.headers["Retry-After"] == "30"


async def test_a_hanging_controller_answers_nobody(hall):
    await hall.control.switch_on({"target": hall.world.hall.servers[0].name, "kind": "bmc_hang"})
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(hall.ask("GET", CHASSIS), 0.3)


async def test_lockdown_lets_read_and_refuses_writes(hall):
    await hall.control.switch_on({"target": hall.world.hall.servers[0].name, "kind": "bmc_lockdown"})
    status, body, _ = await hall.ask("PATCH", ATTRIBUTES, {"Attributes": {SETTING: "Enabled", VALUE: 6200}})
    assert status == 403
    assert body["error"]["@Message.ExtendedInfo"][0]["MessageId"].endswith("SYS406")
    idrac = ATTRIBUTES.replace("System.Embedded.1", "iDRAC.Embedded.1")
    assert (await hall.get(idrac))["Attributes"]["Lockdown.1.SystemLockdown"] == "Enabled"


async def test_a_failed_supply_is_critical_listed_and_without_watts(hall):
    name = hall.world.hall.servers[0].name
    await hall.control.switch_on({"target": name, "kind": "psu_failed", "psu": 2})
    hall.world.advance(hall.world.now + 5, 0.25)
    supply = await hall.get(f"{CHASSIS}/PowerSubsystem/PowerSupplies/PSU.Slot.2")
    assert supply["Status"]["Health"] == "Critical"
    faults = (await hall.get("/redfish/v1/Managers/iDRAC.Embedded.1/LogServices/FaultList/Entries"))["Members"]
    assert [fault["MessageId"] for fault in faults] == ["PSU0001"]
    system = await hall.get("/redfish/v1/Systems/System.Embedded.1")
    assert system["Oem"]["Dell"]["DellSystem"]["PSRollupStatus"] == "Critical"
    assert (await hall.get(f"{CHASSIS}/PowerSubsystem/PowerSupplies/PSU.Slot.2/Metrics"))["InputPowerWatts"]["Reading"] == 0


async def test_a_gpu_off_the_bus_is_absent_and_not_zero(hall):
    name = hall.world.hall.servers[0].name
    await hall.control.switch_on({"target": name, "kind": "gpu_off_bus", "gpu": 0})
    document = await hall.get(GPU_1)
    assert "PowerWatts" not in document
    assert "PowerWatts" in await hall.get(GPU_1.replace("SXM_1", "SXM_2"))
