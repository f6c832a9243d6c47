"""A simulated ECS over HTTPS, and sources that read it."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest

from collectors import ecs
from simulator.certificates import Authority
from simulator.ecs import EcsServer
from simulator.faults import Faults
from tests.support import plants
from wattstat.config import Config
from wattstat.inventory import Inventory


@dataclass
class Bench:
    """A server, and what is told to sources about it."""

    server: EcsServer
    faults: Faults
    directory: Path
    ca_file: Path

    @property
    def plant(self):
        return self.server.plant

    @property
    def cluster(self):
        return self.server.cluster

    def source(self, *, password="secret", kind="ecs", monotonic=None, **reader):
        (self.directory / "password").write_text(password)
        config = Config.model_validate(
            {
                "credentials": {"storage": {"username": "monitor", "password_file": str(self.directory / "password")}},
                "collectors": {"storage": reader},
            }
        )
        storage = {
            "name": "objects",
            "kind": kind,
            "model": "EXF900",
            "url": self.server.url,
            "tls": {"ca_file": str(self.ca_file)},
            "design_read_bytes_per_second": 20e9,
            "nodes": [{"name": f"objects-{number}", "rack": f"r{number}"} for number in range(1, 6)],
        }
        (found,) = ecs.sources(config, Inventory.model_validate({"racks": _racks(), "storage": [storage]}))
        if monotonic is not None:
            found.monotonic = monotonic
        return found

    def asked(self, path):
        return [line for line in self.server.requests if path in line]


def _racks():
    return [{"name": f"r{number}"} for number in range(1, 6)]


@pytest.fixture
async def bench(tmp_path):
    authority = Authority(tmp_path)
    faults = Faults()
    server = EcsServer(plants.plant(), "objects", faults, ("monitor", "secret"), port=0)
    await server.start(authority.issue("objects", "127.0.0.1", days=30))
    yield Bench(server=server, faults=faults, directory=tmp_path, ca_file=authority.ca_file)
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


@pytest.fixture
def until():
    """Wait until something is so, at most ten seconds."""

    async def wait(holds):
        async with asyncio.timeout(10):
            while not holds():
                await asyncio.sleep(0.005)

    return wait
