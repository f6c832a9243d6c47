"""The demo's agents: one real agent process for each simulated server, forked from one that has everything imported.

Sixteen interpreters that import the same modules would take a two-core machine ten seconds and five times the memory.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable
from multiprocessing import forkserver
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from simulator.nvml.build import STATE_VARIABLE, environment

STOP_SECONDS = 10.0


class Agents:
    """The processes, by node. `library` is the folder of the NVML library."""

    def __init__(self, directory: Path, library: Path) -> None:
        """Begin to import; the loader reads LD_LIBRARY_PATH only when a process starts, so it is set here."""
        self._directory = directory
        self._context = multiprocessing.get_context("forkserver")
        self._processes: dict[str, ForkServerProcess] = {}
        os.environ.update(environment(library, directory / "state"))
        self._context.set_forkserver_preload(["wattstat.cli", "wattstat.serve.agent", "wattstat.serve.agent_http"])
        forkserver.ensure_running()

    @property
    def nodes(self) -> list[str]:
        """Every node that has an agent's configuration."""
        return sorted(path.stem for path in (self._directory / "agents").glob("*.yaml"))

    def start(self, nodes: Iterable[str]) -> None:
        """Start the agents of these nodes."""
        for node in nodes:
            paths = (
                self._directory / "agents" / f"{node}.yaml",
                self._directory / "state" / f"{node}.nvml",
                self._directory / "logs" / f"agent-{node}.log",
            )
            process = self._context.Process(target=run_agent, args=paths, name=f"agent-{node}", daemon=True)
            process.start()
            self._processes[node] = process

    def follow(self, gone: set[str]) -> None:
        """Stop the agents that should be gone, start those that should not be."""
        alive = {node for node, process in self._processes.items() if process.is_alive()}
        self.stop(alive & gone)
        self.start(sorted(self._processes.keys() - alive - gone))

    def stop(self, nodes: Iterable[str] | None = None) -> None:
        """Stop the agents of these nodes, or all."""
        chosen = [self._processes[node] for node in (self._processes if nodes is None else nodes)]
        for process in chosen:
            process.terminate()
        for process in chosen:
            process.join(STOP_SECONDS)
            if process.is_alive():
                process.kill()
                process.join()


def run_agent(config: Path, state: Path, log: Path) -> None:
    """The life of an agent's process: as `wattstat agent --config`, with its own session, words and NVML state."""
    from wattstat.cli.agent import agent  # noqa: PLC0415 - cli stands above serve, and only this function runs a command

    os.setsid()
    threading.Thread(target=_end_with_demo, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    words = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(words, 1)
    os.dup2(words, 2)
    os.environ[STATE_VARIABLE] = str(state)
    agent(config=config)


def _end_with_demo() -> None:
    """Ask to end when the demo is gone, however it went; the process that forked us lives as long as we do."""
    demo = multiprocessing.parent_process()
    if demo is not None:
        demo.join()
        os.kill(os.getpid(), signal.SIGTERM)
