"""InfiniBand ports from a folder that looks like /sys."""

import errno
import json
import os
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import agent, infiniband
from collectors.frame.source import Tier
from collectors.infiniband import InfinibandSource
from collectors.infiniband.ports import ERRORS, HARDWARE, STATE_FILES, TRAFFIC, WAIT, parse
from simulator.adapters import AdapterFeed, adapter_guid
from simulator.plant.model import Plant, Port
from wattstat.config import Agent, Config
from wattstat.hall import Block, BlockKey, Hall
from wattstat.serve.agent import _families


def rail(index, **more):
    return Port(name=f"mlx5_{index}", index=index, **{"up": True, "speed": 400e9, **more})


@pytest.fixture
def plant():
    return Plant(now=0.0, adapters={"n1": [rail(0, receive_bytes=4000, transmit_bytes=8000, symbol_errors=3), rail(1)]})


@pytest.fixture
def feed(plant, tmp_path):
    return AdapterFeed(plant, tmp_path)


@pytest.fixture
async def source(feed, tmp_path):
    source = InfinibandSource(target="n1", sysfs=tmp_path / "n1", tiers=())
    yield source
    await source.close()


def port_folder(tmp_path, device="mlx5_0"):
    return tmp_path / "n1/class/infiniband" / device / "ports/1"


async def values(source, tier="ports"):
    collected = await source.collect(tier)
    return {(sample.metric.name.removeprefix("wattstat_infiniband_port_"), *sample.labels[1:]): sample.value
            for sample in collected.samples}  # fmt: skip


async def test_state_rate_traffic_and_errors_by_port(source):
    seen = await values(source)

    assert seen["active", "mlx5_0", "1"] == 1
    assert seen["on", "mlx5_0", "1"] == 1
    assert seen["rate_bits_per_second", "mlx5_0", "1"] == 400e9
    assert seen["bytes_total", "mlx5_0", "1", "receive"] == 4000, "the file counts words of four octets"
    assert seen["bytes_total", "mlx5_0", "1", "transmit"] == 8000
    assert seen["errors_total", "mlx5_0", "1", "symbol"] == 3
    assert seen["errors_total", "mlx5_1", "1", "symbol"] == 0


async def test_who_a_port_is_comes_with_the_identity(source):
    assert await values(source, "identity") == {
        ("info", device, "1", adapter_guid("n1", device), "28.39.1002", "InfiniBand"): 1 for device in ("mlx5_0", "mlx5_1")
    }


async def test_the_drivers_counters_are_errors_too(source, tmp_path):
    (port_folder(tmp_path) / "hw_counters/out_of_sequence").write_text("7\n")

    assert (await values(source, "hardware"))["errors_total", "mlx5_0", "1", "out_of_sequence"] == 7


async def test_a_port_that_is_down_has_no_rate(plant, feed, source):
    plant.adapters["n1"][0].up = False
    feed.write()
    seen = await values(source)

    assert seen["active", "mlx5_0", "1"] == 0
    assert seen["on", "mlx5_0", "1"] == 0
    assert ("rate_bits_per_second", "mlx5_0", "1") not in seen, "the file shows 10 Gb/s of a link that is not there"
    assert seen["rate_bits_per_second", "mlx5_1", "1"] == 400e9


async def test_adapters_come_and_go(plant, feed, source, tmp_path):
    shutil.rmtree(tmp_path / "n1/class/infiniband/mlx5_1")
    assert {key[1] for key in await values(source)} == {"mlx5_0"}
    plant.adapters["n1"].append(rail(2))
    AdapterFeed(plant, tmp_path)
    assert {key[1] for key in await values(source)} == {"mlx5_0", "mlx5_1", "mlx5_2"}


async def test_a_machine_without_adapters_is_no_failure(tmp_path):
    source = InfinibandSource(target="n1", sysfs=tmp_path, tiers=())
    collected = await source.collect("ports")
    await source.close()

    assert (collected.samples, collected.errors) == ([], {})


async def test_a_missing_file_costs_only_its_own_samples(source, tmp_path):
    (port_folder(tmp_path) / "counters/symbol_error").unlink()
    seen = await values(source)

    assert ("errors_total", "mlx5_0", "1", "symbol") not in seen
    assert seen["errors_total", "mlx5_0", "1", "receive"] == 0


@pytest.mark.parametrize(("number", "is_told"), [(errno.EACCES, True), (errno.EIO, True), (errno.EINVAL, False)])
async def test_a_file_that_cannot_be_read_is_told_and_costs_only_itself(source, tmp_path, monkeypatch, number, is_told):
    wanted, original = str(port_folder(tmp_path) / "counters/port_xmit_data"), os.open

    def refuse(path, *more, **named):
        if str(path) == wanted:
            raise OSError(number, os.strerror(number))
        return original(path, *more, **named)

    monkeypatch.setattr(os, "open", refuse)
    collected = await source.collect("ports")

    assert ("mlx5_0" in collected.errors) is is_told
    assert "mlx5_1" not in collected.errors
    kept = {sample.labels for sample in collected.samples if sample.metric.name.endswith("bytes_total")}
    assert ("n1", "mlx5_0", "1", "receive") in kept
    assert ("n1", "mlx5_0", "1", "transmit") not in kept


async def test_an_unreadable_folder_of_one_adapter_leaves_the_others(source, monkeypatch):
    original = os.listdir

    def refuse(path):
        if str(path).endswith("mlx5_0/ports"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return original(path)

    monkeypatch.setattr(os, "listdir", refuse)
    collected = await source.collect("ports")

    assert "may not be read" in str(collected.errors["mlx5_0"])
    assert {sample.labels[1] for sample in collected.samples} == {"mlx5_1"}


def test_a_counter_that_stands_at_its_end_is_absent():
    port = parse("mlx5_0", "1", {"port_xmit_data": f"{2**32 - 1}\n", "port_rcv_data": f"{2**64 - 1}\n", WAIT: "5\n"})

    assert (port.transmit_bytes, port.receive_bytes, port.wait_ticks) == (None, None, 5)


def test_the_64_bit_counter_of_old_kernels_is_preferred():
    port = parse("mlx4_0", "1", {"port_xmit_data": f"{2**32 - 1}\n", "port_xmit_data_64": "25000000000\n"})

    assert port.transmit_bytes == 100_000_000_000


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("400 Gb/sec (4X NDR)\n", 400e9),
        ("2.5 Gb/sec (1X SDR)\n", 2.5e9),
        ("56 Gb/sec (4X FDR)\n", 56e9),
        ("0 Gb/sec (4X NDR)\n", None),
        ("N/A\n", None),
        ("", None),
    ],
)
def test_rates_as_the_kernel_writes_them(text, rate):
    assert parse("mlx5_0", "1", {"phys_state": "5: LinkUp\n", "rate": text}).rate_bits_per_second == rate


FILES = [*STATE_FILES, *TRAFFIC, *TRAFFIC.values(), *ERRORS, *HARDWARE, WAIT, "node_guid", "fw_ver", "link_layer"]
TEXTS = st.text(max_size=30) | st.integers(-1, 2**65).map(lambda count: f"{count}\n") | st.none() | st.integers()


@given(st.dictionaries(st.sampled_from(FILES), TEXTS))
def test_whatever_the_files_hold_there_is_a_reading_and_no_impossible_sample(files):
    source = InfinibandSource(target="n1", sysfs=None, tiers=())
    samples = source.samples((parse("mlx5_0", "1", files),))

    assert all(0 <= sample.value < 2**66 for sample in samples)
    assert len({(sample.metric, sample.labels) for sample in samples}) == len(samples)
    assert not any(sample.value in (2**32 - 1, 2**64 - 1) for sample in samples)


async def test_the_families_travel_through_the_agent_to_core(source):
    collected = await source.collect("ports")
    hall = Hall(clock=lambda: 0.0)
    hall.post(
        Block(key=BlockKey("infiniband", "n1", "ports"), samples=tuple(collected.samples), taken_at=0, interval_seconds=5)
    )
    block = hall.snapshot().blocks[0]
    part = {"part": "infiniband.ports", "age_seconds": 0, "interval_seconds": 5, "metrics": _families(block.samples)}
    reading = agent.parse(json.loads(json.dumps({"parts": [part]})))

    assert reading.unknown == 0
    assert len(reading.parts[0].series) == len(collected.samples)


def test_ports_are_read_every_five_seconds_at_most_and_not_where_nobody_wants_it():
    (source,) = infiniband.sources(Config(agent=Agent(every_seconds=1)), "n1")

    assert [tier.every_seconds for tier in source.tiers] == [5, 30, 60]
    assert isinstance(source.tiers[0], Tier)
    assert infiniband.sources(Config(agent=Agent(infiniband=False)), "n1") == []


def test_the_feed_writes_only_what_changed(plant, feed, tmp_path, monkeypatch):
    opened, original = [], os.open

    def note(path, *more, **named):
        opened.append(str(path))
        return original(path, *more, **named)

    monkeypatch.setattr(os, "open", note)
    plant.adapters["n1"][1].receive_bytes = 4096
    feed.write()

    assert opened == [str(port_folder(tmp_path, "mlx5_1") / "counters/port_rcv_data~")], "longer texts are replaced whole"
    assert (port_folder(tmp_path, "mlx5_1") / "counters/port_rcv_data").read_text() == "1024\n"


def test_in_a_large_hall_servers_are_written_by_turns(tmp_path):
    plant = Plant(now=0.0, adapters={f"n{number}": [rail(0)] for number in range(40)})
    feed = AdapterFeed(plant, tmp_path)
    for ports in plant.adapters.values():
        ports[0].receive_bytes = 4

    def written():
        files = tmp_path.glob("*/class/infiniband/mlx5_0/ports/1/counters/port_rcv_data")
        return sum(path.read_text() == "1\n" for path in files)

    feed.write()
    assert written() == 32
    feed.write()
    assert written() == 40
