"""A Prometheus-compatible server as store: what is asked, and what is passed on."""

from __future__ import annotations

import math

import pytest
from aiohttp import web

from wattstat.config import Config
from wattstat.store import QueryError, StoreError, open_store
from wattstat.store.remote import RemoteStore


class Server:
    """Answers every request from a list and remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.answer = counting

    async def handle(self, request: web.Request) -> web.StreamResponse:
        given = {**request.query, **(await request.post()), "path": request.path}
        self.asked.append({name: str(value) for name, value in given.items()})
        self.headers.append(dict(request.headers))
        return self.answer(self.asked[-1])


@pytest.fixture
async def server():
    handler = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    handler.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield handler
    await runner.cleanup()


@pytest.fixture
async def store(server):
    opened = RemoteStore(server.url + "/prefix/", timeout_seconds=5)
    yield opened
    await opened.close()


def counting(given: dict[str, str]) -> web.Response:
    """A series whose value is the time; a second one in the first part only."""
    start, end, step = (float(given[name]) for name in ("start", "end", "step"))
    times = [start + step * index for index in range(int((end - start) // step) + 1)]
    result = [{"metric": {"node": "n1"}, "values": [[time, str(time)] for time in times]}]
    if start == 0:
        result.append({"metric": {"node": "n0"}, "values": [[0, "NaN"]]})
    body = {"status": "success", "data": {"resultType": "matrix", "result": result}, "warnings": ["a replica is down"]}
    return web.json_response(body)


async def test_a_long_range_is_asked_in_parts_and_comes_back_whole(store, server):
    server.answer = counting
    answer = await store.query_range("up", 0, 25_000, 10)
    assert sorted((float(each["start"]), float(each["end"])) for each in server.asked) == [
        (0, 9990),
        (10_000, 19_990),
        (20_000, 25_000),
    ]
    assert [dict(series.labels) for series in answer.series] == [{"node": "n0"}, {"node": "n1"}]
    assert math.isnan(answer.series[0].values[0])
    assert list(answer.series[1].values) == list(range(0, 25_001, 10))
    assert answer.warnings == ("a replica is down",)
    assert {each["path"] for each in server.asked} == {"/prefix/api/v1/query_range"}


async def test_a_query_that_knows_its_range_is_not_split(store, server):
    server.answer = counting
    await store.query_range("up @ end()", 0, 25_000, 10)
    assert [(each["start"], each["end"]) for each in server.asked] == [("0.000", "25000.000")]


async def test_too_many_points_are_refused_before_the_server_is_asked(store, server):
    with pytest.raises(QueryError, match="11,000 points"):
        await store.query_range("up", 0, 20_000, 1)
    assert server.asked == []


async def test_the_servers_error_is_passed_on(store, server):
    body = {"status": "error", "errorType": "execution", "error": "found duplicate series"}
    server.answer = lambda _: web.json_response(body, status=422)
    with pytest.raises(QueryError, match="found duplicate series") as caught:
        await store.query("up + up", 0)
    assert caught.value.kind == "execution"


async def test_one_failed_part_fails_the_query(store, server):
    body = {"status": "error", "errorType": "timeout", "error": "query timed out"}
    server.answer = lambda given: counting(given) if given["start"] == "0.000" else web.json_response(body, status=503)
    with pytest.raises(QueryError, match="timed out") as caught:
        await store.query_range("up", 0, 25_000, 10)
    assert caught.value.kind == "timeout"


async def test_a_proxys_error_page_is_no_answer(store, server):
    server.answer = lambda _: web.Response(status=502, text="<html>Bad Gateway</html>")
    with pytest.raises(QueryError, match="HTTP 502") as caught:
        await store.query("up", 0)
    assert caught.value.kind == "unavailable"


async def test_an_absent_server_is_unavailable():
    store = RemoteStore("http://127.0.0.1:9", timeout_seconds=5)
    try:
        with pytest.raises(QueryError, match="cannot be asked") as caught:
            await store.labels([])
        assert caught.value.kind == "unavailable"
    finally:
        await store.close()


async def test_a_partial_answer_is_shown_as_partial(store, server):
    body = {
        "status": "success",
        "isPartial": True,
        "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1, "2"]}]},
    }
    server.answer = lambda _: web.json_response(body)
    answer = await store.query("up", 1)
    assert answer.warnings == ("the server answered from a part of its data only",)
    assert list(answer.series[0].values) == [2.0]


async def test_scalars_and_strings_have_their_kind(store, server):
    server.answer = lambda _: web.json_response({"status": "success", "data": {"resultType": "scalar", "result": [5, "+Inf"]}})
    answer = await store.query("1/0", 5)
    assert (answer.kind, list(answer.series[0].values)) == ("scalar", [math.inf])
    server.answer = lambda _: web.json_response({"status": "success", "data": {"resultType": "string", "result": [5, "x"]}})
    answer = await store.query('"x"', 5)
    assert (answer.kind, answer.text) == ("string", "x")


async def test_selectors_and_bounds_reach_the_server(store, server):
    server.answer = lambda _: web.json_response({"status": "success", "data": ["a", "b"]})
    assert await store.label_values("node", ["up", 'x{a="b"}'], 1, 2.5) == ["a", "b"]
    assert server.asked[0]["path"] == "/prefix/api/v1/label/node/values"
    assert (server.asked[0]["start"], server.asked[0]["end"]) == ("1.000", "2.500")
    with pytest.raises(QueryError, match="invalid label name"):
        await store.label_values("../admin", [])


async def test_the_configured_login_is_sent(server, tmp_path):
    secret = tmp_path / "token"
    secret.write_text("s3cret\n")
    server.answer = lambda _: web.json_response({"status": "success", "data": []})
    for username, expected in (("", "Bearer s3cret"), ("reader", "Basic cmVhZGVyOnMzY3JldA==")):
        config = Config.model_validate(
            {
                "store": {"prometheus": {"url": server.url, "credentials": "metrics"}},
                "credentials": {"metrics": {"username": username, "password_file": str(secret)}},
            }
        )
        store = open_store(config)
        assert isinstance(store, RemoteStore)
        await store.labels([])
        assert server.headers[-1]["Authorization"] == expected
        await store.close()


def test_credentials_that_cannot_be_read_are_explained(tmp_path):
    config = Config.model_validate(
        {
            "store": {"prometheus": {"url": "http://127.0.0.1:9", "credentials": "metrics"}},
            "credentials": {"metrics": {"password_file": str(tmp_path / "absent")}},
        }
    )
    with pytest.raises(StoreError, match="absent"):
        open_store(config)
