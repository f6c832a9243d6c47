"""Metric reports that a BMC pushes by server-sent events: an option for BMCs that can, instead of asking for each report.

One connection stays open for each BMC. What it brings is kept by the report's name until it is too old to be shown; whoever
needs a report that did not come asks for it as if there were no stream.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

import structlog

from collectors.frame import CollectError, NotSupported
from collectors.redfish.session import Session
from wattstat.members import Body, text

# An iDRAC asks for 20 to 30 s before a client comes back, and has room for two streams.
RECONNECT_SECONDS = 25.0
LONGEST_RECONNECT_SECONDS = 600.0
LARGEST_EVENT_BYTES = 4 << 20
ONLY_REPORTS = "$filter=EventFormatType%20eq%20MetricReport"

log = structlog.get_logger(__name__)


@dataclass(kw_only=True)
class Events:
    """Takes the bytes of an event stream as they come and gives the data of complete events."""

    _rest: bytes = b""
    _data: list[str] = field(default_factory=list)

    def feed(self, chunk: bytes) -> Iterator[str]:
        """The data of the events that `chunk` completes. Raises `ValueError` for an event without end."""
        lines = (self._rest + chunk).replace(b"\r\n", b"\n").split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[5:].decode("utf-8", "replace").removeprefix(" "))
            elif not line and self._data:
                yield "\n".join(self._data)
                self._data = []
        if len(self._rest) + sum(map(len, self._data)) > LARGEST_EVENT_BYTES:
            raise ValueError(f"an event of more than {LARGEST_EVENT_BYTES} bytes")


@dataclass(kw_only=True, eq=False)
class Stream:
    """The stream of one BMC, from `start` to `close`. `reports` holds the newest report of each name, with its arrival."""

    session: Session
    node: str
    monotonic: Callable[[], float] = time.monotonic
    random: Random = field(default_factory=Random)
    reports: dict[str, tuple[float, Body]] = field(default_factory=dict)
    _task: asyncio.Task[None] | None = None

    def start(self, path: str) -> None:
        """Listen at `path` from now on; does nothing when it already listens, or has learnt that it may not."""
        if self._task is None:
            self._task = asyncio.ensure_future(self._listen(path))

    async def close(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def newest(self, name: str, *, within_seconds: float) -> Body | None:
        """The report of that name that came within the last seconds."""
        arrived, body = self.reports.get(name, (0.0, {}))
        return body if body and self.monotonic() - arrived <= within_seconds else None

    async def _listen(self, path: str) -> None:
        failures = 0
        while True:
            before = len(self.reports)
            try:
                await self._receive(path)
            except NotSupported as err:
                log.info("no telemetry stream", node=self.node, why=str(err))
                return
            except (CollectError, ValueError) as err:
                log.debug("telemetry stream ended", node=self.node, why=str(err))
            failures = 0 if len(self.reports) > before else failures + 1
            pause = min(RECONNECT_SECONDS * 2 ** min(failures, 8), LONGEST_RECONNECT_SECONDS)
            await asyncio.sleep(pause * self.random.uniform(0.8, 1.2))

    async def _receive(self, path: str) -> None:
        events = Events()
        async for chunk in self.session.stream(f"{path}?{ONLY_REPORTS}"):
            for data in events.feed(chunk):
                self._take(data)

    def _take(self, data: str) -> None:
        try:
            body = json.loads(data)
        except ValueError:
            return  # one broken event; the next one stands for itself
        if isinstance(body, dict) and isinstance(body.get("MetricValues"), list):
            self.reports[text(body.get("Id"))] = (self.monotonic(), body)
