"""Whether a process that listens has stopped to answer: alive for the kernel, dead for everybody else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from wattstat.serve.process import Address

LOOK_SECONDS = 30.0
ANSWER_SECONDS = 20.0
STUCK_SECONDS = 300.0
"""No page, no query and no busy machine keeps it from answering for so long."""


async def stuck(address: Address, *, monotonic: Callable[[], float] = time.monotonic) -> float:
    """Return when it has not answered for `STUCK_SECONDS`: for how long.

    One that has not answered yet is starting, however long that takes.
    """
    answered_at: float | None = None
    while True:
        if await answers(address):
            answered_at = monotonic()
        elif answered_at is not None and monotonic() - answered_at >= STUCK_SECONDS:
            return monotonic() - answered_at
        await asyncio.sleep(LOOK_SECONDS)


async def answers(address: Address) -> bool:
    """Whether it says anything at all, be it a refusal."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host.strip("[]"))  # noqa: S104 - it is read, not bound
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection(host, address.port)
            try:
                writer.write(f"GET /-/healthy HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
                await writer.drain()
                return bool(await reader.read(1))
            finally:
                writer.close()
    except OSError:  # TimeoutError is one
        return False
