"""Thinning: hours go, days and jobs stay, open runs are left alone."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from energy.books import retention
from energy.books.tables import gpu_uses, meter_hours, postings, usage_hours
from energy.database import open_reports
from tests.energy.books.entries import DAY, HOUR, T0, batch, posting, run_of, use
from wattstat.api.energy import BYS

NOW = T0 + 10 * DAY


def count(books, table) -> int:
    with books._engine.connect() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


@pytest.fixture
def kept(books, config):
    """Ten days: a run each day, one over three days, one that never ends."""
    days = [run_of(f"day{day}", start=T0 + day * DAY, end=T0 + day * DAY + 5 * HOUR) for day in range(10)]
    long = run_of("long", start=T0 + DAY, end=T0 + 4 * DAY, user="bob")
    service = run_of("service", start=T0, user="eve")
    lines = [
        *(posting(run, int(run.started) + hour * HOUR, 100.0 + hour) for run in days for hour in range(5)),
        *(posting(long, T0 + DAY + hour * HOUR, 10.0) for hour in range(72)),
        *(posting(service, T0 + hour * HOUR, 1.0) for hour in range(240)),
        *(posting(None, T0 + hour * HOUR, 0.5) for hour in range(240)),
    ]
    books.commit([batch(None, T0 + HOUR, posting(service, T0, 1.0), uses=[use(service)])], [service])
    runs = [long, *days, service]
    books.commit([batch(T0 + HOUR, NOW, *lines, uses=[use(run) for run in runs])], runs)
    reports = open_reports(config)
    yield reports
    reports.close()


def test_whole_days_are_told_as_before_and_hours_are_gone(books, kept):
    asked = [(by, T0 + since * DAY, T0 + until * DAY) for by in BYS for since, until in ((0, 10), (1, 3), (2, 9))]
    before = [kept.report(*each) for each in asked]
    balances = [kept.balance(T0, NOW, by=by, node=node) for by in ("node", "day") for node in ("", "n1")]
    assert books.thin(NOW, 4) > 0
    for (by, since, until), old in zip(asked, before, strict=True):
        new = kept.report(by, since, until)
        assert {row.key: row.energy_joules for row in new.items} == pytest.approx(
            {row.key: row.energy_joules for row in old.items}
        )
        assert {row.key: row.jobs for row in new.items} == {row.key: row.jobs for row in old.items}
    after = [kept.balance(T0, NOW, by=by, node=node) for by in ("node", "day") for node in ("", "n1")]
    for old, new in zip(balances, after, strict=True):
        assert [row.key for row in new.items] == [row.key for row in old.items]
        assert [row.measured_joules for row in new.items] == pytest.approx([row.measured_joules for row in old.items])
        assert [row.jobs_joules for row in new.items] == pytest.approx([row.jobs_joules for row in old.items])
    with books._engine.connect() as connection:
        for table in (meter_hours, usage_hours):
            assert connection.execute(sa.select(sa.func.min(table.c.hour))).scalar() == T0 + 6 * DAY


def test_where_only_days_are_known_a_span_is_cut_to_days(books, kept):
    books.thin(NOW, 4)
    report = kept.report("user", T0 + 2 * DAY + 5 * HOUR, T0 + 3 * DAY + 7 * HOUR)
    assert (report.start, report.end) == (T0 + 2 * DAY, T0 + 3 * DAY)
    for by in BYS:
        found = kept.report(by, T0 + 2 * DAY, T0 + 3 * DAY)
        assert sum(row.energy_joules for row in found.items) == pytest.approx(found.total.energy_joules), by


def test_an_open_run_keeps_its_hours_and_gpus_until_it_is_closed(books, kept):
    books.thin(NOW, 4)
    assert len(kept.job("service").hours) == 240
    assert len(kept.job("service").gpus) == 1
    assert kept.job("long").hours == ()
    assert kept.job("long").gpus == ()
    assert kept.job("long").job.energy_joules == pytest.approx(720)
    books.commit([batch(NOW, NOW + 30)], [run_of("service", start=T0, end=T0 + 8 * DAY, user="eve")])
    books.thin(NOW + 20 * DAY, 4)
    assert kept.job("service").gpus == ()
    assert count(books, postings) == 0


def test_thinning_twice_finds_nothing_more(books, kept):
    assert books.thin(NOW, 4) > 0
    assert books.thin(NOW, 4) == 0


def test_gpus_are_forgotten_lot_by_lot(books, kept, monkeypatch):
    monkeypatch.setattr(retention, "RUNS_AT_ONCE", 2)
    books.thin(NOW, 4)
    assert count(books, gpu_uses) == 1 + 4  # the service, and the runs of the last four days


def test_nothing_is_thinned_before_its_time(books, kept):
    assert books.thin(NOW, 400) == 0


def test_an_owner_who_becomes_known_after_thinning_gets_the_days(books, kept):
    books.thin(NOW, 4)
    books.commit([], [run_of("long", start=T0 + DAY, end=T0 + 4 * DAY, user="zoe")])
    books.commit([], [run_of("day2", start=T0 + 2 * DAY, end=T0 + 2 * DAY + 5 * HOUR, user="zoe")])
    found = {row.key: (row.jobs, row.energy_joules) for row in kept.report("user", T0, T0 + 6 * DAY).items}
    assert found["zoe"] == (2, pytest.approx(720 + 510))
    assert "bob" not in found or found["bob"] == (0, pytest.approx(0, abs=1e-6))
