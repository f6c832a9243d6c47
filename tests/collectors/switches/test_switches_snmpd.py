"""A machine with net-snmp's agent is a switch of an unknown system: its interfaces are the kernel's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.switches import sources
from tests.support.snmp_agents import ENCRYPTS_WITH, SIGNS_WITH, secrets, snmpd
from wattstat.config import Config
from wattstat.inventory import Inventory

pytestmark = pytest.mark.debian

VERSION_3 = {"version": "3", "credentials": "user", "privacy": "privacy"}
SYSFS = Path("/sys/class/net")


@pytest.mark.parametrize("how", [{}, VERSION_3], ids=["2c", "3"])
async def test_every_tier_of_a_real_agent_is_read(tmp_path, shown, how):
    known = secrets(tmp_path, user=SIGNS_WITH, privacy=ENCRYPTS_WITH).credentials
    config = Config.model_validate({"credentials": {name: entry.model_dump() for name, entry in known.items()}})
    (folder := tmp_path / "agent").mkdir()
    with snmpd(folder) as port:
        snmp = {"address": f"127.0.0.1:{port}", **how}
        (source,) = sources(config, Inventory.model_validate({"switches": [{"name": "leaf", "snmp": snmp}]}))
        found = await shown(source)
        again = await shown(source, "ports")
        await source.close()
    assert found["up",] == 1
    assert found["info", "", "", "generic", "", ""] == 1
    ports = {key[1] for key in found if key[0] == "port_up"}
    kernels = {path.name for path in SYSFS.iterdir()}
    assert ports <= kernels
    assert {name for name in kernels if name.startswith(("eth", "en"))} <= ports
    assert "lo" not in ports
    for port in ports:
        told = found["port_bytes_total", port, "receive"], again["port_bytes_total", port, "receive"]
        assert told[0] <= told[1] <= int((SYSFS / port / "statistics" / "rx_bytes").read_text())
