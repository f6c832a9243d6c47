"""Kills the cap guard at lines of its code, again and again, and looks at what is left. Prints a line of JSON a time.

Run with the folder of the record, a seed and how often; NVML is the library of the environment.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pynvml
import structlog

from simulator.nvml import StateFile
from tests.support.nvml import Clock, source
from wattstat.serve.cap.boards import Boards
from wattstat.serve.cap.guard import Guard
from wattstat.serve.cap.memory import Memory
from wattstat.serve.cap.order import Order
from wattstat.serve.cap.record import Store

OPERATOR_MW = 550_000
MOST_LINES = 2500


class Bench:
    """One node with one GPU whose operator has set 550 W."""

    def __init__(self, folder: Path, state: StateFile) -> None:
        self.folder, self.state, self.clock = folder, state, Clock()
        self.nvml = source(self.clock)
        self.nvml.library.ensure_open()
        self.uuid = state.columns["uuid"][0].decode()
        self.limits = state.columns["limit_requested_mw"]

    def guard(self) -> Guard:
        boards = Boards(source=self.nvml, monotonic=self.clock)
        return Guard(node="n1", boot="b", memory=Memory(store=Store(folder=self.folder)), boards=boards, monotonic=self.clock)

    def orders(self, fence: int, dice: random.Random) -> list[Order]:
        """What a controller might say: each value is said once, so that it tells who said it."""
        low, high, last = dice.sample(range(210, 540), 3)
        return [
            Order(fence=fence, holder="a", safe_watts={self.uuid: 500.0}),
            Order(fence=fence, holder="a", caps={self.uuid: float(low)}),
            Order(fence=fence + 1, holder="b", caps={self.uuid: float(high)}, clocks={self.uuid: 1200.0}),
            Order(fence=fence + 1, holder="b", caps={self.uuid: float(last)}, urgent=True),
            Order(fence=fence + 1, holder="b", release=(self.uuid,)),
            Order(fence=fence + 2, holder="c", caps={self.uuid: float(low)}),
        ]


def child(bench: Bench, orders: list[Order], line: int, pipe: int) -> None:
    """Give the orders, and die when so many lines of the guard's code have run."""
    left = line

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if "/serve/cap/" not in frame.f_code.co_filename and "/nvml/limits" not in frame.f_code.co_filename:
            return None
        if event == "line":
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    guard = bench.guard()
    for number, order in enumerate(orders):
        answer = guard._accept(order)
        os.write(pipe, bytes([number, answer.status == 200]))
    os._exit(0)


def answered(bench: Bench, orders: list[Order], line: int) -> tuple[list[int], bool]:
    """The numbers of the orders that were answered before the end, and whether it was violent."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        child(bench, orders, line, writing)
    os.close(writing)
    told = b""
    while part := os.read(reading, 4096):
        told += part
    os.close(reading)
    _, status = os.waitpid(process, 0)
    return list(told[::2]), os.WIFSIGNALED(status)


def round_of(bench: Bench, fence: int, dice: random.Random) -> dict[str, Any]:
    """Kill once, look, start anew, look again, release."""
    orders = bench.orders(fence, dice)
    done, killed = answered(bench, orders, dice.randrange(1, MOST_LINES))
    token, record, lost = Store(folder=bench.folder).load()
    now = int(bench.limits[0]) // 1000
    held = record.held.get(bench.uuid)
    said = [order.fence for order in orders if order.caps.get(bench.uuid) == now]
    problems = []
    if lost:
        problems.append(f"lost {lost}")
    if done and token.fence < orders[done[-1]].fence:
        problems.append(f"answered {orders[done[-1]].fence}, on disk {token.fence}")
    if said and token.fence < min(said):
        problems.append(f"{now} W of token {min(said)} in force, on disk {token.fence}")
    known = {550} if held is None else {held.commanded_watts, held.earlier_watts}
    if now not in known:
        problems.append(f"{now} W in force, on disk {known}")
    guard = bench.guard()
    stale = guard._accept(Order(fence=max(token.fence - 1, 0), holder="stale", caps={bench.uuid: 540.0}))
    if token.fence > 0 and stale.status != 409:
        problems.append(f"token {token.fence - 1} accepted after {token.fence}")
    after = stale.document["gpus"][0]
    if after["own_watts"] not in {after["commanded_watts"], 550} or after["own_watts"] > now:
        problems.append(f"{now} W became {after['own_watts']} W, noted is {after['commanded_watts']}")
    last = guard._accept(Order(fence=fence + 3, holder="d", release=(bench.uuid,)))
    if int(bench.limits[0]) != OPERATOR_MW:
        problems.append(f"released to {int(bench.limits[0]) // 1000} W: {last.document['results']}")
    return {"killed": killed, "answered": len(done), "problems": problems}


def main(folder: Path, state: StateFile, seed: int, times: int) -> None:
    # Its warnings are what is wanted here, and nobody reads them.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    state.columns["limit_requested_mw"][:] = OPERATOR_MW
    bench, dice = Bench(folder, state), random.Random(seed)
    for number in range(times):
        sys.stdout.write(json.dumps(round_of(bench, 4 * number + 1, dice)) + "\n")
    pynvml.nvmlShutdown()


if __name__ == "__main__":
    with StateFile(Path(os.environ["WATTSTAT_SIM_NVML_STATE"])) as mapped:
        main(Path(sys.argv[1]), mapped, int(sys.argv[2]), int(sys.argv[3]))
