"""The simulator as a process: what it writes, and many controllers cheaply."""

import json
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
import yaml
from gufo.snmp.sync import SnmpSession

from wattstat.config import load
from wattstat.inventory import Inventory


def start(directory, *arguments):
    command = [sys.executable, "-m", "simulator", "--dir", str(directory), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    deadline = time.monotonic() + 120
    while not (directory / "ready").exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail(f"not ready: {process.communicate()[0]}")
        time.sleep(0.1)
    return process


def stop(process):
    process.terminate()
    output, _ = process.communicate(timeout=30)
    return output


def test_a_hundred_controllers_answer_with_the_latency_that_was_asked_for(tmp_path):
    process = start(tmp_path, "--nodes", "100", "--bmc-only", "--latency", "0.3")
    try:
        described = Inventory.model_validate(yaml.safe_load((tmp_path / "inventory.yaml").read_text()))
        assert len(described.nodes) == 100
        assert all(node.agent is None for node in described.nodes)
        context = ssl.create_default_context(cafile=tmp_path / "ca.pem")
        for node in (described.nodes[0], described.nodes[-1]):
            begin = time.monotonic()
            with urllib.request.urlopen(f"{node.bmc.url}/redfish/v1", context=context, timeout=20) as response:
                assert json.load(response)["Product"] == "Integrated Dell Remote Access Controller"
            assert time.monotonic() - begin >= 0.3
    finally:
        output = stop(process)
    assert process.returncode == 0
    assert output == ""


def test_the_written_configuration_is_complete_and_keeps_its_secret_to_the_owner(tmp_path):
    process = start(tmp_path, "--nodes", "2", "--history-hours", "0.2", "--web", "127.0.0.1:8999")
    try:
        config = load(tmp_path / "wattstat.yaml")
        assert config.web.listen == "127.0.0.1:8999"
        password = tmp_path / "bmc-password"
        assert config.credentials["bmc"].password().get_secret_value() == password.read_text()
        assert password.stat().st_mode & 0o077 == 0
        for path in (tmp_path / "tls").iterdir():
            assert path.stat().st_mode & 0o077 == 0
        agents = sorted((tmp_path / "agents").iterdir())
        assert [load(path).agent.node for path in agents] == [path.stem for path in agents]
        truth = json.loads((tmp_path / "truth.json").read_text())
        assert set(truth["nodes"]) == {path.stem for path in agents}
        control = (tmp_path / "control-url").read_text()
        request = urllib.request.Request(f"{control}/faults", data=b'{"target": "nobody", "kind": "bmc_slow"}')
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=10)
        assert refused.value.code == 400
        assert "there are: xe9680-01" in json.load(refused.value)["error"]
    finally:
        stop(process)


def answers(url, context):
    """The status of a page, whatever it is."""
    try:
        with urllib.request.urlopen(url, context=context, timeout=10) as response:
            return response.status
    except urllib.error.HTTPError as refused:
        return refused.code


def test_every_device_that_the_inventory_names_answers_and_wants_to_know_who_asks(tmp_path):
    process = start(tmp_path, "--nodes", "2", "--history-hours", "0")
    try:
        config = load(tmp_path / "wattstat.yaml")
        described = Inventory.model_validate(yaml.safe_load((tmp_path / "inventory.yaml").read_text()))
        context = ssl.create_default_context(cafile=tmp_path / "ca.pem")
        clusters = [f"{each.url}/platform/3/cluster/config" for each in described.storage if each.kind == "powerscale"]
        clusters += [f"{each.url}/dashboard/zones/localzone" for each in described.storage if each.kind == "ecs"]
        ethernet = [f"{each.rest.url}/restconf/data/x" for each in described.switches if each.fabric == "ethernet"]
        managers = [f"{config.collectors.ufm[0].url}/ufmRest/app/ufm_version", f"{config.collectors.bcm[0].url}/rest/v1/device"]
        assert len(clusters) == 3
        assert len(ethernet) == 2
        assert [answers(url, context) for url in (*clusters, *ethernet, *managers)] == [401] * 7
        assert [answers(f"{each.rest.url}/x", context) for each in described.switches if each.fabric != "ethernet"] == [404] * 2

        community = config.credentials["snmp"].password().get_secret_value()
        agents = {each.name: each.snmp.address for each in (*described.switches, *described.pdus) if each.snmp}
        assert len(agents) == 4
        for name, address in agents.items():
            host, _, port = address.rpartition(":")
            with SnmpSession(addr=host, port=int(port), community=community, timeout=10) as session:
                assert session.get("1.3.6.1.2.1.1.5.0").decode() == name
        rails = {(link.node, link.device) for link in described.links}
        adapters = tmp_path.glob("sysfs/*/class/infiniband/*")
        assert rails == {(adapter.parents[2].name, adapter.name) for adapter in adapters}
    finally:
        stop(process)


@pytest.mark.parametrize("mode", ["--bmc-only", "--no-jobs"])
def test_a_reduced_hall_serves_no_devices_and_its_breakers_are_charged_all_the_same(tmp_path, mode):
    process = start(tmp_path, "--nodes", "2", "--history-hours", "0", mode)
    try:
        described = Inventory.model_validate(yaml.safe_load((tmp_path / "inventory.yaml").read_text()))
    finally:
        stop(process)
    assert (described.storage, described.pdus, described.links) == ((), (), ())
    assert not any(switch.snmp or switch.rest for switch in described.switches)
    assert len(described.uncapped) == 17
    assert sum(load.max_watts for load in described.uncapped) > 15_000
