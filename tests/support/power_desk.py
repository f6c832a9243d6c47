"""A desk as core has one, over a hall that obeys at once: four servers of eight GPUs in two racks; and a core to serve it."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from aiohttp import web

from power.audit.trail import Trail
from power.desk.desk import Desk
from power.desk.http import routes
from power.desk.steering import Busy, Change, Lack, Preview
from power.model import Device, Mode
from power.policies.database import StoreError, address, open_engine
from power.policies.masks import Masks
from power.policies.pins import Pins
from power.policies.posted import Posted
from power.policies.repository import Repository
from power.policies.resolve import resolve
from power.policies.signals import JobFacts, JobTable, Signals
from power.policies.standing import Bounds
from power.tree.ceilings import worst_draw
from tests.support import fleets
from wattstat.access import Caller, Role

NOW = 1_790_000_000.0
KEY = b"k" * 32
ADA = Caller(name="ada", role=Role.AUTHOR, via="token")
BERT = Caller(name="bert", role=Role.APPROVER, via="token")
OLGA = Caller(name="olga", role=Role.OPERATOR, via="token")
FLEET = fleets.fleet(
    [fleets.Server(name=f"n{n}", rack="r1" if n < 3 else "r2") for n in (1, 2, 3, 4)],
    [
        fleets.Over(name="hall", kind="site", nodes=["n1", "n2", "n3", "n4"]),
        fleets.Over(name="r1", kind="rack", nodes=["n1", "n2"]),
        fleets.Over(name="r2", kind="rack", nodes=["n3", "n4"]),
    ],
)


def night_cap(**changed):
    """A policy that caps the GPUs of rack r1."""
    return {
        "name": "night-cap",
        "owner": "facility",
        "reason": "The transformer is small at night",
        "mode": "enforce",
        "scope": {"rack": "r1"},
        "ask": {"gpu_cap": {"watts": 500}},
    } | changed


class ObedientHall:
    """The loop that runs, for tests: caps are where policies, holds and emergencies want them as soon as they are changed.

    One job holds the first two GPUs of the first server.
    """

    def __init__(self) -> None:
        self.view = fleets.view(FLEET)
        self.signals = Signals.nothing(len(FLEET.nodes), len(FLEET.gpus))
        self.jobs = JobTable(
            jobs=(JobFacts(scheduler="slurm", job_id="77", partition="gpu"),),
            holder=np.zeros(2, np.int64),
            gpu=np.arange(2),
        )
        self.desk: Desk | None = None
        self.braked = ()
        self.given_back = []
        self.busy = ""
        self.decisions = 0
        self.at = NOW
        self.caps = self._caps_now()

    def status(self):
        return {"mode": "enforce", "leader": True, "budgets": [], "devices": self._devices(), "policies": []}

    def preview(self, wish):
        after, why, lacks = self._wanted(wish.standings, wish.holds, wish.emergencies)
        before = self.caps
        rows = np.flatnonzero(before != after)
        return Preview(
            changes=tuple(
                Change(device=FLEET.gpus[row], before_watts=float(before[row]), after_watts=float(after[row]), why=why[row])
                for row in rows
            ),
            watts_before=self._most(before),
            watts_after=self._most(after),
            lacks=lacks,
            jobs=("77",) if set(rows) & set(self.jobs.gpu.tolist()) else (),
        )

    def devices(self, scope):
        masks = Masks(FLEET)
        masks.use(self.jobs)
        return int(masks.nodes(scope).sum() + len(masks.gpus(scope)))

    def give_back(self, scope, why, *, dry_run):
        if self.busy:
            raise Busy(self.busy)
        self.given_back.append(dry_run)
        return Preview()

    def brake(self, emergencies):
        self.braked = tuple(emergencies)
        self.changed()

    def changed(self):
        self.decisions += 1
        if self.desk is None:
            return
        try:
            standings, holds = self.desk.repository.standing(), self.desk.holds()
            stored = tuple(each.emergency for each in self.desk.pins.emergencies())
        except StoreError:
            standings, holds, stored = (), (), ()
        self.caps, _, _ = self._wanted(standings, holds, (*stored, *self.braked))

    def cap(self, node):
        """The cap of a server's first GPU."""
        return float(self.caps[FLEET.gpus.index(Device(node, f"GPU-{node}-0"))])

    def _caps_now(self):
        return np.full(len(FLEET.gpus), fleets.GPU_MAX)

    def _wanted(self, standings, holds, emergencies):
        found = resolve(
            standings,
            FLEET,
            replace(self.signals, jobs=self.jobs, numbers=self.desk.posted.numbers(self.at) if self.desk else {}),
            self.at,
            bounds=Bounds.of(self.view),
            holds=holds,
            emergencies=emergencies,
            mode=Mode.ENFORCE,
        )
        intent = found.intent
        caps = np.minimum(np.where(np.isnan(intent.pinned_watts), intent.gpu_cap_watts, intent.pinned_watts), fleets.GPU_MAX)
        # A limit is met by equal caps.
        least = np.where(intent.urgent[FLEET.gpu_node], fleets.GPU_MIN, intent.floor_watts)
        lacks = []
        for row, limit in enumerate(FLEET.tree.limits):
            members = FLEET.tree.member[FLEET.tree.start[row] : FLEET.tree.start[row + 1]]
            deficit = worst_draw(FLEET, least, np.full(4, np.nan))[members].sum() - intent.limit_watts[row]
            if deficit > 0:
                lacks.append(
                    Lack(
                        limit=f"{limit.kind} {limit.name}",
                        deficit_watts=float(deficit),
                        why=intent.names[intent.limit_name[row]],
                    )
                )
            elif np.isfinite(intent.limit_watts[row]):
                room = (intent.limit_watts[row] / len(members) - fleets.REST_WATTS) / fleets.LOSS / 8
                caps = np.where(np.isin(FLEET.gpu_node, members), np.minimum(caps, np.floor(room)), caps)
        caps = np.where(intent.urgent[FLEET.gpu_node], fleets.GPU_MIN, caps)
        names = [intent.names[name] if name >= 0 else "" for name in intent.gpu_cap_name]
        return caps, names, tuple(lacks)

    def _most(self, caps):
        return float(worst_draw(FLEET, caps, np.full(len(FLEET.nodes), np.nan)).sum())

    def _devices(self):
        return [
            {
                "device": str(gpu),
                "node": gpu.node,
                "rack": FLEET.racks[node],
                "min_watts": fleets.GPU_MIN,
                "target_watts": float(cap),
                "confirmed_watts": float(cap),
                "state": "controlled",
                "binding_policy": None,
            }
            for gpu, cap, node in zip(FLEET.gpus, self.caps, FLEET.gpu_node, strict=True)
        ]


def made_desk(folder: Path, clock=lambda: NOW) -> Desk:
    """A desk with its own database and trail."""
    engine = open_engine(address(None, folder))
    hall = ObedientHall()
    desk = Desk(
        repository=Repository(engine, clock),
        pins=Pins(engine, clock),
        trail=Trail(folder / "audit", clock),
        steering=hall,
        posted=Posted(clock),
        clock=clock,
    )
    hall.desk = desk
    return desk


def closed(desk: Desk) -> None:
    """Give back files and connections."""
    desk.trail.close()
    desk.repository._engine.dispose()


@asynccontextmanager
async def core_of(desk: Desk, key: bytes = KEY) -> AsyncIterator[str]:
    """The desk behind core's HTTP; gives the URL."""
    app = web.Application()
    app.add_routes(routes(desk, key))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        await web.SockSite(runner, bound).start()
        try:
            yield f"http://127.0.0.1:{bound.getsockname()[1]}"
        finally:
            await runner.cleanup()
