"""Budgets and caps by the settings: the loop as core runs it, and the desk at which people steer it."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web

from collectors.agent_http import Address, Sessions
from collectors.frame.errors import CollectError
from collectors.frame.source import Source
from energy.model import BooksError
from energy.prices.prices import Prices
from energy.reports.capped_runs import CappedRun
from power.actuators import redfish
from power.actuators.agent import AgentActuator, Keepalive
from power.actuators.executor import Executor
from power.actuators.journal import Journal
from power.actuators.rules import Rules as ExecutorRules
from power.audit.inputs import Inputs
from power.audit.trail import Trail
from power.control.tuning import Tuning
from power.controller import Controller
from power.desk import http as desk_http
from power.desk.desk import Desk
from power.guard.guard import Rules
from power.guard.lease import Lease
from power.guard.lease import open_engine as open_lease_engine
from power.hearing import Ways
from power.model import Actuator, ActuatorError, Mode
from power.policies.database import StoreError, address, open_engine
from power.policies.efficiency import History
from power.policies.hall_signals import HallSignals
from power.policies.history import history_of
from power.policies.pins import Pins
from power.policies.posted import Posted
from power.policies.remembering import Remembering
from power.policies.repository import Repository
from power.policies.resolve import Resolver
from power.service import PowerService
from power.wants import Wants
from wattstat import corecall, keyfile
from wattstat.config import Config
from wattstat.hall import Hall
from wattstat.inventory import Inventory, Node
from wattstat.serve.bmcs import SessionBmc, bmcs
from wattstat.serve.ledger import ledger_reports, site_zone
from wattstat.serve.process import CannotStart

log = structlog.get_logger(__name__)

# An agent answers within milliseconds; one that does not is asked again a second later.
BEAT_SECONDS = 2.0
JOULES_PER_KWH = 3.6e6
HISTORY_SECONDS = 180 * 86_400.0


@dataclass(kw_only=True)
class Power:
    """The loop, the desk, and how devices are reached."""

    config: Config
    service: PowerService
    desk: Desk
    sessions: Sessions = field(default_factory=Sessions)
    _told: set[str] = field(default_factory=set)
    _bmcs: dict[SessionBmc, tuple[Actuator, ...]] = field(default_factory=dict)

    async def follow(self, inventory: Inventory, sources: Iterable[Source[Any]]) -> None:
        """Reach what the inventory lists: agents by their addresses, BMCs by the sessions of those who read them."""
        asks = {node.name: ask for node in inventory.nodes if node.agent is not None and (ask := self._ask(node)) is not None}
        found: dict[str, list[Actuator]] = {node: [AgentActuator(node=node, ask=ask)] for node, ask in asks.items()}
        bounds = self.config.power
        known, self._bmcs = self._bmcs, {}
        for node, bmc in bmcs(sources).items():
            # What a BMC offers is found by dozens of requests: the same session keeps it.
            ways = known.get(bmc) or redfish.actuators(node, bmc, connections=bounds.connections_per_bmc)
            self._bmcs[bmc] = ways
            found.setdefault(node, []).extend(ways)
        agents = {
            node: Keepalive(
                node=node,
                ask=ask,
                dead_man_seconds=bounds.dead_man_seconds,
                on_stale=lambda _node, token: self.service.lease.outbid(token),
            )
            for node, ask in asks.items()
        }
        await self.service.follow(inventory, Ways(actuators=found, agents=agents))

    async def run(self, stop: asyncio.Event) -> None:
        """Run the loop until `stop` is set."""
        self.sessions.open()
        try:
            await self.service.run(stop)
        finally:
            await self.sessions.close()

    def routes(self) -> list[web.RouteDef]:
        """Core's routes under /power. Raises `CannotStart` for a key that cannot be used."""
        try:
            key = keyfile.key(corecall.key_path(self.config.data_dir, self.config.core.key_file))
        except keyfile.KeyFileError as error:
            raise CannotStart(str(error)) from error
        return desk_http.routes(self.desk, key)

    def _ask(self, node: Node) -> Callable[[str, str, Mapping[str, Any] | None], Any] | None:
        try:
            reached = Address.of(node, self.config, self.sessions)
        except (ValueError, OSError) as error:
            if node.name not in self._told:  # once, not at every look at the inventory
                self._told.add(node.name)
                log.warning("an agent cannot be told caps", node=node.name, why=str(error))
            return None

        async def ask(method: str, path: str, body: Mapping[str, Any] | None) -> tuple[int, Any]:
            try:
                if method == "GET":
                    return 200, await reached.get(path, timeout_seconds=BEAT_SECONDS)
                return await reached.post(path, body or {}, timeout_seconds=BEAT_SECONDS)
            except CollectError as error:
                raise ActuatorError(str(error)) from error

        return ask


def power_of(config: Config, hall: Hall, prices: Prices) -> Power:
    """The power room by the settings. Raises `CannotStart` for a database that cannot be used."""
    settings = config.power
    try:
        url = address(settings.database, config.data_dir)
        engine = open_engine(url)
        repository, pins = Repository(engine, time.time), Pins(engine, time.time)
    except StoreError as error:
        raise CannotStart(str(error)) from error
    folder = settings.audit or config.data_dir / "audit"
    trail = Trail(folder, time.time)
    holder = f"{socket.gethostname()}:{os.getpid()}"
    tuning = Tuning.of(settings)
    zone = site_zone(config).key
    posted = Posted(time.time)

    def executor(actuators: Mapping[str, Sequence[Actuator]], heard: Callable[..., None]) -> Executor:
        rules = ExecutorRules(verify_seconds=settings.verify_seconds, most_fights=settings.most_fights)
        return Executor(actuators, trail, rules=rules, journal=Journal(config.data_dir / "caps.jsonl"), heard=heard)

    service = PowerService(
        hall=hall,
        mode=Mode(settings.mode),
        controller=Controller(tuning, Rules(holder=holder, complete_ratio=settings.complete_ratio)),
        resolver=Resolver(timezone=zone, floor_ratio=settings.floor_ratio),
        wants=Wants(repository=repository, pins=pins, file=settings.policies, clock=time.time),
        lease=Lease(open_lease_engine(url, settings.lease_seconds), holder, settings.lease_seconds),
        trail=trail,
        inputs=Inputs(Path(folder) / "inputs"),
        open_executor=executor,
        signals=HallSignals(numbers=lambda at: {**_prices(prices, at), **posted.numbers(at)}, announced=posted.announced),
        remembering=Remembering(engine, time.time),
        cycle_seconds=settings.cycle_seconds,
        trip_safe_ratio=settings.trip_safe_ratio,
        timezone=zone,
        floor_ratio=settings.floor_ratio,
    )
    desk = Desk(repository=repository, pins=pins, trail=trail, steering=service, posted=posted, history=_history(config))
    return Power(config=config, service=service, desk=desk)


def _history(config: Config) -> History | None:
    """What the ledger has seen of caps: the same work, done again under another one."""
    if not config.energy.enabled:
        return None

    def runs() -> list[CappedRun]:
        try:
            with closing(ledger_reports(config)) as reports:
                return reports.capped_runs(time.time() - HISTORY_SECONDS)
        except (BooksError, CannotStart):
            return []  # books that cannot be read have seen nothing

    return history_of(runs)


def _prices(prices: Prices, at: float) -> dict[str, float]:
    """What a kilowatt-hour costs (`price`, in the site's money) and stands for (`carbon`, in grams), where somebody says."""
    told = prices.price(JOULES_PER_KWH, at)
    known = {"price": told.cost, "carbon": told.location_grams}
    return {name: value for name, value in known.items() if value is not None}
