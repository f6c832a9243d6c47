"""Debian's VictoriaMetrics as remote store: another server that speaks Prometheus's API."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator

import hall_data
import pytest

from tests.support.processes import free_port, http_get, running, wait_for
from tests.support.programs import required_program
from wattstat.store.protocol import QueryError
from wattstat.store.remote import RemoteStore

pytestmark = pytest.mark.debian


def _request(port: int, path: str, body: str | None = None) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET" if body is None else "POST", path, body)
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


@pytest.fixture(scope="module")
def victoria_metrics(tmp_path_factory, hall) -> Iterator[str]:
    """Its address; it holds the hall's power readings."""
    server = required_program("victoria-metrics", package="victoria-metrics")
    directory, port = tmp_path_factory.mktemp("vm"), free_port()
    options = [f"-storageDataPath={directory}", f"-httpListenAddr=127.0.0.1:{port}", "-retentionPeriod=100y"]
    with running([server, *options], directory / "log"):
        wait_for("VictoriaMetrics", lambda: http_get(f"http://127.0.0.1:{port}/health"))
        lines = [
            json.dumps(
                {"metric": each.labels, "values": [v for _, v in each.samples], "timestamps": [t for t, _ in each.samples]}
            )
            for each in hall
            if each.labels["__name__"] == "node_power_watts"
        ]
        assert _request(port, "/api/v1/import", "\n".join(lines)) == 204
        assert _request(port, "/internal/force_flush") == 200
        yield f"http://127.0.0.1:{port}"


async def test_victoria_metrics_answers_through_the_store(victoria_metrics, hall):
    store = RemoteStore(victoria_metrics)
    try:
        answer = await store.query_range("node_power_watts", hall_data.T0 + 300, hall_data.T0 + 600, 30)
        written = {each.labels["node"]: each.samples[10:21] for each in hall if each.labels["__name__"] == "node_power_watts"}
        assert [series.labels["node"] for series in answer.series] == sorted(written)
        for series in answer.series:
            # It keeps about 13 digits.
            assert list(series.values) == pytest.approx([value for _, value in written[series.labels["node"]]], rel=1e-10)
        assert await store.label_values("node", [], hall_data.T0, hall_data.END) == ["n1", "n2", "n3"]
        with pytest.raises(QueryError) as caught:
            await store.query("sum(", hall_data.T0)
        assert str(caught.value)
    finally:
        await store.close()
