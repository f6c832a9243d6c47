"""A slurmrestd over the simulated scheduler: jobs, nodes, ping and diag, for who shows a good token."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from simulator.slurm import documents, token
from simulator.slurm.documents import Document, number
from simulator.workload import NO_JOB
from simulator.world import World

VERSIONS = ("v0.0.41", "v0.0.42", "v0.0.43")


class SlurmRest:
    """Answers from the world as it is now. `key` signs the tokens."""

    def __init__(self, world: World, key: bytes, *, clock: Callable[[], float] = time.time) -> None:
        self.world = world
        self._key = key
        self._clock = clock
        self.requests = 0

    def application(self) -> web.Application:
        """All routes."""
        application = web.Application(middlewares=[self._guard])
        spec = {
            "openapi": "3.0.3",
            "info": {"title": "Slurm REST API", "version": f"Slurm-{'.'.join(documents.RELEASE)}"},
            "paths": {f"/slurm/{version}/{name}/": {"get": {}} for version in VERSIONS for name in self._answers()},
        }

        async def describe(_: web.Request) -> web.Response:
            return web.json_response(spec)

        application.add_routes([web.get(path, describe) for path in ("/openapi", "/openapi.json", "/openapi/v3")])
        for version in VERSIONS:
            for name, answer in self._answers().items():
                handler = self._handler(version, answer)
                application.add_routes(
                    [web.get(f"/slurm/{version}/{name}", handler), web.get(f"/slurm/{version}/{name}/", handler)]
                )
        return application

    def _answers(self) -> dict[str, Callable[[], Document]]:
        return {"jobs": self._jobs, "nodes": self._nodes, "ping": self._ping, "diag": self._diag}

    def _handler(self, version: str, answer: Callable[[], Document]) -> Handler:
        async def handle(_: web.Request) -> web.Response:
            return web.json_response({**answer(), "meta": documents.meta(version), "errors": [], "warnings": []})

        return handle

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.requests += 1
        shown = request.headers.get("X-SLURM-USER-TOKEN", "")
        if not shown:
            bearer = request.headers.get("Authorization", "")
            shown = bearer.removeprefix("Bearer ") if bearer.startswith("Bearer ") else ""
        user = token.user_of(self._key, shown, now=self._clock())
        if user is None or request.headers.get("X-SLURM-USER-NAME", user) != user:
            return web.Response(status=401, text="Authentication failure")
        return await handler(request)

    def _jobs(self) -> Document:
        scheduler, lanes = self.world.scheduler, self.world.lanes
        now = self.world.now
        jobs: list[Any] = [
            *(documents.job_document(job, lanes, job.outcome) for job in scheduler.remembered),
            *(documents.job_document(job, lanes, "RUNNING") for job in scheduler.running.values()),
            *(documents.job_document(job, lanes, "PENDING") for job in scheduler.waiting),
        ]
        return {
            "jobs": sorted(jobs, key=lambda job: int(job["job_id"])),
            "last_backfill": number(int(now)),
            "last_update": number(int(now)),
        }

    def _nodes(self) -> Document:
        world = self.world
        found = []
        for server in (each for each in world.hall.servers if each.serves_jobs):
            rows = [int(row) for row in world.lanes.by_server[server.name]]
            held = [world.lanes[row] for row in rows if world.scheduler.owner[row] != NO_JOB]
            powered = bool(world.physics.powered[server.index])
            lanes = [world.lanes[row] for row in rows]
            found.append(documents.node_document(server, lanes, held, powered=powered))
        return {"nodes": found, "last_update": number(int(world.now))}

    def _ping(self) -> Document:
        primary = {
            "hostname": "hall-ctl",
            "pinged": "UP",
            "latency": 120,
            "mode": "primary",
            "responding": True,
            "primary": True,
        }
        return {"pings": [primary]}

    def _diag(self) -> Document:
        scheduler = self.world.scheduler
        return {
            "statistics": {
                "req_time": number(int(self.world.now)),
                "jobs_running": len(scheduler.running),
                "jobs_pending": len(scheduler.waiting),
                "server_thread_count": 1,
            }
        }
