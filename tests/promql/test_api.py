"""The Prometheus HTTP API over the embedded store, as Grafana's data source and promtool use it; and over a remote store."""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator

import hall_data
import numpy as np
import pytest
import uvicorn
from fastapi import FastAPI

from tests.support.processes import wait_for
from tests.support.programs import required_program
from wattstat.api import prometheus as api
from wattstat.api import prometheus_json
from wattstat.store.protocol import Answer, QueryError, Series
from wattstat.store.remote import RemoteStore

pytestmark = pytest.mark.debian
AT = hall_data.T0 + 3600


class _Forwarded:
    """The session's store, whose work must be awaited on the session's loop."""

    def __init__(self, store, run) -> None:
        self._store, self._run = store, run

    def __getattr__(self, name: str):
        async def call(*given):
            return await asyncio.to_thread(lambda: self._run(getattr(self._store, name)(*given)))

        return call


@pytest.fixture(scope="module")
def url(store, run) -> Iterator[str]:
    """The API, served."""
    app = FastAPI()
    app.include_router(api.router(_Forwarded(store, run)))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_for("uvicorn", lambda: server.started)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(30)


def ask(url: str, path: str, *, post: bool = False, **given: str | list[str]) -> tuple[int, dict]:
    """Status and JSON of a call."""
    parameters = urllib.parse.urlencode({name.replace("match", "match[]"): value for name, value in given.items()}, doseq=True)
    address, body = (f"{url}{path}", parameters.encode()) if post else (f"{url}{path}?{parameters}", None)
    try:
        with urllib.request.urlopen(urllib.request.Request(address, body), timeout=30) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as err:
        with err:
            return err.code, json.loads(err.read())


@pytest.mark.parametrize("post", [False, True])
@pytest.mark.parametrize(
    ("path", "given"),
    [
        ("/api/v1/query", {"query": 'power_watts{node="n1",gpu="1"}', "time": str(AT)}),
        ("/api/v1/query", {"query": "1.5", "time": "2023-11-15T01:00:00Z"}),
        ("/api/v1/query", {"query": '"text"', "time": str(AT)}),
        ("/api/v1/query", {"query": 'power_watts{node="n2"}[2m]', "time": str(AT)}),
        ("/api/v1/query", {"query": 'odd{kind="mixed"}[1h]', "time": str(AT)}),
        (
            "/api/v1/query_range",
            {"query": 'odd{kind=~"mixed|huge"}', "start": str(AT), "end": str(AT + 3600), "step": "1m1s500ms"},
        ),
        ("/api/v1/query_range", {"query": 'power_watts{node="n1"}', "start": f"{AT}.25", "end": str(AT + 300), "step": "15.5"}),
        ("/api/v1/query_range", {"query": "1e-7", "start": str(AT), "end": str(AT), "step": "1"}),
        ("/api/v1/query_range", {"query": "1e21 + 0 * time()", "start": str(AT), "end": str(AT + 1), "step": "1"}),
        ("/api/v1/query_range", {"query": "sum(nothing)", "start": str(AT), "end": str(AT + 60), "step": "15"}),
        ("/api/v1/labels", {"start": str(AT), "end": str(AT + 60)}),
        ("/api/v1/labels", {"match": ["node_info", "late"]}),
        (
            "/api/v1/series",
            {"match": ['temperature_celsius{sensor="memory"}', "late"], "start": str(AT - 3600), "end": str(AT + 9000)},
        ),
        ("/api/v1/format_query", {"query": "sum(a)by(b)"}),
    ],
)
def test_the_answer_is_prometheus_answer(url, prometheus, path, given, post):
    mine = ask(url, path, post=post, **given)
    theirs = ask(prometheus.url, path, post=post, **given)
    for _, body in (mine, theirs):
        result = body["data"].get("result") if isinstance(body["data"], dict) else body["data"]
        if isinstance(result, list) and result and isinstance(result[0], dict):
            result.sort(key=lambda each: json.dumps(each.get("metric", each), sort_keys=True))
    if path.endswith("format_query"):
        assert mine[1]["data"].replace(" ", "") == theirs[1]["data"].replace(" ", "")
    else:
        assert mine == theirs


@pytest.mark.parametrize(
    ("path", "given"),
    [
        ("/api/v1/query", {"query": "sum("}),
        ("/api/v1/query", {}),
        ("/api/v1/query", {"query": "up", "time": "yesterday"}),
        ("/api/v1/query_range", {"query": "up", "start": str(AT), "end": str(AT - 1), "step": "1"}),
        ("/api/v1/query_range", {"query": "up", "start": str(AT), "end": str(AT + 1), "step": "0"}),
        ("/api/v1/query_range", {"query": "up", "start": str(AT), "end": str(AT + 20000), "step": "1"}),
        ("/api/v1/query_range", {"query": "up", "start": str(AT), "end": str(AT + 20), "step": "soon"}),
        ("/api/v1/query_range", {"query": "up", "start": str(AT), "end": str(AT + 20), "step": "NaN"}),
        ("/api/v1/query_range", {"query": "up", "start": "Inf", "end": str(AT + 20), "step": "1"}),
        ("/api/v1/query_range", {"query": "power_watts[5m]", "start": str(AT), "end": str(AT + 20), "step": "1"}),
        ("/api/v1/query", {"query": "power_watts * on (node) node_power_watts", "time": str(AT)}),
        ("/api/v1/query", {"query": 'label_replace(utilization_ratio, "node", "x", "gpu", ".*")', "time": str(AT)}),
        ("/api/v1/series", {}),
        ("/api/v1/series", {"match": ["sum(x)"]}),
        ("/api/v1/labels", {"match": ["{"]}),
    ],
)
def test_an_error_has_prometheus_status_and_type(url, prometheus, path, given):
    mine, theirs = ask(url, path, **given), ask(prometheus.url, path, **given)
    assert (mine[0], mine[1]["status"], mine[1]["errorType"]) == (theirs[0], theirs[1]["status"], theirs[1]["errorType"])
    assert mine[1]["error"]


@pytest.mark.parametrize("name", ["__name__", "node", "nothing", "le"])
def test_label_values_are_prometheus_values(url, prometheus, name):
    for given in ({}, {"match": ['temperature_celsius{gpu="0"}']}):
        assert ask(url, f"/api/v1/label/{name}/values", **given) == ask(prometheus.url, f"/api/v1/label/{name}/values", **given)


@pytest.mark.parametrize(
    "arguments",
    [
        ["instant", "URL", "sum by (node) (power_watts)", "--time", str(AT)],
        ["range", "URL", 'power_watts{node="n1"}', "--start", str(AT), "--end", str(AT + 600), "--step", "60s"],
        ["series", "URL", "--match", "node_info", "--start", str(AT), "--end", str(AT + 60)],
        ["labels", "URL", "node", "--start", str(AT), "--end", str(AT + 60)],
    ],
)
def test_promtool_prints_the_same_of_both(url, prometheus, arguments):
    printed = []
    for server in (url, prometheus.url):
        command = [
            required_program("promtool", package="prometheus"),
            "query",
            *(server if each == "URL" else each for each in arguments),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        printed.append(sorted(done.stdout.splitlines()))
    assert printed[0] == printed[1]
    assert printed[0]


def test_what_grafana_asks_at_first_is_answered(url):
    status, body = ask(url, "/api/v1/status/buildinfo")
    assert (status, body["data"]["version"]) == (200, "2.42.0")
    status, body = ask(url, "/api/v1/metadata")
    assert body["data"]["wattstat_gpu_power_watts"][0]["type"] == "gauge"
    assert len(ask(url, "/api/v1/metadata", limit="3")[1]["data"]) == 3
    assert list(ask(url, "/api/v1/metadata", metric="wattstat_gpu_power_watts")[1]["data"]) == ["wattstat_gpu_power_watts"]
    assert ask(url, "/api/v1/metadata", limit="few")[0] == 400
    assert ask(url, "/api/v1/rules")[1]["data"] == {"groups": []}
    assert ask(url, "/api/v1/alerts")[1]["data"] == {"alerts": []}
    assert ask(url, "/api/v1/query_exemplars", query="up")[1]["data"] == []


@pytest.mark.parametrize(
    ("expression", "construct"),
    [
        ("mad_over_time(power_watts[5m])", "mad_over_time()"),
        ("limitk(3, power_watts)", "limitk"),
        ('power_watts{gpu="1" or node="n2"}', "`or`"),
        ("power_watts + fill(0) node_info", "`fill`"),
        ("info(power_watts)", "info()"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(url, expression, construct):
    status, body = ask(url, "/api/v1/query", query=expression, time=str(AT))
    assert (status, body["errorType"]) == (400, "bad_data")
    assert construct in body["error"]
    assert "store.prometheus.url" in body["error"]


def test_warnings_of_the_store_stand_in_the_answer():
    body = json.loads(prometheus_json.query_answer(Answer(kind="vector", series=(), warnings=("half of it",))))
    assert body["warnings"] == ["half of it"]


def test_numbers_of_every_size_are_written_as_go_writes_them():
    values = np.array(
        [0.0, -0.0, 5e-324, 1e-7, 1e-6, 1.5e-5, 0.1, 1e15, 123456789012345680.0, 1e20, 1e21, -1e22, np.nan, np.inf, -np.inf]
    )
    times = np.arange(len(values)) + 1700000000.0
    times[1] += 0.5
    series = Series(labels={"a": 'quote " and \\'}, times=times, values=values)
    result = json.loads(prometheus_json.query_answer(Answer(kind="matrix", series=(series,))))["data"]["result"]
    assert result[0]["metric"] == {"a": 'quote " and \\'}
    assert [text for _, text in result[0]["values"]] == [
        "0", "-0", "5e-324", "1e-07", "0.000001", "0.000015", "0.1", "1000000000000000", "123456789012345680",
        "100000000000000000000", "1e+21", "-1e+22", "NaN", "+Inf", "-Inf",
    ]  # fmt: skip
    assert result[0]["values"][1][0] == 1700000001.5


async def test_a_remote_prometheus_answers_through_the_store(prometheus):
    remote = RemoteStore(prometheus.url)
    try:
        answer = await remote.query_range("sum by (node) (power_watts)", hall_data.T0, hall_data.END - 1, 4)
        assert [dict(series.labels) for series in answer.series] == [{"node": "n1"}, {"node": "n2"}, {"node": "n3"}]
        assert list(answer.series[0].times) == list(range(hall_data.T0, hall_data.END, 4))
        assert await remote.label_values("node", ["node_info"]) == ["n1", "n2", "n3"]
        assert len(await remote.series(["node_info"], hall_data.T0, hall_data.END)) == 3
        assert "rack" in await remote.labels([])
        with pytest.raises(QueryError, match="many-to-many") as caught:
            await remote.query("power_watts * on (node) power_watts", AT)
        assert caught.value.kind == "execution"
    finally:
        await remote.close()
