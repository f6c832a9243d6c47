"""Applying faults to the hall, and the control API that switches them on: `/faults` and `/truth`; `external.py` has `/jobs`."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from aiohttp import web

from simulator.bmc.controller import Controller, bus_error
from simulator.bmc.server import Bmcs
from simulator.cap_faults import CapFaults
from simulator.faults import KINDS, Fault, Faults, UnknownFault
from simulator.part_faults import PartFaults
from simulator.plant.troubles import Troubles
from simulator.site import FEEDS, Server, device_name
from simulator.world import World

Apply = Callable[[Fault, bool], Awaitable[None]]
WHOLE_HALL = "hall"
# What can happen to a rack, or to all of them.
OF_PLACES = frozenset({"feed_lost", "cooling_failed"})
OFF_THE_BUS = 79
WRONG_MEMORY = frozenset({48, 95, 140})
# Managers above the devices, by the beginning of their faults.
MANAGERS = {"ufm": "ufm", "bcm": "bcm"}


class Control:
    """Switches faults on and off and does what happens at those moments; what lasts stands where it happens."""

    def __init__(self, world: World, faults: Faults, bmcs: Bmcs, events: Mapping[str, Any] | None = None) -> None:
        """`events` are the NVML state files by node, where there are any."""
        self.world = world
        self.faults = faults
        self._bmcs = bmcs
        self._states = events or {}
        self._controllers = {controller.server.name: controller for controller in bmcs.controllers.values()}
        self._caps = CapFaults(world, faults, self._controllers, self._states)
        self._edges: dict[str, Apply] = {
            "bmc_refuse": self._refuse,
            "psu_failed": self._psu,
            "feed_lost": self._feed,
            "gpu_off_bus": self._off_bus,
            "gpu_xid": self._xid,
            "gpu_ecc": self._ecc,
            "gpu_hot": self._hot,
            "gpu_slow": self._slow,
            "counter_reset": self._reset,
            "cap_not_holding": self._caps.not_holding,
            "gpu_cap_denied": self._caps.denied,
            "gpu_cap_ignored": self._caps.ignored,
        }
        self._troubles = Troubles(world.plant)
        self._parts = PartFaults(world, faults, self._controllers, self._states)
        self._edges |= self._troubles.edges | self._parts.edges

    async def switch_on(self, body: Mapping[str, Any]) -> Fault:
        """Switch on what a request asks for. Raises `UnknownFault` with what was expected."""
        options = dict(body)
        target, kind, seconds = options.pop("target", None), options.pop("kind", None), options.pop("for_seconds", None)
        if not isinstance(target, str) or not isinstance(kind, str):
            raise UnknownFault('a fault needs a target and a kind: {"target": "xe9680-01", "kind": "bmc_slow"}')
        known = self._targets(kind)
        if target not in known:
            raise UnknownFault(f"nothing that {kind} could happen to is called {target!r}; there are: {', '.join(known)}")
        if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds <= 0):
            raise UnknownFault(f"for_seconds must be a number above 0, not {seconds!r}")
        before = self.faults.find(target, kind)
        fault = self.faults.add(target, kind, options, self.world.now, seconds)
        if before is not None:  # it is replaced, and what it did is over
            await self._edge(before, False)
        try:
            await self._edge(fault, True)
        except UnknownFault:
            self.faults.remove(fault.id)
            raise
        return fault

    def _targets(self, kind: str) -> list[str]:
        """What a kind may be switched on for."""
        if (managers := MANAGERS.get(kind.partition("_")[0])) is not None:
            return [managers]
        places = [*self.world.hall.racks, WHOLE_HALL] if kind in OF_PLACES else []
        return self._troubles.targets(kind) or [*self._controllers, *places]

    async def switch_off(self, number: int) -> Fault | None:
        """Switch a fault off; None where there is none."""
        fault = self.faults.remove(number)
        if fault is not None:
            await self._edge(fault, False)
        return fault

    async def expire(self) -> None:
        """Switch off what has had its time, and do what faults do now and then."""
        self._caps.move()
        self._parts.move()
        for fault in self.faults.expired(self.world.now):
            await self.switch_off(fault.id)

    async def _edge(self, fault: Fault, on: bool) -> None:
        apply = self._edges.get(fault.kind)
        if apply is not None:
            await apply(fault, on)

    def _server(self, fault: Fault) -> Server:
        server = self.world.hall.by_name(fault.target)
        if server is None:
            raise UnknownFault(f"{fault.kind} needs a server, not {fault.target!r}")
        return server

    def _row(self, fault: Fault) -> int:
        server = self._server(fault)
        number = int(fault.number("gpu"))
        if not 0 <= number < server.model.gpus:
            raise UnknownFault(f"{server.name} has GPUs 0 to {server.model.gpus - 1}, not {number}")
        return server.first_gpu + number

    async def _refuse(self, fault: Fault, on: bool) -> None:
        address = self._server(fault).bmc_address
        await (self._bmcs.refuse(address) if on else self._bmcs.listen(address))

    async def _psu(self, fault: Fault, on: bool) -> None:
        server = self._server(fault)
        slot = int(fault.number("psu")) - 1
        if not 0 <= slot < server.model.psus:
            raise UnknownFault(f"{server.name} has power supplies 1 to {server.model.psus}, not {slot + 1}")
        self.world.physics.supplies.healthy[server.index, slot] = not on
        if on:
            self._controllers[server.name].note("Critical", "PSU0001", f"Power supply {slot + 1} failed.")

    async def _feed(self, fault: Fault, on: bool) -> None:
        feed = fault.text("feed").upper()
        if feed not in FEEDS:
            raise UnknownFault(f"feed must be A or B, not {feed!r}")
        breakers, server = self.world.physics.breakers, self.world.hall.by_name(fault.target)
        if fault.target == WHOLE_HALL:
            breakers.set_main_closed(feed, closed=not on)
            return
        breakers.set_closed(fault.target if server is None else server.rack, feed, closed=not on)

    async def _off_bus(self, fault: Fault, on: bool) -> None:
        row = self._row(fault)
        self.world.physics.present[row] = not on
        if on:
            self._event(fault, row, 79)

    async def _xid(self, fault: Fault, on: bool) -> None:
        if on:
            self._event(fault, self._row(fault), int(fault.number("xid")))

    def _event(self, fault: Fault, row: int, xid: int) -> None:
        server = self._server(fault)
        if (state := self._states.get(server.name)) is not None:
            state.push_event(row - server.first_gpu, xid)
        number = row - server.first_gpu
        # Of all XIDs a BMC sees these: what the bus lost, and memory that is wrong.
        if xid == OFF_THE_BUS:
            self._controllers[server.name].note("Critical", "PCI1318", bus_error(server, number))
        elif xid in WRONG_MEMORY:
            message = f"{device_name(server, number)} is critical because of bit errors of its memory."
            self._controllers[server.name].note("Critical", "HWC9052", message)

    async def _ecc(self, fault: Fault, on: bool) -> None:
        row = self._row(fault)
        corrected, uncorrected = int(fault.number("count")), int(fault.number("uncorrected"))
        state = self._states.get(fault.target)
        if not on or state is None:
            return
        number = row - self._server(fault).first_gpu
        with state.update():
            for kind, count in (("corrected", corrected), ("uncorrected", uncorrected)):
                state.columns[f"ecc_{kind}_dram"][number] += count
                state.columns[f"ecc_{kind}_aggregate"][number] += count

    async def _hot(self, fault: Fault, on: bool) -> None:
        factor = fault.number("factor")
        self.world.physics.resistance[self._row(fault)] *= factor if on else 1 / factor

    async def _slow(self, fault: Fault, on: bool) -> None:
        self.world.physics.board_clock_ratio[self._row(fault)] = fault.number("factor") if on else 1.0

    async def _reset(self, fault: Fault, on: bool) -> None:
        server = self._server(fault)
        if on:
            physics = self.world.physics
            rows = slice(server.first_gpu, server.first_gpu + server.model.gpus)
            physics.counter_start_joules[rows] = -physics.gpu_joules[rows]
            if (state := self._states.get(server.name)) is not None:
                state.reload_driver()

    def application(self, truth: Callable[[], Mapping[str, Any]], routes: Iterable[web.RouteDef] = ()) -> web.Application:
        """The HTTP API. `routes` are what else there is."""

        async def show(_: web.Request) -> web.Response:
            return web.json_response({"items": [fault.document() for fault in self.faults], "kinds": KINDS})

        async def create(request: web.Request) -> web.Response:
            try:
                body = json.loads(await request.text())
                fault = await self.switch_on(body if isinstance(body, dict) else {})
            except UnknownFault as err:
                return web.json_response({"error": str(err)}, status=400)
            except ValueError as err:
                return web.json_response({"error": f"the body is no JSON: {err}"}, status=400)
            return web.json_response(fault.document(), status=201)

        async def remove(request: web.Request) -> web.Response:
            number = request.match_info.get("number")
            chosen = [fault.id for fault in self.faults] if number is None else [int(number)]
            gone = [fault.document() for number in chosen if (fault := await self.switch_off(number)) is not None]
            return web.json_response({"items": gone}, status=200 if gone or number is None else 404)

        async def tell(_: web.Request) -> web.Response:
            return web.json_response(truth())

        application = web.Application()
        application.add_routes(
            [
                web.get("/faults", show),
                web.post("/faults", create),
                web.delete("/faults", remove),
                web.delete(r"/faults/{number:\d+}", remove),
                web.get("/truth", tell),
                *routes,
            ]
        )
        return application


def controllers_of(world: World, faults: Faults, credentials: tuple[str, str]) -> dict[str, Controller]:
    """A controller for every server, by address."""
    return {
        server.bmc_address: Controller(server=server, world=world, faults=faults, credentials=credentials)
        for server in world.hall.servers
    }
