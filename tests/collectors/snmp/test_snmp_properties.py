"""Whatever fits in an agent's answers, and in whichever order it lies, the whole table is read, and nothing else."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.snmp import Snmp, text, whole
from simulator.snmp import Table, Value, counter64, octets, ticks
from simulator.snmp.ber import Oid
from tests.support.snmp_agents import reached, responding, secrets

NAMES, COUNTS = "1.3.6.1.2.1.31.1.1.1.1", "1.3.6.1.2.1.31.1.1.1.6"
BEHIND = {"1.3.6.1.2.1.31.1.1.1.60.1": octets("not asked for"), "1.3.6.1.2.1.1.3.0": ticks(1)}


class Shuffled(Table):
    """An agent that tells its rows in an order of its own, some of them again."""

    def __init__(self, values: dict[str, Value], order: list[int]) -> None:
        super().__init__(Table.of(values)._values.items())
        known = self._order
        self._sequence = [known[step % len(known)] for step in order] + known

    def after(self, at: Oid) -> tuple[Oid, bytes] | None:
        """What comes behind the last time that it was told."""
        places = [place for place, found in enumerate(self._sequence) if found == at]
        if not places:
            return super().after(at)
        behind = places[-1] + 1
        return None if behind == len(self._sequence) else (self._sequence[behind], self._binding(self._sequence[behind]))


def shown(rows: dict[int, tuple[str, int | None]]) -> dict[str, Value]:
    names = {f"{NAMES}.{index}": octets(name) for index, (name, _) in rows.items()}
    return names | {f"{COUNTS}.{index}": counter64(count) for index, (_, count) in rows.items() if count is not None} | BEHIND


ROWS = st.dictionaries(
    st.integers(1, 2**32 - 1),
    st.tuples(st.text("abc-/é 1", max_size=50), st.none() | st.integers(0, 2**63 - 1)),
    max_size=60,
)


@settings(max_examples=40, deadline=None)
@given(rows=ROWS, longest=st.integers(260, 4000), repetitions=st.integers(1, 60))
def test_columns_and_cells_are_the_table(rows, longest, repetitions):
    async def read() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with responding(shown(rows), longest=longest) as responder:
                config = secrets(Path(folder))
                snmp = Snmp.of(reached(responder.port), config, timeout_seconds=5, repetitions=repetitions)
                columns = {"name": NAMES, "count": COUNTS}
                walked, cells = await snmp.columns(columns), await snmp.cells(columns, map(str, rows))
        expected = {
            str(index): {"name": name.encode(), **({} if count is None else {"count": count})}
            for index, (name, count) in rows.items()
        }
        assert walked == expected
        assert cells == expected

    asyncio.run(read())


@settings(max_examples=25, deadline=None)
@given(rows=ROWS.filter(bool), order=st.lists(st.integers(0, 200), max_size=30))
def test_a_walk_in_disorder_ends_and_tells_nothing_that_is_not_there(rows, order):
    async def read() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with responding(Shuffled(shown(rows), order)) as responder:
                snmp = Snmp.of(reached(responder.port), secrets(Path(folder)), timeout_seconds=5)
                found = await snmp.columns({"name": NAMES})
                assert responder.requests < 60
        assert {index: row["name"] for index, row in found.items()}.items() <= {
            str(index): name.encode() for index, (name, _) in rows.items()
        }.items()

    asyncio.run(read())


@given(st.one_of(st.none(), st.integers(), st.floats(allow_nan=True), st.text(), st.binary()))
def test_readers_of_values_never_fail(value):
    assert isinstance(text(value), str)
    assert "\n" not in text(value)
    assert isinstance(whole(value), int | None)
