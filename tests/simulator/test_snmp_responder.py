"""The simulated SNMP agent, asked by the library that the collectors use."""

from __future__ import annotations

import pytest
from gufo.snmp.aio import SnmpSession
from hypothesis import given
from hypothesis import strategies as st

from simulator.snmp import Table, ber, counter32, gauge32, integer, octets, recorded, ticks
from simulator.snmp.responder import parsed
from tests.support.samples import samples
from tests.support.snmp_agents import COMMUNITY, responding

WALKS = ["dell-os10", "dell-sonic", "dnos_z9100-on", "cumulus_mellanox"]


@pytest.mark.samples
@pytest.mark.parametrize("name", WALKS)
async def test_a_recorded_walk_comes_back_whole_and_in_order(name):
    path = samples("device-samples", "librenms-snmpsim", f"{name}.snmprec")
    written = [line.split("|") for line in path.read_text(errors="replace").splitlines()]
    lines = {line[0].strip(".") for line in written if line[1] != "5"}  # the library leaves NULL out
    wanted = sorted((at for at in lines if at.startswith("1.3.6.1.2.1.2.")), key=lambda at: tuple(map(int, at.split("."))))
    table = recorded(path)
    async with responding(table) as responder:
        session = SnmpSession("127.0.0.1", responder.port, community=COMMUNITY, timeout=5)
        assert [at async for at, _ in session.getbulk("1.3.6.1.2.1.2", 40)] == wanted
        assert [at async for at, _ in session.getnext("1.3.6.1.2.1.2.2.1.2")] == [
            at for at in wanted if at.startswith("1.3.6.1.2.1.2.2.1.2.")
        ]


async def test_what_is_shown_is_asked_for_once_a_second_at_most():
    rendered = []

    def render():
        rendered.append(1)
        return {"1.3.6.1.2.1.1.3.0": ticks(len(rendered))}

    async with responding(render) as responder:
        session = SnmpSession("127.0.0.1", responder.port, community=COMMUNITY, timeout=5)
        assert [await session.get("1.3.6.1.2.1.1.3.0") for _ in range(3)] == [100, 100, 100]


async def test_another_community_gets_no_answer():
    async with responding({"1.3.6.1.2.1.1.3.0": ticks(1)}) as responder:
        with pytest.raises(TimeoutError):
            await SnmpSession("127.0.0.1", responder.port, community="other", timeout=0.1).get("1.3.6.1.2.1.1.3.0")
        assert responder.requests == 0


def test_counters_of_32_bits_wrap_and_gauges_stay():
    assert counter32(2**32 + 5) == counter32(5)
    assert gauge32(2**32 + 5) == gauge32(2**32 - 1)
    assert ticks(2**32 / 100 + 1) == ticks(1)


def test_a_line_that_is_no_value_is_named(tmp_path):
    path = tmp_path / "walk.snmprec"
    path.write_text("1.3.6.1|2|5\n1.3.6.2|wrong|5\n")
    with pytest.raises(ValueError, match=r"walk.snmprec, line 2: expected identifier\|type\|value"):
        recorded(path)


@given(st.binary(max_size=200))
def test_what_is_no_request_is_malformed_and_nothing_else(data):
    try:
        parsed(data)
    except ber.Malformed:
        return
    assert data[0] == ber.SEQUENCE


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=20).map(lambda rest: (1, 3, *rest)))
def test_identifiers_come_back_as_they_were(at):
    _, content, _ = ber.read(Table([(at, integer(-1))]).exact(at), 0, ber.SEQUENCE)
    assert ber.numbers(ber.read(content, 0, ber.OID)[1]) == at


@given(st.integers(-(2**63), 2**63))
def test_integers_come_back_as_they_were(number):
    assert ber.number_at(ber.wrap(ber.INTEGER, ber.signed(number)), 0)[0] == number


def test_lengths_over_127_are_written_in_their_long_form():
    assert ber.wrap(ber.OCTETS, bytes(200))[:3] == bytes((4, 0x81, 200))
    assert octets("é").content == "é".encode()
