"""A process that sets a server's cap twice through its BMC, and kills itself at a given step: between record, write, read-back.

Arguments: node, address, folder with ca.pem, password, audit and journal, number of the step. Prints the steps that it passed.
"""

import asyncio
import math
import os
import signal
import sys
import time
from pathlib import Path

from collectors.redfish import sources
from power.actuators import redfish
from power.actuators.executor import Executor
from power.actuators.journal import Journal
from power.audit.trail import Trail
from power.model import Fence, NodeOrder
from wattstat.config import Config
from wattstat.inventory import Inventory
from wattstat.serve.bmcs import bmcs

WANTED = (6200.0, 7000.0)


class Steps:
    """Counts, and dies."""

    def __init__(self, last: int) -> None:
        self.last = last
        self.count = 0
        self.armed = False

    def step(self, name: str) -> None:
        if not self.armed:
            return
        self.count += 1
        sys.stdout.write(f"{name}\n")
        sys.stdout.flush()
        if self.count == self.last:
            os.kill(os.getpid(), signal.SIGKILL)


class SteppedTrail:
    def __init__(self, trail: Trail, steps: Steps) -> None:
        self._trail, self._steps = trail, steps

    def append_many(self, entries):
        self._steps.step("before record")
        self._trail.append_many(entries)
        self._steps.step("after record")


class SteppedBmc:
    def __init__(self, bmc, steps: Steps) -> None:
        self._bmc, self._steps = bmc, steps

    async def send(self, method, path, body=None, *, headers=None):
        if method != "GET":
            self._steps.step("before write")
        answer = await self._bmc.send(method, path, body, headers=headers)
        self._steps.step("after read" if method == "GET" else "after write")
        return answer


async def main(node: str, url: str, folder: Path, last: int) -> None:
    config = Config.model_validate({"credentials": {"bmc": {"username": "writer", "password_file": folder / "password"}}})
    stock = Inventory.model_validate({"nodes": [{"name": node, "bmc": {"url": url, "tls": {"ca_file": folder / "ca.pem"}}}]})
    (source,) = sources(config, stock)
    steps = Steps(last)
    bmc = SteppedBmc(bmcs([source])[node], steps)
    trail = SteppedTrail(Trail(folder / "audit", time.time), steps)
    executor = Executor({node: redfish.actuators(node, bmc)}, trail, journal=Journal(folder / "caps.journal"))
    await executor.read(node)
    steps.armed = True
    fence = Fence(token=7, holder="core-1", valid_until=math.inf)
    for watts in WANTED:
        await executor.carry_out([NodeOrder(node=node, node_cap_watts=watts, why="a test")], fence)
    await executor.close()
    await source.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])))
