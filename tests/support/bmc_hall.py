"""A simulated hall's BMCs over HTTPS, and the actuators of its servers through real sessions."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from collectors.redfish import sources
from power.actuators import redfish
from power.audit.trail import Trail
from power.model import Actuator, Fence
from simulator.bmc.controller import Controller
from simulator.bmc.server import Bmcs, free_port
from simulator.cap_faults import CapFaults
from simulator.certificates import Authority
from simulator.control import controllers_of
from simulator.faults import Faults
from simulator.site import layout
from simulator.world import World
from wattstat.config import Config
from wattstat.inventory import Inventory
from wattstat.serve.bmcs import SessionBmc, bmcs

FENCE = Fence(token=7, holder="core-1", valid_until=float("inf"))
ATTRIBUTES = "/redfish/v1/Managers/iDRAC.Embedded.1/Oem/Dell/DellAttributes/System.Embedded.1"
SETTING, VALUE = "ServerPwr.1.PowerCapSetting", "ServerPwr.1.PowerCapValue"


@dataclass(kw_only=True)
class BmcHall:
    """Servers by name: `controller` is the BMC's inside, `bmc` the way to it over the network."""

    world: World
    faults: Faults
    bmcs: dict[str, SessionBmc]
    controllers: dict[str, Controller]
    listening: Bmcs
    folder: Path
    trail: Trail = field(init=False)

    def __post_init__(self) -> None:
        self.trail = Trail(self.folder / "audit", lambda: 1_760_000_000.0)

    def actuators(self, *nodes: str, **settings: Any) -> dict[str, tuple[Actuator, ...]]:
        """The Redfish ways to these servers, or to all."""
        return {node: redfish.actuators(node, self.bmcs[node], **settings) for node in nodes or self.bmcs}

    def fault(self, node: str, kind: str, **options: Any) -> None:
        """Switch a fault on."""
        self.faults.add(node, kind, options, self.world.now)

    def pass_seconds(self, seconds: float) -> None:
        """Let time pass in the hall, and do what faults do with time."""
        self.world.advance(self.world.now + seconds, 1.0)
        CapFaults(self.world, self.faults, self.controllers, {}).move()

    def named(self, model: str) -> str:
        """The first server of a model."""
        return next(server.name for server in self.world.hall.servers if server.model.key == model)


@asynccontextmanager
async def bmc_hall(folder: Path, nodes: int = 16, latency_seconds: float = 0.0) -> AsyncIterator[BmcHall]:
    """A hall of `nodes` servers whose BMCs listen on loopback."""
    world, faults = World(layout(nodes), 1, 1_760_000_000.0), Faults()
    controllers = controllers_of(world, faults, ("writer", "secret"))
    listening = Bmcs(controllers, free_port(list(controllers), 0), latency_seconds)
    authority = Authority(folder)
    issued = {address: authority.issue(f"bmc-{row}", address, days=30) for row, address in enumerate(controllers)}
    await listening.start(issued)
    (folder / "password").write_text("secret")
    config = Config.model_validate({"credentials": {"bmc": {"username": "writer", "password_file": folder / "password"}}})
    inventory = Inventory.model_validate(
        {
            "nodes": [
                {
                    "name": server.name,
                    "bmc": {
                        "url": f"https://{server.bmc_address}:{listening.port}",
                        "tls": {"ca_file": folder / "ca.pem"},
                    },
                }
                for server in world.hall.servers
            ]
        }
    )
    made = sources(config, inventory)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(listening.stop)
        for source in made:
            stack.push_async_callback(source.close)
        by_name = {server.name: controllers[server.bmc_address] for server in world.hall.servers}
        hall = BmcHall(world=world, faults=faults, bmcs=bmcs(made), controllers=by_name, listening=listening, folder=folder)
        try:
            yield hall
        finally:  # sessions are closed on BMCs that answer; what hangs there is cut off
            for fault in faults:
                faults.remove(fault.id)
                await listening.refuse(hall.controllers[fault.target].server.bmc_address)
            for address in controllers:
                await listening.listen(address)
