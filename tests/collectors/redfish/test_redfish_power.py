from wattstat.catalogue import node as catalogue

R750 = "dell-r750-h100-idrac9-6.00.30.00"
DGX = "nvidia-dgx-h100-hgx"
RACKMOUNT = "dmtf-public-rackmount1"


async def read(source, tier):
    return {(sample.metric.name, *sample.labels): sample.value for sample in (await source.collect(tier)).samples}


async def test_a_poweredge_draws_what_its_meter_says(bench, record):
    source = bench.source(await bench.serve(record(R750)))
    assert (await read(source, "fast"))[catalogue.NODE_POWER_WATTS.name, "node1", "system"] == 614


async def test_a_dgx_has_baseboard_power_and_no_invented_system_power(bench, record):
    source = bench.source(await bench.serve(record(DGX)))
    found = await read(source, "fast")
    assert found == {(catalogue.NODE_POWER_WATTS.name, "node1", "hgx"): 825.38}


async def test_a_standard_server_draws_what_its_environment_metrics_say(bench, record):
    source = bench.source(await bench.serve(record(RACKMOUNT)))
    assert (await read(source, "fast"))[catalogue.NODE_POWER_WATTS.name, "node1", "system"] == 374


async def test_a_power_shelf_draws_what_its_total_sensor_says(bench, record):
    source = bench.source(await bench.serve(record("lambda-powershelf-delta")))
    assert (await read(source, "fast"))[catalogue.NODE_POWER_WATTS.name, "node1", "system"] == 1749


async def test_the_fast_tier_costs_one_request_once_the_way_is_known(bench, record):
    replay = await bench.serve(record(R750))
    source = bench.source(replay)
    await source.collect("fast")
    before = len(replay.gets)
    await source.collect("fast")
    assert replay.gets[before:] == ["/redfish/v1/Chassis/System.Embedded.1/Power?$select=PowerControl"]
    assert replay.logins == 1
