"""PowerScale clusters of four nodes: what a collection of each tier costs, and ten clusters at the default intervals.

The cluster is a simulated one over TLS in a process of its own; what is measured is the reading side, frame and hall included.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.table import Row
from collectors import onefs
from collectors.frame.runner import Runner
from simulator.certificates import Authority
from simulator.faults import Faults
from simulator.onefs import OneFsServer
from simulator.plant.model import Cluster, Drive, Member, Plant, Supply
from wattstat.config import Config
from wattstat.hall import Hall
from wattstat.inventory import Inventory

CLUSTERS = 10
COLLECTIONS = 40
NODES, DRIVES = 4, 10
USER, PASSWORD = "wattstat", "reads"


def run() -> list[Row]:
    """Measure."""
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        server = context.Process(target=_serve, args=(folder, theirs), daemon=True)
        server.start()
        url = ours.recv()
        try:
            costs, samples = asyncio.run(_measured(Path(folder), url))
        finally:
            ours.send("stop")
            server.join(10)
    share = CLUSTERS * sum(seconds / every for every, seconds in costs.values())
    tiers = ", ".join(f"{tier} {1000 * seconds:.1f} ms every {every:.0f} s" for tier, (every, seconds) in costs.items())
    return [
        Row(
            what=f"{CLUSTERS} PowerScale clusters of {NODES} nodes, all tiers",
            measured=f"{share:.4f} of a core",
            peer="",
            reach="at most 0.25 of a core",
            note=f"CPU of a collection: {tiers}; {samples} samples of a cluster, TLS, one connection",
        )
    ]


async def _measured(folder: Path, url: str) -> tuple[dict[str, tuple[float, float]], int]:
    """Interval and CPU seconds of a collection, by tier; and how many samples there are in all."""
    password = folder / "password"
    password.write_text(PASSWORD, encoding="utf-8")
    config = Config.model_validate({"credentials": {"storage": {"username": USER, "password_file": password}}})
    cluster = {"name": "scratch", "kind": "powerscale", "url": url, "tls": {"ca_file": folder / "ca.pem"}}
    source = onefs.sources(config, Inventory.model_validate({"storage": [cluster]}))[0]
    hall = Hall(clock=time.time)
    runner = Runner(hall, concurrency=4, per_host=4)
    await runner.add(source)
    costs = {}
    for tier in source.tiers:
        await runner.collect_now(source.collector, source.target, tier.name)
        begin = time.process_time()
        for _ in range(COLLECTIONS):
            await runner.collect_now(source.collector, source.target, tier.name)
        costs[tier.name] = (tier.every_seconds, (time.process_time() - begin) / COLLECTIONS)
    assert all(status.success for status, _ in runner.statuses()), [status.error for status, _ in runner.statuses()]
    samples = len(hall.snapshot())
    await runner.stop()
    return costs, samples


def _serve(folder: str, told: Connection[Any, Any]) -> None:
    asyncio.run(_served(Path(folder), told))


async def _served(folder: Path, told: Connection[Any, Any]) -> None:
    authority = Authority(folder)
    plant = Plant(now=time.time(), clusters=[_cluster()])
    server = OneFsServer(plant, "scratch", Faults(), (USER, PASSWORD), port=0)
    await server.start(authority.issue("scratch", "127.0.0.1", days=1))
    told.send(server.url)
    await asyncio.to_thread(told.recv)
    await server.stop()


def _cluster() -> Cluster:
    members = [
        Member(
            name=f"scratch-{number}",
            number=number,
            rack="",
            serial=f"S{number}",
            model="F600",
            watts=450.0,
            clients={"nfs3": 8, "nfs4": 2},
            drives=[Drive(bay=bay, serial=f"{number}-{bay}") for bay in range(1, DRIVES + 1)],
            supplies=[Supply(name="PS1"), Supply(name="PS2", feed="B")],
        )
        for number in range(1, NODES + 1)
    ]
    return Cluster(
        name="scratch",
        kind="powerscale",
        model="F600",
        version="9.7.1.0",
        serial="S",
        address="127.0.0.1",
        size_bytes=4e14,
        used_bytes=2e14,
        design_read=40e9,
        design_write=8e9,
        members=members,
        read=1e10,
        write=1e9,
        operations={"nfs3": 50_000.0, "nfs4": 4000.0, "smb2": 100.0, "s3": 10.0},
        latency={"nfs3": 0.0005, "nfs4": 0.001, "smb2": 0.002, "s3": 0.01},
    )


if __name__ == "__main__":
    print(run())
