"""A simulated hall with real collectors, and what watches it with the files of `deploy/`.

Prometheus scrapes and evaluates; VictoriaMetrics gets everything from it by remote write; the embedded store scrapes by itself.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.power_hall import agents
from tests.support.processes import ROOT, free_port, http_get, python, running, wait_for
from tests.support.programs import required_program

DEPLOYED = ROOT / "deploy/prometheus/prometheus.yml"
NODES = 5
"""Two with eight H100 and one of each other kind that has GPUs, in two racks."""


class Refused(Exception):
    """A server did not take a query; its message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Something that answers PromQL over Prometheus' API."""

    name: str
    url: str

    def query(self, expression: str, at: float | None = None) -> list[dict[str, Any]]:
        """The series of an instant query, of now unless told; a scalar is one series without labels. Raises `Refused`."""
        data = self._get("/api/v1/query", query=expression, **({} if at is None else {"time": str(at)}))
        return data["result"] if data["resultType"] == "vector" else [{"metric": {}, "value": data["result"]}]

    def range(self, expression: str, at: float, *, seconds: float, step: float) -> list[dict[str, Any]]:
        """The series of so many seconds before a moment. Raises `Refused`."""
        given = {"query": expression, "start": str(at - seconds), "end": str(at), "step": str(step)}
        return self._get("/api/v1/query_range", **given)["result"]

    def label_values(self, name: str, selector: str = "") -> list[str]:
        """As Grafana's `label_values()`."""
        return self._get(f"/api/v1/label/{name}/values", **({"match[]": selector} if selector else {}))

    def _get(self, path: str, **given: str) -> Any:
        # Expressions of dashboards can be longer than an address may be.
        body = None if path.endswith("/values") else urllib.parse.urlencode(given).encode()
        address = f"{self.url}{path}" + (f"?{urllib.parse.urlencode(given)}" if body is None else "")
        try:
            with urllib.request.urlopen(urllib.request.Request(address, body), timeout=60) as answer:
                return json.loads(answer.read())["data"]
        except urllib.error.HTTPError as err:
            with err:
                raise Refused(err.read().decode(errors="replace")[:400]) from err


@dataclass(frozen=True, slots=True, kw_only=True)
class Hall:
    """Where the parts of a watched hall are."""

    directory: Path
    core: str
    web: str
    control: str

    def fault(self, target: str, kind: str, **options: Any) -> None:
        """Switch a fault on."""
        _send("POST", f"{self.control}/faults", {"target": target, "kind": kind, **options})

    def ask(self, method: str, path: str, **body: Any) -> None:
        """Tell Wattstat to do something, over its public API."""
        _send(method, f"{self.web}{path}", body)


def _send(method: str, url: str, body: Any) -> None:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"}, method=method)
    urllib.request.urlopen(request, timeout=30).close()


@contextmanager
def watched_hall(directory: Path, **settings: Any) -> Iterator[Hall]:
    """Simulator, agents and `wattstat serve`, with jobs; `settings` go into wattstat.yaml. Core has tried every target."""
    (directory / "logs").mkdir(parents=True)
    ports = ["--web", f"127.0.0.1:{free_port()}", "--core-port", str(free_port())]
    hall = ["--nodes", str(NODES), "--history-hours", "0", "--mig", "xe8640-01"]
    with ExitStack() as stack:
        simulator = python("simulator", "--dir", str(directory), *hall, *ports)
        stack.enter_context(running(simulator, directory / "logs" / "simulator.log"))
        wait_for("the simulated hall", (directory / "ready").exists)
        config = yaml.safe_load((directory / "wattstat.yaml").read_text()) | settings
        (directory / "wattstat.yaml").write_text(yaml.safe_dump(config))
        stack.enter_context(agents(directory))
        serve = python("wattstat", "serve", "--config", str(directory / "wattstat.yaml"))
        stack.enter_context(running(serve, directory / "logs" / "serve.log"))
        made = Hall(
            directory=directory,
            core=f"http://{config['core']['listen']}",
            web=f"http://{config['web']['listen']}",
            control=(directory / "control-url").read_text().strip(),
        )
        wait_for("core to have tried every target", lambda: http_get(f"{made.core}/-/ready"), seconds=400)
        wait_for("the web process", lambda: http_get(f"{made.web}/-/ready"), seconds=400)
        yield made


@contextmanager
def victoria_metrics(directory: Path, *more: str) -> Iterator[Server]:
    """Debian's VictoriaMetrics, empty. It usually hides the newest half minute, which a test need not wait for."""
    directory.mkdir(exist_ok=True)
    program = required_program("victoria-metrics", package="victoria-metrics")
    port = free_port()
    options = [f"-storageDataPath={directory}/data", f"-httpListenAddr=127.0.0.1:{port}", "-search.latencyOffset=0s", *more]
    with running([program, *options], directory / "victoria-metrics.log"):
        server = Server(name="VictoriaMetrics", url=f"http://127.0.0.1:{port}")
        wait_for("VictoriaMetrics", lambda: http_get(f"{server.url}/health"))
        yield server


def configuration(hall: Hall, *, rules: Path, alertmanager: str = "") -> dict[str, Any]:
    """The deployed configuration of Prometheus with this hall's addresses in it, and nothing else changed."""
    text = DEPLOYED.read_text(encoding="utf-8")
    here = {
        "127.0.0.1:9838": hall.core.removeprefix("http://"),
        "127.0.0.1:8050": hall.web.removeprefix("http://"),
        "/etc/prometheus/wattstat": str(rules),
        "127.0.0.1:9093": alertmanager or "127.0.0.1:9093",
    }
    for usual, found in here.items():
        assert usual in text, f"{DEPLOYED.name} does not name {usual}"
        text = text.replace(usual, found)
    config: dict[str, Any] = yaml.safe_load(text)
    return config


@contextmanager
def prometheus(directory: Path, config: dict[str, Any]) -> Iterator[Server]:
    """Debian's Prometheus with a configuration."""
    program = required_program("prometheus", package="prometheus")
    path, port = directory / "prometheus.yml", free_port()
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    options = [f"--config.file={path}", f"--storage.tsdb.path={directory}/data", f"--web.listen-address=127.0.0.1:{port}"]
    with running([program, *options, "--log.level=warn"], directory / "prometheus.log"):
        server = Server(name="Prometheus", url=f"http://127.0.0.1:{port}")
        wait_for("Prometheus", lambda: http_get(f"{server.url}/-/ready"))
        yield server


@contextmanager
def alertmanager(directory: Path) -> Iterator[str]:
    """Debian's Alertmanager with the deployed configuration; its address."""
    program = required_program("prometheus-alertmanager", package="prometheus-alertmanager")
    port = free_port()
    options = [
        f"--config.file={ROOT / 'deploy/alertmanager/alertmanager.yml'}",
        f"--storage.path={directory}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    with running([program, *options], directory / "alertmanager.log"):
        wait_for("Alertmanager", lambda: http_get(f"http://127.0.0.1:{port}/-/ready"))
        yield f"http://127.0.0.1:{port}"
