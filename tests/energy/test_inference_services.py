"""What inference services answered in a span, over jobs, and what it took."""

import json

import aiohttp
import pytest
from fastapi import FastAPI

from energy.http import services_routes
from energy.reports.services import Job, services, spent
from tests.energy.test_inference import HOUR, T0, chat, fill, run
from tests.support.web_server import serving
from wattstat.api import problems
from wattstat.api.energy import JobDetail, JobHour, LedgerUnavailable, Parts
from wattstat.store.embedded import EmbeddedStore

START = T0 // HOUR * HOUR


@pytest.fixture
async def store(tmp_path):
    opened = EmbeddedStore(tmp_path / "history.duckdb", clock=lambda: T0 + HOUR)
    yield opened
    await opened.close()


def detail(*joules_by_hour, instance="0", others=(), scheduler="slurm"):
    hours = tuple(
        JobHour(start=START + number * HOUR, energy=Parts(gpu=joules), error_joules=0, cost=None, carbon_grams=None)
        for number, joules in enumerate(joules_by_hour)
    )
    row = run(instance=instance, scheduler=scheduler, start=START, end=None)
    return JobDetail(job=row, gpus=(), hours=hours, findings=(), other_runs=tuple(each.job for each in others))


class Reports:
    """Knows these jobs, newest run first."""

    def __init__(self, **jobs):
        self.jobs = {job_id.removeprefix("job"): runs for job_id, runs in jobs.items()}

    def job(self, job_id, instance=None, scheduler=""):
        runs = self.jobs.get(job_id, [])
        return next((each for each in runs if instance in (None, each.job.instance)), None)


def test_an_hour_at_the_edge_counts_by_its_share():
    reports = Reports(job17=[detail(3600, 7200)])

    assert spent(reports, Job("slurm", "17"), START + HOUR / 2, START + 1.5 * HOUR) == 1800 + 3600
    assert spent(reports, Job("slurm", "17"), START + 5 * HOUR, START + 6 * HOUR) == 0


def test_all_runs_of_a_job_count_and_another_schedulers_do_not():
    first = detail(100, instance="0")
    reports = Reports(job17=[detail(0, 50, instance="1", others=[first]), first])

    assert spent(reports, Job("slurm", "17"), START, START + 2 * HOUR) == 150
    assert spent(reports, Job("slurm:other", "17"), START, START + HOUR) is None
    assert spent(reports, Job("slurm", "18"), START, START + HOUR) is None
    assert spent(reports, Job("", ""), START, START + HOUR) is None


async def test_a_service_is_counted_over_its_jobs(store):
    await fill(store, chat, job="17", begin=300)
    await fill(store, chat, job="18", begin=300)
    reports = Reports(job17=[detail(1e6, 1e6)], job18=[detail(2e6, 2e6)])
    end = T0 + HOUR
    (row,) = (await services(store, reports, START, end)).items

    joules = 3e6 * (end - START) / HOUR
    assert (row.service, row.model, row.jobs) == ("chat", "llama", 2)
    assert row.requests == pytest.approx(2 * 6600)
    assert row.tokens == pytest.approx(2 * 3_300_000)
    assert row.energy_joules == pytest.approx(joules)
    assert row.joules_per_1000_tokens == pytest.approx(joules / 6600)


async def test_what_was_counted_before_the_span_is_not_in_it(store):
    await fill(store, chat, begin=300)
    (row,) = (await services(store, Reports(job17=[detail(1e6, 1e6)]), T0 + 1800, T0 + HOUR)).items

    assert row.tokens == pytest.approx(1_800_000, rel=0.01)


async def test_a_service_whose_job_is_not_known_has_no_joules(store):
    await fill(store, chat, job="17", begin=300)
    (row,) = (await services(store, Reports(), START, T0 + HOUR)).items

    assert row.tokens == pytest.approx(3_300_000)
    assert (row.energy_joules, row.joules_per_request, row.joules_per_1000_tokens) == (None, None, None)


class Silent:
    def job(self, job_id, instance=None, scheduler=""):
        raise LedgerUnavailable("the database is away")


async def test_over_http_it_is_a_list_with_its_span(store):
    await fill(store, chat, begin=300)

    async def get(reports, query):
        app = FastAPI()
        problems.install(app)
        app.include_router(services_routes.router(reports, store, clock=lambda: T0 + HOUR))
        async with serving(app) as url, aiohttp.ClientSession(url) as session:
            answer = await session.get(f"/api/energy/services{query}")
            return answer.status, await answer.json(content_type=None)

    status, good = await get(Reports(job17=[detail(1e6, 1e6)]), f"?from={T0}")
    assert status == 200
    assert (await get(Reports(), "?node=n1"))[0] == 400
    assert good["from"] == "2023-11-14T22:13:20.000Z"
    assert [each["service"] for each in good["items"]] == ["chat"]
    assert (await get(Silent(), f"?from={T0}"))[0] == 503
    assert (await get(Silent(), "?from=then"))[0] == 400
    assert (await get(Silent(), f"?from={T0 + 2 * HOUR}&to={T0 + 3 * HOUR}"))[0] == 400


ROW = {
    "service": "chat", "model": "llama", "jobs": 2, "requests": 6600.0, "tokens": 3_300_000.0, "seconds_per_request": 1.5,
    "energy_joules": 7.2e6, "joules_per_request": 1090.9, "joules_per_1000_tokens": 2181.8,
}  # fmt: skip


def test_the_command_prints_a_table_or_json(run, monkeypatch):
    bare = {
        **ROW,
        "model": "bert",
        **dict.fromkeys(("tokens", "energy_joules", "joules_per_request", "joules_per_1000_tokens")),
    }
    answer = {"from": "2026-11-01T00:00:00Z", "to": "2026-11-02T00:00:00Z", "items": [ROW, bare]}
    asked = []
    monkeypatch.setattr("wattstat.cli.asking.asked", lambda *call: asked.append(call) or answer)
    head, llama, bert = run("energy", "services", "--from", "2026-11-01", "--url", "http://x").stdout.splitlines()

    assert head.split()[:5] == ["SERVICE", "MODEL", "JOBS", "REQUESTS", "TOKENS"]
    assert llama.split() == ["chat", "llama", "2", "6,600", "3,300,000", "1.50", "2.00", "kWh", "1,090.9", "2,181.8"]
    assert "3,300,000" not in bert
    assert asked[0][1:] == ("/api/energy/services", {"from": "2026-11-01", "to": "", "month": ""})
    assert json.loads(run("energy", "services", "--json", "--url", "http://x").stdout) == answer
