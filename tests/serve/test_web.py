"""The web process' calls, with a core that is there or not."""

import aiohttp
import pytest

from tests.support.web_server import serving
from wattstat.api import docs_page
from wattstat.api.live import CoreUnavailable, parse_hall
from wattstat.config import Config
from wattstat.serve.web import application
from wattstat.store import Answer

NODE = {"name": "gpu01", "rack": "r1", "model": "PowerEdge XE9680"}
HALL = {
    "taken_at": 1000.0,
    "metrics": {"wattstat_node_power_watts": {"labels": ["node", "source"], "samples": [[["gpu01", "system"], 5000.0, 2.5]]}},
}


class StoredLive:
    """A core that answers from memory, or not at all."""

    def __init__(self):
        self.there = True

    def _ask(self):
        if not self.there:
            raise CoreUnavailable("core at http://127.0.0.1:9 does not answer; is `wattstat serve` running?")

    async def inventory(self):
        self._ask()
        return {"nodes": [NODE], "racks": [], "breakers": [], "site": {"name": "test"}}

    async def hall(self, metrics=(), node=None):
        self._ask()
        return parse_hall(HALL)

    async def collectors(self):
        self._ask()
        return []

    async def text(self, path, params=None):
        self._ask()
        return 200, "text/plain; version=0.0.4; charset=utf-8", "wattstat_hall_series 1\n"


class EmptyStore:
    async def query(self, expression, at=None):
        return Answer(kind="vector", series=())


@pytest.fixture
def live():
    return StoredLive()


@pytest.fixture
async def client(live):
    # Who may nothing is told no more than that; what is not there is told to who may all.
    config = Config.model_validate({"access": {"local_role": "approver"}})
    async with serving(application(EmptyStore(), live, config)) as url, aiohttp.ClientSession(url) as session:
        yield session


async def get_json(client, path):
    async with client.get(path) as answer:
        return await answer.json()


async def test_a_node_is_its_entry_and_its_readings_with_their_age(client):
    answer = await get_json(client, "/api/nodes/gpu01")

    assert answer["node"] == NODE
    assert answer["taken_at"] == "1970-01-01T00:16:40.000Z"
    assert answer["readings"]["wattstat_node_power_watts"] == [
        {"labels": {"node": "gpu01", "source": "system"}, "value": 5000.0, "age_seconds": 2.5}
    ]


async def test_an_unknown_node_is_a_problem_document_that_says_where_to_look(client):
    answer = await client.get("/api/nodes/gpu99")

    assert answer.status == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert "/api/nodes" in (await answer.json(content_type=None))["detail"]


@pytest.mark.parametrize(
    ("method", "path", "status", "says"),
    [
        ("GET", "/api/nosuch", 404, "There is no call /api/nosuch"),
        ("GET", "/api/energy", 404, "/api/docs lists them"),
        ("DELETE", "/api/nodes", 405, "DELETE /api/nodes is not answered here; expected GET"),
    ],
)
async def test_what_no_route_answers_is_a_problem_document(client, method, path, status, says):
    answer = await client.request(method, path)
    problem = await answer.json(content_type=None)

    assert (answer.status, problem["status"]) == (status, status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert says in problem["detail"]
    assert status != 405 or answer.headers["Allow"] == "GET"


@pytest.mark.parametrize("path", ["/api/inventory", "/api/nodes/gpu01", "/api/collectors", "/metrics", "/-/ready", "/sd"])
async def test_without_core_the_live_calls_say_so(client, live, path):
    live.there = False

    answer = await client.get(path)

    assert answer.status == 503
    assert "wattstat serve" in (await answer.json(content_type=None))["detail"]


async def test_web_is_alive_without_core(client, live):
    live.there = False

    assert (await client.get("/-/healthy")).status == 200


async def test_lists_have_the_shape_that_scripts_rely_on(client):
    assert await get_json(client, "/api/nodes") == {"items": [NODE], "total": 1, "next": None}


async def test_metrics_are_forwarded_with_their_content_type(client):
    answer = await client.get("/metrics")

    assert await answer.text() == "wattstat_hall_series 1\n"
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")


async def test_the_api_page_names_every_call_and_loads_nothing_from_elsewhere(client):
    page = await (await client.get("/api/docs")).text()
    paths = (await get_json(client, "/api/openapi.json"))["paths"]

    assert {"/api/nodes/{node}", "/api/v1/query_range", "/probe"} <= set(paths)
    assert all(path in page for path in paths)
    assert "http://" not in page
    assert "https://" not in page


def test_the_api_page_tells_what_a_parameter_may_be():
    parameters = [
        {"name": "by", "in": "query", "schema": {"enum": ["node", "day"], "default": "node"}},
        {"name": "limit", "in": "query", "schema": {"minimum": 1, "maximum": 1000, "default": 50}},
        {"name": "gpus", "in": "query", "schema": {"minimum": 1}},
        {"name": "user", "in": "query", "description": "Only this user's.", "schema": {"default": ""}},
    ]
    shown = docs_page.page({"info": {"title": "Wattstat"}, "paths": {"/api/jobs": {"get": {"parameters": parameters}}}})

    assert "One of node, day. node unless given." in shown
    assert "1 to 1000. 50 unless given." in shown
    assert "At least 1.<" in shown
    assert "Only this user&#x27;s.<" in shown


def test_the_api_page_tells_what_a_call_answers():
    shape = {"type": "object", "properties": {"items": {"type": "array", "items": {"properties": {"job_id": {}, "cost": {}}}}}}
    call = {
        "summary": "Jobs",
        "description": "First.\n\nSecond <b>.",
        "responses": {"200": {"content": {"application/json": {"schema": shape}}}},
    }
    shown = docs_page.page({"info": {"title": "Wattstat"}, "paths": {"/api/jobs": {"get": call}}})

    assert "<p>First.</p><p>Second &lt;b&gt;.</p>" in shown
    assert "items (job_id, cost)" in shown


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        ("/jobs/40315", "/job/40315"),
        ("/jobs/77+1?instance=2", "/job/77+1?instance=2"),
        ("/jobs/team-a/bert-0", "/job/team-a/bert-0"),
        ("/jobs/", "/jobs"),
    ],
)
async def test_a_job_below_the_list_leads_to_its_page(client, path, leads_to):
    answer = await client.get(path, allow_redirects=False)

    assert (answer.status, answer.headers["Location"]) == (307, leads_to)
