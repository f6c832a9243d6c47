"""Reports that are pushed serve instead of asking; without them everything works as before."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.redfish.stream import LARGEST_EVENT_BYTES, Events
from wattstat.catalogue import node as catalogue

DGX = "nvidia-dgx-h100-hgx"
REPORT = "HGX_PlatformEnvironmentMetrics_0"
POWER = (catalogue.NODE_GPU_POWER_WATTS, ("node1", "GPU_SXM_1"))


def pushed(watts):
    row = {"MetricProperty": "/redfish/v1/Chassis/HGX_GPU_SXM_1/Sensors/HGX_GPU_SXM_1_Power_0", "MetricValue": watts}
    return json.dumps({"Id": REPORT, "MetricValues": [row]})


async def values(source, tier):
    return {(sample.metric, sample.labels): sample.value for sample in (await source.collect(tier)).samples}


async def arrived(source):
    async with asyncio.timeout(10):
        while not source._bmc.stream.reports:
            await asyncio.sleep(0.01)


async def test_a_pushed_report_is_used_and_not_asked_for(bench, record):
    service = await bench.serve(record(DGX), events=["no json", "[]", pushed("699.5")])
    source = bench.source(service, streaming=True)
    await source.collect("fast")
    await arrived(source)
    assert (await values(source, "medium"))[POWER] == 699.5
    assert not any(REPORT in path for path in service.gets)
    assert service.logins == 1


async def test_a_pushed_report_that_is_too_old_is_asked_for(bench, record):
    service = await bench.serve(record(DGX), events=[pushed("699.5")])
    source = bench.source(service, streaming=True)
    await source.collect("fast")
    await arrived(source)
    now = source._bmc.stream.monotonic()
    source._bmc.stream.monotonic = lambda: now + 91
    assert (await values(source, "medium"))[POWER] == 71.676


async def test_a_service_without_a_stream_is_read_as_ever(bench, record):
    source = bench.source(await bench.serve(record(DGX)), streaming=True)
    assert (await values(source, "medium"))[POWER] == 71.676
    async with asyncio.timeout(10):
        await source._bmc.stream._task  # 404: it gives up by itself


async def test_closing_ends_the_stream_and_the_session(bench, record):
    service = await bench.serve(record(DGX), events=[pushed("1")])
    source = bench.source(service, streaming=True)
    await source.collect("fast")
    await arrived(source)
    await source.close()
    assert service.sessions == {}
    assert source._bmc.stream._task.done()


@given(data=st.data(), messages=st.lists(st.text(alphabet="abc {}:\u00e4", min_size=1), min_size=1))
def test_events_arrive_whole_however_they_were_cut(data, messages):
    wire = "".join(f": comment\r\nid: 7\r\ndata: {message}\r\n\r\n" for message in messages).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=5)))
    events = Events()
    pieces = [wire[start:end] for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    assert [event for piece in pieces for event in events.feed(piece)] == messages


def test_an_event_without_end_is_refused():
    with pytest.raises(ValueError, match="an event of more than"):
        list(Events().feed(b"data: " + b"x" * LARGEST_EVENT_BYTES))
