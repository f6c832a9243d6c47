"""wattstat jobs and wattstat energy: what they print and how they end."""

import asyncio
import csv
import io
import json
from dataclasses import replace

import pytest

from tests.support.energy_reports import GPU, JOB, NOW
from tests.support.web_server import serving
from wattstat import units
from wattstat.cli import asking

SENTENCES = (
    "Job 1234 (train) of ada: completed",
    "16 GPUs on gpu01, gpu02; partition gpu",
    "energy    25.0 kWh ± 25.0 Wh",
    "settled   wholly: these are the final figures",
    "cost      7.50 €",
    "carbon    9.50 kg CO2 (location-based), 0 g CO2 (market-based)",
    "hardware energy counters and estimates; 1.0 % is estimated",
    "! 1 of 16 GPUs did nothing: gpu02/7",
)


def test_jobs_are_listed_with_units_for_people(run, site):
    shown = run("jobs", "list", "--url", site)

    assert shown.exit_code == 0, shown.output
    lines = shown.stdout.splitlines()
    assert lines[0].split() == [
        "JOB", "NAME", "USER", "ACCOUNT", "STATE", "START", "DURATION", "GPUS", "IDLE", "ENERGY", "±", "COST", "CARBON",
        "NOTES",
    ]  # fmt: skip
    assert "16  6.0 %  25.0 kWh  0.1 %  7.50 €  9.50 kg CO2" in lines[1]
    assert "team-a/bert-0" in lines[2]


def test_jobs_as_json_are_in_joules_and_hold_every_page(run, site, monkeypatch):
    monkeypatch.setattr("wattstat.cli.jobs.PAGE", 1)
    found = json.loads(run("jobs", "list", "--url", site, "--limit", "0", "--json").stdout)

    assert [item["job_id"] for item in found["items"]] == ["1234", "team-a/bert-0", "77+1"]
    assert found["items"][0]["energy_joules"] == 90e6


def test_a_short_list_says_that_there_is_more(run, site):
    shown = run("jobs", "list", "--url", site, "--limit", "2")

    assert len(shown.stdout.splitlines()) == 3
    assert "2 of 3 runs" in shown.stderr


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_job_is_shown_in_words(run, site, sentence):
    assert sentence in run("jobs", "show", "1234", "--url", site).stdout


def test_a_pod_that_runs_is_shown_with_what_it_served(run, site):
    shown = run("jobs", "show", "team-a/bert-0", "--url", site).stdout

    assert "what came later is not in these figures yet" in shown
    assert (
        "llama: 100 requests, 50,000 tokens, 5.0 kJ a request, 10.0 kJ per 1,000 tokens; now 12.5 J per 1,000 tokens" in shown
    )
    assert "cost      not known: no tariff" in shown


def test_an_id_with_a_plus_sign_arrives_whole(run, site):
    assert "Job 77+1" in run("jobs", "show", "77+1", "--url", site).stdout


def test_an_unknown_job_ends_the_command_with_what_to_do(run, site):
    shown = run("jobs", "show", "99", "--url", site)

    assert shown.exit_code == 1
    assert "the ledger knows no job '99'" in shown.stderr


def test_a_report_is_a_table_with_a_total(run, site):
    shown = run("energy", "report", "--url", site, "--by", "account", "--month", "2026-11")

    lines = shown.stdout.splitlines()
    assert lines[0].split()[:4] == ["ACCOUNT", "JOBS", "GPU", "HOURS"]
    assert lines[-1].startswith("total")
    assert "2026-11-01 00:00 to 2026-12-01 00:00; with the building's PUE of 1.3" in shown.stderr


def test_a_report_as_csv_is_whole(run, site, monkeypatch):
    monkeypatch.setattr("energy.http.routes.CSV_PAGE", 1)
    rows = list(csv.DictReader(io.StringIO(run("energy", "report", "--url", site, "--format", "csv").stdout)))

    assert [row["key"] for row in rows] == ["physics", "team-a", "physics", "(idle)"]


@pytest.mark.parametrize("arguments", [["--format", "json"], ["--json"]])
def test_a_report_as_json_is_whole(run, site, monkeypatch, arguments):
    monkeypatch.setattr("wattstat.cli.energy.PAGE", 2)
    found = json.loads(run("energy", "report", "--url", site, *arguments).stdout)

    assert sum(item["energy_joules"] for item in found["items"]) == found["total"]["energy_joules"]
    assert found["next"] is None


def test_a_balance_tells_measured_posted_and_residual(run, site):
    by_node = run("energy", "balance", "--url", site, "--from", "now-1d")
    by_day = json.loads(run("energy", "balance", "--url", site, "--by", "day", "--json").stdout)

    assert by_node.stdout.splitlines()[1].split()[:5] == ["gpu01", "27.8", "kWh", "25.0", "kWh"]
    assert "0.000 %" in by_node.stdout
    assert by_day["days"][0]["measured_joules"] == 100e6


@pytest.mark.parametrize("command", [["jobs", "list"], ["jobs", "show", "1"], ["energy", "report"], ["energy", "balance"]])
def test_when_nobody_answers_a_command_says_where_it_asked(run, command):
    ended = run(*command, "--url", "http://127.0.0.1:1")

    assert ended.exit_code == 1
    assert "the web process at http://127.0.0.1:1 does not answer" in ended.stderr
    assert "wattstat serve" in ended.stderr


def test_the_address_is_the_configurations_unless_given(run, tmp_path):
    (tmp_path / "wattstat.yaml").write_text("web: {listen: '0.0.0.0:1', insecure: true}")

    assert "the web process at http://127.0.0.1:1 does not answer" in run("jobs", "list").stderr


def test_a_bad_time_is_wrong_use_and_names_what_was_expected(run, site):
    ended = run("energy", "report", "--url", site, "--from", "whenever")

    assert ended.exit_code == 2
    assert "expected RFC 3339" in ended.stderr


def test_something_else_at_the_address_is_not_taken_for_wattstat(run, site):
    ended = run("jobs", "list", "--url", f"{site}/elsewhere")

    assert ended.exit_code == 1
    assert "Not Found: GET /elsewhere/api/jobs is not answered here" in ended.stderr


async def test_a_refusal_that_is_no_problem_document_is_told_by_its_status():
    async def lost(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b"<h1>Nothing here</h1>"})

    async with serving(lost) as url:
        with pytest.raises(asking.Refused, match="answered with status 404"):
            await asyncio.to_thread(asking.get, url, "/api/jobs")


def test_figures_of_a_part_of_the_run_are_said_to_be_that(run, site, books):
    whole = run("jobs", "show", "1234", "--url", site).stdout
    books.gpus = (replace(GPU, seconds=720.0),)
    part = run("jobs", "show", "1234", "--url", site).stdout

    assert "counted" not in whole
    assert "counted   0.2 of 2.0 GPU hours (10 %)" in part


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (units.energy(0.0), "0 Wh"),
        (units.energy(None), "-"),
        (units.energy(90e6), "25.0 kWh"),
        (units.energy(36e3), "10.0 Wh"),
        (units.energy(3.6e6 * 25_000), "25.0 MWh"),
        (units.money(1234.5, "USD"), "1,234.50 $"),
        (units.money(0.0004, "EUR"), "0.0004 €"),
        (units.money(5.0, "NOK"), "5.00 NOK"),
        (units.carbon(1.2e6), "1.20 t CO2"),
        (units.carbon(50.0), "50.0 g CO2"),
        (units.ratio(0.0123), "1.2 %"),
        (units.ratio(None), "-"),
        (units.ratio(0.6), "60 %"),
        (units.ratio(0.08), "8.0 %"),
        (units.ratio(0.0004), "0.04 %"),
        (units.ratio(1e-7), "<0.01 %"),
        (units.energy(-0.002), "0 Wh"),
        (units.duration(93_600), "1 d 2 h"),
        (units.duration(59.6), "1 min 00 s"),
        (units.count(1, "GPU"), "1 GPU"),
        (units.count(1200, "GPU"), "1,200 GPUs"),
    ],
)
def test_quantities_are_said_as_people_read_them(said, meant):
    assert said == meant


@pytest.mark.parametrize(
    ("text", "meant"),
    [("175e9", 175e9), ("175B", 175e9), ("1.5T", 1.5e12), ("300 b", 300e9), ("7_000", 7e3), ("1,000", 1000.0)],
)
def test_large_numbers_are_read_as_people_write_them(text, meant):
    assert units.amount(text, "tokens") == meant


@pytest.mark.parametrize("text", ["", "B", "many", "1e9x", "1,5T", "nan", "-5", "1e9kk"])
def test_what_is_no_number_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match=r"tokens: .* expected one such as 175e9"):
        units.amount(text, "tokens")


@pytest.mark.parametrize("command", ["report", "balance"])
def test_a_time_before_the_books_is_not_told_as_zero(run, site, books, command):
    books.books_begin = NOW
    before = run("energy", command, "--url", site, "--from", "2026-11-01", "--to", "2026-11-02")
    told = json.loads(run("energy", command, "--url", site, "--to", "2026-11-22", "--json").stdout)

    assert (before.exit_code, before.stdout) == (1, "")
    assert "nothing is known of this time, the books begin at 2026-11-23 00:00" in before.stderr
    assert told["books_begin"] == "2026-11-23T00:00:00.000Z"


@pytest.mark.parametrize("command", ["report", "balance"])
def test_a_time_that_reaches_before_the_books_is_not_said_to_be_settled(run, site, books, command):
    books.books_begin = NOW - 3600
    shown = run("energy", command, "--url", site, "--from", "2026-11-01", "--to", "2026-11-23")

    assert shown.exit_code == 0
    assert "the books begin at 2026-11-22 23:00, nothing before is in them" in shown.stderr
    assert "all of it settled" not in shown.stderr


def test_the_balance_of_an_unknown_node_fails_and_names_it(run, site):
    shown = run("energy", "balance", "--url", site, "--node", "nosuch")

    assert shown.exit_code == 1
    assert "no such node in the books: 'nosuch'" in shown.stderr


def test_the_id_of_a_whole_array_leads_to_its_tasks(run, site, books):
    books.rows = tuple(replace(JOB, job_id=f"40346_{task}") for task in range(10))
    shown = run("jobs", "show", "40346", "--url", site)

    assert shown.exit_code == 1
    assert "job 40346 is known by its parts: 40346_0, 40346_1," in shown.stderr
    assert "40346_7 and 2 more" in shown.stderr
    assert "`wattstat jobs list --search 40346` lists them" in shown.stderr
