"""Bounds on concurrent requests: overall and for each host, so arranged that a bad target never delays a good one.

Targets whose newest answer was good share one pool; all others (new, failing) share a second. A hundred controllers that hang
until their time-out can fill the second pool only.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Pools:
    """`concurrency` requests of proven targets, as many of unproven ones, `per_host` of any one host."""

    concurrency: int
    per_host: int
    _proven: asyncio.Semaphore = field(init=False)
    _unproven: asyncio.Semaphore = field(init=False)
    _hosts: dict[str, asyncio.Semaphore] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._proven = asyncio.Semaphore(self.concurrency)
        self._unproven = asyncio.Semaphore(self.concurrency)

    @asynccontextmanager
    async def slot(self, host: str, *, proven: bool) -> AsyncIterator[None]:
        """Wait for the host first, so that a queue at one host holds no slot that others could use."""
        host_bound = self._hosts.setdefault(host, asyncio.Semaphore(self.per_host))
        async with host_bound, self._proven if proven else self._unproven:
            yield

    def forget(self, host: str) -> None:
        self._hosts.pop(host, None)
