"""Resources are found by links; newer ones come first, older ones where those are missing or fail; the choice is remembered."""

import json

import pytest

from collectors.frame.errors import Misconfigured
from collectors.redfish import probe_source, sources
from tests.support.redfish_replay import PASSWORD, USER, Fault
from wattstat.catalogue import node as catalogue
from wattstat.config import Config
from wattstat.inventory import Inventory, Tls

R750 = "dell-r750-h100-idrac9-6.00.30.00"
DGX = "nvidia-dgx-h100-hgx"
RACKMOUNT = "dmtf-public-rackmount1"
SYSTEM = (catalogue.NODE_POWER_WATTS, ("node1", "system"))


async def values(source, tier):
    return {(sample.metric, sample.labels): sample.value for sample in (await source.collect(tier)).samples}


@pytest.mark.parametrize("name", [R750, DGX, RACKMOUNT])
async def test_no_address_but_the_root_is_taken_for_granted(bench, record, name):
    moved = json.dumps(record(name))
    for collection in ("Systems", "Chassis", "Managers", "TelemetryService", "UpdateService"):
        moved = moved.replace(f"/redfish/v1/{collection}", f"/redfish/v1/Other/{collection}X")
    moved = moved.replace("/PowerSubsystem", "/PS").replace("/EnvironmentMetrics", "/EM").replace('/Power"', '/P"')
    here = bench.source(await bench.serve(record(name)))
    there = bench.source(await bench.serve(json.loads(moved)))
    for tier in ("fast", "medium"):
        assert await values(there, tier) == await values(here, tier) != {}


async def test_environment_metrics_come_before_the_old_power(bench, record):
    service = await bench.serve(record(RACKMOUNT))
    source = bench.source(service)
    await source.collect("fast")
    assert not any(path.endswith("/Power") for path in service.gets)


async def test_the_old_power_serves_while_the_new_family_fails_and_not_for_longer(bench, record):
    service = await bench.serve(record(RACKMOUNT))
    source = bench.source(service)
    now = [0.0]
    source._bmc.monotonic = lambda: now[0]
    service.faults.append(Fault(path="EnvironmentMetrics", status=500, body=b"{}", times=1))
    assert (await values(source, "fast"))[SYSTEM] == 344
    now[0] = 10
    assert (await values(source, "fast"))[SYSTEM] == 344
    now[0] = 1000
    assert (await values(source, "fast"))[SYSTEM] == 374


async def test_a_sensor_serves_where_both_power_resources_are_missing(bench, record):
    documents = record(R750)
    del documents["/redfish/v1/Chassis/System.Embedded.1/Power"]
    service = await bench.serve(documents)
    source = bench.source(service)
    assert (await values(source, "fast"))[SYSTEM] == 600
    before = len(service.gets)
    assert (await values(source, "fast"))[SYSTEM] == 600
    assert service.gets[before:] == ["/redfish/v1/Chassis/System.Embedded.1/Sensors/SystemBoardPwrConsumption"]


async def test_what_one_machine_taught_holds_for_all_of_its_model_and_firmware(bench, record):
    first = await bench.serve(record(R750))
    second = await bench.serve(record(R750))
    one, other = bench.source(first), bench.source(second)
    other._bmc.choices = one._bmc.choices
    await one.collect("medium")
    assert one._bmc.choices.order(("PowerEdge R750", "6.00.30.00", "power"), ["EnvironmentMetrics", "Power"]) == [
        "EnvironmentMetrics",
        "Power",
    ]
    await one.collect("fast")
    await other.collect("fast")
    assert other._bmc.choices.order((*other._bmc.kind, "power"), ["EnvironmentMetrics", "Power"])[0] == "Power"


async def test_a_gpu_without_reports_is_read_one_by_one(bench, record):
    device = (catalogue.NODE_GPU_POWER_WATTS, ("node1", "GPU_SXM_1"))
    margin = (catalogue.NODE_GPU_TEMPERATURE_MARGIN_CELSIUS, ("node1", "GPU_SXM_1"))
    with_report = await values(bench.source(await bench.serve(record(DGX))), "medium")
    without = await values(bench.source(await bench.serve(record(DGX)), metric_reports=False), "medium")
    assert (with_report[device], without[device]) == (71.676, 71.586)
    assert with_report[margin] == without[margin] == 60


async def test_stale_values_of_a_report_are_left_out(bench, record):
    documents = record(DGX)
    rows = documents["/redfish/v1/TelemetryService/MetricReports/HGX_PlatformEnvironmentMetrics_0"]["MetricValues"]
    for row in rows:
        if row["MetricProperty"].endswith("GPU_SXM_3_Power_0"):
            row["Oem"]["Nvidia"]["MetricValueStale"] = True
    found = await values(bench.source(await bench.serve(documents)), "medium")
    assert (catalogue.NODE_GPU_POWER_WATTS, ("node1", "GPU_SXM_3")) not in found
    assert (catalogue.NODE_GPU_POWER_WATTS, ("node1", "GPU_SXM_4")) in found


async def test_a_gpu_in_a_slot_gets_its_power_from_dells_report(bench, record):
    documents = record(R750)
    reports = "/redfish/v1/TelemetryService/MetricReports"
    documents[reports]["Members"] = [{"@odata.id": f"{reports}/GPUMetrics"}]
    row = {"MetricId": "PowerConsumption", "MetricValue": "71300", "Oem": {"Dell": {"FQDD": "Video.Slot.2-1"}}}
    old = {**row, "MetricValue": "68000", "Timestamp": "2025-02-01T00:39:31.000Z"}
    nameless = {"MetricId": "", "MetricValue": "5", "MetricProperty": "/redfish/v1/Chassis/x/Sensors/CPU0Temp#Reading"}
    documents[f"{reports}/GPUMetrics"] = {"MetricValues": [{**row, "Timestamp": "2025-02-01T00:39:36.000Z"}, old, nameless]}
    found = await values(bench.source(await bench.serve(documents)), "medium")
    assert found[catalogue.NODE_GPU_POWER_WATTS, ("node1", "Video.Slot.2-1")] == 71.3


async def test_energy_is_integrated_where_the_bmc_counts_none(bench, record):
    source = bench.source(await bench.serve(record("dmtf-public-telemetry")))
    now = [100.0]
    source._monotonic = lambda: now[0]
    integrated = (catalogue.NODE_ENERGY_JOULES_TOTAL, ("node1", "integrated"))
    assert integrated not in await values(source, "fast")  # nobody knows yet whether there is a counter
    await source.collect("medium")
    now[0] += 10
    assert (await values(source, "fast"))[integrated] == 80_000
    now[0] += 300  # nobody measured for five minutes
    assert (await values(source, "fast"))[integrated] == 80_000


async def test_energy_is_counted_by_the_bmc_where_it_can(bench, record):
    source = bench.source(await bench.serve(record(R750)))
    found = [await values(source, tier) for tier in ("fast", "medium", "fast")]
    assert found[1][catalogue.NODE_ENERGY_JOULES_TOTAL, ("node1", "counter")] == 13_435_043 * 3600
    assert (catalogue.NODE_ENERGY_JOULES_TOTAL, ("node1", "integrated")) not in found[2]


async def test_a_limit_in_watts_is_no_evidence_of_a_cap(bench, record):
    found = await values(bench.source(await bench.serve(record(DGX))), "medium")
    assert not [metric for metric, _ in found if metric.name.startswith("wattstat_node_power_cap")]


async def test_a_cap_that_is_enabled_is_active(bench, record):
    documents = record(R750)
    attributes = documents["/redfish/v1/Managers/iDRAC.Embedded.1/Oem/Dell/DellAttributes/System.Embedded.1"]["Attributes"]
    attributes |= {"ServerPwr.1.PowerCapSetting": "Enabled", "ServerPwr.1.PowerCapValue": 1100}
    found = await values(bench.source(await bench.serve(documents)), "medium")
    assert found[catalogue.NODE_POWER_CAP_ACTIVE, ("node1",)] == 1
    assert found[catalogue.NODE_POWER_CAP_WATTS, ("node1",)] == 1100


@pytest.mark.parametrize(("mode", "active"), [("Automatic", 1), ("Manual", 1), ("Disabled", 0), (None, None)])
async def test_a_standard_cap_is_what_its_mode_says(bench, record, mode, active):
    documents = record(RACKMOUNT)
    documents["/redfish/v1/Chassis/1U/EnvironmentMetrics"]["PowerLimitWatts"]["ControlMode"] = mode
    found = await values(bench.source(await bench.serve(documents)), "medium")
    assert found.get((catalogue.NODE_POWER_CAP_ACTIVE, ("node1",))) == active


async def test_a_missing_psu_has_no_watts(bench, record):
    found = await values(bench.source(await bench.serve(record(RACKMOUNT))), "medium")
    assert {labels[1] for metric, labels in found if metric.name.startswith("wattstat_psu_") and len(labels) > 1} == {"Bay1"}


async def test_an_airflow_of_255_is_no_reading(bench, record):
    found = await values(bench.source(await bench.serve(record(R750))), "medium")
    assert not [labels for metric, labels in found if metric is catalogue.NODE_AIRFLOW_CFM]


async def test_an_address_that_is_in_no_inventory_can_be_probed(bench, record, tmp_path):
    service = await bench.serve(record(R750))
    (tmp_path / "word").write_text(PASSWORD)
    entry = {"username": USER, "password_file": tmp_path / "word"}
    config = Config.model_validate({"credentials": {"idrac": entry}})
    source = probe_source(config, target=service.url, credentials="idrac", tls=Tls(ca_file=bench.authority.ca_file))
    found = await values(source, "fast")
    await source.close()
    assert found == {(catalogue.NODE_POWER_WATTS, (service.url, "system")): 614}
    assert service.sessions == {}


def test_unknown_credentials_are_named(bench):
    with pytest.raises(ValueError, match="no credentials named 'other'"):
        probe_source(bench.config(), target="https://bmc.example", credentials="other")


async def test_a_server_that_is_configured_wrongly_fails_alone_and_says_why(bench, record):
    service = await bench.serve(record(RACKMOUNT))
    nodes = [
        {"name": "good", "bmc": {"url": service.url, "tls": {"ca_file": bench.authority.ca_file}}},
        {"name": "no-entry", "bmc": {"url": service.url, "credentials": "other"}},
        {"name": "no-file", "bmc": {"url": service.url, "tls": {"ca_file": "/nowhere/ca.pem"}}},
        {"name": "no-bmc"},
    ]
    good, *bad = sources(bench.config(), Inventory.model_validate({"nodes": nodes}))
    assert (await good.collect("fast")).samples
    await good.close()
    for source, reason in zip(bad, ("no credentials named", "No such file"), strict=True):
        with pytest.raises(Misconfigured, match=reason):
            await source.collect("fast")
