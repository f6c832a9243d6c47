"""wattstat jobs and wattstat energy: what they print and how they end."""

import csv
import io
import json

import pytest

SENTENCES = (
    "Job 1234 (train) of ada: completed",
    "16 GPUs on gpu01, gpu02; partition gpu",
    "energy    25.0 kWh ± 25.0 Wh",
    "settled   wholly: these are the final figures",
    "cost      7.50 €",
    "carbon    9.50 kg CO2 (location-based), 0.00 g CO2 (market-based)",
    "hardware energy counters and estimates; 1 % is estimated",
    "! 1 of 16 GPUs did nothing: gpu02/7",
)


def test_jobs_are_listed_with_units_for_people(run, site):
    shown = run("jobs", "list", "--url", site)

    assert shown.exit_code == 0, shown.output
    lines = shown.stdout.splitlines()
    assert lines[0].split() == [
        "JOB", "NAME", "USER", "ACCOUNT", "STATE", "START", "DURATION", "GPUS", "ENERGY", "±", "COST", "CARBON", "NOTES",
    ]  # fmt: skip
    assert "25.0 kWh  0.1 %  7.50 €  9.50 kg CO2" in lines[1]
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
    assert "llama: 5e+03 J a request, 1e+04 J per 1,000 tokens" in shown
    assert "cost      -" in shown


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
    monkeypatch.setattr("energy.http.CSV_PAGE", 1)
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
    assert "status 404" in ended.stderr
