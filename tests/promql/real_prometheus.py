"""A real Prometheus with given samples: Debian's package, started on a free port."""

from __future__ import annotations

import http.client
import json
import math
import struct
import subprocess
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.processes import free_port, http_get, running, wait_for
from tests.support.programs import required_program

STALE = struct.pack("<Q", 0x7FF0000000000002)


class Prometheus:
    """Its HTTP API."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._port = port

    def get(self, path: str, **parameters: str) -> dict:
        return json.loads(self._request("GET", f"{path}?{urllib.parse.urlencode(parameters)}")[1])

    def write(self, series: list[tuple[dict[str, str], list[tuple[int, float]]]]) -> None:
        """Send samples in the remote-write protocol; NaN goes as staleness marker, which no text format can say."""
        status, body = self._request("POST", "/api/v1/write", _snappy(b"".join(_field(1, _series(*each)) for each in series)))
        assert status == 204, body

    def _request(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _series(labels: dict[str, str], samples: list[tuple[int, float]]) -> bytes:
    pairs = b"".join(_field(1, _field(1, name.encode()) + _field(2, value.encode())) for name, value in sorted(labels.items()))
    points = (
        b"\x09" + (STALE if math.isnan(value) else struct.pack("<d", value)) + b"\x10" + _varint(time)
        for time, value in samples
    )
    return pairs + b"".join(_field(2, point) for point in points)


def _snappy(content: bytes) -> bytes:
    """Snappy's block format with nothing compressed: literals only."""
    parts = [content[at : at + 60_000] for at in range(0, len(content), 60_000)]
    return _varint(len(content)) + b"".join(b"\xf4" + struct.pack("<H", len(part) - 1) + part for part in parts)


@contextmanager
def started(directory: Path, open_metrics: str | None = None) -> Iterator[Prometheus]:
    """A server whose database holds a block made of `open_metrics`."""
    server, tool = (required_program(name, package="prometheus") for name in ("prometheus", "promtool"))
    data = directory / "data"
    if open_metrics is not None:
        text = directory / "samples.txt"
        text.write_text(open_metrics, encoding="utf-8")
        made = subprocess.run(
            [tool, "tsdb", "create-blocks-from", "openmetrics", text, data], check=False, capture_output=True, text=True
        )
        assert made.returncode == 0, made.stderr
    configuration = directory / "prometheus.yml"
    configuration.write_text("scrape_configs: []\n", encoding="utf-8")
    port = free_port()
    command = [
        server,
        f"--config.file={configuration}",
        f"--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=100y",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-remote-write-receiver",
        "--log.level=error",
    ]
    prometheus = Prometheus(port)
    with running(command, directory / "prometheus.log"):
        wait_for("Prometheus", lambda: http_get(f"{prometheus.url}/-/ready"))
        yield prometheus
