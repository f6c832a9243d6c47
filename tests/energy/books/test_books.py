"""The books in SQLite and PostgreSQL: commits that are whole or absent, sums that agree."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from energy.books.booking import SqlBooks
from energy.books.tables import gpu_uses, node_days, postings, runs, site_hours, usage_days, usage_hours
from energy.database import open_books
from energy.model import Checkpoint
from tests.energy.books.entries import DAY, HOUR, T0, batch, posting, run_of, use
from wattstat.config import Config
from wattstat.jobs import State


def _rows(books: SqlBooks, table: sa.Table) -> list[sa.Row]:
    with books._engine.connect() as connection:
        return list(connection.execute(sa.select(table)))


def _joules(row: sa.Row) -> float:
    return row.gpu_joules + row.cpu_joules + row.rest_joules + row.idle_joules


def test_postings_of_one_line_are_added_up(books):
    job = run_of("1")
    assert books.commit([batch(None, T0 + 30, posting(job, T0, 1000.0), posting(None, T0, 10.0))], [job]) == ()
    assert books.commit([batch(T0 + 30, T0 + 60, posting(job, T0, 500.0))], [job]) == ()
    lines = {row.posted_to: _joules(row) for row in _rows(books, postings)}
    assert lines == {"job": pytest.approx(1500), "idle": pytest.approx(10)}


@pytest.mark.parametrize("table", [node_days, usage_days, usage_hours, site_hours], ids=str)
def test_every_table_of_sums_has_what_was_posted(books, table):
    job = run_of("1")
    books.commit([batch(None, T0 + 2 * HOUR, posting(job, T0, 1000.0), posting(None, T0 + HOUR, 10.0))], [job])
    books.commit([batch(T0 + 2 * HOUR, T0 + DAY, posting(job, T0 + HOUR, 200.0))], [job])
    found: dict[str, float] = {}
    for row in _rows(books, table):
        found[row.posted_to] = found.get(row.posted_to, 0.0) + _joules(row)
    assert found == {"job": pytest.approx(1200), "idle": pytest.approx(10)}


def test_a_batch_that_was_posted_is_refused_and_changes_nothing(books):
    job = run_of("1")
    same = batch(None, T0 + 30, posting(job, T0, 1000.0), uses=[use(job)])
    assert books.commit([same], [job]) == ()
    before = _rows(books, postings), _rows(books, runs), _rows(books, gpu_uses)
    assert books.commit([same], [job]) == ("n1",)
    assert (_rows(books, postings), _rows(books, runs), _rows(books, gpu_uses)) == before


def test_a_refused_node_does_not_hold_up_the_others(books):
    books.commit([batch(None, T0 + 30, posting(None, T0, 1.0))], [])
    late = batch(T0 + 10, T0 + 60, posting(None, T0, 100.0))
    other = batch(None, T0 + 30, posting(None, T0, 2.0, node="n2"), node="n2")
    assert books.commit([late, other], []) == ("n1",)
    assert {row.node: _joules(row) for row in _rows(books, postings)} == {"n1": pytest.approx(1), "n2": pytest.approx(2)}


def test_checkpoints_come_back_as_they_were_written(books):
    books.commit([batch(None, T0 + 30.123456789, posting(None, T0, 1.0))], [])
    assert books.checkpoints() == {"n1": Checkpoint(node="n1", settled_until=T0 + 30.123456789, state="{}")}


def test_a_run_is_open_until_its_node_is_settled_beyond_its_end(books):
    books.commit([batch(None, T0 + 30, posting(run_of("1"), T0, 1.0))], [run_of("1")])
    ended = run_of("1", end=T0 + 60)
    books.commit([], [ended])
    assert books.open_runs() == (ended,)
    books.commit([batch(T0 + 30, T0 + 60)], [])
    assert books.open_runs() == ()


def test_a_run_of_an_unknown_node_is_open_for_a_day(books):
    ended = run_of("1", node="elsewhere", end=T0 + 60)
    books.commit([batch(None, T0 + 120)], [ended])
    assert books.open_runs() == (ended,)
    books.commit([batch(T0 + 120, T0 + 2 * DAY)], [])
    assert books.open_runs() == ()


def test_a_run_comes_back_whole(books):
    job = run_of(
        "7_3",
        state=State.SUSPENDED,
        name="träning \x00\udcff",
        qos="high",
        submitted=T0 - 5.5,
        suspended=((T0 + 1.0, T0 + 2.0),),
        suspended_since=T0 + 3.0,
        exit_code=None,
        labels={"model": "llama"},
    )
    books.commit([], [job])
    (found,) = books.open_runs()
    assert found.name == "träning ?"
    assert (found.key, found.placements, found.suspended, found.labels) == (
        job.key,
        job.placements,
        job.suspended,
        job.labels,
    )


def test_joules_of_a_run_that_nobody_described_are_kept(books):
    books.commit([batch(None, T0 + 30, posting(run_of("9"), T0, 77.0))], [])
    (row,) = _rows(books, runs)
    assert (row.job_id, row.state, row.energy_joules) == ("9", "gone", pytest.approx(77))


def test_an_owner_who_becomes_known_late_gets_what_was_posted_before(books):
    books.commit([batch(None, T0 + 30, posting(run_of("1"), T0, 100.0))], [run_of("1", user="")])
    books.commit([batch(T0 + 30, T0 + 60, posting(run_of("1"), T0 + HOUR, 50.0))], [run_of("1", user="ada")])
    for table in (usage_hours, usage_days):
        found = [(row.user_name, row.begun, _joules(row)) for row in _rows(books, table) if row.begun or _joules(row)]
        assert {row[0] for row in found} == {"ada"}
        assert sum(row[1] for row in found) == 1
        assert sum(row[2] for row in found) == pytest.approx(150)


def test_what_a_gpu_did_is_added_up_and_its_peak_is_the_highest(books):
    job = run_of("1")
    books.commit([batch(None, T0 + 60, uses=[use(job), use(job, gpu=1, sm_active_seconds=None)])], [job])
    books.commit([batch(T0 + 60, T0 + 120, uses=[use(job, memory_peak_bytes=10e9, limit_watts=None)])], [job])
    first, second = sorted(_rows(books, gpu_uses), key=lambda row: row.gpu)
    assert (first.joules, first.seconds, first.sm_active_seconds) == (1200, 120, 60)
    assert (first.memory_peak_bytes, first.limit_watts) == (40e9, 700)
    assert second.sm_active_seconds is None
    (row,) = _rows(books, runs)
    assert (row.held_seconds, row.sm_active_seconds, row.sm_active_seconds_known) == (180, 60, 120)


def test_open_runs_are_found_by_their_index_among_millions_of_closed_ones(tmp_path):
    """A parameter instead of the number would make every commit read all runs that ever were."""
    books = open_books(Config(data_dir=tmp_path))
    said: list[tuple[str, tuple]] = []

    def listen(_connection, _cursor, statement, parameters, *_others) -> None:
        if "closed = " in statement and not statement.startswith("INSERT"):
            said.append((statement, parameters))

    sa.event.listen(books._engine, "before_cursor_execute", listen)
    books.commit([batch(None, T0 + 30, posting(run_of("1"), T0, 1.0))], [run_of("1")])
    books.open_runs()
    books.thin(T0 + 500 * DAY, 400)
    sa.event.remove(books._engine, "before_cursor_execute", listen)
    assert len(said) >= 3
    with books._engine.connect() as connection:
        for statement, parameters in said:
            plan = connection.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, parameters).all()
            assert any("runs_not_closed" in row.detail for row in plan), plan
    books.close()
