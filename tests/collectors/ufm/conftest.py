"""A simulated fabric manager, and the source that settings and an inventory make of it."""

import ssl
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest

from collectors import ufm
from simulator.faults import Faults
from simulator.plant.model import Plant
from simulator.ufm import UfmServer
from tests.support import plants
from tests.support.certificates import Authority
from wattstat.config import Config
from wattstat.inventory import Inventory

USER, PASSWORD, TOKEN = "monitor", "correct horse", "a-token-of-ufm"
SWITCHES = [
    {"name": "ib-leaf-1", "fabric": "infiniband", "guid": "0xb83fd20300110000", "rack": "rack-01"},
    {"name": "ib-leaf-2", "fabric": "infiniband", "rack": "rack-01"},
]
NODES = [{"name": "xe9680-01"}, {"name": "xe9680-02"}]
LINKS = [{"node": "xe9680-01", "device": f"mlx5_{n}", "rail": n + 1, "switch": "ib-leaf-1"} for n in range(4)]
INVENTORY = {"nodes": NODES, "switches": SWITCHES, "links": LINKS, "racks": [{"name": "rack-01"}]}


@dataclass(kw_only=True)
class Bench:
    """Starts servers and closes what it started."""

    stack: AsyncExitStack
    authority: Authority
    plant: Plant = field(default_factory=plants.plant)
    faults: Faults = field(default_factory=Faults)
    server: UfmServer | None = None
    token: str = TOKEN

    async def source(self, *, inventory=INVENTORY, user=USER, password=PASSWORD, with_telemetry=True, path="", **settings):
        """The source of a manager that is served."""
        if self.server is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.authority.server("ufm"))
            self.server = UfmServer(self.plant, "ufm", self.faults, (USER, PASSWORD), token=TOKEN)
            await self.server.start("127.0.0.1", context)
            self.stack.push_async_callback(self.server.stop)
        secret = self.authority.ca_file.with_name("secret")
        secret.write_text(password)
        entry = {
            "name": "ufm",
            "url": self.server.url,
            "credentials": "fabric",
            "tls": {"ca_file": str(self.authority.ca_file)},
        }
        if with_telemetry:
            entry["telemetry_url"] = self.server.telemetry_url.replace("/metrics", path or "/metrics")
        config = Config.model_validate(
            {
                "credentials": {"fabric": {"username": user, "password_file": str(secret)}},
                "collectors": {"ufm": [{**entry, **settings}]},
            }
        )
        (source,) = ufm.sources(config, Inventory.model_validate(inventory))
        self.stack.push_async_callback(source.close)
        return source


@pytest.fixture
async def bench(tmp_path):
    async with AsyncExitStack() as stack:
        yield Bench(stack=stack, authority=Authority(tmp_path))
