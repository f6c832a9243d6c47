"""A simulated manager of two racks, and sources that read it."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from collectors import bcm
from simulator.bcm import BcmServer, Machine, Shown
from simulator.certificates import Authority
from simulator.faults import Faults
from wattstat.catalogue import Samples
from wattstat.catalogue.gpu import GPU_INFO
from wattstat.catalogue.node import NODE_POWER_ON
from wattstat.config import Config
from wattstat.hall import Block, BlockKey, Snapshot
from wattstat.inventory import Inventory

NOW = 1_760_000_000.0


def machines():
    """Three servers with eight GPUs at 50 % and 400 W, and one without."""
    gpus = [(0.5, 400.0)] * 8
    found = [
        Machine(
            name=f"gpu00{number}",
            rack="r1",
            unit=6 * number,
            category="dgx",
            address=f"10.0.0.{number}",
            gpus=list(gpus),
            gpu_count=8,
        )
        for number in (1, 2, 3)
    ]
    return [*found, Machine(name="login1", rack="r2", unit=1, category="login", address="10.0.1.1")]


@dataclass
class Bench:
    """A manager and how to ask it; `agents` and `powered` are what the hall knows."""

    server: BcmServer
    shown: Shown
    faults: Faults
    authority: Authority
    directory: Path
    agents: dict[str, int]
    powered: dict[str, bool]

    def settings(self, **changes):
        issued = self.authority.issue("wattstat", "127.0.0.1", days=30, client=True).path
        basis = {
            "name": "bcm",
            "url": self.server.url,
            "certificate": str(issued),
            "tls": {"ca_file": str(self.authority.ca_file)},
        }
        return {key: value for key, value in {**basis, **changes}.items() if value is not None}

    def config(self, *, inventory=None, **changes):
        (self.directory / "password").write_text("secret")
        return Config.model_validate(
            {
                "credentials": {"bcm": {"username": "monitor", "password_file": str(self.directory / "password")}},
                "collectors": {"bcm": [self.settings(**changes)]},
                "inventory": {"file": None, "bcm": "bcm", "refresh_seconds": 0.05, **(inventory or {})},
                "data_dir": str(self.directory / "data"),
            }
        )

    def source(self, nodes=("gpu001", "gpu002", "gpu003", "login1"), *, gpus=8, **changes):
        inventory = Inventory.model_validate(
            {"nodes": [{"name": each, "gpus": 0 if each == "login1" else gpus} for each in nodes]}
        )
        (found,) = bcm.sources(self.config(**changes), inventory, hall=self.hall)
        return found

    def hall(self):
        blocks = []
        for node, count in self.agents.items():
            out = Samples()
            for number in range(count):
                values = {"node": node, "gpu": str(number), "uuid": f"GPU-{node}-{number}"}
                out.add(GPU_INFO, 1, *(values.get(label, "") for label in GPU_INFO.labels))
            blocks.append(Block(key=BlockKey("agent", node, "fast"), samples=tuple(out), taken_at=NOW, interval_seconds=10))
        power = Samples()
        for node, on in self.powered.items():
            power.add(NODE_POWER_ON, on, node)
        blocks.append(Block(key=BlockKey("redfish", "x", "slow"), samples=tuple(power), taken_at=NOW, interval_seconds=10))
        return Snapshot(taken_at=NOW, blocks=tuple(blocks))

    def asked(self, path):
        return [line for line in self.server.requests if path in line]


@pytest.fixture
async def bench(tmp_path):
    authority = Authority(tmp_path)
    faults = Faults()
    shown = Shown(now=NOW, machines=machines(), others=[("ib-leaf-1", "Switch")], running=7, queued=3)
    server = BcmServer(lambda: shown, faults, authority=authority.ca_file, credentials=("monitor", "secret"), port=0)
    await server.start(authority.issue("bcm", "127.0.0.1", days=30))
    yield Bench(server, shown, faults, authority, tmp_path, {}, {})
    await server.stop()


@pytest.fixture
async def source(bench):
    found = bench.source()
    yield found
    await found.close()


@pytest.fixture
def values():
    """Samples of a collection as {(labels): value} of one metric."""

    def of(collected, metric):
        return {sample.labels: sample.value for sample in collected.samples if sample.metric is metric}

    return of
