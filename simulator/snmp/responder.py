"""An SNMP agent of one device: version 2c over UDP, read only (GET, GETNEXT, GETBULK)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from simulator.snmp import ber
from simulator.snmp.ber import Malformed, Oid, Value
from simulator.snmp.table import Table

GET, GET_NEXT, RESPONSE, GET_BULK = 0xA0, 0xA1, 0xA2, 0xA5
_TOO_BIG = 1
_VERSION_2C = 1
_FRESH_SECONDS = 1.0
# What fits in an Ethernet frame: many switches answer no longer than that.
FRAME_BYTES = 1472
_HEAD_BYTES = 64


class Request(NamedTuple):
    """A request as it came. `first` and `second` are error status and index, or what GETBULK makes of them."""

    kind: int
    number: int
    first: int
    second: int
    asked: tuple[Oid, ...]
    bindings: bytes


class Responder(asyncio.DatagramProtocol):
    """Answers what `render` shows, which is asked for at most once a second. `away` keeps it silent.

    `longest` bounds its answers: a GET that does not fit is refused with tooBig, GETBULK brings less than it was asked for.
    """

    def __init__(
        self, render: Callable[[], Mapping[str, Value] | Table], *, community: str = "public", longest: int = FRAME_BYTES
    ) -> None:
        self.community = community.encode()
        self.longest = longest
        self.requests = 0
        self.away: Callable[[], bool] = lambda: False
        self._render = render
        self._table = Table(())
        self._rendered = float("-inf")
        self._transport: asyncio.DatagramTransport | None = None

    @property
    def port(self) -> int:
        """Where it listens. Raises `RuntimeError` before `start`."""
        if self._transport is None:
            raise RuntimeError("the responder does not listen; start it first")
        port: int = self._transport.get_extra_info("sockname")[1]
        return port

    async def start(self, address: str, port: int = 0) -> None:
        """Listen; on any free port unless one is given. Raises `OSError` where it is taken."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(address, port))

    async def stop(self) -> None:
        """Stop listening."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer a request. What is no request of ours, or names another community, gets no answer: agents do so."""
        if self._transport is None or self.away():
            return
        try:
            community, request = parsed(data)
        except Malformed:
            return
        if community == self.community:
            self.requests += 1
            self._transport.sendto(self.answer(request), addr)

    def answer(self, request: Request) -> bytes:
        """The answer's datagram."""
        table = self._current()
        room = self.longest - _HEAD_BYTES - len(self.community)
        if request.kind == GET_BULK:
            found = _bulk(table, request, room)
            return self._response(request, 0 if found or not request.asked else _TOO_BIG, found)
        found = b"".join(table.exact(at) if request.kind == GET else _next(table, at) for at in request.asked)
        return self._response(request, _TOO_BIG, b"") if len(found) > room else self._response(request, 0, found)

    def _current(self) -> Table:
        now = time.monotonic()
        if now - self._rendered >= _FRESH_SECONDS:
            shown = self._render()
            self._table = shown if isinstance(shown, Table) else Table.of(shown)
            self._rendered = now
        return self._table

    def _response(self, request: Request, status: int, bindings: bytes) -> bytes:
        head = b"".join(ber.wrap(ber.INTEGER, ber.signed(number)) for number in (request.number, status, 0))
        pdu = ber.wrap(RESPONSE, head + ber.wrap(ber.SEQUENCE, bindings))
        version = ber.wrap(ber.INTEGER, ber.signed(_VERSION_2C))
        return ber.wrap(ber.SEQUENCE, version + ber.wrap(ber.OCTETS, self.community) + pdu)


def parsed(data: bytes) -> tuple[bytes, Request]:
    """The community and the request of a datagram. Raises `Malformed`."""
    _, message, _ = ber.read(data, 0, ber.SEQUENCE)
    version, at = ber.number_at(message, 0)
    if version != _VERSION_2C:
        raise Malformed("expected version 2c")
    _, community, at = ber.read(message, at, ber.OCTETS)
    kind, pdu, _ = ber.read(message, at)
    if kind not in (GET, GET_NEXT, GET_BULK):
        raise Malformed(f"expected GET, GETNEXT or GETBULK, not {kind:#x}")
    number, at = ber.number_at(pdu, 0)
    first, at = ber.number_at(pdu, at)
    second, at = ber.number_at(pdu, at)
    _, bindings, _ = ber.read(pdu, at, ber.SEQUENCE)
    asked = []
    at = 0
    while at < len(bindings):
        _, binding, at = ber.read(bindings, at, ber.SEQUENCE)
        asked.append(ber.numbers(ber.read(binding, 0, ber.OID)[1]))
    return community, Request(kind, number, first, second, tuple(asked), bindings)


def _next(table: Table, at: Oid) -> bytes:
    found = table.after(at)
    return ber.binding(at, Value(ber.END_OF_MIB, b"")) if found is None else found[1]


def _bulk(table: Table, request: Request, room: int) -> bytes:
    """As much as there is room for of: one successor of the first `non-repeaters`, `max-repetitions` of the others."""
    single = max(request.first, 0)
    written = [_next(table, at) for at in request.asked[:single]]
    used = sum(map(len, written))
    places = list(request.asked[single:])
    for _ in range(max(request.second, 0)):
        ended = True
        for which, at in enumerate(places):
            found = table.after(at)
            binding = ber.binding(at, Value(ber.END_OF_MIB, b"")) if found is None else found[1]
            used += len(binding)
            if used > room:
                return b"".join(written)
            written.append(binding)
            if found is not None:
                places[which], ended = found[0], False
        if ended:
            break
    return b"".join(written)
