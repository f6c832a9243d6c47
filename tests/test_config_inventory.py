"""`wattstat check-config` on an inventory that can be used, but says less, or less safely, than its writer thinks."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from wattstat.cli import app

SECRETS = "credentials: {c: {password_env: PATH}}\n"
CLUSTER = "name: scratch, kind: ecs, url: 'https://scratch', credentials: c"


@pytest.fixture
def checked(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("WATTSTAT_")]:
        monkeypatch.delenv(name)

    def check(inventory, config="", secrets=SECRETS):
        (tmp_path / "inventory.yaml").write_text(inventory)
        (tmp_path / "wattstat.yaml").write_text(secrets + config)
        return CliRunner().invoke(app, ["check-config"])

    return check


def only_warning_of(result) -> str:
    assert result.exit_code == 0, result.output
    (line,) = (line for line in result.output.splitlines() if line.startswith("warning: "))
    return line.removeprefix("warning: ").replace(f"{Path.cwd()}/", "")


def has_no_warning(result) -> bool:
    return result.exit_code == 0 and "warning" not in result.output


def test_readers_that_match_no_server_are_warned_of(checked):
    text = f"nodes: [{{name: gpu01}}]\nstorage: [{{{CLUSTER}, readers: [gpu*, 'dgx*']}}]\n"

    assert only_warning_of(checked(text)).startswith(
        "inventory.yaml:2:94: storage[scratch].readers[1]: 'dgx*' matches no server of the inventory; "
        "expected a server's name, or a pattern such as gpu*; correct it, or leave `readers` out"
    )
    assert has_no_warning(checked(text.replace("dgx*", "gpu[01-02]")))


def test_readers_may_be_servers_that_an_address_adds(checked):
    text = f"nodes: [{{name: gpu01}}]\nstorage: [{{{CLUSTER}, readers: ['dgx*']}}]\n"

    assert has_no_warning(checked(text, "inventory: {file: inventory.yaml, http_sd: 'http://sd/targets'}\n"))


RACK = (
    "breakers: [{name: a, limit_watts: 9e3, feed: A}, {name: b, limit_watts: 9e3, feed: B}]\n"
    "racks: [{name: r1, breakers: [a, b]}]\n"
    "nodes: [{name: gpu01, rack: r1}]\n"
)
STRIP = "snmp: {address: 10.0.0.1, credentials: c}"


def test_a_rack_with_a_meter_on_one_of_two_feeds_is_warned_of(checked):
    text = RACK + f"pdus: [{{name: p1, rack: r1, feed: A, {STRIP}}}]\n"

    assert only_warning_of(checked(text)) == (
        "inventory.yaml:2:9: racks[r1]: only feed A of rack r1 is metered; the rack will not count as metered; "
        "expected PDUs on every feed of its breakers; "
        "add the PDU on feed B, or write `carries_rack: false` where a PDU does not carry the rack"
    )
    assert "only feed B of rack r1" in only_warning_of(checked(text.replace("feed: A, snmp", "breaker: b, snmp")))
    assert has_no_warning(checked(text.replace(f"{STRIP}}}", f"{STRIP}}}, {{name: p2, rack: r1, breaker: b, {STRIP}}}")))
    assert has_no_warning(checked(text.replace("rack: r1, feed", "rack: r1, carries_rack: false, feed")))
    assert has_no_warning(checked(text.replace("[a, b]", "[a]")))
    assert has_no_warning(checked(RACK))


@pytest.mark.parametrize("model", ["QM9700", "MQM8700-HS2F", "qm9790"])
def test_an_infiniband_switch_in_an_ethernet_fabric_is_warned_of(checked, model):
    text = f"switches: [{{name: leaf, model: {model}, fabric: ethernet}}]"

    assert only_warning_of(checked(text)).startswith(
        f"inventory.yaml:1:{34 + len(model)}: switches[leaf].fabric: {model} is an InfiniBand switch, "
        "leaf is said to switch ethernet; expected fabric: infiniband; add"
    )
    assert has_no_warning(checked(text.replace("ethernet", "infiniband")))
    assert has_no_warning(checked(text.replace(model, "SN5600")))


@pytest.mark.parametrize("guid", ["'0xb83fd2030011000'", "b83fd203001100000", "'b83f:d203:0011:000g'", "leaf"])
def test_a_guid_has_sixteen_digits(checked, guid):
    result = checked(f"switches: [{{name: leaf, fabric: infiniband, guid: {guid}}}]")

    assert result.exit_code == 1
    assert "inventory.yaml:1:45: switches[leaf].guid: " in result.output
    assert "is no GUID; expected 16 hexadecimal digits, with or without 0x and colons; `ibswitches`" in result.output


@pytest.mark.parametrize("guid", ["'0xb83fd20300110000'", "'B83FD20300110000'", "'b83f:d203:0011:0000'", "''"])
def test_a_guid_is_written_in_several_ways(checked, guid):
    assert has_no_warning(checked(f"switches: [{{name: leaf, fabric: infiniband, guid: {guid}}}]"))


SECURE = "switches: [{name: leaf, snmp: {address: 10.0.0.1, version: '3', credentials: c, privacy: p}}]"


def test_version_3_without_privacy_is_warned_of(checked):
    assert only_warning_of(checked(SECURE.replace(", privacy: p", ""))).startswith(
        "inventory.yaml:1:51: switches[leaf].snmp.version: version 3 without privacy signs and does not encrypt; "
        "expected privacy; name an entry"
    )


def test_pass_phrases_of_version_3_have_eight_characters(checked, monkeypatch):
    more = "  p: {password_env: PRIVACY}\n"
    config = "credentials:\n  c: {password_env: SIGNS}\n" + more
    monkeypatch.setenv("SIGNS", "12345678")
    monkeypatch.setenv("PRIVACY", "1234567")
    result = checked(SECURE, config, secrets="")

    assert result.exit_code == 1
    assert "inventory.yaml:1:81: switches[leaf].snmp.privacy: the pass phrase of 'p' is too short" in result.output
    assert "expected at least 8 characters; set a longer one" in result.output
    assert "1234567" not in result.output
    monkeypatch.setenv("PRIVACY", "12345678")
    assert has_no_warning(checked(SECURE, config, secrets=""))
    monkeypatch.setenv("PRIVACY", "")
    assert "is too short" not in checked(SECURE, config, secrets="").output


def test_outlets_name_what_the_inventory_describes(checked):
    result = checked(RACK + f"pdus: [{{name: p1, rack: r1, outlets: {{'1': gpu01, '2': chiller, '3': gpu1}}, {STRIP}}}]\n")

    assert result.exit_code == 1
    assert (
        "inventory.yaml:4:51: pdus[p1].outlets.2: nothing is called 'chiller'; "
        "expected a server, switch, storage node or load of the inventory; correct the name, or describe the device"
    ) in result.output
    assert "pdus[p1].outlets.3: nothing is called 'gpu1'; " in result.output
    assert "did you mean gpu01?" in result.output
    assert "`devices`" not in result.output


def test_what_a_pattern_does_wrong_many_times_is_told_once(checked):
    result = checked(
        "nodes: [{name: gpu01}]\nswitches: [{name: leaf}]\n"
        "links:\n  - {node: 'gpu[01-16]', device: mlx5_0, switch: leaf}\n  - {node: gpu20, device: mlx5_0, switch: laef}\n"
    )

    told = result.output.splitlines()
    assert len(told) == 4, result.output
    assert "inventory.yaml:4:6: links[1].node and 14 more: there is no node 'gpu02'; expected gpu01" in told[0]
    assert "inventory.yaml:5:6: links[16].node: there is no node 'gpu20'" in told[1]
    assert "links[16].switch: there is no switch 'laef'; expected leaf; did you mean leaf?" in told[2]
    assert told[3] == "3 problems"


def test_a_switch_that_is_not_there_belongs_to_switches(checked):
    result = checked("nodes: [{name: gpu01}]\nlinks: [{node: gpu01, device: mlx5_0, switch: leaf}]\n")

    assert "expected an entry of `switches` with this name; add it to `switches`" in result.output


def test_the_good_news_count_all_that_there_is(checked):
    text = RACK + (
        "switches: [{name: 'leaf[1-2]'}]\n"
        f"storage: [{{{CLUSTER}}}]\n"
        f"pdus: [{{name: 'p[1-3]', {STRIP}}}]\n"
        "links: [{node: gpu01, device: mlx5_0, switch: leaf1}]\n"
    )

    assert checked(text).output.endswith("1 racks, 2 switches, 1 storage cluster, 3 PDUs, 1 link\n")
    assert checked(RACK).output.endswith("in 1 racks\n")
