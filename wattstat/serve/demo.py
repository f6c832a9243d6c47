"""The demo's processes: simulator, `wattstat serve`, an agent for each simulated server. They start and stop together."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
import webbrowser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import typer

from simulator.nvml.build import BuildError, build
from wattstat.config import Config, load
from wattstat.inventory import load as load_inventory
from wattstat.serve.demo_agents import Agents
from wattstat.serve.demo_ledger import post_history
from wattstat.serve.ledger import prices_of
from wattstat.serve.process import parse_listen, require_free, set_up_logging, stop_event
from wattstat.store import open_store
from wattstat.store.embedded import EmbeddedStore

READY_SECONDS = 120.0
STOP_SECONDS = 20.0
POLL_SECONDS = 0.1
WATCH_SECONDS = 1.0
USUAL_PORT, USUAL_CORE_PORT = 8050, 9838
# Starts the command with the wish to end when the demo ends, however it ends; the wish outlives exec.
_LAUNCH = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 15)
os.execv(sys.argv[1], sys.argv[1:])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What the command line asked for."""

    nodes: int
    port: int
    data: Path | None
    seed: int
    history_hours: float
    browser: bool


class DemoError(RuntimeError):
    """The demo cannot go on; the message says why and where to look."""


def run_demo(options: DemoOptions) -> int:
    """Run until Ctrl-C or SIGTERM. Returns the exit status."""
    set_up_logging()
    require_free(parse_listen(f"127.0.0.1:{options.port}"), setting="--port")
    with _directory(options.data) as directory:
        try:
            with held_core_port(options.port) as held:
                asyncio.run(Demo(options, directory, held).run())
        except (DemoError, BuildError) as err:
            typer.echo(str(err), err=True)
            return 1
    return 0


@contextmanager
def _directory(data: Path | None) -> Iterator[Path]:
    if data is not None:
        data.mkdir(parents=True, exist_ok=True)
        yield data.resolve()
        return
    directory = Path(tempfile.mkdtemp(prefix="wattstat-demo-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def held_core_port(page_port: int) -> Iterator[socket.socket]:
    """A port for core that nobody else can take until the socket is closed: a day of history is made before core starts.

    The usual port goes with the usual page alone. A second demo has another page, and so cannot come upon this port in the
    moment between closing the socket and core's own.
    """
    with socket.socket() as held:
        # As core binds it: also soon after another core ended. What listens is refused to everybody.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            held.bind(("127.0.0.1", USUAL_CORE_PORT if page_port == USUAL_PORT else 0))
        except OSError:
            held.bind(("127.0.0.1", 0))
        held.listen()
        yield held


class Demo:
    """The running demo."""

    def __init__(self, options: DemoOptions, directory: Path, core_port: socket.socket) -> None:
        self.options = options
        self._core_port = core_port
        self.directory = directory
        self._agents: Agents | None = None
        self._others: list[asyncio.subprocess.Process] = []
        self._began = time.monotonic()

    async def run(self) -> None:
        """Start everything, say where it is, watch it, stop everything."""
        stop = stop_event()
        try:
            await self._start(stop)
            if not stop.is_set():
                self._tell()
                await self._watch(stop)
        finally:
            await self._stop()

    async def _start(self, stop: asyncio.Event) -> None:
        typer.echo(f"Starting a simulated hall of {self.options.nodes} servers in {self.directory} ...")
        (self.directory / "ready").unlink(missing_ok=True)
        (self.directory / "logs").mkdir(exist_ok=True)
        options = self.options
        arguments = {
            "--dir": self.directory,
            "--nodes": options.nodes,
            "--seed": options.seed,
            "--web": f"127.0.0.1:{options.port}",
            "--history-hours": options.history_hours,
            "--core-port": self._core_port.getsockname()[1],
        }
        given = [word for name, value in arguments.items() for word in (name, str(value))]
        simulator = await self._launch("simulator", ["-m", "simulator", *given])
        self._others.append(simulator)
        agents = self._agents = Agents(self.directory, await asyncio.to_thread(build))
        await self._until(stop, (self.directory / "ready").exists, "simulator", simulator)
        if stop.is_set():
            return
        await asyncio.to_thread(agents.start, agents.nodes)
        await self._import_history()
        self._core_port.close()
        serve = await self._launch("serve", ["-m", "wattstat", "serve", "--config", str(self.directory / "wattstat.yaml")])
        self._others.append(serve)
        await self._page_is_up(stop, serve)

    async def _launch(self, name: str, arguments: Sequence[str]) -> asyncio.subprocess.Process:
        """Start a Python process whose words go to a file. It has its own session, so that Ctrl-C reaches us alone."""
        with (self.directory / "logs" / f"{name}.log").open("wb") as log:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-ISc",
                _LAUNCH,
                sys.executable,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def _import_history(self) -> None:
        """The day before, into the store and into the ledger side by side."""
        # The past was made anew; what an earlier demo left in this folder is another past.
        for pattern in ("history.duckdb*", "ledger.db*"):
            for old in (self.directory / "data").glob(pattern):
                old.unlink()
        if not self.options.history_hours:
            return
        samples, runs = await asyncio.gather(self._import_samples(), asyncio.to_thread(self._post_ledger))
        typer.echo(f"  {samples:,} samples of history, {runs} runs of jobs in the ledger at {self._seconds()}")

    async def _import_samples(self) -> int:
        store = open_store(self._config())
        try:
            return await store.import_history(self.directory / "history") if isinstance(store, EmbeddedStore) else 0
        finally:
            await store.close()

    def _post_ledger(self) -> int:
        config = self._config()
        inventory = load_inventory(self.directory / "inventory.yaml")
        return post_history(config, inventory, prices_of(config), self.directory / "history")

    async def _page_is_up(self, stop: asyncio.Event, serve: asyncio.subprocess.Process) -> None:
        url = f"http://127.0.0.1:{self.options.port}/-/ready"
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as client:

            async def answers() -> bool:
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    async with client.get(url) as response:
                        return response.status == 200
                return False

            deadline = time.monotonic() + READY_SECONDS
            while not stop.is_set() and not await answers():
                self._check(serve, "serve", deadline)
                await asyncio.sleep(POLL_SECONDS)

    async def _until(self, stop: asyncio.Event, done: object, name: str, process: asyncio.subprocess.Process) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not stop.is_set() and not (callable(done) and done()):
            self._check(process, name, deadline)
            await asyncio.sleep(POLL_SECONDS)

    def _check(self, process: asyncio.subprocess.Process, name: str, deadline: float) -> None:
        if process.returncode is not None:
            raise DemoError(f"{name} ended with status {process.returncode}:\n{self._last_words(name)}")
        if time.monotonic() > deadline:
            raise DemoError(f"{name} was not ready within {READY_SECONDS:.0f} s:\n{self._last_words(name)}")

    def _last_words(self, name: str) -> str:
        log = self.directory / "logs" / f"{name}.log"
        return log.read_text(encoding="utf-8", errors="replace")[-2000:] if log.exists() else ""

    def _tell(self) -> None:
        url = f"http://127.0.0.1:{self.options.port}"
        control = (self.directory / "control-url").read_text(encoding="utf-8")
        first = min(config.stem for config in (self.directory / "agents").glob("x*.yaml"))
        post = f"curl -s -X POST {control}/faults -d"
        typer.echo(
            f"\nWattstat is live at {url} (after {self._seconds()}). Ctrl-C stops it.\n\n"
            f"  metrics for Prometheus   {url}/metrics\n"
            f"  PromQL for Grafana       {url}  (data source of type Prometheus)\n"
            f"  the truth, in joules     {self.directory}/truth.json\n"
            f"  what collectors see      {sys.executable} -m wattstat targets --config {self.directory}/wattstat.yaml\n"
            f"  budgets and caps         {url}/power  (choose a rack, move the handle, save what you see as a policy)\n"
            f"  a second person          logs in with the token in {self.directory}/second-person-token\n\n"
            "Try a fault, and see that only its own rows change:\n"
            f"""  {post} '{{"target": "{first}", "kind": "bmc_hang"}}'\n"""
            f"""  {post} '{{"target": "{first}", "kind": "gpu_off_bus", "gpu": 0, "for_seconds": 240}}'\n"""
            f"""  {post} '{{"target": "scratch", "kind": "storage_slow_metadata", "for_seconds": 180}}'\n"""
            f"""  {post} '{{"target": "rack-01", "kind": "feed_lost", "feed": "A", "for_seconds": 180}}'\n"""
            "     (a GPU that comes back is found again within 5 minutes, when its agent restarts the driver's library)\n"
            f"  curl -s {control}/faults            all kinds, and what is switched on\n"
            f"  curl -s -X DELETE {control}/faults  switch all off\n"
            f"  curl -s {control}/pager             what a pager was told (most alerts wait for minutes)\n"
        )
        if self.options.browser and any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")):
            webbrowser.open(url)

    async def _watch(self, stop: asyncio.Event) -> None:
        """Until told to stop: a process that dies ends the demo, but agents come back and go as the faults say."""
        control = (self.directory / "control-url").read_text(encoding="utf-8")
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as client:
            while not stop.is_set():
                for process, name in zip(self._others, ("simulator", "serve"), strict=True):
                    self._check(process, name, float("inf"))
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    async with client.get(f"{control}/faults") as response:
                        found = await response.json()
                    gone = {fault["target"] for fault in found["items"] if fault["kind"] == "agent_gone"}
                    if self._agents is not None:
                        await asyncio.to_thread(self._agents.follow, gone)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), WATCH_SECONDS)

    async def _stop(self) -> None:
        """End readers before what they read, all of them in any case."""
        typer.echo("\nStopping ...")
        await asyncio.gather(*(_end(process) for process in self._others[1:]))
        if self._agents is not None:
            await asyncio.to_thread(self._agents.stop)
        await asyncio.gather(*(_end(process) for process in self._others))

    def _config(self) -> Config:
        return load(self.directory / "wattstat.yaml")

    def _seconds(self) -> str:
        return f"{time.monotonic() - self._began:.1f} s"


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
