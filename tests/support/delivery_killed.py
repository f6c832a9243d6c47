"""Kills delivery at lines of its code, again and again, and looks at who was told what. Prints a line of JSON a time.

Run with a folder, a seed and how often. What a receiver got is kept by the parent, as a pager would: no kill takes it back.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any
from zoneinfo import ZoneInfo

import structlog

from alerts.delivery.apprise_sender import NotSent
from alerts.delivery.delivery import Delivery
from alerts.delivery.message import Message
from alerts.model import Notice
from wattstat.config.alerts import Alerts

MOST_LINES = 30_000
ROUTING = """
route: {receiver: pager, group_by: [alertname], group_wait: 10s, group_interval: 1m, repeat_interval: 1d}
receivers: [{name: pager}]
"""
BEGIN = 1_800_000_000.0
# What fires at each stage; what fired before and does not any more has ended.
STAGES = (("A1", "A2", "B1"), ("A2", "A3", "B1"), ("A3", "S1", "B1"), ("B2",), ())
SILENCED = "S1"

Receive = Callable[[str], None]


class Clock:
    """Time that the script moves."""

    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> float:
        return self.now


def notices(stage: int, now: float) -> list[Notice]:
    """What the evaluation tells at a stage."""
    before = STAGES[stage - 1] if stage else ()
    ended = [each for each in before if each not in STAGES[stage]]
    return [_notice(each, None) for each in STAGES[stage]] + [_notice(each, now) for each in ended]


def _notice(name: str, ends_at: float | None) -> Notice:
    labels = {"alertname": name[0], "severity": "critical", "node": name}
    return Notice(labels=labels, annotations={"summary": "bad"}, starts_at=BEGIN, ends_at=ends_at)


class Pager:
    """A service that refuses every third message, for the retries' sake."""

    def __init__(self, receive: Receive, dice: random.Random) -> None:
        self._receive, self._dice = receive, dice

    async def __call__(self, url: str, message: Message) -> None:
        if self._dice.random() < 0.3:
            raise NotSent("busy")
        self._receive(message.body)


def opened(folder: Path, clock: Clock, pager: Pager) -> Delivery:
    """Delivery as a process would open it."""
    settings = Alerts.model_validate(
        {"receivers": {"pager": {"urls": [{"env": "PAGER"}], "per_minute": 1000}}, "routing": str(folder / "routing.yml")}
    )
    path = folder / "alerts.sqlite"
    return Delivery(settings, credentials={}, path=path, clock=clock, zone=ZoneInfo("UTC"), sender=pager)


async def settle(delivery: Delivery, clock: Clock, told: list[Notice], minutes: int) -> None:
    """Let so many minutes pass, in steps, until everything is said."""
    for _ in range(minutes * 6):
        clock.now += 11
        await delivery.tell([each for each in told if each.ends_at is None], clock())
        for _ in range(10):
            await asyncio.sleep(0.001)


async def live(folder: Path, clock: Clock, pager: Pager, returned: Callable[[str], None]) -> None:
    """The life of a process: each stage told and settled."""
    delivery = opened(folder, clock, pager)
    stop = asyncio.Event()
    running = asyncio.ensure_future(delivery.run(stop))
    await delivery.silence(
        [f'node="{SILENCED}"'], starts_at=clock(), ends_at=clock() + 1e6, created_by="ada", comment="known"
    )  # fmt: skip
    returned("silence")
    for stage in range(len(STAGES)):
        told = notices(stage, clock())
        await delivery.tell(told, clock())
        returned(str(stage))
        await settle(delivery, clock, told, 3)
    stop.set()
    await running


async def recover(folder: Path, clock: Clock, receive: Receive, stages: list[str]) -> None:
    """The next process: the evaluation tells again what fires, and what it had not been told was taken over."""
    delivery = opened(folder, clock, Pager(receive, random.Random(0)))
    stop = asyncio.Event()
    running = asyncio.ensure_future(delivery.run(stop))
    done = [int(each) for each in stages if each != "silence"]
    stage = min(len(done), len(STAGES) - 1)
    told = notices(stage, clock()) if stage not in done else [each for each in notices(stage, clock()) if each.ends_at is None]
    await delivery.tell(told, clock())
    await settle(delivery, clock, told, 3)
    stop.set()
    await running
    waiting = delivery.status().queue["pager"]
    await delivery.close()
    if waiting:
        raise RuntimeError(f"{waiting} messages still wait")


def child(folder: Path, seed: int, line: int, receipts: int, told: int) -> None:
    """Live, and die when so many lines of delivery's code have run."""
    left = line

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if "/alerts/delivery/" not in frame.f_code.co_filename:
            return None
        if event == "line":
            left -= 1
            if left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    def receive(body: str) -> None:
        os.write(receipts, body.encode() + b"\0")

    clock = Clock()
    threading.settrace(trace)
    sys.settrace(trace)
    asyncio.run(
        live(folder, clock, Pager(receive, random.Random(seed)), lambda text: os.write(told, text.encode() + b"\n") and None)
    )
    os._exit(0)


def lived(folder: Path, seed: int, line: int) -> tuple[list[str], list[str], bool]:
    """What the receiver got, what was acknowledged, and whether the end was violent."""
    pipes = os.pipe(), os.pipe()
    process = os.fork()
    if process == 0:
        child(folder, seed, line, pipes[0][1], pipes[1][1])
    for _, writing in pipes:
        os.close(writing)
    read = []
    for reading, _ in pipes:
        with os.fdopen(reading, "rb") as file:
            read.append(file.read())
    _, status = os.waitpid(process, 0)
    bodies = [each.decode() for each in read[0].split(b"\0") if each]
    return bodies, read[1].decode().split(), os.WIFSIGNALED(status)


def said(bodies: list[str]) -> tuple[dict[str, int], set[str]]:
    """How often each alert was told to fire, and of which the end was told."""
    fires: dict[str, int] = {}
    over = set()
    for body in bodies:
        for block in body.split("\n\n"):
            found = re.match(r"CRITICAL \w node (\w+)", block)
            if found is None:
                continue
            if "Over at" in block or "went after" in block:
                over.add(found[1])
            if "Over at" not in block:
                fires[found[1]] = fires.get(found[1], 0) + 1
    return fires, over


def round_of(folder: Path, seed: int, line: int) -> dict[str, Any]:
    """Kill once, start anew, and compare what was taken over with what was told."""
    folder.mkdir()
    (folder / "routing.yml").write_text(ROUTING)
    before, taken, killed = lived(folder, seed, line)
    after: list[str] = []
    clock = Clock()
    clock.now += 1000 * len(STAGES)
    asyncio.run(recover(folder, clock, after.append, taken))
    fires, over = said([*before, *after])
    stages = [int(each) for each in taken if each != "silence"]
    begun = {each for stage in stages for each in STAGES[stage]} - {SILENCED}
    ended = {each for stage in stages if stage for each in STAGES[stage - 1] if each not in STAGES[stage]} - {SILENCED}
    problems = [f"{each} was never told" for each in sorted(begun - set(fires))]
    problems += [f"the end of {each} was never told" for each in sorted(ended - over)]
    problems += [f"{each} was told {times} times" for each, times in fires.items() if times > 2]
    if SILENCED in fires and "silence" in taken:
        problems.append("a silenced alert was told")
    twice = sum(times > 1 for times in fires.values())
    return {"killed": killed, "stages": len(stages), "twice": twice, "problems": problems}


def main(folder: Path, seed: int, times: int) -> None:
    # Its warnings are what is wanted here, and nobody reads them.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    os.environ["PAGER"] = "json://nowhere/"
    dice = random.Random(seed)
    for number in range(times):
        sys.stdout.write(json.dumps(round_of(folder / str(number), number, dice.randrange(1, MOST_LINES))) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
