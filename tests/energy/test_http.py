"""The public calls about energy."""

import csv
import io
from urllib.parse import quote
from zoneinfo import ZoneInfo

import aiohttp
import pytest
from fastapi import FastAPI

from energy.http import wire
from energy.http.routes import router
from tests.support.energy_reports import JOB, NOW, BooksInMemory
from tests.support.web_server import serving
from wattstat.api import problems


@pytest.fixture
def books():
    return BooksInMemory()


@pytest.fixture
async def client(books):
    app = FastAPI()
    problems.install(app)
    app.include_router(router(books, clock=lambda: NOW))
    async with serving(app) as url, aiohttp.ClientSession(url) as session:
        yield session


async def get(client, path, status=200, **params):
    async with client.get(path, params=params) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json(content_type=None)


async def test_a_list_of_jobs_has_the_shape_that_scripts_rely_on(client):
    page = await get(client, "/api/jobs")

    assert set(page) == {"items", "total", "total_is_exact", "next"}
    assert page["total"] == 3
    first = page["items"][0]
    assert first["job_id"] == "1234"
    assert first["start"] == "2026-11-22T00:00:00.000Z"
    assert first["nodes"] == ["gpu01", "gpu02"]
    assert first["energy"] == {"gpu": 60e6, "cpu": 9e6, "rest": 18e6, "allocated_idle": 3e6}
    assert sum(first["energy"].values()) == first["energy_joules"]
    assert first["methods"] == ["counter", "estimated"]
    assert {"name", "user", "account", "partition", "state", "end", "gpus", "error_joules", "cost", "carbon_grams"} <= set(
        first
    )


async def test_what_is_not_known_is_null(client):
    pod = (await get(client, "/api/jobs"))["items"][1]

    assert pod["end"] is None
    assert pod["cost"] is None


async def test_pages_follow_each_other_by_their_cursor(client):
    seen, cursor = [], ""
    while cursor is not None:
        page = await get(client, "/api/jobs", limit=1, cursor=cursor)
        seen += [item["job_id"] for item in page["items"]]
        cursor = page["next"]

    assert seen == ["1234", "team-a/bert-0", "77+1"]


async def test_filters_and_times_reach_the_books(client, books):
    await get(client, "/api/jobs", user="ada", node="gpu01", sort="-energy", **{"from": "now-1d", "to": "2026-11-23"})

    query = books.asked[0]
    assert (query.user, query.node, query.sort, query.start, query.end) == ("ada", "gpu01", "-energy", NOW - 86400, NOW)


@pytest.mark.parametrize("job_id", ["1234", "team-a/bert-0", "77+1"])
@pytest.mark.parametrize("safe", ["/", "/+", ""])
async def test_an_id_with_slash_or_plus_is_found_however_it_is_quoted(client, job_id, safe):
    found = await get(client, f"/api/jobs/{quote(job_id, safe=safe)}")

    assert found["job_id"] == job_id
    assert found["detail"]["gpus"][0]["uuid"] == "GPU-1"


async def test_one_run_of_several_is_asked_for_by_its_instance(client, books):
    assert (await get(client, "/api/jobs/77+1", instance="2"))["instance"] == "2"
    assert "run '9'" in (await get(client, "/api/jobs/77+1", status=404, instance="9"))["detail"]


async def test_an_unknown_job_is_a_problem_that_says_where_to_look(client):
    async with client.get("/api/jobs/99") as answer:
        assert answer.status == 404
        assert answer.headers["content-type"] == "application/problem+json"
        assert "search=" in (await answer.json(content_type=None))["detail"]


async def test_a_report_says_its_span_and_its_total(client, books):
    found = await get(client, "/api/energy/report", by="user", month="2026-10")

    assert books.asked[0][:3] == ("user", 1_790_812_800.0, 1_793_491_200.0)
    assert (found["from"], found["to"]) == ("2026-10-01T00:00:00.000Z", "2026-11-01T00:00:00.000Z")
    assert found["total"]["energy_joules"] == sum(item["energy_joules"] for item in found["items"])


async def test_a_csv_report_has_every_line_of_every_page(client, books, monkeypatch):
    monkeypatch.setattr("energy.http.routes.CSV_PAGE", 1)
    async with client.get("/api/energy/report", params={"format": "csv", "by": "job"}) as answer:
        assert answer.headers["content-type"].startswith("text/csv")
        rows = list(csv.DictReader(io.StringIO(await answer.text())))

    assert [row["key"] for row in rows] == ["physics", "team-a", "physics", "(idle)"]
    assert tuple(rows[0]) == wire.CSV_COLUMNS
    assert float(rows[0]["energy_joules"]) == JOB.energy_joules
    assert rows[3]["jobs"] == ""
    assert len(books.asked) == 4


def test_a_name_that_a_spreadsheet_would_run_is_made_inert():
    books = BooksInMemory(rows=[JOB.__class__(**{**{n: getattr(JOB, n) for n in JOB.__dataclass_fields__}, "account": ""})])
    text = "".join(wire.csv_lines([books.report("account", 0, 1)]))

    assert ",'=cmd()," in text


async def test_a_balance_adds_up_and_names_its_lines(client):
    found = await get(client, "/api/energy/balance")
    by_day = await get(client, "/api/energy/balance", by="day")

    posted = found["jobs_joules"] + found["idle_joules"] + found["overhead_joules"]
    assert found["measured_joules"] == posted + found["residual_joules"]
    assert {"from", "to", "residual_ratio"} <= set(found)
    assert found["nodes"][0]["node"] == "gpu01"
    assert by_day["days"][0]["day"] == "2026-11-22"


@pytest.mark.parametrize(
    ("path", "params", "says"),
    [
        ("/api/jobs", {"from": "last tuesday"}, "RFC 3339"),
        ("/api/jobs", {"sort": "colour"}, "sort: "),
        ("/api/jobs", {"limit": "0"}, "limit: "),
        ("/api/jobs", {"cursor": "x"}, "expected the `next`"),
        ("/api/energy/report", {"by": "team"}, "'account'"),
        ("/api/energy/report", {"month": "2026-13"}, "month: '2026-13' is no month"),
        ("/api/energy/report", {"from": "2026-11-20", "to": "2026-11-20"}, "is not before to"),
        ("/api/energy/report", {"month": "2026-11", "to": "now"}, "either a month or a span"),
        ("/api/energy/balance", {"from": "NaN"}, "from: 'NaN' is no time"),
    ],
)
async def test_a_bad_question_is_a_problem_that_names_what_was_expected(client, path, params, says):
    async with client.get(path, params=params) as answer:
        problem = await answer.json(content_type=None)
        assert answer.status in {400, 422}
        assert answer.headers["content-type"] == "application/problem+json"
        assert says in problem["detail"]


async def test_the_balance_of_an_unknown_node_is_not_found(client):
    problem = await get(client, "/api/energy/balance", status=404, node="nosuch")

    assert "no such node in the books" in problem["detail"]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/api/jobs?foo=bar", "unknown: 'foo'; expected only account, cursor, from,"),
        ("/api/jobs/1234?runs=1", "unknown: 'runs'; expected only instance"),
        ("/api/energy/report?account=robotics", "unknown: 'account'; expected only by, cursor, format, from, limit, month, to"),
        ("/api/energy/balance?nodes=gpu01", "unknown: 'nodes'"),
        ("/api/plan?parameters=7e9&tokens=1e9&gpuz=8", "unknown: 'gpuz'; expected only cap_watts, currency,"),
    ],
)
async def test_a_misspelt_parameter_is_refused_and_the_known_ones_are_told(client, books, path, says):
    problem = await get(client, path, status=400)

    assert problem["title"] == "No such parameter"
    assert says in problem["detail"]
    assert books.asked == []


async def test_the_documentation_tells_every_member_that_is_answered(client):
    paths = (await get(client, "/openapi.json"))["paths"]
    for path, params, members in [
        ("/api/jobs", {}, lambda schema: schema["properties"]["items"]["items"]["properties"]),
        ("/api/jobs/{job_id}", {}, lambda schema: schema["properties"]),
        ("/api/energy/report", {}, lambda schema: schema["properties"]),
        ("/api/energy/balance", {}, lambda schema: schema["properties"]),
    ]:
        call = paths[path]["get"]
        told = members(call["responses"]["200"]["content"]["application/json"]["schema"])
        answer = await get(client, path.replace("{job_id}", "1234"), **params)
        answer = answer["items"][0] if path == "/api/jobs" else answer
        if "detail" in told:
            assert set(answer["detail"]) == set(told["detail"]["properties"])
        assert set(answer) == set(told), path
        assert all(parameter["description"] for parameter in call["parameters"] if parameter["in"] == "query")


async def test_a_csv_report_is_named_by_the_days_of_the_site(books):
    app = FastAPI()
    app.include_router(router(books, clock=lambda: NOW, zone=ZoneInfo("Europe/Berlin")))
    asked = {"format": "csv", "month": "2026-10"}
    async with (
        serving(app) as url,
        aiohttp.ClientSession(url) as session,
        session.get("/api/energy/report", params=asked) as answer,
    ):
        assert 'filename="wattstat-account-20261001-20261101.csv"' in answer.headers["Content-Disposition"]


async def test_a_parameter_that_is_missing_is_named_as_missing(client):
    problem = await get(client, "/api/plan", status=422, parameters="1e9")

    assert problem["detail"] == "tokens: is missing; expected a value"
