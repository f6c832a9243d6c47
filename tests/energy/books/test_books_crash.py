"""Killed at any moment, written by two at once, on a full disk: the books agree with themselves, nothing is in them twice."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

import pytest
import sqlalchemy as sa

from energy.books import engine
from energy.books.booking import SqlBooks
from energy.books.tables import (
    AMOUNTS,
    checkpoints,
    gpu_uses,
    meter_days,
    meter_hours,
    node_days,
    postings,
    run_days,
    runs,
    site_hours,
    site_meter_hours,
    usage_days,
    usage_hours,
)
from energy.database import open_books, open_reports
from energy.model import BooksError
from tests.energy.books.committing import NODES, STEP, STEPS_A_RUN, commit_from_here, joules, loop, nursery
from tests.energy.books.entries import DAY, T0, batch, posting
from tests.support.processes import alive, wait_for
from wattstat.config import Config
from wattstat.config.energy import Energy

KILLS = 200


def sums(books: SqlBooks, table: sa.Table, *names: str) -> list[float]:
    with books._engine.connect() as connection:
        row = connection.execute(sa.select(*(sa.func.coalesce(sa.func.sum(table.c[name]), 0) for name in names))).one()
    return [float(each) for each in row]


def check(books: SqlBooks) -> int:
    """Every table holds what the steps up to the checkpoints brought, once. Returns the number of steps of all nodes."""
    with books._engine.connect() as connection:
        settled = {row.node: row.settled_until for row in connection.execute(sa.select(checkpoints))}
        energies = {row.job_id: row.energy_joules for row in connection.execute(sa.select(runs))}
    steps = {node: int((settled.get(node, T0) - T0) / STEP) for node in NODES}
    expected: dict[str, float] = {}
    for node, number in steps.items():
        for step in range(number):
            key = f"{node}-{step // STEPS_A_RUN}"
            expected[key] = expected.get(key, 0.0) + joules(node, step)
    assert energies == pytest.approx(expected)
    everything = sums(books, postings, *AMOUNTS)
    for table in (node_days, usage_hours, usage_days, site_hours):
        assert sums(books, table, *AMOUNTS) == pytest.approx(everything), table.name
    whole = sum(everything[:4])
    assert whole == pytest.approx(sum(expected.values()) + sum(steps.values()))
    for table in (meter_hours, meter_days, site_meter_hours):
        assert sums(books, table, "measured_joules") == pytest.approx([whole]), table.name
    assert sums(books, gpu_uses, "seconds") == pytest.approx([60.0 * sum(steps.values())])
    assert sums(books, usage_days, "begun") == sums(books, usage_hours, "begun") == [len(expected)]
    check_days(books)
    return sum(steps.values())


def check_days(books: SqlBooks) -> None:
    """Runs over several days have all of their energy by the day."""
    day = postings.c.hour - postings.c.hour % DAY
    by_day = sa.select(postings.c.run_id, day.label("day"), sa.func.sum(postings.c.gpu_joules).label("gpu"))
    with books._engine.connect() as connection:
        posted = connection.execute(by_day.where(postings.c.run_id != 0).group_by(postings.c.run_id, day)).all()
        kept = {(row.run_id, row.day): row.gpu_joules for row in connection.execute(sa.select(run_days))}
    several = {run for run in {row.run_id for row in posted} if sum(row.run_id == run for row in posted) > 1}
    assert kept == pytest.approx({(row.run_id, row.day): row.gpu for row in posted if row.run_id in several})


# Forks from a process that has everything imported, so that a start takes milliseconds.
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["tests.energy.books.committing"])


@contextmanager
def committing(config: Config) -> Iterator[Connection]:
    """A process that commits; gives what it says, and kills it at the end of the block."""
    reading, writing = processes.Pipe(duplex=False)
    process = processes.Process(target=loop, args=(config.energy.database, config.data_dir, writing), daemon=True)
    process.start()
    writing.close()
    try:
        yield reading
    finally:
        process.kill()
        process.join(30)
        reading.close()


@contextmanager
def children(config: Config) -> Iterator[Callable[[int], int]]:
    """Gives what makes a process that commits, waits until it did so a number of times, and tells its process id."""
    ours, theirs = processes.Pipe()
    reading, writing = processes.Pipe(duplex=False)
    process = processes.Process(target=nursery, args=(config.energy.database, config.data_dir, theirs, writing))
    process.start()

    def make(commits: int) -> int:
        ours.send(True)
        assert ours.poll(60)
        pid = ours.recv()
        while True:
            assert reading.poll(60)
            if reading.recv() == (pid, commits):
                return pid

    try:
        yield make
    finally:
        ours.send(False)
        process.join(30)
        for each in (ours, theirs, reading, writing):
            each.close()


def test_killed_at_200_random_moments_the_books_are_whole(config):
    rng = random.Random(11)
    before = 0
    books = open_books(config)
    with children(config) as make:
        for kill in range(KILLS):
            pid = make(rng.choice([0, 0, 1, 2]))
            time.sleep(rng.uniform(0, 0.03))  # not for anything to happen, but to be anywhere in a commit
            os.kill(pid, signal.SIGKILL)
            wait_for("the end of it", lambda pid=pid: not alive(pid))
            if kill % 20 == 19:
                after = check(books)
                assert after > before
                before = after
    books.close()
    assert before >= KILLS


def test_killed_while_the_tables_are_made_it_makes_them_the_next_time(config):
    rng = random.Random(3)
    for _ in range(8):
        with committing(config):
            time.sleep(rng.uniform(0, 0.4))  # as above
    books = open_books(config)
    check(books)
    books.close()


def test_two_who_commit_at_once_post_nothing_twice(config):
    with committing(config) as one, committing(config) as other:
        for _ in range(25):
            for each in (one, other):
                assert each.poll(90)
                each.recv()
    books = open_books(config)
    assert check(books) >= 24 * len(NODES)  # of two that meet one gets through
    books.close()


def test_what_was_refused_to_one_was_posted_by_the_other(config):
    books, others = open_books(config), open_books(config)
    same = batch(None, T0 + STEP, posting(None, T0, 5.0))
    refused: list[tuple[str, ...]] = []
    threads = [threading.Thread(target=lambda each=each: refused.append(each.commit([same], []))) for each in (books, others)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(refused) == [(), ("n1",)]
    assert sum(sums(books, postings, *AMOUNTS)[:4]) == pytest.approx(5)
    books.close()
    others.close()


def test_a_full_disk_is_told_and_nothing_is_half_written(tmp_path):
    books = open_books(Config(data_dir=tmp_path))
    commit_from_here(books)
    steps = check(books)
    books._engine.dispose()

    def full(connection: sqlite3.Connection, _record: object) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={pages}")

    sa.event.listen(books._engine, "connect", full)
    large = batch(None, T0 + STEP, *(posting(None, T0 + hour * 3600, 1.0, node="n9") for hour in range(2000)), node="n9")
    with pytest.raises(BooksError, match=r"ledger\.db: database or disk is full; free some space"):
        books.commit([large], [])
    sa.event.remove(books._engine, "connect", full)
    books._engine.dispose()
    assert check(books) == steps
    commit_from_here(books)
    assert check(books) == steps + len(NODES)
    books.close()


def test_books_that_another_one_holds_are_told(config, monkeypatch):
    monkeypatch.setattr(engine, "WAIT_SECONDS", 0.3)
    books, holder = open_books(config), open_books(config)
    with holder._engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("LOCK TABLE checkpoints IN EXCLUSIVE MODE")
        with pytest.raises(BooksError, match="another process has been writing it"):
            commit_from_here(books)
    commit_from_here(books)
    assert check(books) == len(NODES)
    books.close()
    holder.close()


def test_who_reads_is_not_held_up_by_who_writes(config):
    books, holder = open_books(config), open_books(config)
    commit_from_here(books)
    with holder._engine.begin() as connection:
        connection.execute(sa.update(postings).values(gpu_joules=1e12))
        reports = open_reports(config)
        assert reports.report("user", T0, T0 + DAY).total.energy_joules < 1e6
        reports.close()
        connection.rollback()
    books.close()
    holder.close()


def test_a_lost_connection_is_made_anew(postgresql_config):
    books, killer = open_books(postgresql_config), open_books(postgresql_config)
    commit_from_here(books)
    with killer._engine.begin() as connection:
        others = "pid <> pg_backend_pid() AND datname = current_database()"
        connection.exec_driver_sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
    commit_from_here(books)
    assert check(books) == 2 * len(NODES)
    books.close()
    killer.close()


@pytest.mark.parametrize(
    ("database", "words"),
    [
        ("postgresql+psycopg://ada:secret@127.0.0.1:9/ledger", r"//ada:\*\*\*@127\.0\.0\.1:9/ledger: .*check energy\.database"),
        ("mysql://db/ledger", "names mysql; expected sqlite or postgresql"),
        ("not a url", "is no URL"),
        ("sqlite://", "names no file"),
    ],
)
def test_a_database_that_cannot_be_is_told(database, words, tmp_path):
    with pytest.raises(BooksError, match=words) as caught:
        open_books(Config(data_dir=tmp_path, energy=Energy(database=database)))
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_ledger_is_told(tmp_path):
    (tmp_path / "ledger.db").write_text("a letter to a friend, longer than the head of a database\n" * 40)
    with pytest.raises(BooksError, match=r"ledger\.db: file is not a database; this file is no ledger"):
        open_books(Config(data_dir=tmp_path))


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BooksError, match="check the folder"):
        open_books(Config(data_dir=tmp_path / "file" / "data"))
