"""A management controller as those see it who write caps: requests, a bound on how many at once, and ETags."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from power.actuators.messages import Verdict, verdict
from power.model import ActuatorError
from wattstat.members import Body, text

Sleep = Callable[[float], Awaitable[None]]
# When a written value is looked for after the answer; the last of them within the two seconds that a read-back may take.
LOOKS_SECONDS = (0.0, 0.3, 0.5, 1.0)


class Answer(Protocol):
    """What came back; a refusal is an answer. `body` is empty where there is no JSON object."""

    @property
    def status(self) -> int: ...
    @property
    def body(self) -> Body: ...
    @property
    def headers(self) -> Mapping[str, str]: ...


class Bmc(Protocol):
    """Somebody who is logged in. Sends each request once; raises `ActuatorError` where no answer came."""

    async def send(
        self, method: str, path: str, body: Body | None = None, *, headers: Mapping[str, str] | None = None
    ) -> Answer: ...


class Request(NamedTuple):
    """A write."""

    method: str
    path: str
    body: Body


@dataclass(kw_only=True, eq=False)
class Line:
    """The way to one BMC that all actuators of a server share; at most `connections` requests are under way at once."""

    node: str
    bmc: Bmc
    connections: int = 2
    sleep: Sleep = asyncio.sleep
    _slots: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.connections)

    async def get(self, path: str) -> Body | None:
        """A document; None where the BMC does not have it, or does not show it to us. Raises `ActuatorError`."""
        answer = await self._send("GET", path, None)
        if 200 <= answer.status < 300:
            return answer.body
        if answer.status in {403, 404, 405, 410, 501}:
            return None
        raise ActuatorError(f"{self.node}: GET {path}: {verdict(answer.status, answer.body).detail}")

    async def write(self, request: Request) -> Verdict:
        """Write once; once more with If-Match where the BMC has refused for want of it. Raises `ActuatorError`."""
        answer = await self._send(*request)
        found = verdict(answer.status, answer.body)
        if not found.wants_etag or request.method != "PATCH":
            return found
        current = await self._send("GET", request.path, None)
        etag = text(current.headers.get("ETag")) or text(current.body.get("@odata.etag")) or "*"
        answer = await self._send(*request, headers={"If-Match": etag})
        return verdict(answer.status, answer.body)

    async def _send(self, method: str, path: str, body: Body | None, *, headers: Mapping[str, str] | None = None) -> Answer:
        async with self._slots:
            return await self.bmc.send(method, path, body, headers=headers)
