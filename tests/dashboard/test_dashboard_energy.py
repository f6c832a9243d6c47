"""The page of energy: the report, and the balance that proves it."""

import dataclasses
import re
from dataclasses import replace
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from fixture_hall import NOW
from fixture_ledger import FakeReports

from dashboard.components import energybalance, energyreport
from dashboard.components.jobhead import Seen
from dashboard.energyunit import unit_for
from dashboard.pages import energy
from dashboard.timerange import moment

REPORT = FakeReports().report("account", NOW - 86_400, NOW)
BALANCE = FakeReports().balance(NOW - 86_400, NOW)
BERLIN = ZoneInfo("Europe/Berlin")


def number(text: str) -> float:
    return float(text.replace(",", "").replace("\N{MINUS SIGN}", "-"))


def test_the_lines_of_the_report_add_up_to_its_total_as_they_are_written():
    written = energyreport.report_table(REPORT, "")
    cells = [number(cell) for cell in re.findall(r'<td class="number" data-by="[^"]*">([\d,.]+)<span class="below">±', written)]

    assert len(cells) == len(REPORT.items) + 1
    assert sum(cells[:-1]) == pytest.approx(cells[-1], abs=0.001 * len(cells))


def test_idle_and_overhead_are_lines_that_lead_nowhere():
    written = energyreport.report_table(REPORT, "")

    assert written.count('class="unused"') == 2
    assert "account=%28idle%29" not in written


def test_an_account_leads_to_its_jobs_of_the_same_time():
    assert 'href="/jobs?from=now-1M/M&amp;to=now/M&amp;account=llm&amp;sort=-energy"' in energyreport.report_table(
        REPORT, "?from=now-1M/M&to=now/M&by=account"
    )


def test_the_balance_can_be_added_up_by_hand():
    table = energybalance.proof(REPORT, BALANCE)[0]
    metered, jobs, idle, overhead, residual = map(number, re.findall(r'<td class="number">([^<]+)</td>', table))

    assert metered - jobs - idle - overhead == pytest.approx(residual, abs=0.003)


def test_the_report_is_checked_against_the_balance():
    off = dataclasses.replace(REPORT, total=dataclasses.replace(REPORT.total, energy_joules=REPORT.total.energy_joules + 3.6e6))

    assert "adds up to the same" in energybalance.proof(REPORT, BALANCE)[1]
    assert "+1.000 kWh apart" in energybalance.proof(off, BALANCE)[1]


def test_a_residual_over_a_tenth_of_a_percent_is_marked():
    bad = dataclasses.replace(BALANCE.items[0], residual_ratio=-0.004)

    written = energybalance.table(dataclasses.replace(BALANCE, items=(bad,)), "node", "")

    assert '<tr class="warning">' in written
    assert "0.400\u202f%" in written
    assert '<tr class="warning">' not in energybalance.table(BALANCE, "node", "")


def test_a_small_site_is_counted_in_watt_hours():
    assert (unit_for(3.6e6).name, unit_for(3.5e6).name) == ("kWh", "Wh")
    assert unit_for(1.0).write(3600 * 1.25) == "1.2"


def test_a_residual_has_a_sign_and_nothing_is_a_plain_zero():
    unit = unit_for(1e9)

    assert (unit.signed(3.6e6), unit.signed(-3.6e6), unit.signed(-1.0)) == ("+1.000", "\N{MINUS SIGN}1.000", "0.000")


def test_the_page_is_of_this_month_unless_the_address_says_otherwise():
    start, end = energy.span("", NOW, BERLIN)

    assert start == moment("2026-09-01", NOW, BERLIN)
    assert NOW - 60 < end <= NOW


def test_last_month_is_the_calendars_and_not_thirty_days():
    march_31 = moment("2026-03-31T12:00", 0, BERLIN)

    assert moment("now-1M/M", march_31, BERLIN) == moment("2026-02-01", 0, BERLIN)
    assert moment("now/M", march_31, BERLIN) == moment("2026-03-01", 0, BERLIN)
    assert moment("now-3M/M", march_31, BERLIN) == moment("2025-12-01", 0, BERLIN)


def test_the_file_has_the_same_times_as_the_page():
    written = "".join(energy.head(REPORT, Seen(now=NOW, zone=BERLIN, search="")))

    times = "from=2026-09-20T14%3A13%3A20Z&amp;to=2026-09-21T14%3A13%3A20Z"
    assert f'href="/api/energy/report?by=account&amp;{times}&amp;format=csv"' in written


def test_a_report_that_reaches_before_the_books_says_when_they_begin():
    seen = Seen(now=NOW, zone=BERLIN, search="")

    assert "the books begin at" in "".join(energy.head(replace(REPORT, books_begin=REPORT.start + 60), seen))
    assert "the books begin at" not in "".join(energy.head(replace(REPORT, books_begin=REPORT.start), seen))


def test_a_report_of_jobs_leads_to_each_run():
    line = dataclasses.replace(
        REPORT.items[0], key="team/pod", jobs=1, labels={"instance": "uid-1", "name": "serve", "user": "bo"}
    )
    written = energyreport.report_table(dataclasses.replace(REPORT, by="job", items=(line,)), "?refresh=5s&by=job")

    assert 'href="/job/team/pod?refresh=5s&amp;instance=uid-1"' in written
    assert "serve · bo" in written


def test_without_prices_nothing_costs_nothing():
    total = dataclasses.replace(REPORT.total, cost=None, carbon_grams=None)

    written = "".join(energyreport.figures(dataclasses.replace(REPORT, total=total), BALANCE))

    assert "no price known" in written
    assert "0.00" not in written


def test_what_makes_the_report_again_stands_at_its_foot():
    assert "by=account&amp;from=2026-09-20T14:13:20Z&amp;to=2026-09-21T14:13:20Z" in energy.foot(REPORT, UTC)
