"""A switch read by a program: what it prints, how it fails, and that nothing of it is left running."""

import asyncio
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import inband, ufm
from collectors.frame.errors import BadPayload, Misconfigured, Unreachable
from collectors.frame.unusable import Unusable
from collectors.inband import ibswinfo, registers
from wattstat.config import Config
from wattstat.inventory import Inventory

OUTPUT = """\
=================================================
ib-spine-1
=================================================
part number        | MQM9790-NS2F
serial number      | MT2401T00DEF
ports              | 32
GUID               | 0xb0cf0e0300ab1234
firmware version   | 31.2014.2084
-------------------------------------------------
uptime (d-h:m:s)   | 1d-02:03:04
-------------------------------------------------
PSU0 status        | OK
     DC power      | OK
     fan status    | OK
     power (W)     | 748
PSU1 status        | OK
     DC power      | ERROR
     fan status    | ERROR
-------------------------------------------------
temperature (C)    | 57
max temp (C)       | 58
-------------------------------------------------
fan status         | OK
fan#1 (rpm)        | 8493
"""


def program(tmp_path, body):
    """A program of a few lines of Python."""
    path = tmp_path / "ibswinfo"
    path.write_text(f"#!{sys.executable}\nimport os, subprocess, sys, time\n{body}\n")
    path.chmod(0o755)
    return str(path)


def source(path, *, switch=None, timeout=20.0, device="lid-7", name="ib-spine-1"):
    settings = {"switches": {name: device}, "program": path, "timeout_seconds": timeout}
    config = Config.model_validate({"collectors": {"in_band": settings}})
    entry = {"name": "ib-spine-1", "fabric": "infiniband", "rack": "rack-01", **(switch or {})}
    (found,) = inband.sources(config, Inventory.model_validate({"switches": [entry]}))
    return found


def by_family(collected):
    found = {}
    for sample in collected.samples:
        found.setdefault(sample.metric.name.removeprefix("wattstat_switch_"), {})[sample.labels[1:]] = sample.value
    return found


async def test_what_the_program_prints_becomes_samples(tmp_path):
    path = program(tmp_path, f"assert sys.argv[1:] == ['-d', 'lid-7']\nprint({OUTPUT!r})")
    seen = by_family(await source(path).collect("environment"))

    assert seen == {
        "up": {(): 1},
        "info": {("rack-01", "MQM9790-NS2F", "", "31.2014.2084", "MT2401T00DEF"): 1},
        "uptime_seconds": {(): 93784},
        "psu_on": {("PSU0",): 1, ("PSU1",): 1},
        "psu_ok": {("PSU0",): 1, ("PSU1",): 0},
        "psu_power_watts": {("PSU0", "input"): 748},
        "power_watts": {("psu_input",): 748},
        "temperature_celsius": {("ASIC",): 57},
        "fan_ok": {("all",): 1},
        "fan_speed_rpm": {("FAN1",): 8493},
    }


async def test_beside_snmp_only_the_supplies_are_told(tmp_path):
    path = program(tmp_path, f"print({OUTPUT!r})")
    seen = by_family(await source(path, switch={"snmp": {"address": "10.0.0.1"}}).collect("environment"))

    assert set(seen) == {"psu_on", "psu_ok", "psu_power_watts", "power_watts"}


async def test_registers_are_asked_one_by_one_where_only_their_tool_is_there(tmp_path):
    answers = {"MSPS": "psu0[0] | 0x50000010\npsu0[2] | 0x800002ec\n", "MTMP": "temperature | 0x000001c8\n"}
    body = f"print({answers!r}.get(sys.argv[sys.argv.index('--reg_name') + 1], 'x | 0x0'))"
    path = Path(program(tmp_path, body)).rename(tmp_path / "mlxreg_ext")
    seen = by_family(await source(str(path)).collect("environment"))

    assert seen["power_watts"] == {("psu_input",): 748}
    assert seen["temperature_celsius"] == {("ASIC",): 57}


async def test_a_register_that_is_refused_costs_only_itself(tmp_path):
    body = "sys.exit('-E- no such register') if 'MSGI' in sys.argv else print('psu0[0] | 0x50000010')"
    path = Path(program(tmp_path, body)).rename(tmp_path / "mlxreg_ext")
    collected = await source(str(path)).collect("environment")

    assert "no such register" in str(collected.errors["MSGI"])
    assert by_family(collected)["psu_ok"] == {("PSU0",): 1}


async def gone(pid):
    """Whether a process ends soon; one that nobody waits for counts as ended when it is a zombie."""
    async with asyncio.timeout(10):
        while True:
            try:
                if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                    return True
            except FileNotFoundError:
                return True
            await asyncio.sleep(0.05)


async def test_a_time_out_kills_the_program_and_what_its_children_started(tmp_path):
    grandchild = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {grandchild!r}])"
    path = program(tmp_path, f"subprocess.run([sys.executable, '-c', {child!r}])")
    with pytest.raises(Unreachable, match="it was killed"):
        await source(path, timeout=3).collect("environment")

    assert await gone(int((tmp_path / "pid").read_text()))


async def test_what_goes_wrong_is_told(tmp_path):
    with pytest.raises(BadPayload, match="status 1: no permission"):
        await source(program(tmp_path, "sys.exit('no permission')")).collect("environment")
    with pytest.raises(BadPayload, match="printed nothing about a switch"):
        await source(program(tmp_path, "print('usage: ibswinfo')")).collect("environment")
    with pytest.raises(Misconfigured, match="cannot be started"):
        await source(str(tmp_path / "nowhere")).collect("environment")


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"name": "nobody"}, "no switch named 'nobody'"),
        ({"device": "--yes"}, "is no device"),
        ({"switch": {"rest": {"url": "https://a", "credentials": "b"}}}, "by its `rest` already"),
    ],
)
async def test_settings_that_cannot_be_used_fail_with_the_reason(more, reason):
    found = source("ibswinfo", **more)

    assert isinstance(found, Unusable)
    with pytest.raises(Misconfigured, match=reason):
        await found.fetch("environment")


def test_the_fabric_manager_leaves_the_insides_of_such_a_switch_alone():
    system = {"type": "switch", "system_name": "ib-spine-1", "modules": [{"type": "PS", "module_index": 1, "status": "OK"}]}
    reading = ufm.samples.Reading(systems=ufm.rest.systems([system]))
    inventory = Inventory.model_validate({"switches": [{"name": "ib-spine-1", "fabric": "infiniband"}]})

    assert ufm.samples.samples("ufm", ufm.samples.Fabric.of(inventory), reading)
    assert not ufm.samples.samples("ufm", ufm.samples.Fabric.of(inventory, ["ib-spine-1"]), reading)


NAMES = ["PSU0 status", "     power (W)", "     DC power", "fan#1 (rpm)", "fan status", "temperature (C)", "part number"]
LINES = st.tuples(st.sampled_from(NAMES) | st.text(max_size=8), st.text(max_size=8) | st.integers().map(str)).map(" | ".join)


@given(st.lists(LINES, max_size=20).map("\n".join) | st.text())
def test_whatever_is_printed_gives_no_impossible_sample(text):
    found = source("ibswinfo")
    for reading in (ibswinfo.parse(text), registers.parse({"MSPS": text, "MTMP": text, "MGIR": text})):
        samples = found.samples(reading)
        assert len({(sample.metric, sample.labels) for sample in samples}) == len(samples)
        assert all(0 < sample.value <= 20_000 for sample in samples if sample.metric.name.endswith("watts"))


@given(st.dictionaries(st.sampled_from([f"psu0[{n}]" for n in range(4)]), st.integers(0, 2**32 - 1)))
def test_whatever_stands_in_the_registers_an_absent_supply_has_no_watts(words):
    text = "\n".join(f"{name} | {value:#010x}" for name, value in words.items())
    for supply in registers.parse({"MSPS": text}).supplies:
        assert supply.present or not supply.watts
        assert all(0 < watts <= 10_000 for watts in supply.watts.values())
