"""A BMC that fails in part loses only that part; one that is away or busy is left alone."""

import pytest

from collectors.frame import AuthFailed, BadPayload, Throttled, Unreachable
from tests.support.redfish_replay import Fault, error_body
from wattstat.catalogue import node as catalogue

R750 = "dell-r750-h100-idrac9-6.00.30.00"
HTML = b"<?xml version='1.0'?><html><head><title>403 - Forbidden</title></head></html>"
SENSORS = "/Sensors$"


async def values(source, tier):
    return {(sample.metric, sample.labels[1:]): sample.value for sample in (await source.collect(tier)).samples}


@pytest.fixture
async def service(bench, record):
    return await bench.serve(record(R750))


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(path=SENSORS, status=403, body=HTML, headers={"Content-Type": "text/html"}), AuthFailed),
        (Fault(path=SENSORS, body=b'{"Members": [', headers={}), BadPayload),
        (Fault(path=SENSORS, body=b"[1, 2]"), BadPayload),
        (Fault(path=SENSORS, body=b""), BadPayload),
        (Fault(path=SENSORS, truncate=True), BadPayload),
        (Fault(path=SENSORS, status=500, body=error_body("GeneralError", "A general error has occurred.")), Unreachable),
        (Fault(path=SENSORS, hang=True), Unreachable),
    ],
    ids=["html", "broken-json", "array", "empty", "truncated", "internal-error", "hangs"],
)
async def test_a_resource_that_fails_costs_only_itself(bench, service, fault, kind):
    service.faults.append(fault)
    source = bench.source(service, timeout_seconds=2)
    collected = await source.collect("medium")
    assert {type(error) for error in collected.errors.values()} == {kind}
    found = {(sample.metric, *sample.labels[1:]): sample.value for sample in collected.samples}
    assert found[catalogue.NODE_POWER_CAP_MAX_WATTS,] == 1441
    # What the sensors no longer tell comes from the older and the slower resources.
    assert found[catalogue.NODE_TEMPERATURE_CELSIUS, "SystemBoardInletTemp", "inlet"] == 25
    assert found[catalogue.PSU_INPUT_WATTS, "PSU.Slot.2"] == 308
    assert found[catalogue.FAN_SPEED_RPM, "Fan.Embedded.1A"] == 18600


async def test_a_bmc_that_hangs_altogether_is_given_up_after_two_time_outs(bench, service):
    source = bench.source(service, timeout_seconds=2)
    await source.collect("fast")
    service.faults.append(Fault(path="/redfish/v1/.+", hang=True))
    with pytest.raises(Unreachable, match="no answer in time"):
        await source.collect("medium")


async def test_a_busy_bmc_is_not_asked_for_anything_else(bench, service):
    source = bench.source(service)
    await source.collect("fast")
    busy = error_body("RAC0508", "The provider is not ready.")
    service.faults.append(Fault(path="/redfish/v1/.+", status=503, body=busy, headers={"Retry-After": "30"}))
    before = len(service.gets)
    with pytest.raises(Throttled) as caught:
        await source.collect("medium")
    assert caught.value.retry_after_seconds == 30
    assert len(service.gets) == before


async def test_a_bmc_that_becomes_busy_half_way_keeps_what_was_read(bench, service):
    source = bench.source(service)
    service.faults.append(Fault(path="PowerSubsystem", status=503, body=error_body("RAC0508", "not ready")))
    collected = await source.collect("medium")
    assert any(sample.metric is catalogue.NODE_TEMPERATURE_CELSIUS for sample in collected.samples)
    assert [type(error) for error in collected.errors.values()] == [Throttled]


async def test_a_retry_after_may_be_a_date(bench, service):
    source = bench.source(service)
    await source.collect("fast")
    late = {"Retry-After": "Fri, 31 Dec 2199 23:59:59 GMT"}
    service.faults.append(Fault(path="/redfish/v1/.+", status=503, body=b"", headers=late))
    with pytest.raises(Throttled) as caught:
        await source.collect("fast")
    assert caught.value.retry_after_seconds == 3600


async def test_a_licence_that_is_missing_is_no_error(bench, service):
    service.faults.append(Fault(path="PowerSubsystem", status=403, body=error_body("LIC501", "A required license is missing.")))
    collected = await bench.source(service).collect("medium")
    assert not collected.errors
    assert any(sample.metric is catalogue.PSU_INPUT_WATTS for sample in collected.samples)


async def test_expand_that_is_announced_and_refused_is_done_without(bench, record):
    service = await bench.serve(record(R750), refuse_expand=True)
    source = bench.source(service)
    collected = await source.collect("medium")
    assert not collected.errors
    found = {(sample.metric, *sample.labels[1:]): sample.value for sample in collected.samples}
    assert found[catalogue.NODE_TEMPERATURE_CELSIUS, "CPU1Temp", "cpu"] == 37
    asked = sum("$expand" in path for path in service.gets)
    await source.collect("medium")
    assert sum("$expand" in path for path in service.gets) == asked


async def test_a_bmc_of_which_nothing_can_be_read_fails_as_a_whole(bench, service):
    source = bench.source(service)
    await source.collect("fast")
    service.faults.append(Fault(path="/redfish/v1/.+", status=403, body=HTML))
    for tier in ("fast", "medium", "slow"):
        with pytest.raises(AuthFailed, match=r"HTTP 403.*forbidden"):
            await source.collect(tier)


@pytest.mark.parametrize("nothing", [None, -2147483648.0, 0])
async def test_power_that_is_no_longer_told_has_a_reason_and_no_sample(bench, service, nothing):
    source = bench.source(service)
    await source.collect("fast")
    service.body("Chassis/System.Embedded.1/Power")["PowerControl"][0]["PowerConsumedWatts"] = nothing
    service.body("Chassis/System.Embedded.1/Sensors/SystemBoardPwrConsumption")["Reading"] = nothing
    collected = await source.collect("fast")
    assert not collected.samples
    assert "states no input power" in str(collected.errors["power"])


async def test_a_host_that_is_switched_off_says_so(bench, service):
    service.body("Systems/System.Embedded.1")["PowerState"] = "Off"
    assert (await values(bench.source(service), "medium"))[catalogue.NODE_POWER_ON, ()] == 0


async def test_current_faults_are_counted_and_named(bench, service):
    service.body("Managers/iDRAC.Embedded.1/LogServices/FaultList/Entries")["Members"] = [
        {"Id": "f1", "Severity": "Critical", "MessageId": "IDRAC.2.7.PWR2305", "Message": "The GPU power cap has changed."}
    ]
    found = await values(bench.source(service), "medium")
    assert found[catalogue.NODE_FAULTS, ("Critical",)] == 1
    assert found[catalogue.NODE_FAULTS, ("Warning",)] == 0
    assert found[catalogue.NODE_FAULT_INFO, ("f1", "Critical", "IDRAC.2.7.PWR2305", "The GPU power cap has changed.")] == 1


async def test_a_roll_up_says_why_a_server_is_not_well(bench, service):
    system = service.body("Systems/System.Embedded.1")
    system["Status"]["HealthRollup"] = "Critical"
    system["Oem"]["Dell"]["DellSystem"]["IntrusionRollupStatus"] = "Error"
    found = await values(bench.source(service), "medium")
    assert found[catalogue.NODE_HEALTH, ("system",)] == 2
    assert {part for (metric, part), value in found.items() if metric is catalogue.NODE_HEALTH and value == 2} == {
        ("system",),
        ("intrusion",),
    }


async def test_log_entries_count_from_the_moment_that_we_watch(bench, service):
    source = bench.source(service)
    entries = service.body("Managers/iDRAC.Embedded.1/LogServices/Lclog/Entries")["Members"]
    key = (catalogue.NODE_LOG_EVENTS_TOTAL, ("iDRAC.Embedded.1/Lclog", "Critical"))
    assert (await values(source, "slow"))[key] == 0
    added = {"Id": "83500", "Created": "2024-08-08T19:00:00-05:00", "Severity": "Critical", "MessageId": "IDRAC.2.7.HWC9052"}
    login = {"Id": "83501", "Created": "2024-08-08T19:00:00-05:00", "Severity": "OK", "MessageId": "IDRAC.2.7.USR0030"}
    entries[:0] = [login, added]
    for _ in range(2):
        found = await values(source, "slow")
        assert found[key] == 1
        assert found[catalogue.NODE_LOG_EVENTS_TOTAL, ("iDRAC.Embedded.1/Lclog", "OK")] == 0
    entries[:0] = [{**added, "Id": "83502"}]
    assert (await values(source, "slow"))[key] == 2


FAN = "Chassis/System.Embedded.1/Sensors/Fan.Embedded.3A"


@pytest.mark.parametrize("status", [{"Health": "Critical", "State": "Enabled"}, {"Health": "Critical", "State": "Disabled"}])
async def test_a_fan_that_failed_is_told_though_it_shows_no_speed(bench, service, status):
    service.body(FAN).update({"Reading": None, "SpeedRPM": None, "Status": status})
    found = await values(bench.source(service), "medium")
    assert found[catalogue.FAN_HEALTH, ("Fan.Embedded.3A",)] == 2
    assert (catalogue.FAN_SPEED_RPM, ("Fan.Embedded.3A",)) not in found


async def test_a_fan_that_was_pulled_out_is_no_fan_and_redundancy_is_lost(bench, service):
    service.body(FAN).update({"Reading": None, "SpeedRPM": None, "Status": {"Health": None, "State": "Absent"}})
    service.body("Chassis/System.Embedded.1/ThermalSubsystem")["FanRedundancy"][0]["Status"]["Health"] = "Critical"
    found = await values(bench.source(service), "medium")
    assert (catalogue.FAN_HEALTH, ("Fan.Embedded.3A",)) not in found
    assert found[catalogue.FAN_REDUNDANCY_OK, ()] == 0


@pytest.mark.parametrize("groups", [[], [{"Status": {"State": "Disabled", "Health": "Critical"}}], [{"Status": None}], None])
async def test_fans_of_which_no_group_says_anything_are_neither_redundant_nor_not(bench, service, groups):
    service.body("Chassis/System.Embedded.1/ThermalSubsystem")["FanRedundancy"] = groups
    assert (catalogue.FAN_REDUNDANCY_OK, ()) not in await values(bench.source(service), "medium")


async def test_how_hard_fans_are_driven_comes_from_the_fans_where_their_sensors_show_turns(bench, service):
    for number in range(1, 7):
        service.body(f"Chassis/System.Embedded.1/ThermalSubsystem/Fans/Fan.Embedded.{number}A")["Oem"] = {
            "Dell": {"FanPWM": 62}
        }
    service.body(FAN)["Status"]["Health"] = "Critical"
    found = await values(bench.source(service), "medium")
    told = {labels[0]: value for (metric, labels), value in found.items() if metric is catalogue.FAN_SPEED_RATIO}
    assert told == {f"Fan.Embedded.{number}A": 0.62 for number in (1, 2, 4, 5, 6)}, "the one that failed helps nobody"


async def test_fans_that_do_not_say_how_hard_they_are_driven_are_asked_once(bench, service):
    source = bench.source(service)
    await source.collect("medium")
    before = sum("ThermalSubsystem/Fans" in path for path in service.gets)
    await source.collect("medium")
    assert sum("ThermalSubsystem/Fans" in path for path in service.gets) == before > 0


async def test_a_module_that_is_not_well_is_asked_why_and_the_others_are_not(bench, service):
    memory = "Systems/System.Embedded.1/Memory"
    service.body(f"{memory}/DIMM.Socket.A2")["Status"]["Health"] = "Critical"
    service.body(f"{memory}/DIMM.Socket.A2/MemoryMetrics")["HealthData"]["AlarmTrips"]["UncorrectableECCError"] = True
    found = await values(bench.source(service), "slow")
    assert found[catalogue.MEMORY_ECC_ALARM, ("DIMM.Socket.A2", "uncorrected")] == 1
    assert found[catalogue.MEMORY_ECC_ALARM, ("DIMM.Socket.A2", "corrected")] == 0
    assert {path.split("/")[-2] for path in service.gets if path.endswith("/MemoryMetrics")} <= {
        "DIMM.Socket.A2",
        "DIMM.Socket.B1",
    }
