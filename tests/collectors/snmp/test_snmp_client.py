"""One agent asked for values, columns and cells: what it has, what it refuses, how it keeps silent."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.frame import AuthFailed, Unreachable
from collectors.snmp import Snmp
from simulator.snmp import Responder, Table, Value, counter64, integer, octets, ticks
from simulator.snmp.ber import Oid
from simulator.snmp.responder import GET_BULK, Request
from tests.support.snmp_agents import reached, responding, secrets

UPTIME = "1.3.6.1.2.1.1.3.0"
NAMES = "1.3.6.1.2.1.31.1.1.1.1"
BYTES = "1.3.6.1.2.1.31.1.1.1.6"
ALIASES = "1.3.6.1.2.1.31.1.1.1.18"


def switch(ports: int = 64) -> dict[str, Value]:
    values = {UPTIME: ticks(3600)}
    for port in range(1, ports + 1):
        values[f"{NAMES}.{port}"] = octets(f"Ethernet{port}")
        values[f"{BYTES}.{port}"] = counter64(2**63 + port)
    return values


def client(folder: Path, responder: Responder, **more: float) -> Snmp:
    return Snmp.of(reached(responder.port), secrets(folder), **{"timeout_seconds": 0.2, **more})  # type: ignore[arg-type]


async def test_values_that_the_device_lacks_are_absent(tmp_path):
    async with responding(switch()) as responder:
        found = await client(tmp_path, responder).get([UPTIME, f"{NAMES}.1", f"{NAMES}.99", "1.3.6.1.4.1.1.1.0"])
    assert found == {UPTIME: 360000, f"{NAMES}.1": b"Ethernet1"}


async def test_columns_come_by_index_and_those_that_are_not_there_are_absent(tmp_path):
    async with responding(switch(ports=3)) as responder:
        rows = await client(tmp_path, responder).columns({"name": NAMES, "bytes": BYTES, "alias": ALIASES})
    assert rows == {str(port): {"name": f"Ethernet{port}".encode(), "bytes": 2**63 + port} for port in (1, 2, 3)}


async def test_cells_of_known_rows_take_fewer_requests_than_columns(tmp_path):
    async with responding(switch()) as responder:
        snmp = client(tmp_path, responder)
        columns = {"name": NAMES, "bytes": BYTES}
        walked = await snmp.columns(columns)
        before = responder.requests
        assert await snmp.cells(columns, walked) == walked
        assert responder.requests - before == 3  # 128 values


async def test_an_answer_that_is_too_big_is_asked_for_in_halves(tmp_path):
    async with responding(switch(), longest=484) as responder:
        snmp = client(tmp_path, responder)
        assert len(await snmp.cells({"bytes": BYTES}, map(str, range(1, 65)))) == 64
        before = responder.requests
        await snmp.cells({"bytes": BYTES}, map(str, range(1, 65)))
        assert responder.requests - before == 6  # 11 values each: it was remembered


async def test_a_long_answer_that_never_comes_is_asked_for_in_halves(tmp_path):
    """Long datagrams are cut in fragments, which firewalls drop."""
    values = switch()

    class Deaf(Responder):
        def answer(self, request: Request) -> bytes:
            answer = super().answer(request)
            return answer if len(answer) < 600 else b""

    deaf = Deaf(lambda: values, community="read-me", longest=9000)
    await deaf.start("127.0.0.1")
    try:
        snmp = client(tmp_path, deaf, repetitions=30)
        with pytest.raises(Unreachable):
            await snmp.cells({"bytes": BYTES}, map(str, range(1, 65)))  # halved once, and silent again
        cells = await snmp.cells({"bytes": BYTES}, map(str, range(1, 65)))  # and again by the next call
        columns = await snmp.columns({"bytes": BYTES})
    finally:
        await deaf.stop()
    assert cells == columns
    assert len(cells) == 64


async def test_a_lost_datagram_costs_nothing_but_time(tmp_path):
    async with responding(switch(ports=2)) as responder:
        snmp = client(tmp_path, responder)
        await snmp.get([UPTIME])
        lost = iter([True, False])
        responder.away = lambda: next(lost, False)
        assert await snmp.get([f"{NAMES}.2"]) == {f"{NAMES}.2": b"Ethernet2"}
        lost = iter([True, False])
        assert len(await snmp.columns({"name": NAMES})) == 2


async def test_a_device_that_is_gone_is_unreachable_and_comes_back(tmp_path):
    async with responding(switch()) as responder:
        snmp = client(tmp_path, responder)
        responder.away = lambda: True
        with pytest.raises(Unreachable, match=r"no answer to SNMP within 0.2 s, asked twice"):
            await snmp.get([UPTIME])
        responder.away = lambda: False
        assert await snmp.get([UPTIME]) == {UPTIME: 360000}


async def test_a_wrong_community_is_named_as_a_likely_reason(tmp_path):
    async with responding(switch()) as responder:
        responder.community = b"another"
        with pytest.raises(Unreachable, match="many do not answer a wrong community"):
            await client(tmp_path, responder).get([UPTIME])


async def test_a_password_file_that_is_gone_is_a_matter_of_credentials(tmp_path):
    async with responding(switch()) as responder:
        snmp = client(tmp_path, responder)
        (tmp_path / "snmp.secret").unlink()
        with pytest.raises(AuthFailed, match="cannot be read"):
            await snmp.get([UPTIME])


async def test_credentials_without_an_entry_are_refused_at_once(tmp_path):
    with pytest.raises(ValueError, match="no credentials named 'none'"):
        Snmp.of(reached(161, credentials="none"), secrets(tmp_path), timeout_seconds=1)


async def test_a_name_that_resolves_to_nothing_is_unreachable(tmp_path):
    snmp = reached(161).model_copy(update={"address": "switch.invalid"})
    with pytest.raises(Unreachable, match="check the name"):
        await Snmp.of(snmp, secrets(tmp_path), timeout_seconds=1).get([UPTIME])


class Circle(Table):
    """An agent whose table leads back to its first row."""

    def after(self, at: Oid) -> tuple[Oid, bytes] | None:
        found = super().after(at)
        return super().after((1, 3, 6, 1, 2, 1, 31)) if found is None else found


async def test_a_walk_in_circles_ends_and_no_row_counts_twice(tmp_path):
    circle = Circle((tuple(map(int, at.split("."))), value) for at, value in switch(ports=5).items() if at.startswith(NAMES))
    async with responding(circle) as responder:
        rows = await client(tmp_path, responder).columns({"name": NAMES})
        assert len(rows) == 5
        assert responder.requests < 10


async def test_an_agent_that_says_too_big_to_long_walks_is_asked_for_short_ones(tmp_path):
    class Strict(Responder):
        def answer(self, request: Request) -> bytes:
            if request.kind == GET_BULK and request.second > 10:
                return self._response(request, 1, b"")
            return super().answer(request)

    responder = Strict(lambda: switch(ports=20), community="read-me")
    await responder.start("127.0.0.1")
    try:
        assert len(await client(tmp_path, responder).columns({"name": NAMES})) == 20
    finally:
        await responder.stop()


async def test_one_value_that_the_agent_cannot_read_costs_only_itself(tmp_path):
    class Faulty(Responder):
        def answer(self, request: Request) -> bytes:
            broken = tuple(map(int, f"{BYTES}.7".split(".")))
            return self._response(request, 5, b"") if broken in request.asked else super().answer(request)

    responder = Faulty(lambda: switch(ports=20), community="read-me")
    await responder.start("127.0.0.1")
    try:
        rows = await client(tmp_path, responder).cells({"bytes": BYTES}, map(str, range(1, 21)))
    finally:
        await responder.stop()
    assert sorted(map(int, rows)) == [port for port in range(1, 21) if port != 7]


async def test_an_agent_without_uptime_is_read_all_the_same(tmp_path):
    async with responding({f"{NAMES}.1": octets("eth0"), "1.3.6.1.2.1.2.1.0": integer(1)}) as responder:
        snmp = client(tmp_path, responder)
        assert await snmp.cells({"name": NAMES}, ["1", "2"]) == {"1": {"name": b"eth0"}}


async def test_answers_longer_than_the_librarys_buffer_are_asked_for_in_shorter_ones(tmp_path):
    values = switch() | {f"{ALIASES}.{port}": octets(f"{port} " + "x" * 200) for port in range(1, 65)}
    async with responding(values, longest=60_000) as responder:
        snmp = client(tmp_path, responder)
        walked = await snmp.columns({"alias": ALIASES})
        assert len(walked) == 64
        assert await snmp.cells({"alias": ALIASES}, walked) == walked


async def test_an_answer_to_an_earlier_request_is_not_taken_for_this_ones(tmp_path):
    """A late answer meets the next request: asked for other values it would be taken for their absence."""

    class Late(Responder):
        before = b""

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            if self.before and self._transport is not None:
                self._transport.sendto(self.before, addr)
            super().datagram_received(data, addr)

        def answer(self, request: Request) -> bytes:
            self.before = super().answer(request)
            return self.before

    late = Late(lambda: switch(ports=40), community="read-me")
    await late.start("127.0.0.1")
    try:
        snmp = client(tmp_path, late, repetitions=8)
        for port in (1, 2, 3):
            assert await snmp.get([f"{NAMES}.{port}"]) == {f"{NAMES}.{port}": f"Ethernet{port}".encode()}
        assert len(await snmp.columns({"name": NAMES})) == 40
    finally:
        await late.stop()
