"""Ports and cables as ibnetdiscover and perfquery print them."""

import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import inband
from collectors.frame.errors import BadPayload, Misconfigured, Unreachable
from collectors.frame.unusable import Unusable
from collectors.guids import End, Hosts, guid
from collectors.inband.fabric import ports, rows
from tests.support.golden import check
from tests.support.samples import samples
from wattstat.config import Config
from wattstat.inventory import Inventory

GOLDEN = Path(__file__).parent / "golden"
INVENTORY = {
    "nodes": [{"name": "o0001"}, {"name": "p0001"}, {"name": "worker20"}],
    "switches": [{"name": "leaf-1", "fabric": "infiniband", "guid": "0x7cfe9003009ce5b0"}],
    "links": [{"node": "o0001", "device": "mlx5_0", "rail": 1, "switch": "leaf-1"}],
}
COUNTED = """\
# Port extended counters: Lid 1719 port 10 (CapMask: 0x5300 CapMask2: 0x0000002)
PortSelect:......................10
PortXmitData:....................250
SymbolErrorCounter:..............7
PortXmitWait:....................4294967295
"""
DISCOVERED = "SW  1719 10 0x7cfe9003009ce5b0 4x NDR - CA   134  1 0x7cfe9003003b4bde ( 'ib-i1l1s01' - 'o0001 HCA-1' )\n"


def source(*, managers=(), **more):
    settings = {"switches": {}, "ports": True, "timeout_seconds": 20}
    config = Config.model_validate({"collectors": {"in_band": settings, "ufm": list(managers)}})
    (found,) = inband.sources(config, Inventory.model_validate(INVENTORY))
    for name, value in more.items():
        setattr(found, name, value)
    return found


def program(tmp_path, name, body):
    path = tmp_path / name
    path.write_text(f"#!{sys.executable}\nimport sys\n{body}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.samples
@pytest.mark.parametrize("name", ["test", "test2", "test3"])
def test_recorded_topologies_give_their_true_values(name):
    printed = samples("device-samples", "infiniband-treydock", "ibnetdiscover", f"{name}.out").read_text()
    reader = source()

    check(GOLDEN / f"ibnetdiscover-{name}.prom", reader.samples(reader.parse("topology", {"ibnetdiscover": printed})))


@pytest.mark.samples
def test_recorded_counters_give_their_true_values():
    folder = samples("device-samples", "infiniband-treydock", "perfquery")
    reader = source()
    topology = "".join(
        f"SW 1 {port} 0x{path.stem[2:]} 4x EDR - CA 1 1 0x1 ( '{path.stem}' - 'somebody HCA-1' )\n"
        for path in sorted(folder.iterdir())
        for port in (1, 2)
    )
    reader.samples(reader.parse("topology", {"ibnetdiscover": topology}))
    counted = {path.stem[2:]: path.read_text() for path in sorted(folder.iterdir())}

    check(GOLDEN / "perfquery.prom", reader.samples(reader.parse("ports", counted)))


@pytest.mark.samples
def test_hosts_of_a_recorded_topology_are_known_by_their_descriptions():
    text = samples("device-samples", "ufm-sdk", "small_topo_file").read_text()
    described = {found[2]: found[1] for found in re.finditer(r'"H-(\w{16})"\[1\]\(\w+\)\s+# "([^"]+)"', text)}
    hosts = Hosts(["r-dcs96", "r-dmz-ufm128", "r-dmz-ufm131", "r-dmz-ufm134", "r-dmz-ufm137"])
    ends = {description: hosts.end(description) for description in described}

    assert ends["r-dcs96 HCA-4"] == End("r-dcs96", "mlx5_3")
    assert ends["r-dmz-ufm131 HCA-1"] == End("r-dmz-ufm131", "mlx5_0")
    assert [description for description, end in ends.items() if end is None] == ["Mellanox Technologies Aggregation Node"]


async def test_cables_first_and_then_the_counters_of_the_ports_that_have_one(tmp_path):
    asked = f"assert sys.argv[1:] == ['-G', '-x', '-l', '0x7cfe9003009ce5b0', '10'], sys.argv\nprint({COUNTED!r})"
    reader = source(
        discover=program(tmp_path, "ibnetdiscover", f"assert sys.argv[1:] == ['-p']\nprint({DISCOVERED!r})"),
        counters=program(tmp_path, "perfquery", asked),
    )
    with pytest.raises(Unreachable, match="no switch is known yet"):
        await reader.collect("ports")
    cables = {(each.metric.name, *each.labels) for each in (await reader.collect("topology")).samples}
    counted = {(each.metric.name, *each.labels): each.value for each in (await reader.collect("ports")).samples}

    assert ("wattstat_fabric_link_info", "o0001", "mlx5_0", "1", "leaf-1", "10", "ibnetdiscover") in cables
    assert counted == {
        ("wattstat_switch_port_bytes_total", "leaf-1", "10", "transmit"): 1000,
        ("wattstat_switch_port_symbol_errors_total", "leaf-1", "10"): 7,
    }


async def test_a_switch_that_does_not_answer_costs_only_itself(tmp_path):
    two = DISCOVERED + DISCOVERED.replace("9ce5b0", "9ce5b1").replace("ib-i1l1s01", "other")
    body = f"if '0x7cfe9003009ce5b1' in sys.argv: sys.exit('timed out')\nprint({COUNTED!r})"
    reader = source(
        discover=program(tmp_path, "ibnetdiscover", f"print({two!r})"), counters=program(tmp_path, "perfquery", body)
    )
    await reader.collect("topology")
    collected = await reader.collect("ports")

    assert "timed out" in str(collected.errors["other"])
    assert {each.labels[0] for each in collected.samples} == {"leaf-1"}


async def test_a_machine_that_is_not_on_the_fabric_is_told(tmp_path):
    with pytest.raises(BadPayload, match="is this machine's adapter on the fabric"):
        await source(discover=program(tmp_path, "ibnetdiscover", "print('# nothing')")).collect("topology")


async def test_a_fabric_manager_is_preferred():
    found = source(managers=[{"name": "ufm", "url": "https://ufm", "credentials": "nobody"}])

    assert isinstance(found, Unusable)
    with pytest.raises(Misconfigured, match="a UFM tells of the ports already"):
        await found.fetch("topology")


def test_a_port_without_a_cable_is_down_and_has_no_speed():
    (port,) = ports("SW  1781 80 0x08c0eb0300add20e 4x SDR                                    'ib-i7l2s01'")

    assert (port.up, port.bits_per_second, port.switch) == (False, None, "ib-i7l2s01")


def test_the_aggregation_node_inside_a_switch_is_no_port():
    line = (
        "SW 9 81 0x946dae030053ec1a 4x HDR - CA 60 1 0x946dae0300630bfe ( 'leaf' - 'Mellanox Technologies Aggregation Node' )"
    )

    assert ports(line) == ()


@pytest.mark.parametrize(
    ("written", "digits"),
    [
        ("0xA088c20300556b96", "a088c20300556b96"),
        ("a088:c203:0055:6b96", "a088c20300556b96"),
        ("0x0000000000000000", ""),
        ("N/A", ""),
        (None, ""),
        (17, ""),
    ],
)
def test_guids_however_they_are_written(written, digits):
    assert guid(written) == digits


def test_hosts_with_a_domain_and_without():
    hosts = Hosts(["GPU1", "gpu2.example.net"])

    assert hosts.end("gpu1.example.net mlx5_3") == End("GPU1", "mlx5_3")
    assert hosts.end("gpu2.example.net HCA-1") == End("gpu2.example.net", "mlx5_0")
    assert hosts.end("gpu3 mlx5_0") is None
    assert hosts.end("SLG03-10:19") is None


WORDS = st.sampled_from(["SW", "CA", "1719", "10", "0x7cfe9003009ce5b0", "4x", "EDR", "???", "-", "( 'a' - 'b HCA-1' )", "'x'"])


@given(st.lists(st.lists(WORDS | st.text(max_size=5), max_size=14).map(" ".join), max_size=4).map("\n".join) | st.text())
def test_whatever_is_printed_gives_ports_of_switches_or_none(printed):
    reader = source()
    found = reader.samples(reader.parse("topology", {"ibnetdiscover": printed}))

    assert all(sample.value in (0, 1) or 1e9 <= sample.value <= 3e12 for sample in found)


@given(
    st.text() | st.lists(st.sampled_from([*COUNTED.splitlines(), "SymbolErrorCounter:..18446744073709551615"])).map("\n".join)
)
def test_whatever_perfquery_prints_gives_counts_or_none(printed):
    for row in rows("7cfe9003009ce5b0", printed):
        assert all(0 <= value < 2**66 and value not in (2**32 - 1, 2**64 - 1) for value in row.values.values())


async def test_a_new_inventory_leaves_no_hole_in_the_counters(tmp_path):
    reader = source(
        discover=program(tmp_path, "ibnetdiscover", f"print({DISCOVERED!r})"),
        counters=program(tmp_path, "perfquery", f"print({COUNTED!r})"),
    )
    await reader.collect("topology")
    before = [each.labels for each in (await reader.collect("ports")).samples]
    reader.renew(source())

    assert [each.labels for each in (await reader.collect("ports")).samples] == before != []
