"""Jobs of somebody else's scheduler, begun and ended over the control API: so a real Slurm can drive the simulated hall."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from aiohttp import web

from simulator.lanes import LaneKind
from simulator.motion import Motion
from simulator.site import Server
from simulator.workload import Job, Kind, Outcome

FIELDS = {
    "job_id": "the job's id, as its scheduler writes it",
    "node": "the server",
    "gpus": "numbers of its GPUs; with MIG, numbers of the MIG devices in order of GPUs and instances",
    "kind": "what it does: training, finetune, inference, interactive, cpu (training)",
    "instance": "which run of the job this is (how many there were on this server before)",
    "idle_seconds": "how long it holds its GPUs before its work begins (0)",
    "part": "with `gpus` of a shared GPU, which shard of it (0)",
    "user, account, partition, name": "as its scheduler tells them",
    "seed": "the same seed gives the same pattern",
}


LONGEST_IDLE_SECONDS = 3600.0


class BadJob(ValueError):
    """A job that cannot be begun; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class _Key:
    job_id: str
    instance: str
    node: str


class External:
    """Somebody else's jobs, each server's part of one on its own."""

    def __init__(self, motion: Motion) -> None:
        """None are running."""
        self._motion = motion
        self._running: dict[_Key, Job] = {}
        self._numbers = itertools.count(1)
        self._seen: Counter[tuple[str, str]] = Counter()

    async def begin(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Begin what a request asks for; answers with the exact time. Raises `BadJob`."""
        unknown = body.keys() - {name for names in FIELDS for name in names.split(", ")}
        if unknown:
            raise BadJob(f"a job has no {min(unknown)!r}; it has: {', '.join(FIELDS)}")
        job_id, node = str(body.get("job_id", "")), str(body.get("node", ""))
        key = _Key(job_id, str(body.get("instance", self._seen[job_id, node])), node)
        if not key.job_id:
            raise BadJob('a job needs at least {"job_id": "17", "node": "gpu01", "gpus": [0, 1]}')
        if key in self._running:
            raise BadJob(f"job {key.job_id} runs on {key.node} already")
        job = self._job(key, body)
        try:
            await self._motion.begin(job, _seconds(body.get("idle_seconds", 0)))
        except ValueError as err:
            raise BadJob(str(err)) from err
        self._running[key] = job
        self._seen[job_id, node] += 1
        return {"job_id": key.job_id, "node": key.node, "start": job.start}

    async def finish(self, job_id: str, node: str | None, outcome: str, idle: object = 0) -> list[dict[str, Any]]:
        """End a job on one server or on all; answers with what was ended. Raises `BadJob` for an outcome of another name."""
        if outcome not in {each.value for each in Outcome}:
            raise BadJob(f"no job ends {outcome!r}; it may be: {', '.join(Outcome)}")
        found = []
        for key in [key for key in self._running if key.job_id == job_id and node in (None, key.node)]:
            job = self._running.pop(key)
            job.outcome = Outcome(outcome)
            await self._motion.finish(job, _seconds(idle))
            found.append({"job_id": key.job_id, "node": key.node, "end": job.end})
        return found

    def routes(self) -> list[web.RouteDef]:
        """`POST /jobs`, `DELETE /jobs/{id}` (`?node=`, `?outcome=`, `?idle_seconds=`)."""

        async def create(request: web.Request) -> web.Response:
            try:
                body = json.loads(await request.text())
                return web.json_response(await self.begin(body if isinstance(body, dict) else {}), status=201)
            except BadJob as err:
                return web.json_response({"error": str(err)}, status=400)
            except ValueError as err:
                return web.json_response({"error": f"the body is no JSON: {err}"}, status=400)

        async def remove(request: web.Request) -> web.Response:
            query = request.query
            try:
                outcome, idle = query.get("outcome", "COMPLETED"), query.get("idle_seconds", 0)
                gone = await self.finish(request.match_info["job"], query.get("node"), outcome, idle)
            except BadJob as err:
                return web.json_response({"error": str(err)}, status=400)
            return web.json_response({"items": gone}, status=200 if gone else 404)

        return [web.post("/jobs", create), web.delete("/jobs/{job}", remove)]

    def _job(self, key: _Key, body: Mapping[str, Any]) -> Job:
        world = self._motion.world
        server = world.hall.by_name(key.node)
        if server is None:
            raise BadJob(f"no server is called {key.node!r}; there are: {', '.join(each.name for each in world.hall.servers)}")
        kinds = {each.value for each in Kind}
        if (kind := body.get("kind", "training")) not in kinds:
            raise BadJob(f"no kind is called {kind!r}; there are: {', '.join(sorted(kinds))}")
        rows = self._rows(server, body.get("gpus", []), body.get("part", 0))
        serial = next(self._numbers)
        return Job(
            id=key.job_id,
            number=int(key.job_id) if key.job_id.isdecimal() else serial,
            node=key.node,
            name=str(body.get("name", "")),
            user=str(body.get("user", "")),
            account=str(body.get("account", "")),
            partition=str(body.get("partition", "")),
            kind=Kind(kind),
            gpus=len(rows),
            not_before=world.now,
            seconds=float("inf"),
            seed=int(body.get("seed", serial)),
            restarts=int(key.instance) if key.instance.isdecimal() else 0,
            rows=np.array(rows, np.int64),
        )

    def _rows(self, server: Server, gpus: object, part: object) -> list[int]:
        lanes = self._motion.world.lanes
        every = [int(row) for row in lanes.by_server[server.name]]
        if not isinstance(gpus, list) or not all(isinstance(each, int) for each in gpus):
            raise BadJob(f"gpus must be a list of numbers, not {gpus!r}")
        if not gpus and not server.model.gpus:
            return every[:1]
        chosen = []
        for number in gpus:
            place = number
            if lanes[every[0]].kind is LaneKind.SHARD:
                of_gpu = [lanes[row].place for row in every if lanes[row].gpu == number]
                place = of_gpu[part] if isinstance(part, int) and 0 <= part < len(of_gpu) else -1
            row = next((row for row in every if lanes[row].place == place), None)
            if row is None:
                raise BadJob(f"{server.name} has nothing with the number {number}; there are 0 to {len(every) - 1}")
            chosen.append(row)
        return chosen


def _seconds(value: object) -> float:
    try:
        seconds = float(str(value))
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= LONGEST_IDLE_SECONDS:
        raise BadJob(f"idle_seconds must be a number from 0 to {LONGEST_IDLE_SECONDS:g}, not {value!r}")
    return seconds
