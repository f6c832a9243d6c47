"""A simulated switch behind HTTPS, and the source that an inventory makes of it."""

import ssl
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest

from collectors import restconf
from simulator.faults import Faults
from simulator.plant.model import Plant
from simulator.restconf import RestconfServer
from tests.support import plants
from tests.support.certificates import Authority
from wattstat.config import Config
from wattstat.inventory import Inventory

USER, PASSWORD = "monitor", "correct horse"


@dataclass(kw_only=True)
class Bench:
    """Starts servers and closes what it started."""

    stack: AsyncExitStack
    authority: Authority
    plant: Plant = field(default_factory=plants.plant)
    faults: Faults = field(default_factory=Faults)

    async def serve(self, name):
        """A server of one switch of the plant."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.authority.server(name))
        server = RestconfServer(self.plant, name, self.faults, (USER, PASSWORD))
        await server.start(context, port=0)
        self.stack.push_async_callback(server.stop)
        return server

    async def source(self, name, *, server=None, snmp=False, password=PASSWORD, **switch):
        """The source for a switch that is served."""
        server = server or await self.serve(name)
        secret = self.authority.ca_file.with_name("secret")
        secret.write_text(password)
        tls = {"ca_file": str(self.authority.ca_file)}
        entry = {"name": name, "rest": {"url": f"https://127.0.0.1:{server.port}", "credentials": "switches", "tls": tls}}
        if snmp:
            entry["snmp"] = {"address": "127.0.0.1"}
        config = Config.model_validate({"credentials": {"switches": {"username": USER, "password_file": str(secret)}}})
        (source,) = restconf.sources(config, Inventory.model_validate({"switches": [{**entry, **switch}]}))
        self.stack.push_async_callback(source.close)
        return source


@pytest.fixture
async def bench(tmp_path):
    async with AsyncExitStack() as stack:
        yield Bench(stack=stack, authority=Authority(tmp_path))
