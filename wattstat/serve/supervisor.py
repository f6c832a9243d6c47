"""Keeps the processes core and web alive: starts them, restarts what dies with a growing pause, stops them in order."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from wattstat.serve.process import SUPERVISOR_PID, Address
from wattstat.serve.stuck import stuck

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
# A process that lived this long was well; its next death starts with a short pause again.
WELL_AFTER_SECONDS = 60.0
STOP_SECONDS = 15.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A process to keep alive: its name and the arguments of `python -m wattstat`."""

    name: str
    arguments: Sequence[str]
    address: Address | None = None
    """Where it listens; one that answered there and does not any more is killed and started anew."""

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "wattstat", *self.arguments]


def pause_seconds(deaths: int) -> float:
    """How long to wait after the nth death in a row."""
    return float(min(FIRST_PAUSE_SECONDS * 2 ** (deaths - 1), LONGEST_PAUSE_SECONDS))


async def keep(program: Program, stop: asyncio.Event, *, monotonic: Callable[[], float] = time.monotonic) -> None:
    """Run a program again and again until `stop`; then ask it to end, and insist after `STOP_SECONDS`."""
    deaths = 0
    stopping = asyncio.ensure_future(stop.wait())
    try:
        while not stop.is_set():
            begin = monotonic()
            process = await asyncio.create_subprocess_exec(
                *program.command, env={**os.environ, SUPERVISOR_PID: str(os.getpid())}
            )
            log.info("started", process=program.name, pid=process.pid)
            ended = asyncio.ensure_future(process.wait())
            watching = asyncio.ensure_future(_kill_if_stuck(program, process))
            await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
            watching.cancel()
            if stop.is_set():
                await _end(program, process)
                return
            deaths = 1 if monotonic() - begin >= WELL_AFTER_SECONDS else deaths + 1
            pause = pause_seconds(deaths)
            log.error("died", process=program.name, pid=process.pid, status=ended.result(), restart_in_seconds=pause)
            await asyncio.wait({stopping}, timeout=pause)
    finally:
        stopping.cancel()


async def supervise(programs: Sequence[Program], stop: asyncio.Event) -> None:
    """Keep all programs alive until `stop`. They end together, each at its own pace."""
    await asyncio.gather(*(keep(program, stop) for program in programs))


async def _kill_if_stuck(program: Program, process: asyncio.subprocess.Process) -> None:
    if program.address is None:
        return
    seconds = await stuck(program.address)
    log.error("does not answer any more and is killed", process=program.name, pid=process.pid, silent_seconds=round(seconds))
    if process.returncode is None:
        process.kill()


async def _end(program: Program, process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        log.error("did not stop in time and was killed", process=program.name, pid=process.pid)  # noqa: TRY400 - no trace to show
        process.kill()
        await process.wait()
    log.info("stopped", process=program.name)
