"""What real controllers offer, by their recordings: found by links, read without being fooled, written in their own way."""

import copy
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from power.actuators import redfish
from power.actuators.cap import NO_CAP
from power.actuators.complaints import CANNOT_HOLD
from power.model import ActuatorError, Device, Fence, NodeOrder, Outcome, Way
from tests.support.recorded_bmc import RecordedBmc, refusal
from tests.support.redfish_replay import completed, leaves, recorded
from tests.support.samples import samples

FENCE = Fence(token=1, holder="core", valid_until=math.inf)
R750, DGX, CONTOSO = "dell-r750-h100-idrac9-6.00.30.00", "nvidia-dgx-h100-hgx", "dmtf-public-rackmount1"
SETS = (R750, DGX, CONTOSO, "dell-17g-idrac10-fragments", "dmtf-public-telemetry", "lambda-powershelf-delta")
ATTRIBUTES = "/redfish/v1/Managers/iDRAC.Embedded.1/Oem/Dell/DellAttributes/System.Embedded.1"
OLDER = "/redfish/v1/Managers/System.Embedded.1/Attributes"
ENVIRONMENT = "/redfish/v1/Chassis/1U/EnvironmentMetrics"
CONTROL = "/redfish/v1/Chassis/1U/Controls/PowerLimit"
POWER = "/redfish/v1/Chassis/1U/Power"


async def at_once(_seconds):
    """No test waits for a read-back."""


def documents(name):
    return completed(recorded(samples("redfish-samples", name)))


def ways(bmc):
    return redfish.actuators("n1", bmc, sleep=at_once)


async def read(bmc):
    return [caps for way in ways(bmc) for caps in await way.read()]


async def write(bmc, **wanted):
    return [receipt for way in ways(bmc) for receipt in await way.write(NodeOrder(node="n1", **wanted), FENCE)]


@pytest.fixture
def r750():
    return RecordedBmc(documents=documents(R750))


@pytest.fixture
def dgx():
    return RecordedBmc(documents=documents(DGX))


@pytest.fixture
def contoso():
    return RecordedBmc(documents=documents(CONTOSO))


async def test_a_cap_that_is_switched_off_is_no_cap_however_real_its_number_looks(r750):
    (caps,) = await read(r750)
    assert (caps.way, caps.limit_watts, caps.min_watts, caps.max_watts) == (Way.ATTRIBUTES, None, 898, 1441)
    assert caps.detail == "1205 W, switched off"


async def test_setting_and_value_go_in_one_request(r750):
    (receipt,) = await write(r750, node_cap_watts=1100.9)
    assert (receipt.outcome, receipt.read_back_watts) == (Outcome.NOT_APPLIED, 1205)  # ActivePowerCapVal has not followed
    assert [each[:3] for each in r750.writes] == [
        ("PATCH", ATTRIBUTES, {"Attributes": {"ServerPwr.1.PowerCapSetting": "Enabled", "ServerPwr.1.PowerCapValue": 1100}})
    ]


async def test_what_is_active_may_not_be_higher_than_what_was_written(r750):
    del r750.documents[ATTRIBUTES]["Attributes"]["ServerPwr.1.ActivePowerCapVal"]
    (receipt,) = await write(r750, node_cap_watts=1100.9)
    assert (receipt.outcome, receipt.read_back_watts) == (Outcome.CONFIRMED, 1100)


@pytest.mark.parametrize(
    ("value", "least", "most"), [(278, 501, 836), (1453, 654, 1041), (32767, 898, 1441), (0, 0, 0), (1000, None, 1441)]
)
async def test_a_value_that_the_hardware_cannot_hold_is_no_cap(r750, value, least, most):
    names = ("PowerCapSetting", "PowerCapValue", "PowerCapMinThres", "PowerCapMaxThres")
    values = ("Enabled", value, least, most)
    r750.documents[ATTRIBUTES]["Attributes"] |= {
        f"ServerPwr.1.{name}": each for name, each in zip(names, values, strict=True)
    } | {"ServerPwr.1.ActivePowerCapVal": value}
    (caps,) = await read(r750)
    assert caps.limit_watts is None


async def test_bounds_are_read_again_before_every_write(r750):
    actuator = ways(r750)[0]
    await actuator.read()
    r750.documents[ATTRIBUTES]["Attributes"]["ServerPwr.1.PowerCapMaxThres"] = 1041
    (receipt,) = await actuator.write(NodeOrder(node="n1", node_cap_watts=1100), FENCE)
    assert receipt.outcome is Outcome.OUT_OF_RANGE
    assert "898 to 1041 W" in receipt.detail
    assert r750.writes == []


async def test_firmware_that_wants_the_setting_first_gets_it_first(r750):
    del r750.documents[ATTRIBUTES]["Attributes"]["ServerPwr.1.ActivePowerCapVal"]
    r750.refusals = [refusal(400, "SYS432")]
    (receipt,) = await write(r750, node_cap_watts=1100)
    assert receipt.outcome is Outcome.CONFIRMED
    assert [list(body["Attributes"]) for _, _, body, _ in r750.writes] == [
        ["ServerPwr.1.PowerCapSetting", "ServerPwr.1.PowerCapValue"],
        ["ServerPwr.1.PowerCapSetting"],
        ["ServerPwr.1.PowerCapSetting", "ServerPwr.1.PowerCapValue"],
    ]


@pytest.mark.parametrize("said", [refusal(412), refusal(400, "SYS404"), refusal(428)])
async def test_what_wants_an_etag_gets_it_once(r750, said):
    r750.documents[ATTRIBUTES]["@odata.etag"] = '"12"'
    r750.refusals = [said]
    await write(r750, node_cap_watts=NO_CAP)
    assert [headers for _, _, _, headers in r750.writes] == [{}, {"If-Match": '"12"'}]


async def test_firmware_3_and_4_keep_the_attributes_beside_the_manager(r750):
    r750.documents[OLDER] = r750.documents.pop(ATTRIBUTES)
    del r750.documents["/redfish/v1/Managers/iDRAC.Embedded.1"]["Links"]["Oem"]["Dell"]["DellAttributes"]
    (caps,) = await read(r750)
    assert (caps.way, caps.min_watts) == (Way.ATTRIBUTES, 898)
    await write(r750, node_cap_watts=1000)
    assert r750.writes[0][1] == OLDER


async def test_dells_old_limit_is_not_believed_where_the_attributes_are_closed(r750):
    del r750.documents[ATTRIBUTES]
    assert await read(r750) == []
    assert await write(r750, node_cap_watts=1000) == []
    assert r750.writes == []


async def test_an_attribute_set_that_goes_away_is_looked_for_again(r750):
    actuator = ways(r750)[0]
    await actuator.read()
    r750.documents[OLDER] = r750.documents.pop(ATTRIBUTES)
    assert await actuator.read() == ()
    (caps,) = await actuator.read()
    assert caps.min_watts == 898


async def test_a_baseboards_gpus_have_nvmls_names(dgx):
    caps = await read(dgx)
    assert [each.way for each in caps] == [Way.HGX] * 8
    assert caps[0].device == Device("n1", "GPU-9dad5bfd-a732-23fe-40ad-465d0cbe5f95")
    assert len({each.device for each in caps}) == 8
    assert {(each.limit_watts, each.min_watts, each.max_watts, each.default_watts) for each in caps} == {(700, 200, 700, 700)}
    assert caps[0].power_watts == pytest.approx(71.586)


async def test_the_hosts_own_limit_of_500_watts_is_nobodys_cap(dgx):
    assert Device("n1") not in {caps.device for caps in await read(dgx)}
    assert await write(dgx, node_cap_watts=5000) == []


async def test_a_gpu_gets_a_set_point_and_its_action_clears_it(dgx):
    uuid = (await read(dgx))[2].device.uuid
    (receipt,) = await write(dgx, gpu_watts={uuid: 450.0})
    assert receipt.outcome is Outcome.CONFIRMED
    environment = "/redfish/v1/Systems/HGX_Baseboard_0/Processors/GPU_SXM_3/EnvironmentMetrics"
    assert dgx.writes[0][:3] == ("PATCH", environment, {"PowerLimitWatts": {"SetPoint": 450, "ControlMode": "Automatic"}})
    await write(dgx, gpu_watts={uuid: NO_CAP})
    assert dgx.writes[1][:2] == ("POST", f"{environment}/Actions/Oem/NvidiaEnvironmentMetrics.ClearOOBSetPoint")


async def test_a_gpu_without_uuid_is_found_by_its_serial_number_or_left_alone(dgx):
    first = dgx.documents["/redfish/v1/Systems/HGX_Baseboard_0/Processors/GPU_SXM_1"]
    del first["UUID"]
    assert len(await read(dgx)) == 7
    known = {first["SerialNumber"]: "GPU-by-serial"}
    board = redfish.actuators("n1", dgx, uuid_of=lambda serial: known.get(serial, ""), sleep=at_once)[2]
    assert (await board.read())[0].device.uuid == "GPU-by-serial"


async def test_a_limit_that_all_gpus_share_is_told(dgx):
    dgx.documents["/redfish/v1/Chassis/HGX_Chassis_0/EnvironmentMetrics"]["PowerLimitWatts"]["SetPoint"] = 4000
    assert {each.detail for each in await read(dgx)} == {"with the other GPUs of the baseboard 4000 W"}


async def test_the_standards_set_point_comes_first(contoso):
    (caps,) = await read(contoso)
    assert (caps.way, caps.limit_watts, caps.min_watts, caps.max_watts, caps.power_watts) == (
        Way.STANDARD,
        500,
        150,
        1000,
        374,
    )
    (receipt,) = await write(contoso, node_cap_watts=400)
    assert receipt.outcome is Outcome.CONFIRMED
    assert contoso.writes[0][1:3] == (ENVIRONMENT, {"PowerLimitWatts": {"SetPoint": 400, "ControlMode": "Automatic"}})
    (receipt,) = await write(contoso, node_cap_watts=NO_CAP)
    assert (receipt.outcome, receipt.read_back_watts) == (Outcome.CONFIRMED, None)


async def test_then_the_control_of_the_whole_chassis(contoso):
    del contoso.documents[ENVIRONMENT]["PowerLimitWatts"]
    await write(contoso, node_cap_watts=400)
    assert contoso.writes[0][1:3] == (CONTROL, {"SetPoint": 400, "ControlMode": "Automatic"})


async def test_at_last_the_old_limit_where_the_chassis_states_a_range_and_without_its_exception(contoso):
    del contoso.documents[ENVIRONMENT]["PowerLimitWatts"]
    del contoso.documents[CONTROL]
    chassis = contoso.documents["/redfish/v1/Chassis/1U"]
    chassis.pop("MinPowerWatts", None)
    assert await read(contoso) == []
    chassis |= {"MinPowerWatts": 200, "MaxPowerWatts": 800}
    (caps,) = await read(contoso)
    assert caps.limit_watts == 500
    (receipt,) = await write(contoso, node_cap_watts=400)
    assert receipt.outcome is Outcome.CONFIRMED
    assert contoso.writes[0][1:3] == (POWER, {"PowerControl": [{"PowerLimit": {"LimitInWatts": 400}}]})
    assert contoso.documents[POWER]["PowerControl"][0]["PowerLimit"]["LimitException"] == "LogEventOnly"


async def test_a_control_without_a_mode_says_nothing(contoso):
    del contoso.documents[ENVIRONMENT]["PowerLimitWatts"]["ControlMode"]
    (caps,) = await read(contoso)
    assert caps.limit_watts is None
    assert "nothing says whether it is on" in caps.detail


@pytest.mark.parametrize("name", ["lambda-powershelf-delta", "dmtf-public-telemetry", "dell-17g-idrac10-fragments"])
async def test_what_offers_no_cap_is_left_alone(name):
    bmc = RecordedBmc(documents=documents(name))
    assert await read(bmc) == []
    assert await write(bmc, node_cap_watts=5000, gpu_watts={"GPU-x": 300.0}) == []
    assert bmc.writes == []


async def test_what_is_no_redfish_service_is_an_error_that_says_so():
    with pytest.raises(ActuatorError, match="no Redfish service"):
        await read(RecordedBmc(documents={}))


async def test_a_yes_that_changes_nothing_is_not_believed(contoso):
    contoso.deaf = True
    (receipt,) = await write(contoso, node_cap_watts=400)
    assert (receipt.outcome, receipt.read_back_watts) == (Outcome.NOT_APPLIED, 500)


async def test_the_bmcs_log_is_heard_and_old_entries_are_from_before(r750):
    clock = [0.0]
    actuator = redfish.actuators("n1", r750, sleep=at_once, monotonic=lambda: clock[0])[0]
    entries = "/redfish/v1/Managers/iDRAC.Embedded.1/LogServices/Sel/Entries"
    page = r750.documents[entries]["Members"]
    page.insert(0, {"@odata.id": f"{entries}/1", "MessageId": "PWR2400", "Created": "2020-01-01T00:00:00Z"})
    await actuator.read()
    assert actuator.complaint is None
    page.insert(0, {"@odata.id": f"{entries}/2", "MessageId": "IDRAC.2.8.PWR2400", "Message": "unable to maintain"})
    clock[0] += 1000
    await actuator.read()
    assert actuator.complaint == (1000, "PWR2400: unable to maintain")
    assert "PWR2306" in CANNOT_HOLD


JUNK = (-2147483648, 32767, 65535, 1e308, -1, None, "", "N/A", True, [], {}, [None], "9" * 400, 2**80, "١٢٣", [[1]])
DROP = object()


@pytest.fixture(scope="module")
def all_documents():
    return {name: documents(name) for name in SETS}


@given(data=st.data())
async def test_whatever_a_document_lacks_or_holds_nothing_fails_and_no_sentinel_is_a_cap(all_documents, data):
    name = data.draw(st.sampled_from(SETS))
    tree = dict(all_documents[name])
    relevant = sorted(path for path in tree if any(word in path for word in ("Environment", "DellAttr", "Control", "Power")))
    relevant += [path for path in tree if path.count("/") <= 4]
    for _ in range(data.draw(st.integers(1, 4))):
        path = data.draw(st.sampled_from(relevant))
        tree[path] = changed(tree[path], data)
    caps = await read(RecordedBmc(documents=tree)) if offers_anything(tree) else []
    for each in caps:
        assert each.limit_watts is None or 1 <= each.min_watts <= each.limit_watts <= each.max_watts < 32_767


def changed(document, data):
    places = list(leaves(document))
    if not places:
        return document
    place = data.draw(st.sampled_from(places))
    value = data.draw(st.sampled_from((DROP, *JUNK)))
    document = copy.deepcopy(document)
    inner = document
    for step in place[:-1]:
        inner = inner[step]
    if value is DROP:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return document


def offers_anything(tree):
    """Without its root there is no service to ask; that is an error with a name of its own."""
    root = tree["/redfish/v1"]
    return isinstance(root, dict) and any(
        isinstance(root.get(name), dict) and str(root[name].get("@odata.id", "")).startswith("/")
        for name in ("Systems", "Chassis", "Managers")
    )
