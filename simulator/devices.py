"""Everything beside the servers as it can be talked to: each device's own protocol, on a loopback address of its own."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from simulator.adapters import AdapterFeed
from simulator.bcm import BcmServer, shown
from simulator.bmc.server import free_port
from simulator.certificates import Authority
from simulator.ecs import EcsServer
from simulator.faults import Faults
from simulator.files import USER, secret
from simulator.mlnxos import MlnxOsServer
from simulator.onefs import OneFsServer
from simulator.plant.entries import SNMP_CREDENTIALS, STORAGE_CREDENTIALS, SWITCH_CREDENTIALS, Served
from simulator.plant.show import Show
from simulator.restconf import RestconfServer
from simulator.snmp.switches import SwitchAgent
from simulator.snmp_pdu import agent as pdu_agent
from simulator.ufm import UfmServer
from simulator.world import World

ONEFS_PORT, ECS_PORT, REST_PORT, SNMP_PORT, TELEMETRY_PORT = 8080, 4443, 8443, 1161, 9001
UFM_ADDRESS, BCM_ADDRESS, BCM_PORT = "127.85.0.20", "127.85.0.21", 8081
FABRIC_CREDENTIALS = "fabric"
CERTIFICATE_DAYS = 700
UDP_TRIES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What devices want to be shown: a user and password, and the community of SNMP."""

    user: str
    password: str
    community: str

    @classmethod
    def fresh(cls, user: str) -> Keys:
        """New ones."""
        return cls(user=user, password=secrets.token_urlsafe(18), community=secrets.token_urlsafe(9))


@dataclass(frozen=True, slots=True, kw_only=True)
class Managers:
    """Addresses of what stands above the devices; empty where there is none."""

    ufm_url: str = ""
    telemetry_url: str = ""
    bcm_url: str = ""
    bcm_certificate: Path = Path()


class Devices:
    """The listening side of storage, switches, PDUs and managers. With `is_usual` on the usual ports where they are free."""

    def __init__(self, world: World, faults: Faults, keys: Keys, *, is_usual: bool) -> None:
        self._world, self.plant, self.faults, self.keys = world, world.plant.plant, faults, keys
        self._is_usual = is_usual
        self._stops: list[Callable[[], Awaitable[None]]] = []

    async def start(self, authority: Authority) -> tuple[Served, Managers]:
        """Listen on every address."""
        served = self._served(authority.ca_file)
        await self._storage(authority, served)
        await self._switches(authority, served)
        await self._pdus(served)
        return served, await self._managers(authority)

    async def stop(self) -> None:
        """Stop listening."""
        for stop in reversed(self._stops):
            await stop()
        self._stops.clear()

    def _served(self, ca_file: Path) -> Served:
        plant = self.plant
        kinds = {
            kind: [each.address for each in plant.clusters if (each.kind == "ecs") == (kind == "ecs")]
            for kind in ("onefs", "ecs")
        }
        switches = [switch.address for switch in plant.switches]
        agents = [*switches, *(pdu.address for pdu in plant.pdus)]
        return Served(
            plant=plant,
            ca_file=ca_file,
            onefs_port=free_port(kinds["onefs"], self._wanted(ONEFS_PORT)),
            ecs_port=free_port(kinds["ecs"], self._wanted(ECS_PORT)),
            rest_port=free_port(switches, self._wanted(REST_PORT)),
            snmp_port=free_udp_port(agents, self._wanted(SNMP_PORT)),
        )

    def _wanted(self, port: int) -> int:
        return port if self._is_usual else 0

    async def _storage(self, authority: Authority, served: Served) -> None:
        credentials = (self.keys.user, self.keys.password)
        for cluster in self.plant.clusters:
            server: EcsServer | OneFsServer
            if cluster.kind == "ecs":
                server = EcsServer(self.plant, cluster.name, self.faults, credentials, port=served.ecs_port)
            else:
                server = OneFsServer(self.plant, cluster.name, self.faults, credentials, port=served.onefs_port)
            await server.start(authority.issue(cluster.name, cluster.address, days=CERTIFICATE_DAYS))
            self._stops.append(server.stop)

    async def _switches(self, authority: Authority, served: Served) -> None:
        credentials = (self.keys.user, self.keys.password)
        for switch in self.plant.switches:
            kind = RestconfServer if switch.fabric == "ethernet" else MlnxOsServer
            server = kind(self.plant, switch.name, self.faults, credentials)
            await server.start(
                authority.issue(switch.name, switch.address, days=CERTIFICATE_DAYS).context(), port=served.rest_port
            )
            agent = SwitchAgent(self.plant, switch.name, self.faults, self.keys.community)
            await agent.start(served.snmp_port)
            self._stops += [server.stop, agent.stop]

    async def _pdus(self, served: Served) -> None:
        for pdu in self.plant.pdus:
            agent = pdu_agent(self.plant, pdu.name, self.faults, community=self.keys.community)
            await agent.start(pdu.address, served.snmp_port)
            self._stops.append(agent.stop)

    async def _managers(self, authority: Authority) -> Managers:
        port = free_port([BCM_ADDRESS], self._wanted(BCM_PORT))
        bcm = BcmServer(lambda: shown(self._world), self.faults, authority=authority.ca_file, address=BCM_ADDRESS, port=port)
        await bcm.start(authority.issue("bcm", BCM_ADDRESS, days=CERTIFICATE_DAYS))
        self._stops.append(bcm.stop)
        client = authority.issue("wattstat-at-bcm", BCM_ADDRESS, days=CERTIFICATE_DAYS, client=True)
        known = Managers(bcm_url=bcm.url, bcm_certificate=client.path)
        if not any(switch.fabric == "infiniband" for switch in self.plant.switches):
            return known
        ufm = UfmServer(self.plant, "ufm", self.faults, (self.keys.user, self.keys.password))
        port = free_port([UFM_ADDRESS], self._wanted(REST_PORT))
        telemetry_port = free_port([UFM_ADDRESS], self._wanted(TELEMETRY_PORT))
        context = authority.issue("ufm", UFM_ADDRESS, days=CERTIFICATE_DAYS).context()
        await ufm.start(UFM_ADDRESS, context, port=port, telemetry_port=telemetry_port)
        self._stops.append(ufm.stop)
        return replace(known, ufm_url=ufm.url, telemetry_url=ufm.telemetry_url)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Everything beside the servers, listening."""

    devices: Devices
    show: Show
    adapters: AdapterFeed
    served: Served
    managers: Managers

    @classmethod
    async def start(cls, world: World, faults: Faults, authority: Authority, directory: Path, *, is_usual: bool) -> Beside:
        """Let all of it listen; the secrets for it lie in `directory`."""
        show = Show(world.plant)
        show.write()
        keys = Keys.fresh(USER)
        devices = Devices(world, faults, keys, is_usual=is_usual)
        served, managers = await devices.start(authority)
        secret(directory / "device-password", keys.password)
        secret(directory / "snmp-community", keys.community)
        adapters = AdapterFeed(show.plant, directory / "sysfs")
        return cls(devices=devices, show=show, adapters=adapters, served=served, managers=managers)

    def write(self) -> None:
        """Show the state of now."""
        self.show.write()
        self.adapters.write()

    def settings(self, directory: Path) -> dict[str, dict[str, Any]]:
        """What wattstat.yaml says of them: entries of `credentials` and of `collectors`."""
        known = {"username": USER, "password_file": str(directory / "device-password")}
        names = (STORAGE_CREDENTIALS, SWITCH_CREDENTIALS, FABRIC_CREDENTIALS)
        credentials: dict[str, Any] = dict.fromkeys(names, known)
        credentials[SNMP_CREDENTIALS] = {"password_file": str(directory / "snmp-community")}
        tls = {"ca_file": str(directory / "ca.pem")}
        collectors: dict[str, Any] = {}
        if self.managers.ufm_url:
            collectors["ufm"] = [
                {
                    "name": "ufm",
                    "url": self.managers.ufm_url,
                    "telemetry_url": self.managers.telemetry_url,
                    "credentials": FABRIC_CREDENTIALS,
                    "tls": tls,
                }
            ]
        bcm = str(self.managers.bcm_certificate)
        collectors["bcm"] = [{"name": "bcm", "url": self.managers.bcm_url, "certificate": bcm, "key": bcm, "tls": tls}]
        return {"credentials": credentials, "collectors": collectors}


def free_udp_port(addresses: list[str], preferred: int) -> int:
    """A UDP port that is free on every address: `preferred` if it can be."""
    for attempt in range(UDP_TRIES):
        with socket.socket(type=socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((addresses[0], preferred if attempt == 0 else 0))
            except OSError:
                continue
            port = int(probe.getsockname()[1])
            if all(_is_free(address, port) for address in addresses[1:]):
                return port
    raise OSError(f"no UDP port is free on all of {addresses[0]} .. {addresses[-1]}")


def _is_free(address: str, port: int) -> bool:
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return False
        return True
