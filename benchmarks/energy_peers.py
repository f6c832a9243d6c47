"""Energy of jobs beside the truth: Wattstat, Zeus, CodeCarbon and a 30 s gauge, on the same simulated NVML and the same load.

Jobs of several lengths run side by side in real time, one GPU each. At each start and end the model stands still for a moment,
so that everybody who answers within it reads the same meters.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from benchmarks.table import Row
from collectors import journal_json
from energy.ledger.ledger import Ledger
from simulator.nodes import NvmlFeed
from simulator.nvml import build, environment
from simulator.site import layout
from simulator.workload import Job, Kind
from simulator.world import World
from wattstat.config.energy import Energy
from wattstat.jobs import GpuHold, Observed, Placement, Run, RunKey, State
from wattstat.journal import NodeJournal

NODE = "gpu01"
# Jobs by GPU: seconds, and how many one after the other.
PLAN = ((10, 12), (30, 7), (60, 4), (120, 2), (300, 1))
STEP_SECONDS = 0.1
HOLD_SECONDS = 0.25
SCRAPE_SECONDS = 30.0
PEERS = {"Zeus": ("zeus", "zeus"), "CodeCarbon": ("codecarbon", "codecarbon")}


@dataclass(slots=True)
class Window:
    """One job: when it was, what it drew, and what each method says of it."""

    gpu: int
    seconds: int
    number: int
    start: float = 0.0
    end: float = 0.0
    true: float = 0.0
    said: dict[str, float] = field(default_factory=dict)


def run() -> list[Row]:
    """Run the plan once, about six minutes."""
    with tempfile.TemporaryDirectory() as folder:
        windows = Hall(Path(folder)).play()
    return [_row(seconds, [each for each in windows if each.seconds == seconds]) for seconds, _ in PLAN]


def _row(seconds: int, windows: list[Window]) -> Row:
    def error(name: str) -> str:
        errors = [abs(each.said[name] / each.true - 1) for each in windows if name in each.said]
        return f"{mean(errors):.2%} (at most {max(errors):.2%})" if errors else "-"

    peers = [f"{name} {error(name)}" for name in (*PEERS, "30 s gauge")]
    return Row(
        what=f"energy of a job of {seconds} s: mean error",
        measured=f"{error('Wattstat')}; without prolog {error('without prolog')}",
        peer="; ".join(peers),
        reach="0.5 % over 60 s" if seconds > 60 else "-",
        note=f"{len(windows)} jobs on one H100 SXM, the same simulated NVML, against the model's truth",
    )


class Hall:
    """The model in real time, and everybody who measures it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("state", "spool"):
            (folder / name).mkdir()
        self.world = World(layout(1, prefix="gpu", model="xe9680"), 3, time.time(), jobs=False)
        self.nvml = NvmlFeed(self.world, folder / "state")
        self._lock = threading.Lock()
        self._held_until = 0.0
        self._stop = threading.Event()
        self.samples: list[tuple[float, Any]] = []

    def play(self) -> list[Window]:
        windows = [Window(gpu, seconds, number) for gpu, (seconds, count) in enumerate(PLAN) for number in range(count)]
        with ExitStack() as stack:
            stack.enter_context(self._moving())
            agent = stack.enter_context(self._agent())
            tell = {name: stack.enter_context(self._peer(name)) for name in PEERS if importlib.util.find_spec(PEERS[name][1])}
            workers = [
                threading.Thread(target=self._queue, args=([each for each in windows if each.gpu == gpu], agent, tell))
                for gpu in range(len(PLAN))
            ]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            time.sleep(12)  # the journal has an entry after the last end
            self._post(windows, _get(f"{agent}/journal?step=10"))
        for window in windows:
            window.said["30 s gauge"] = self._gauge(window)
        self.nvml.close()
        return windows

    def _queue(self, windows: list[Window], agent: str, tell: dict[str, Peer]) -> None:
        """The jobs of one GPU, one after the other, with a random gap before each."""
        chance = random.Random(windows[0].gpu)
        for window in windows:
            time.sleep(chance.uniform(1, 15))
            job = Job(
                id=str(1000 * window.gpu + window.number + 1), name="bench", user="u", account="a", partition="p",
                kind=Kind.TRAINING, gpus=1, not_before=0, seconds=float("inf"), seed=window.number,
                rows=np.array([window.gpu]),
            )  # fmt: skip
            window.start = self._edge(lambda job=job: self.world.begin(job))
            self._tell(window, agent, tell, "begin")
            time.sleep(max(0.0, window.start + window.seconds - time.time()))
            window.end = self._edge(lambda job=job: self.world.finish(job))
            self._tell(window, agent, tell, "end")
            window.true = self.world.accounts[job.id].gpu_joules

    def _tell(self, window: Window, agent: str, tell: dict[str, Peer], edge: str) -> None:
        """Everybody at once, as a prolog and a program's first line would be."""
        calls = [threading.Thread(target=_boundary, args=(agent, window, edge))]
        calls += [threading.Thread(target=self._ask, args=(peer, window, edge, name)) for name, peer in tell.items()]
        for call in calls:
            call.start()
        for call in calls:
            call.join()

    def _ask(self, peer: Peer, window: Window, edge: str, name: str) -> None:
        joules = peer(f"{edge} {window.gpu}")
        if edge == "end":
            window.said[name] = joules

    def _edge(self, change: Callable[[], None]) -> float:
        """Do something to the model exactly now, and let it stand still for a moment."""
        with self._lock:
            self._move()
            change()
            self.nvml.write()
            self._held_until = time.time() + HOLD_SECONDS
            return self.world.now

    @contextmanager
    def _moving(self) -> Iterator[None]:
        def loop() -> None:
            scrape = time.time()
            while not self._stop.wait(STEP_SECONDS):
                with self._lock:
                    self._move()
                if time.time() >= scrape:
                    self.samples.append((time.time(), self.world.physics.gpu_second_watts.copy()))
                    scrape += SCRAPE_SECONDS

        thread = threading.Thread(target=loop)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _move(self) -> None:
        now = time.time()
        if now >= self._held_until and now > self.world.now:
            self.world.advance(now, STEP_SECONDS)
            self.nvml.write()

    def _gauge(self, window: Window) -> float:
        """What a query over an exporter's gauge gives: each sample stands for the time until the next scrape."""
        inside = [watts[window.gpu] for at, watts in self.samples if window.start <= at < window.end]
        return float(sum(inside) * SCRAPE_SECONDS)

    @contextmanager
    def _agent(self) -> Iterator[str]:
        port = _free_port()
        config = self.folder / "agent.json"
        settings = {"listen": f"127.0.0.1:{port}", "node": NODE, "spool": str(self.folder / "spool")}
        config.write_text(json.dumps({"agent": settings}))
        command = [sys.executable, "-m", "wattstat", "agent", "--config", str(config)]
        process = subprocess.Popen(command, env=self._variables(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        url = f"http://127.0.0.1:{port}"
        try:
            deadline = time.monotonic() + 30
            while not (_answers(url) and _get(f"{url}/journal")["ages"]):
                if time.monotonic() > deadline:
                    raise RuntimeError("the agent did not come up")
                time.sleep(0.2)
            yield url
        finally:
            process.terminate()
            process.wait()

    @contextmanager
    def _peer(self, name: str) -> Iterator[Peer]:
        command = [sys.executable, "-m", "benchmarks.energy_peers", name]
        process = subprocess.Popen(
            command, env=self._variables(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        try:
            yield Peer(process)
        finally:
            process.terminate()
            process.wait()

    def _variables(self) -> dict[str, str]:
        # CodeCarbon looks for GPUs only where there is a command of this name.
        command = self.folder / "bin" / "nvidia-smi"
        command.parent.mkdir(exist_ok=True)
        command.write_text("#!/bin/sh\n")
        command.chmod(0o755)
        path = {"PATH": f"{command.parent}:{os.environ.get('PATH', '')}"}
        return dict(os.environ) | path | environment(build(), self.folder / "state" / f"{NODE}.nvml")

    def _post(self, windows: list[Window], document: dict[str, Any]) -> None:
        """What the ledger makes of the agent's journal: with its prologs' words, and by Slurm's whole seconds alone."""
        found = journal_json.parse(document, node=NODE, now=time.time()).journal
        if found is None:
            raise RuntimeError("the agent's journal is none")
        for name, boundaries in (("Wattstat", found.boundaries), ("without prolog", ())):
            posted = _posted(windows, found, boundaries)
            for window in windows:
                window.said[name] = posted[_key(window)]


class Peer:
    """A process that is told of starts and ends, and answers with joules."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lock = threading.Lock()
        self("ready")

    def __call__(self, words: str) -> float:
        with self._lock:
            if self._process.stdin is None or self._process.stdout is None:
                raise RuntimeError("the peer has no pipes")
            self._process.stdin.write(words + "\n")
            self._process.stdin.flush()
            return float(self._process.stdout.readline())


@dataclass
class _Books:
    """Sums by run."""

    joules: dict[RunKey, float] = field(default_factory=dict)

    def checkpoints(self) -> dict[str, Any]:
        return {}

    def open_runs(self) -> tuple[Run, ...]:
        return ()

    def commit(self, batches: Any, runs: Any) -> tuple[str, ...]:
        for posting in (posting for batch in batches for posting in batch.postings if posting.run):
            mine = posting.gpu_joules + posting.idle_joules
            self.joules[posting.run] = self.joules.get(posting.run, 0.0) + mine
        return ()


@dataclass(frozen=True)
class _Free:
    cost: None = None
    location_grams: None = None
    market_grams: None = None


class _Prices:
    def price(self, joules: float, at: float) -> _Free:
        return _Free()


def _posted(windows: list[Window], journal: NodeJournal, boundaries: Any) -> dict[RunKey, float]:
    first, now = journal.entries[0].at, journal.entries[-1].at + 60
    clock = [first]
    books = _Books()
    ledger = Ledger(Energy(), books, _Prices(), clock=lambda: clock[0], monotonic=lambda: clock[0])
    observed = {"scheduler": "slurm", "nodes": frozenset({NODE})}
    runs = []
    # Slurm is asked every ten seconds.
    for entry in journal.entries:
        clock[0] = entry.at
        runs = [_run(each, entry.at) for each in windows if each.start <= entry.at]
        ledger.observe(Observed(taken_at=entry.at, runs=tuple(runs), **observed))
        told = tuple(each for each in boundaries if each.at <= entry.at)
        ledger.journal(NodeJournal(node=NODE, boot=journal.boot, gpus=journal.gpus, entries=(entry,), boundaries=told))
    clock[0] = now
    ledger.observe(Observed(taken_at=now, runs=tuple(_run(each, now) for each in windows), **observed))
    settled = ledger.settle(now)
    ledger.committed(books.commit(settled.batches, settled.runs))
    return books.joules


def _run(window: Window, now: float) -> Run:
    over = window.end <= now
    return Run(
        key=_key(window),
        state=State.COMPLETED if over else State.RUNNING,
        started=float(int(window.start)),
        ended=float(int(window.end)) if over else None,
        placements=(Placement(node=NODE, gpus=(GpuHold(minor=window.gpu),), cpus=8),),
    )


def _key(window: Window) -> RunKey:
    return RunKey("slurm", str(1000 * window.gpu + window.number + 1))


def _boundary(agent: str, window: Window, edge: str) -> None:
    body = {
        "edge": "start" if edge == "begin" else "end",
        "scheduler": "slurm",
        "job_id": _key(window).job_id,
        "instance": "0",
        "gpus": [str(window.gpu)],
    }
    request = urllib.request.Request(
        f"{agent}/boundary", data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=5).close()


def _get(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def _answers(url: str) -> bool:
    try:
        return bool(_get(f"{url}/journal"))
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _zeus() -> Callable[[str, int], float]:
    from zeus.monitor import ZeusMonitor  # noqa: PLC0415 - each peer's process imports its own

    monitor = ZeusMonitor(gpu_indices=list(range(8)), cpu_indices=[], approx_instant_energy=True)

    def measure(edge: str, gpu: int) -> float:
        if edge == "begin":
            monitor.begin_window(str(gpu), sync_execution=False)
            return 0.0
        return float(monitor.end_window(str(gpu), sync_execution=False).gpu_energy[gpu])

    return measure


def _codecarbon() -> Callable[[str, int], float]:
    from codecarbon import OfflineEmissionsTracker  # noqa: PLC0415 - each peer's process imports its own

    trackers: dict[int, Any] = {}

    def fresh(gpu: int) -> Any:
        return OfflineEmissionsTracker(
            country_iso_code="DEU", gpu_ids=[gpu], save_to_file=False, log_level="critical", allow_multiple_runs=True
        )

    # What takes long (finding the machine's parts) is done before the job.
    ready = {gpu: fresh(gpu) for gpu in range(len(PLAN))}

    def measure(edge: str, gpu: int) -> float:
        if edge == "begin":
            trackers[gpu] = ready[gpu]
            trackers[gpu].start()
            return 0.0
        tracker = trackers.pop(gpu)
        tracker.stop()
        ready[gpu] = fresh(gpu)
        return float(tracker._total_gpu_energy.kWh * 3.6e6)  # noqa: SLF001 - its public figures are rounded and whole

    return measure


def main() -> None:
    """A peer's process: reads what happens, writes joules."""
    # Libraries say things on standard output; ours is a copy of it.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    measure = {"Zeus": _zeus, "CodeCarbon": _codecarbon}[sys.argv[1]]()
    for line in sys.stdin:
        edge, _, gpu = line.strip().partition(" ")
        answers.write(f"{0.0 if edge == 'ready' else measure(edge, int(gpu))}\n")
        answers.flush()


if __name__ == "__main__":
    main()
