"""Whatever an agent shows, reading it never fails, and what was not measured never becomes a sample."""

import asyncio
import math
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.pdu.apc import APC_OLD
from collectors.pdu.dialect import Dialect, grouped, identifiers
from collectors.pdu.generic import GENERIC
from collectors.pdu.servertech import SENTRY3
from collectors.pdu.source import of_identity, of_power
from tests.collectors.pdu.conftest import Bench
from wattstat.catalogue import facility as catalogue
from wattstat.inventory import Pdu

PDU = Pdu.model_validate({"name": "pdu", "snmp": {"address": "10.0.0.1"}, "outlets": {"1": "gpu01", "AA2": "gpu02"}})
SENTINELS = (-1, -410, 0xFFFFFFFF, 0x7FFFFFFF, -2147483648)
JUNK = (
    *SENTINELS,
    0,
    1,
    2**63,
    -(2**70),
    1e308,
    math.nan,
    math.inf,
    "",
    "N/A",
    "1.3.6",
    b"",
    b"\xff\xfe\x00",
    b"12",
    "x" * 300,
)
STATES = (catalogue.PDU_OUTLET_ON, catalogue.PDU_UP)


class Case(NamedTuple):
    """What one PDU told: its MIB, the tables read seldom, and those read often."""

    dialect: Dialect
    known: dict[str, Any]
    read: dict[str, Any]

    def __repr__(self) -> str:
        return self.dialect.name


def made_up(dialect: Dialect, rows: dict[str, tuple[str, ...]], cells: dict[str, Any]) -> Case:
    """Tables that are full: every column of every row, with a value by the column's name."""
    known = {
        name: {index: {column: cells.get(column, 1) for column in table} for index in rows.get(name, ())}
        for name, table in dialect.known.items()
    }
    asks = dialect.asked(known)
    answer = {
        f"{at}.{index}": cells.get(column, 3)
        for ask in asks.values()
        for index in ask.indexes
        for column, at in ask.columns.items()
    }
    assert set(answer) == set(identifiers(asks))
    return Case(dialect, known, grouped(asks, answer))


def older() -> list[Case]:
    """PDUs that are not simulated."""
    return [
        made_up(APC_OLD, {"ident": ("0",), "load": ("1", "2"), "outlet": ("1", "2")}, {"bank": 0, "power": 100, "state": 1}),
        made_up(
            SENTRY3,
            {"tower": ("1",), "infeed": ("1.1", "1.2"), "outlet": ("1.1.1", "1.1.2"), "sensor": ("1.1",)},
            {"id": b"AA", "line": b"", "tenths": 231, "power": 100, "energy": 10, "status": 1, "scale": 0},
        ),
        made_up(
            GENERIC,
            {"entity": ("1", "2"), "sensor": ("1", "2")},
            {"name": b"Inlet", "type": 6, "scale": 9, "precision": 0, "value": 100, "status": 1},
        ),
    ]


async def _simulated(folder) -> list[Case]:
    async with AsyncExitStack() as stack:
        bench = Bench(stack=stack, folder=folder)
        found = []
        for pdu in bench.plant.pdus:
            source = await bench.source(pdu.name)
            documents = (await source.fetch("power")).documents
            found.append(Case(documents["dialect"], documents["known"], documents["read"]))
        return found


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    return [*asyncio.run(_simulated(tmp_path_factory.mktemp("cases"))), *older()]


def samples(case: Case) -> dict[Any, float]:
    """Series and values: finite, none twice, all within what they can be."""
    told = [*of_power(PDU, case.dialect.power(case.known, case.read)), *of_identity(PDU, case.dialect.identity(case.known))]
    found = {(sample.metric, sample.labels): sample.value for sample in told}
    assert len(found) == len(told), "a series twice"
    for (metric, labels), value in found.items():
        assert all(isinstance(label, str) for label in labels)
        assert -40 <= value <= 150 if metric is catalogue.PDU_TEMPERATURE_CELSIUS else 0 <= value <= 1e16, (metric.name, value)
    return found


def places(tables) -> list[tuple[str, str, str]]:
    return [(name, index, column) for name, rows in tables.items() for index, row in rows.items() for column in row]


def changed(tables, place, value, *, drop=False):
    name, index, column = place
    row = {each: cell for each, cell in tables[name][index].items() if each != column}
    if not drop:
        row[column] = value
    return {**tables, name: {**tables[name], index: row}}


@given(st.data())
def test_what_was_not_measured_takes_samples_away_and_makes_none(cases, data):
    case = data.draw(st.sampled_from(cases))
    before = samples(case)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.sampled_from(places(case.read)))
        drop = data.draw(st.booleans())
        value = data.draw(st.sampled_from(SENTINELS))
        # A tenth of a degree of frost is a temperature; whether it is measured is told by the state beside it.
        if place[0] not in {"external", "sensor"} or drop:
            case = case._replace(read=changed(case.read, place, value, drop=drop))
    after = samples(case)

    if case.dialect is not APC_OLD:  # whose watts are believed or not by its currents
        assert after.items() <= before.items()


@given(st.data())
def test_nothing_that_an_agent_shows_is_an_error(cases, data):
    case = data.draw(st.sampled_from(cases))
    for _ in range(data.draw(st.integers(1, 6))):
        which = data.draw(st.sampled_from(("known", "read")))
        tables = getattr(case, which)
        spots = places(tables)
        if spots:
            value = data.draw(st.sampled_from(JUNK))
            case = case._replace(
                **{which: changed(tables, data.draw(st.sampled_from(spots)), value, drop=data.draw(st.booleans()))}
            )
    samples(case)
    case.dialect.asked(case.known)


@given(st.data())
def test_rows_that_come_and_go_between_two_readings_are_no_error(cases, data):
    case = data.draw(st.sampled_from(cases))
    for which in ("known", "read"):
        tables = getattr(case, which)
        kept = {
            name: {index: row for index, row in rows.items() if data.draw(st.integers(0, 3))}
            for name, rows in tables.items()
            if data.draw(st.integers(0, 5))
        }
        case = case._replace(**{which: kept})
    samples(case)


def test_every_case_tells_something(cases):
    assert [case.dialect.name for case in cases] == ["raritan", "apc", "sentry4", "apc-rpdu", "sentry3", "generic"]
    for case in cases[:5]:
        assert (catalogue.PDU_POWER_WATTS, ("pdu",)) in samples(case), case
