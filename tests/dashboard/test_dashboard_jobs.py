"""The list of jobs: what an address asks, what a row says, what leads where."""

import dataclasses
import re

import pytest
from fixture_hall import NOW, FakeLive, FakeStore
from fixture_ledger import FakeReports, row

from dashboard import address, words
from dashboard.components import jobgrid, jobwords
from dashboard.components.charts import Chart
from dashboard.components.jobfigures import scatter
from dashboard.pages import jobs
from dashboard.services import Services
from dashboard.timerange import Span
from wattstat.api.energy import JobQuery, LedgerUnavailable

CHART = Chart(span=Span(start=NOW - 6 * 3600, end=NOW, step=30), now=NOW)
FINISHED = row(40, NOW)
RUNNING = row(1, NOW)


def seen(search: str = "", alive=None) -> jobgrid.Seen:
    return jobgrid.Seen(now=NOW, zone=CHART.zone, search=search, alive=alive)


def services(reports: FakeReports | None) -> Services:
    return Services(FakeStore(), FakeLive(), lambda: NOW, reports)


def test_an_address_says_filter_order_and_page():
    asked = jobgrid.query("?q=train&user=bo&state=failed&sort=-energy&cursor=50&from=now-1h", 1.0, 2.0)

    assert (asked.search, asked.user, asked.state, asked.sort, asked.cursor) == ("train", "bo", "failed", "-energy", "50")
    assert (asked.start, asked.end) == (1.0, 2.0)


def test_an_order_that_nobody_knows_is_the_newest_first():
    assert jobgrid.query("?sort=drop+table", None, None).sort == "-start"


def test_a_heading_sorts_by_the_largest_first_then_turns_and_begins_at_the_first_page():
    page = FakeReports().jobs(JobQuery())
    by_start = jobgrid.table(page, JobQuery(), seen("?cursor=50&row=50&user=bo"))
    by_energy = jobgrid.table(page, JobQuery(sort="-energy"), seen("?sort=-energy"))

    assert 'href="/jobs?user=bo&amp;sort=-energy"' in by_start
    assert 'href="/jobs?sort=energy"' in by_energy
    assert re.search(r'<th scope="col" class="number" aria-sort="descending"><a href="/jobs\?sort=energy"', by_energy)


def test_a_row_leads_to_its_run_and_leaves_the_chosen_time_behind():
    written = jobgrid.row(FINISHED, seen("?from=now-1h&to=now&refresh=30s&sort=-cost"))

    assert f'href="/job/{FINISHED.job_id}?refresh=30s&amp;instance=0"' in written


@pytest.mark.parametrize(
    ("job_id", "path"),
    [
        ("1234_7", "/job/1234_7"),
        ("1234+1", "/job/1234+1"),
        ("team/pod-0", "/job/team/pod-0"),
        ("a b?c#d", "/job/a%20b%3Fc%23d"),
    ],
)
def test_every_job_id_has_an_address(job_id, path):
    assert address.to_job(job_id, None, "") == path


def test_a_user_leads_to_the_jobs_of_that_user_among_those_that_are_shown():
    written = jobgrid.row(FINISHED, seen("?account=llm&cursor=50"))

    assert f'href="/jobs?account=llm&amp;user={FINISHED.user}"' in written


def test_what_a_schedulers_user_typed_stays_text():
    evil = dataclasses.replace(FINISHED, name="<img src=x onerror=alert(1)>", user='"><script>')

    assert "<img" not in jobgrid.row(evil, seen())
    assert "<script" not in jobgrid.row(evil, seen())
    assert "<img" not in str(scatter([evil], CHART, "")["data"])


def test_what_is_not_known_is_a_dash_and_not_a_zero():
    bare = dataclasses.replace(
        FINISHED, cost=None, carbon_grams=None, average_gpu_watts=None, sm_active_ratio=None, busy_ratio=None, idle_ratio=None
    )

    written = jobgrid.row(bare, seen())

    assert written.count(f">{words.NOTHING}<") == 5


def test_a_cost_of_a_part_says_of_which():
    assert "of 80\u202f%" in jobgrid.row(dataclasses.replace(FINISHED, priced_ratio=0.8), seen())


async def test_live_power_stands_in_the_rows_of_jobs_that_run_only():
    alive = await services(None).alive()
    running = dataclasses.replace(RUNNING, job_id="4201")

    assert re.search(r">\d\.\d\d\u202fkW<", jobgrid.row(running, seen(alive=alive)))
    assert not re.search(r">\d\.\d\d\u202fkW<", jobgrid.row(dataclasses.replace(running, end=NOW - 9), seen(alive=alive)))


def test_busy_stands_in_for_a_board_that_does_not_tell_sm_activity_and_says_so():
    assert jobwords.activity(dataclasses.replace(FINISHED, sm_active_ratio=None, busy_ratio=0.4)) == (0.4, "busy")


def test_an_empty_list_says_why():
    assert "fits the filter" in jobgrid.nothing(JobQuery(user="nobody"))
    assert "No job ran" in jobgrid.nothing(JobQuery())
    assert "first" in jobgrid.nothing(JobQuery(cursor="900"))


def test_the_pages_are_counted_and_the_next_is_named():
    page = FakeReports().jobs(JobQuery())
    first = "".join(filter(None, jobs.pages(page, JobQuery(), "?user=bo")))
    second = "".join(filter(None, jobs.pages(page, JobQuery(cursor="50"), "?cursor=50&row=50")))
    many = dataclasses.replace(page, total=100_000, total_is_exact=False)

    assert "1 to 50 of 230 jobs" in first
    assert 'href="/jobs?user=bo&amp;cursor=50&amp;row=50"' in first
    assert "First page" not in first
    assert "51 to 100 of 230 jobs" in second
    assert "of at least 100,000 jobs" in "".join(filter(None, jobs.pages(many, JobQuery(), "")))


def test_every_filter_can_be_taken_away():
    chips = jobs.chips(JobQuery(user="bo", account="llm"), "?user=bo&account=llm&q=x")

    assert [re.search('href="([^"]*)"', chip)[1] for chip in chips] == [
        "/jobs?account=llm&amp;q=x", "/jobs?user=bo&amp;q=x",
    ]  # fmt: skip


def test_the_scatter_has_a_dot_for_each_job_with_both_numbers_and_leads_to_it():
    dark = dataclasses.replace(row(41, NOW), average_gpu_watts=None)
    drawn = scatter([FINISHED, RUNNING, dark], CHART, "?refresh=10s")

    links = [link for trace in drawn["data"] for link in trace["customdata"]]
    assert sorted(links) == sorted(f"/job/{job.job_id}?refresh=10s&instance=0" for job in (FINISHED, RUNNING))


def test_a_scatter_without_dots_says_why():
    assert "both activity and power" in str(scatter([], CHART, "")["layout"]["annotations"])


async def test_ten_viewers_of_the_list_ask_the_database_once():
    reports = FakeReports()
    one = services(reports)

    for _ in range(10):
        await one.ledger.jobs(JobQuery(user="bo"))

    assert len(reports.asked) == 1


async def test_a_site_without_a_ledger_says_so():
    with pytest.raises(LedgerUnavailable, match=r"energy\.enabled is off"):
        await services(None).ledger.jobs(JobQuery())


async def test_a_silent_database_is_asked_again_the_next_time():
    reports = FakeReports(down=True)
    one = services(reports)
    with pytest.raises(LedgerUnavailable, match="disk full"):
        await one.ledger.job("4201", None)
    reports.down = False

    assert (await one.ledger.job("4201", None)).job.job_id == "4201"


def test_the_five_numbers_are_of_all_jobs():
    report = FakeReports().report("account", NOW - 6 * 3600, NOW)
    alive = jobs.Alive(watts={("slurm", "1"): 700.0, ("slurm", "2"): 1300.0}, holders={}, counts={"running": 2, "pending": 5})

    written = "".join(jobs.figures(report, alive))

    assert '<span class="number">2</span>' in written
    assert "5 waiting" in written
    assert '<span class="number">2.00</span><span class="unit">kW</span>' in written
    assert "idle" in written


def test_without_a_scheduler_nothing_is_counted_as_zero():
    report = FakeReports(count=0).report("account", NOW - 3600, NOW)

    written = "".join(jobs.figures(report, jobs.Alive(watts={}, holders={}, counts={})))

    assert "no scheduler answers" in written
    assert "no price known" in written
