"""Bounds on concurrent collections: overall and for each host, so arranged that nothing slow delays what is quick.

Targets whose newest answer was good share one pool; all others (new, failing) share a second: a hundred controllers that hang
until their time-out can fill the second pool only. The first tiers of sources (power) have pools beside those of the other
tiers: an inventory of a thousand servers takes minutes, and their power is read every ten seconds meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Pools:
    """`concurrency` collections in each pool; of any one host `per_host` of first tiers and as many of the others."""

    concurrency: int
    per_host: int
    _pools: dict[tuple[bool, bool], asyncio.Semaphore] = field(init=False)
    _hosts: dict[tuple[str, bool], asyncio.Semaphore] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        kinds = [(proven, first) for proven in (True, False) for first in (True, False)]
        self._pools = {kind: asyncio.Semaphore(self.concurrency) for kind in kinds}

    @asynccontextmanager
    async def slot(self, host: str, *, proven: bool, first: bool) -> AsyncIterator[None]:
        """Wait for the host first, so that a queue at one host holds no slot that others could use."""
        host_bound = self._hosts.setdefault((host, first), asyncio.Semaphore(self.per_host))
        async with host_bound, self._pools[proven, first]:
            yield

    def forget(self, host: str) -> None:
        for first in (True, False):
            self._hosts.pop((host, first), None)
