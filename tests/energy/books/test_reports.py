"""Reports from the books: lines that add up, spans cut to hours, pages that skip and repeat nothing."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from energy.database import open_reports
from energy.model import Account, BooksError
from energy.reports.run_search import SORTS
from tests.energy.books.entries import DAY, HOUR, T0, batch, posting, run_of, use
from wattstat.api.energy import BYS, JobQuery, NoSuchNode
from wattstat.config.energy import Tariff
from wattstat.jobs import RunKey

NODES = ("n1", "n2", "n3")
DAYS = 4


@pytest.fixture
def reports(config, books):
    opened = open_reports(config, clock=lambda: T0 + DAYS * DAY)
    yield opened
    opened.close()


@pytest.fixture
def history(books):
    """Four days of three nodes with runs of all lengths, posted day by day; returns all postings and runs."""
    rng = random.Random(7)
    runs, posted = [], []
    for node in NODES:
        at, number = T0, 0
        while at < T0 + DAYS * DAY:
            length = rng.choice([600, 3000, 5 * HOUR, 30 * HOUR, 50 * HOUR])
            number += 1
            end = at + length if at + length < T0 + DAYS * DAY else None
            run = run_of(
                f"{node}-{number}", node=node, start=at, end=end, user=rng.choice("abc"), account=rng.choice(["x", "y"])
            )
            runs.append(run)
            last = (T0 + DAYS * DAY if end is None else end) - 1
            posted += [
                posting(run, hour, rng.uniform(1e3, 1e6), node=node)
                for hour in range(int(at // HOUR) * HOUR, int(last // HOUR) * HOUR + 1, HOUR)
            ]
            at += length + rng.choice([0, 100, 7000])
        posted += [posting(None, T0 + hour * HOUR, rng.uniform(10, 100), node=node) for hour in range(DAYS * 24)]
        posted += [posting(None, T0 + 5 * HOUR, 5.0, node=node, account=Account.OVERHEAD)]
    for day in range(DAYS):
        since = None if day == 0 else T0 + day * DAY
        until = T0 + (day + 1) * DAY
        batches = [
            batch(since, until, *(each for each in posted if each.node == node and until - DAY <= each.hour < until), node=node)
            for node in NODES
        ]
        assert books.commit(batches, runs) == ()
    return posted, runs


SPANS = {
    "everything": (T0, T0 + DAYS * DAY),
    "whole days": (T0 + DAY, T0 + 3 * DAY),
    "a day of Berlin": (T0 + DAY - HOUR, T0 + 2 * DAY - HOUR),
    "some hours": (T0 + 30 * HOUR, T0 + 37 * HOUR),
    "over midnight": (T0 + 20 * HOUR, T0 + 28 * HOUR),
    "days and a bit": (T0 + 5 * HOUR, T0 + 3 * DAY + HOUR),
    "half hours": (T0 + 20.5 * HOUR, T0 + 60.5 * HOUR),
    "beyond both ends": (T0 - 10 * DAY, T0 + 40 * DAY),
}


@pytest.mark.parametrize("name", SPANS)
def test_every_report_adds_up_to_what_was_posted(history, reports, name):
    posted, _ = history
    start, end = SPANS[name]
    for by in BYS:
        report = reports.report(by, start, end)
        inside = [each for each in posted if report.start <= each.hour < report.end]
        assert sum(row.energy_joules for row in report.items) == pytest.approx(sum(each.joules for each in inside)), by
        assert report.total.energy_joules == pytest.approx(sum(each.joules for each in inside))
        assert report.total.jobs == len({each.run for each in inside if each.run})
        assert sum(row.cost for row in report.items) == pytest.approx(sum(each.cost for each in inside))


@pytest.mark.parametrize("name", SPANS)
def test_each_line_has_what_was_posted_to_it(history, reports, name):
    posted, runs = history
    start, end = SPANS[name]
    owner = {run.key: run for run in runs}
    keys = {
        "job": lambda each: each.run.job_id if each.run else f"({each.account})",
        "user": lambda each: owner[each.run].user if each.run else f"({each.account})",
        "account": lambda each: owner[each.run].account if each.run else f"({each.account})",
        "partition": lambda each: owner[each.run].partition if each.run else f"({each.account})",
        "node": lambda each: each.node,
        "day": lambda each: f"2026-01-{1 + (each.hour - T0) // DAY:02d}",
    }
    for by, key in keys.items():
        report = reports.report(by, start, end)
        expected: dict[str, float] = {}
        jobs: dict[str, set] = {}
        for each in posted:
            if report.start <= each.hour < report.end:
                expected[key(each)] = expected.get(key(each), 0.0) + each.joules
                jobs.setdefault(key(each), set()).add(each.run)
        assert {row.key: row.energy_joules for row in report.items} == pytest.approx(expected), by
        for row in report.items:
            assert row.jobs is None or row.jobs == len(jobs[row.key]), (by, row.key)


def test_spans_that_join_add_up(history, reports):
    edges = [T0, T0 + 0.5 * HOUR, T0 + 17.5 * HOUR, T0 + 2.2 * DAY, T0 + DAYS * DAY]
    parts = [reports.report("user", since, until) for since, until in itertools.pairwise(edges[1:])]
    whole = reports.report("user", edges[1], edges[-1])
    assert sum(part.total.energy_joules for part in parts) == pytest.approx(whole.total.energy_joules)
    assert [part.end for part in parts[:-1]] == [part.start for part in parts[1:]]


@pytest.mark.parametrize("by", BYS)
@pytest.mark.parametrize("limit", [1, 7])
def test_pages_of_a_report_are_the_report(history, reports, by, limit):
    start, end = SPANS["days and a bit"]
    whole = reports.report(by, start, end)
    items, cursor = [], ""
    while True:
        page = reports.report(by, start, end, limit=limit, cursor=cursor)
        items += page.items
        assert page.total == whole.total
        if page.next is None:
            break
        cursor = page.next
    assert items == list(whole.items)


def test_a_day_is_the_sites(history, config):
    reports = open_reports(config, zone=ZoneInfo("Asia/Tokyo"))
    keys = [row.key for row in reports.report("day", T0, T0 + DAY).items]
    assert keys == ["2026-01-01", "2026-01-02"]
    assert [row.key for row in reports.balance(T0, T0 + DAY, by="day").items] == keys
    assert [row.key for row in reports.balance(T0, T0 + DAY, by="day", node="n1").items] == keys
    reports.close()


@pytest.mark.parametrize("name", SPANS)
@pytest.mark.parametrize("node", ["", "n2"])
def test_the_balance_is_even_where_the_meters_counted_what_was_posted(history, reports, name, node):
    posted, _ = history
    for by in ("node", "day"):
        balance = reports.balance(*SPANS[name], node=node, by=by)
        inside = [each for each in posted if balance.start <= each.hour < balance.end and node in {"", each.node}]
        assert balance.total.measured_joules == pytest.approx(sum(each.joules for each in inside))
        assert balance.total.residual_ratio == pytest.approx(0, abs=1e-9)
        assert balance.total.idle_joules == pytest.approx(sum(each.joules for each in inside if each.account is Account.IDLE))
        assert sum(row.measured_joules for row in balance.items) == pytest.approx(balance.total.measured_joules)
        assert all(row.residual_joules == pytest.approx(0, abs=1e-3) for row in balance.items)


def test_what_was_measured_and_not_posted_is_the_residual(books, reports):
    books.commit([batch(None, T0 + HOUR, posting(None, T0, 90.0), measured=100.0)], [])
    row = reports.balance(T0, T0 + HOUR).items[0]
    assert (row.residual_joules, row.residual_ratio, row.source) == (pytest.approx(10), pytest.approx(0.1), "counter")


def _alive(run, start, end):
    return (end is None or run.started < end) and (start is None or run.ended is None or run.ended > start)


@pytest.mark.parametrize("name", [*SPANS, "no span"])
def test_a_list_has_every_run_that_was_alive(history, reports, name):
    _, runs = history
    start, end = SPANS.get(name, (None, None))
    page = reports.jobs(JobQuery(start=start, end=end, limit=1000))
    assert sorted(row.job_id for row in page.items) == sorted(run.key.job_id for run in runs if _alive(run, start, end))
    assert (page.total, page.total_is_exact, page.next) == (len(page.items), True, None)
    assert [row.start for row in page.items] == sorted((row.start for row in page.items), reverse=True)


@pytest.mark.parametrize("sort", [*SORTS])
@pytest.mark.parametrize("descending", ["-", ""])
def test_pages_of_a_list_are_the_list(history, reports, sort, descending):
    start, end = SPANS["days and a bit"]
    whole = reports.jobs(JobQuery(start=start, end=end, sort=descending + sort, limit=1000))
    items, cursor = [], ""
    while True:
        page = reports.jobs(JobQuery(start=start, end=end, sort=descending + sort, limit=4, cursor=cursor))
        items += page.items
        if page.next is None:
            break
        cursor = page.next
    assert items == list(whole.items)


@pytest.mark.parametrize(
    ("filters", "matches"),
    [
        ({"user": "a"}, lambda run: run.user == "a"),
        ({"account": "x"}, lambda run: run.account == "x"),
        ({"partition": "gpu", "node": "n2"}, lambda run: run.nodes == ("n2",)),
        ({"state": "running"}, lambda run: run.ended is None),
        ({"search": "N1-"}, lambda run: run.nodes == ("n1",)),
        ({"search": "n3-2"}, lambda run: run.key.job_id.startswith("n3-2")),
        ({"search": "%"}, lambda run: "%" in run.name),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_filters_narrow_a_list(history, reports, filters, matches):
    _, runs = history
    page = reports.jobs(JobQuery(**filters, limit=1000))
    assert sorted(row.job_id for row in page.items) == sorted(run.key.job_id for run in runs if matches(run))


def test_a_job_is_told_with_its_gpus_hours_and_findings(books, reports):
    job = run_of("77", start=T0, end=T0 + 2 * HOUR, name="train", submitted=T0 - 60.0, qos="high")
    earlier = run_of("77", start=T0 - DAY, end=T0 - DAY + 60)
    earlier = replace(earlier, key=job.key._replace(instance="9"))
    lines = [posting(job, T0, 1e6), posting(job, T0 + HOUR, 2e6)]
    uses = [use(job, gpu=1, seconds=7200.0), use(job, seconds=7200.0)]
    books.commit([batch(None, T0 + 3 * HOUR, *lines, uses=uses)], [job, earlier])
    found = reports.job("77")
    row = found.job
    assert (row.name, row.nodes, row.gpus, row.state, row.submitted) == ("train", ("n1",), 2, "completed", T0 - 60)
    assert row.energy_joules == pytest.approx(3e6)
    assert row.energy.total == pytest.approx(3e6)
    assert row.energy.allocated_idle == pytest.approx(0.15e6)
    assert (row.methods, row.settled_until, row.priced_ratio) == (("counter",), row.end, pytest.approx(1))
    assert row.cost == pytest.approx(3e6 / 3.6e6 * 0.25)
    assert row.carbon_market_grams is None
    assert row.average_gpu_watts == pytest.approx(650 / 7200)
    assert row.memory_peak_ratio == pytest.approx(0.5)
    assert [gpu.index for gpu in found.gpus] == [0, 1]
    assert [hour.energy.total for hour in found.hours] == pytest.approx([1e6, 2e6])
    assert row.findings == len(found.findings) > 0
    assert [each.instance for each in found.other_runs] == ["9"]
    assert reports.job("77", "9").job.start == T0 - DAY
    assert reports.job("77", "8") is None
    assert reports.job("78") is None


def test_a_live_run_has_the_numbers_of_its_slowest_node(books, reports):
    two = run_of("5", placements=(*run_of("5", node="n1").placements, *run_of("5", node="n2").placements))
    books.commit([batch(None, T0 + 60, posting(two, T0, 10.0)), batch(None, T0 + 30, node="n2")], [two])
    assert reports.job("5").job.settled_until == T0 + 30
    assert reports.report("user", T0, T0 + HOUR).settled_until == T0 + 30


def test_answers_say_when_the_books_begin(books, reports):
    assert reports.report("user", T0, T0 + HOUR).books_begin is None
    books.commit([batch(None, T0 + DAY, posting(run_of("5"), T0 + 7 * HOUR, 10.0))], [run_of("5")])

    assert reports.report("user", T0 - DAY, T0).books_begin == T0 + 7 * HOUR
    assert reports.balance(T0 - DAY, T0).books_begin == T0 + 7 * HOUR


def test_a_node_that_was_never_settled_has_no_balance(history, reports):
    assert reports.balance(T0 - DAY, T0, node="n1").items == ()
    with pytest.raises(NoSuchNode, match="no such node in the books: 'n99'"):
        reports.balance(T0, T0 + DAY, node="n99")


def test_what_has_no_price_is_not_free(books, reports):
    job = run_of("5")
    half = posting(job, T0, 100.0, cost=0.0, priced_joules=0.0)
    books.commit([batch(None, T0 + 60, half)], [job])
    assert reports.job("5").job.cost is None
    assert reports.report("user", T0, T0 + HOUR).items[0].cost is None


def test_the_facilitys_energy_is_told_beside_the_measured(books, config):
    books.commit([batch(None, T0 + 60, posting(run_of("1"), T0, 100.0))], [run_of("1")])
    energy = config.energy.model_copy(update={"pue": 1.25, "tariff": Tariff(currency="CHF")})
    reports = open_reports(config.model_copy(update={"energy": energy}))
    report = reports.report("account", T0, T0 + HOUR)
    assert (report.pue, report.currency, report.total.facility_joules) == (1.25, "CHF", pytest.approx(125))
    reports.close()


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (lambda reports: reports.report("week", T0, T0 + 1), "no report by 'week'"),
        (lambda reports: reports.report("user", T0, T0), "empty"),
        (lambda reports: reports.report("job", T0, T0 + HOUR, cursor="x"), "cursor"),
        (lambda reports: reports.report("user", T0, T0 + HOUR, cursor="x"), "cursor"),
        (lambda reports: reports.balance(T0 + 1, T0), "empty"),
        (lambda reports: reports.balance(T0, T0 + HOUR, by="user"), "no balance by 'user'"),
        (lambda reports: reports.jobs(JobQuery(sort="price")), "no order 'price'"),
        (lambda reports: reports.jobs(JobQuery(cursor="zzz")), "none of ours"),
        (lambda reports: reports.jobs(JobQuery(start=2, end=1)), "empty"),
        (lambda reports: reports.jobs(JobQuery(limit=0)), "page of 0"),
        (lambda reports: reports.jobs(JobQuery(state="fine")), "no state 'fine'"),
    ],
)
def test_a_question_without_sense_is_refused(reports, question, words):
    with pytest.raises(ValueError, match=words):
        question(reports)


def test_a_cursor_of_another_order_is_refused(history, reports):
    cursor = reports.jobs(JobQuery(sort="-energy", limit=1)).next
    with pytest.raises(ValueError, match="sorted by -energy"):
        reports.jobs(JobQuery(sort="start", cursor=cursor))


def test_before_core_has_made_the_ledger_reports_say_so(config):
    reports = open_reports(config)
    with pytest.raises(BooksError, match="core makes it"):
        reports.jobs(JobQuery())
    assert not config.data_dir.exists()
    reports.close()


def test_reports_do_not_write(reports, books):
    with reports._reading() as connection, pytest.raises(Exception, match=r"read-?only"):
        connection.exec_driver_sql("DELETE FROM runs")


def test_one_id_of_two_schedulers_is_never_taken_for_the_others(books, reports):
    ours, theirs = (
        replace(run_of("7", start=T0 + at, end=T0 + at + 600), key=RunKey(f"slurm:{name}", "7"))
        for at, name in ((0, "one"), (1000, "two"))
    )
    found = batch(None, T0 + HOUR, posting(ours, T0, 100.0), posting(theirs, T0, 900.0))
    assert books.commit([found], [ours, theirs]) == ()

    with pytest.raises(ValueError, match="slurm:one, slurm:two"):
        reports.job("7")
    detail = reports.job("7", scheduler="slurm:one")
    assert detail.job.energy_joules == pytest.approx(100.0)
    assert detail.other_runs == ()
    assert [row.scheduler for row in reports.jobs(JobQuery(scheduler="slurm:two")).items] == ["slurm:two"]
