"""The hall in real time: everything is set up in a directory, said to be ready, and kept moving until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from simulator.bmc.controller import Controller
from simulator.bmc.server import Bmcs, free_port
from simulator.certificates import Authority, Issued
from simulator.control import Control, controllers_of
from simulator.devices import CERTIFICATE_DAYS, Beside
from simulator.external import External
from simulator.faults import Faults
from simulator.files import USER, secret, write_agent, write_carbon, write_config, write_inventory, write_pager
from simulator.history import write_history
from simulator.inference import Inference
from simulator.motion import Motion
from simulator.nodes import NvmlFeed, RaplFeed
from simulator.pager import Pager
from simulator.site import Layout, Server, layout
from simulator.slurm import token
from simulator.slurm.prolog import Prologs
from simulator.slurm.server import SlurmRest
from simulator.truth import truth, write_truth
from simulator.world import World

STEP_SECONDS = 0.25
BMC_ONLY_STEP_SECONDS = 1.0
TRUTH_SECONDS = 5.0
BMC_PORT, AGENT_PORT, CORE_PORT, CONTROL_PORT, SLURM_PORT, INFERENCE_PORT = 8443, 9837, 9838, 9839, 6820, 8100
Services = list[dict[str, str]]
TOKEN_SECONDS = 365 * 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to simulate and where to put it."""

    directory: Path
    nodes: int = 16
    seed: int = 1
    web: str = "127.0.0.1:8050"
    history_hours: float = 24
    latency_seconds: float = 0.0
    bmc_only: bool = False
    jobs: bool = True
    model: str = ""
    prefix: str = ""
    mig: tuple[str, ...] = ()
    core_port: int = 0
    """For core, where somebody chose it; then other ports are not the usual ones either: another hall may be taking those."""


async def run(options: Options, stop: asyncio.Event) -> None:
    """Run the hall until `stop` is set."""
    directory = options.directory
    for name in ("state", "sysfs", "history", "agents"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    (directory / "ready").unlink(missing_ok=True)
    hall = layout(options.nodes, options.seed, model=options.model, prefix=options.prefix, mig=options.mig)
    now = time.time()
    # A whole minute: so samples and entries stand at whole minutes, and hours begin with one of them.
    world = World(hall, options.seed, (now - options.history_hours * 3600) // 60 * 60, jobs=options.jobs)
    if options.history_hours:
        write_history(world, now, directory / "history", beside=options.jobs)
    faults = Faults()
    password, slurm_key = secrets.token_urlsafe(18), secrets.token_bytes(32)
    is_usual = options.core_port in {0, CORE_PORT}
    authority = Authority(directory)
    bmcs = await _bmcs(controllers_of(world, faults, (USER, password)), authority, options, BMC_PORT if is_usual else 0)
    nvml = None if options.bmc_only else NvmlFeed(world, directory / "state")
    rapl = None if options.bmc_only else RaplFeed(world, directory / "sysfs")
    hosts = [server.host_address for server in hall.servers]
    agent_port = None if options.bmc_only else free_port(hosts, AGENT_PORT if is_usual else 0)
    is_whole = options.jobs and not options.bmc_only
    beside = await Beside.start(world, faults, authority, directory, is_usual=is_usual) if is_whole else None
    prologs = Prologs(_agents_with_prolog(hall, agent_port)) if agent_port and options.jobs else None
    step = BMC_ONLY_STEP_SECONDS if options.bmc_only else STEP_SECONDS
    motion = Motion(world, nvml, rapl, prologs, step=step, show=None if beside is None else beside.write)
    control = Control(world, faults, bmcs, nvml.states if nvml else None)
    control_runner, control_url = await _serve(
        control.application(lambda: truth(world), [*External(motion).routes(), *Pager().routes()]), CONTROL_PORT
    )
    slurm_runner, slurm_url = await _serve(SlurmRest(world, slurm_key).application(), SLURM_PORT)
    inference = Inference(world)
    inference_runner, inference_url = await _serve(inference.application(), INFERENCE_PORT)
    secret(directory / "slurm-token", token.make(slurm_key, USER, now=now, seconds=TOKEN_SECONDS))
    secret(directory / "bmc-password", password)
    (directory / "control-url").write_text(control_url, encoding="utf-8")
    write_pager(directory, control_url)
    slurm = slurm_url if is_whole else ""
    services = inference.services(inference_url) if slurm else []
    _write_files(options, hall, beside, bmc_port=bmcs.port, agent_port=agent_port, slurm_url=slurm, services=services)
    write_truth(world, directory / "truth.json")
    (directory / "ready").write_text(f"{time.time()}\n", encoding="utf-8")
    try:
        await _move(motion, control, options, step, stop)
    finally:
        write_truth(world, directory / "truth.json")
        if prologs is not None:
            await prologs.close()
        for runner in (control_runner, slurm_runner, inference_runner):
            await runner.cleanup()
        await bmcs.stop()
        if beside is not None:
            await beside.devices.stop()
        if nvml is not None:
            nvml.close()


async def _move(motion: Motion, control: Control, options: Options, step: float, stop: asyncio.Event) -> None:
    """Keep the model at the wall clock, and what is written now and then fresh."""
    truth_at = 0.0
    while not stop.is_set():
        now = time.time()
        await motion.to_now()
        if now - truth_at >= TRUTH_SECONDS and not options.bmc_only:
            write_truth(motion.world, options.directory / "truth.json")
            truth_at = now
        await control.expire()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), max(0.01, step - (time.time() - now)))


async def _bmcs(controllers: Mapping[str, Controller], authority: Authority, options: Options, wanted: int) -> Bmcs:
    """All controllers, listening."""
    servers = [controller.server for controller in controllers.values()]
    certificates = _certificates(authority, servers)
    for address, controller in controllers.items():
        controller.certificate = certificates[address].attributes
    bmcs = Bmcs(controllers, free_port(list(controllers), wanted), options.latency_seconds)
    await bmcs.start(certificates)
    return bmcs


def _certificates(authority: Authority, servers: Iterable[Server]) -> dict[str, Issued]:
    return {
        server.bmc_address: authority.issue(f"idrac-{server.service_tag.lower()}", server.bmc_address, days=CERTIFICATE_DAYS)
        for server in servers
    }


async def _serve(application: web.Application, wanted: int) -> tuple[web.AppRunner, str]:
    """Serve on loopback, on the wanted port or one after it."""
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    port = free_port(["127.0.0.1"], wanted)
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return runner, f"http://127.0.0.1:{port}"


def _agents_with_prolog(hall: Layout, port: int) -> dict[str, str]:
    return {server.name: f"http://{server.host_address}:{port}" for server in hall.servers if server.has_prolog}


def _write_files(
    options: Options,
    hall: Layout,
    beside: Beside | None,
    *,
    bmc_port: int,
    agent_port: int | None,
    slurm_url: str,
    services: Services,
) -> None:
    directory = options.directory
    write_inventory(directory, hall, bmc_port=bmc_port, agent_port=agent_port, served=beside.served if beside else None)
    core_port = options.core_port or free_port(["127.0.0.1"], CORE_PORT)
    others = beside.settings(directory) if beside else {}
    write_config(directory, hall, web=options.web, core_port=core_port, slurm_url=slurm_url, services=services, others=others)
    write_carbon(directory / "carbon.csv", time.time() - options.history_hours * 3600, time.time())
    if agent_port is not None:
        for server in hall.servers:
            write_agent(directory, server, agent_port)
