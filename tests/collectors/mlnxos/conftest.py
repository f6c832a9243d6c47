"""A simulated QM9700 behind HTTPS, and the source that an inventory makes of it."""

import ssl
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest

from collectors import mlnxos
from simulator.faults import Faults
from simulator.mlnxos import MlnxOsServer
from simulator.plant.model import Plant
from tests.support import plants
from tests.support.certificates import Authority
from wattstat.config import Config
from wattstat.inventory import Inventory

USER, PASSWORD, NAME = "monitor", "correct horse", "ib-leaf-1"


@dataclass(kw_only=True)
class Bench:
    """Starts a server and closes what it started."""

    stack: AsyncExitStack
    authority: Authority
    plant: Plant = field(default_factory=plants.plant)
    faults: Faults = field(default_factory=Faults)
    server: MlnxOsServer | None = None

    @property
    def switch(self):
        return self.plant.switch(NAME)

    async def source(self, *, password=PASSWORD, with_ufm=False, **switch):
        """The source for the switch."""
        if self.server is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.authority.server(NAME))
            self.server = MlnxOsServer(self.plant, NAME, self.faults, (USER, PASSWORD))
            await self.server.start(context, port=0)
            self.stack.push_async_callback(self.server.stop)
        secret = self.authority.ca_file.with_name("secret")
        secret.write_text(password)
        tls = {"ca_file": str(self.authority.ca_file)}
        rest = {"url": f"https://127.0.0.1:{self.server.port}", "credentials": "fabric", "tls": tls}
        entry = {"name": NAME, "fabric": "infiniband", "model": "QM9700", "rack": "rack-01", "rest": rest, **switch}
        managers = [{"name": "ufm", "url": "https://127.0.0.1", "credentials": "fabric"}] if with_ufm else []
        config = Config.model_validate(
            {
                "credentials": {"fabric": {"username": USER, "password_file": str(secret)}},
                "collectors": {"ufm": managers},
            }
        )
        (source,) = mlnxos.sources(config, Inventory.model_validate({"switches": [entry]}))
        self.stack.push_async_callback(source.close)
        return source


@pytest.fixture
async def bench(tmp_path):
    async with AsyncExitStack() as stack:
        yield Bench(stack=stack, authority=Authority(tmp_path))
