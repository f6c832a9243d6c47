"""The listening side of a simulated UFM: REST over HTTPS, telemetry beside it over HTTP."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Callable
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from simulator.faults import Faults
from simulator.plant.model import Plant
from simulator.ufm import documents, telemetry


class UfmServer:
    """A fabric manager named `name` (its faults' target). Admits `credentials` and, under /ufmRestV3, `token`."""

    def __init__(self, plant: Plant, name: str, faults: Faults, credentials: tuple[str, str], *, token: str = "") -> None:
        self.plant = plant
        self.name = name
        self.requests = 0
        self.chooses_ports = True  # releases that do not know `sys_type` refuse it
        self.url = self.telemetry_url = ""
        self._faults = faults
        self._admitted = {
            "/ufmRest": "Basic " + base64.b64encode(":".join(credentials).encode()).decode(),
            "/ufmRestV3": f"Basic {token}" if token else "",
        }
        self._frozen = ""
        self._runners: list[web.AppRunner] = []

    async def start(
        self, address: str, context: ssl.SSLContext | None = None, *, port: int = 0, telemetry_port: int = 0
    ) -> None:
        """Listen: HTTPS where there is a context. Port 0 takes any that is free; `url` and `telemetry_url` then tell."""
        rest, counters = self._runner(self._rest()), self._runner(self._telemetry())
        for runner in (rest, counters):
            await runner.setup()
        await web.TCPSite(rest, address, port, ssl_context=context).start()
        await web.TCPSite(counters, address, telemetry_port).start()
        self.url = f"{'http' if context is None else 'https'}://{address}:{rest.addresses[0][1]}"
        self.telemetry_url = f"http://{address}:{counters.addresses[0][1]}/metrics"

    async def stop(self) -> None:
        """Close what is open."""
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()

    def _runner(self, application: web.Application) -> web.AppRunner:
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        self._runners.append(runner)
        return runner

    def _rest(self) -> web.Application:
        application = web.Application(middlewares=[self._guard])
        answers: dict[str, Callable[[web.Request], Any]] = {
            "resources/systems": lambda _: documents.systems(self.plant),
            "resources/ports": lambda request: documents.ports(self.plant, hosts=request.query.get("sys_type") != "Switch"),
            "resources/links": lambda _: documents.links(self.plant),
            "app/alarms": lambda _: documents.alarms(self.plant),
            "app/ufm_version": lambda _: documents.VERSION,
        }
        for base in self._admitted:
            application.add_routes([web.get(f"{base}/{path}", self._handler(answer)) for path, answer in answers.items()])
        return application

    def _handler(self, answer: Callable[[web.Request], Any]) -> Handler:
        async def handle(request: web.Request) -> web.Response:
            body = json.dumps(answer(request))
            if self._faults.find(self.name, "ufm_broken_json") is not None:
                body = body[: len(body) * 2 // 3]
            return web.Response(text=body, content_type="application/json")

        return handle

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.requests += 1
        self._break_off(request)
        base = "/" + request.path.split("/")[1]
        is_shut = self._faults.find(self.name, "ufm_unauthorized") is not None
        if is_shut or not (admitted := self._admitted.get(base)) or request.headers.get("Authorization") != admitted:
            return web.Response(status=401, text="Unauthorized")
        if not self.chooses_ports and "sys_type" in request.query:
            return web.Response(status=400, text="unknown parameter sys_type")
        return await handler(request)

    def _break_off(self, request: web.Request) -> None:
        if self._faults.find(self.name, "ufm_gone") is not None and request.transport is not None:
            request.transport.abort()

    def _telemetry(self) -> web.Application:
        async def metrics(request: web.Request) -> web.Response:
            self._break_off(request)
            if self._faults.find(self.name, "ufm_telemetry_frozen") is None:
                self._frozen = ""
            elif not self._frozen:
                self._frozen = telemetry.text(self.plant)
            return web.Response(text=self._frozen or telemetry.text(self.plant))

        async def table(_: web.Request) -> web.Response:
            return web.Response(text=telemetry.table(self.plant), content_type="text/csv")

        application = web.Application()
        application.add_routes([web.get("/metrics", metrics), web.get("/csv/metrics", table)])
        return application
