"""What people get, asked of real books over HTTP and on the command line."""

import csv
import io
import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from energy.database import open_books, open_reports
from energy.model import Account
from tests.energy.books.entries import DAY, HOUR, T0, batch, posting, run_of, use
from wattstat.api.energy import BYS
from wattstat.config import Config
from wattstat.config.energy import Energy, Tariff
from wattstat.jobs import RunKey

BUSY = {
    "joules": 5.0e6, "idle_joules": 0.0, "seconds": 2 * HOUR, "idle_seconds": 0.0, "sm_active_seconds": 1.6 * HOUR,
    "busy_seconds": 1.9 * HOUR, "capped_seconds": 0.0, "model": "NVIDIA H100 80GB HBM3",
}  # fmt: skip
IDLE = {**BUSY, "joules": 0.0, "idle_joules": 0.5e6, "idle_seconds": 2 * HOUR, "sm_active_seconds": 0.0, "busy_seconds": 0.0}


@pytest.fixture
def books(tmp_path):
    """Eight jobs of two hours on one server, one of them a pod, one a component that was requeued, on a day of its own."""
    config = Config(data_dir=tmp_path / "data", energy=Energy(pue=1.25, tariff=Tariff(currency="CHF")))
    written = open_books(config)
    runs = [run_of(str(number), start=T0 + 2 * HOUR * number, end=T0 + 2 * HOUR * (number + 1)) for number in range(6)]
    runs += [
        replace(runs[0], key=RunKey("kubernetes", "team-a/bert_0", "9f2c"), started=T0 + 12 * HOUR, ended=T0 + 14 * HOUR),
        replace(runs[0], key=RunKey("slurm", "77+1", "1"), started=T0 + 14 * HOUR, ended=T0 + 16 * HOUR, user="=cmd()"),
        replace(runs[0], key=RunKey("slurm", "77+1", "0"), started=T0 + 16 * HOUR, ended=T0 + 17 * HOUR),
    ]
    postings, uses = [], []
    for run in runs:
        postings += [posting(run, hour, 8.0e6) for hour in range(int(run.started), int(run.ended), HOUR)]
        uses += [use(run, gpu=0, **BUSY), use(run, gpu=1, **(IDLE if run is runs[3] else BUSY))]
    postings += [posting(None, T0 + hour * HOUR, 1.0e6) for hour in range(24)]
    postings += [posting(None, T0, 2.0e6, account=Account.OVERHEAD)]
    assert written.commit([batch(None, T0 + DAY, *postings, uses=uses)], runs) == ()
    written.close()
    reports = open_reports(config, clock=lambda: T0 + 2 * DAY)
    yield reports
    reports.close()


@pytest.fixture
def now():
    return T0 + 2 * DAY


SPAN = ("--from", "2026-01-01", "--to", "2026-01-02")


def test_the_csv_adds_up_to_what_the_meters_counted(run, site):
    rows = list(
        csv.DictReader(io.StringIO(run("energy", "report", "--url", site, "--by", "job", *SPAN, "--format", "csv").stdout))
    )
    balance = json.loads(run("energy", "balance", "--url", site, *SPAN, "--json").stdout)

    assert {row["key"] for row in rows} >= {"0", "team-a/bert_0", "77+1", "(idle)", "(overhead)"}
    assert sum(float(row["energy_joules"]) for row in rows) == pytest.approx(balance["measured_joules"])
    assert balance["residual_joules"] == pytest.approx(0, abs=1)
    assert next(row for row in rows if row["instance"] == "1")["user"] == "'=cmd()"


@pytest.mark.parametrize("by", ["job", "user", "account", "partition", "node", "day"])
def test_every_report_has_the_same_total(run, site, by):
    shown = run("energy", "report", "--url", site, "--by", by, *SPAN)
    found = json.loads(run("energy", "report", "--url", site, "--by", by, *SPAN, "--json").stdout)

    assert shown.exit_code == 0, shown.stderr
    assert found["total"]["energy_joules"] == pytest.approx(17 * 8e6 + 24e6 + 2e6)
    assert sum(item["energy_joules"] for item in found["items"]) == pytest.approx(found["total"]["energy_joules"])
    assert found["total"]["facility_joules"] == pytest.approx(1.25 * found["total"]["energy_joules"])


def test_a_job_is_shown_with_what_its_idle_gpu_cost(run, site):
    shown = run("jobs", "show", "3", "--url", site).stdout

    assert "! 1 of 2 GPUs did nothing for at least 90 % of the time: n1/1; idle for 2 h 00 min" in shown
    assert "energy    4.44 kWh ± 4.44 Wh" in shown
    assert "wholly: these are the final figures" in shown
    assert "CHF" in shown


@pytest.mark.parametrize(("job_id", "user"), [("team-a/bert_0", "ada"), ("77+1", "ada")])
def test_ids_of_pods_and_components_are_found(run, site, job_id, user):
    found = json.loads(run("jobs", "show", job_id, "--url", site, "--json").stdout)

    assert (found["job_id"], found["user"]) == (job_id, user)


def test_runs_of_a_requeued_job_are_told_apart(run, site):
    newest = json.loads(run("jobs", "show", "77+1", "--url", site, "--json").stdout)
    older = json.loads(run("jobs", "show", "77+1", "--instance", "1", "--url", site, "--json").stdout)

    assert (newest["instance"], older["instance"]) == ("0", "1")
    assert [each["instance"] for each in newest["detail"]["other_runs"]] == ["1"]


def test_lists_page_and_filter(run, site, monkeypatch):
    monkeypatch.setattr("wattstat.cli.jobs.PAGE", 2)
    found = json.loads(run("jobs", "list", "--url", site, "--limit", "0", "--sort=start", "--json").stdout)
    pods = json.loads(run("jobs", "list", "--url", site, "--search", "bert_0", "--json").stdout)

    assert [item["job_id"] for item in found["items"]] == ["0", "1", "2", "3", "4", "5", "team-a/bert_0", "77+1", "77+1"]
    assert [item["job_id"] for item in pods["items"]] == ["team-a/bert_0"]


def test_plans_learn_from_the_books(run, site):
    arguments = ("--parameters", "7e9", "--tokens", "140e9", "--gpu", "h100-sxm", "--gpus", "8")
    found = json.loads(run("plan", *arguments, "--url", site, "--json").stdout)
    constants = {each["name"]: each for each in found["constants"]}

    assert constants["gpu_watts"]["value"] == pytest.approx(5.0e6 / 7200, rel=0.01)
    assert constants["gpu_watts"]["source"].startswith("the site's own")
    assert constants["node_ratio"]["value"] == pytest.approx(1 / 0.65)
    assert constants["price_per_kwh"]["value"] == pytest.approx(0.25)


def test_a_bad_cursor_is_a_problem(run, site):
    ended = run("energy", "report", "--url", site, "--from", "2026-01-02", "--to", "2026-01-01")

    assert ended.exit_code == 2
    assert "is not before to" in ended.stderr


TEXTS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["now", "now-1d", "2026-01-01", "2026-01", "-1", "1e400", "NaN", "%", "_", "'", "W10", "WzEsMV0", "9" * 40]
    ),
)
QUERIES = {
    "/api/jobs": ("from", "to", "user", "node", "state", "search", "sort", "limit", "cursor"),
    "/api/jobs/1": ("instance",),
    "/api/energy/report": ("by", "from", "to", "month", "format", "limit", "cursor"),
    "/api/energy/balance": ("by", "from", "to", "month", "node"),
    "/api/plan": ("parameters", "tokens", "gpu", "gpus", "mfu", "cap_watts", "pue", "price"),
}


@given(st.sampled_from(sorted(QUERIES)).flatmap(lambda path: st.tuples(st.just(path), given_parameters(path))))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_asked_is_answered_or_refused_with_a_problem(site, asked):
    path, params = asked
    status, body = got(f"{site}{path}?{urllib.parse.urlencode(params, errors='replace')}")

    assert status in {200, 400, 404, 422}
    assert status == 200 or json.loads(body)["detail"]


def got(url):
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read()


def given_parameters(path):
    good = {"by": st.sampled_from([*BYS, "team"]), "format": st.sampled_from(["json", "csv"]), "limit": st.sampled_from("019")}
    usual = {
        "parameters": st.just("7e9"),
        "tokens": st.sampled_from(["1e9", "0", "1e999"]),
        "gpu": st.sampled_from(["l4", "h100"]),
    }
    known = {**good, **usual}
    return st.fixed_dictionaries({}, optional={name: known.get(name, TEXTS) for name in QUERIES[path]})
