"""A real Prometheus evaluates rules in its own time, is killed and started again; we evaluate the same rules beside it.

Our engine asks that Prometheus (a remote store) about the moments at which it evaluated, and must have had the same alerts.
"""

from __future__ import annotations

import asyncio
import http.server
import json
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from alerts.evaluation.engine import Engine
from alerts.evaluation.loader import load_rules
from alerts.memory import Memory
from tests.support.processes import free_port, http_get, running, wait_for
from tests.support.programs import required_program
from tests.support.series_store import SeriesStore
from wattstat.store.remote import RemoteStore

pytestmark = pytest.mark.debian

# Two seconds ago: a scrape that a busy machine delays is written after an evaluation that should have seen it.
RULES = """
groups:
  - name: live
    interval: 1s
    rules:
      - {record: evaluated, expr: vector(1)}
      - {record: "node:load:sum", expr: sum by (node) (load offset 2s), labels: {of: all}}
      - alert: LoadHigh
        expr: node:load:sum > 5
        for: 2s
        keep_firing_for: 3s
        labels: {severity: warning}
        annotations:
          summary: A node works hard
          description: >-
            {{ $labels.node }} has {{ $value | humanize }} of
            {{ with printf "limit{node='%s'}" .Labels.node | query }}{{ . | first | value }}{{ end }}
      - {alert: Watchdog, expr: vector(1), labels: {severity: none}}
      - {alert: WorksForLong, expr: load offset 2s > 5, for: 8s}
      - {alert: NobodyWorks, expr: absent(load offset 2s), for: 1s}
"""


class Loads:
    """What Prometheus scrapes."""

    def __init__(self) -> None:
        self.of = {"a": 9.0, "b": 1.0}
        loads = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                lines = [f'load{{node="{node}",cpu="0"}} {value}\n' for node, value in loads.of.items()]
                body = "".join([*lines, 'limit{node="a"} 5\n']).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @contextmanager
    def serving(self) -> Iterator[int]:
        thread = threading.Thread(target=self.server.serve_forever)
        thread.start()
        try:
            yield self.server.server_address[1]
        finally:
            self.server.shutdown()
            thread.join()
            self.server.server_close()


class Live:
    """A Prometheus on one data folder."""

    def __init__(self, directory: Path, scraped: int) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self._directory = directory
        target = (
            f"scrape_configs: [{{job_name: j, scrape_interval: 1s, static_configs: [{{targets: ['127.0.0.1:{scraped}']}}]}}]"
        )
        (directory / "rules.yml").write_text(RULES)
        (directory / "prometheus.yml").write_text(f"global: {{scrape_timeout: 1s}}\nrule_files: [rules.yml]\n{target}\n")

    @contextmanager
    def up(self):
        command = [
            required_program("prometheus", package="prometheus"),
            f"--config.file={self._directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._directory / 'data'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
            "--rules.alert.for-grace-period=1s",
            "--log.level=error",
        ]
        with running(command, self._directory / "log") as process:
            wait_for("Prometheus", lambda: http_get(f"{self.url}/-/ready"))
            yield process

    def get(self, path: str, **parameters: str) -> dict:
        text = http_get(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}")
        return json.loads(text)["data"] if text else {}

    def rules(self) -> dict[str, dict]:
        groups = self.get("rules").get("groups", [])
        return {rule["name"]: rule for group in groups for rule in group["rules"]}

    def state(self, name: str) -> str:
        return self.rules().get(name, {}).get("state", "")

    def samples(self, name: str) -> dict[tuple[tuple[str, str], ...], dict[float, float]]:
        """Everything that was ever written, by labels and time."""
        found = self.get("query", query=f"{name}[1h]")["result"]
        return {key(each["metric"]): {time: float(value) for time, value in each["values"]} for each in found}


def key(labels) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, value) for name, value in labels.items() if name != "__name__"))


def moments_of(live: Live) -> list[float]:
    """When Prometheus evaluated, so far."""
    return sorted(live.samples("evaluated")[()])


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    """Two lives of a Prometheus, and ours beside it: `lives`, `theirs`, `ours`, and of each life a document of both."""
    directory = tmp_path_factory.mktemp("live")
    loads, documents = Loads(), []
    with loads.serving() as port:
        live = Live(directory, port)
        with live.up() as process:
            wait_for("LoadHigh to fire", lambda: live.state("LoadHigh") == "firing" and len(moments_of(live)) > 5)
            documents.append(live.rules())
            loads.of["a"] = 1.0
            wait_for("LoadHigh to end", lambda: live.state("LoadHigh") == "inactive")
            loads.of = {"a": 9.0, "c": 7.0}
            wait_for("two loads", lambda: len(live.rules()["WorksForLong"]["alerts"]) == 2)
            begun = max(moments_of(live))
            wait_for("some evaluations", lambda: max(moments_of(live)) >= begun + 3)
            process.kill()
            process.wait()
            killed_at = time.time()
        with live.up():
            wait_for("WorksForLong to fire", lambda: live.state("WorksForLong") == "firing")
            documents.append(live.rules())
            moments = moments_of(live)
            lives = [[m for m in moments if m < killed_at], [m for m in moments if m > killed_at]]
            theirs = {name: live.samples(name) for name in ("ALERTS", "ALERTS_FOR_STATE", "node:load:sum")}
            ours, shown = asyncio.run(followed(live, directory, lives, documents))
    return Lived(lives=lives, theirs=theirs, ours=ours, documents=list(zip(documents, shown, strict=True)))


@dataclass(frozen=True, kw_only=True)
class Lived:
    lives: list[list[float]]
    theirs: dict[str, dict]
    ours: SeriesStore
    documents: list[tuple[dict[str, dict], dict[str, dict]]]


async def followed(live: Live, directory: Path, lives: list[list[float]], documents: list[dict]):
    """What we write when we evaluate at the same moments, and our documents at the moments of the others'."""
    ours, remote, memory = SeriesStore(), RemoteStore(live.url), Memory(directory / "alerts.sqlite")
    shown: list[dict] = []
    for mine, document in zip(lives, documents, strict=True):
        wanted = max(moment for moment in mine if moment <= when(document["evaluated"]["lastEvaluation"]))
        groups = load_rules([directory / "rules.yml"])
        engine = Engine(store=remote, memory=memory, groups=groups, record=ours.record, clock=lambda at=mine[0]: at)
        await engine.start()
        for moment in mine:
            await engine.evaluate(engine.groups[0].group, moment)
            assert engine.failing() == {}
            if moment == wanted:
                shown.append({rule["name"]: rule for rule in engine.rule_groups()[0]["rules"]})
    await remote.close()
    memory.close()
    return ours, shown


def when(text: str) -> float:
    """A time of a document, which Go writes with up to nine digits."""
    whole, _, part = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{part or 0}")


def within(samples: dict, moments: list[float]) -> dict:
    kept = {labels: {time: value for time, value in of.items() if time in moments} for labels, of in samples.items()}
    return {labels: of for labels, of in kept.items() if of}


@pytest.mark.parametrize(("name", "first"), [("ALERTS", 2), ("ALERTS_FOR_STATE", 2), ("node:load:sum", 0)])
def test_the_same_series_are_written_at_the_same_moments(lived, name, first):
    # Prometheus writes no ALERTS at its first two evaluations: it waits for data before it restores what was.
    moments = lived.lives[0][first:]
    ours, theirs = within(lived.ours.samples(name), moments), within(lived.theirs[name], moments)
    assert ours == theirs
    assert ours


def test_the_document_of_the_rules_is_the_same(lived):
    theirs, ours = lived.documents[0]
    assert list(ours) == list(theirs)
    for name, rule in theirs.items():
        mine = ours[name]
        assert mine.keys() == rule.keys(), name
        for member in rule.keys() - {"alerts", "evaluationTime", "lastEvaluation", "query"}:
            assert mine[member] == rule[member], (name, member)
        for alert, other in zip(mine.get("alerts", ()), rule.get("alerts", ()), strict=True):
            assert {**alert, "activeAt": 0} == {**other, "activeAt": 0}
            assert when(alert["activeAt"]) == pytest.approx(when(other["activeAt"]), abs=0.001)
    assert theirs["LoadHigh"]["alerts"][0]["annotations"]["description"] == "a has 9 of 5"


def test_what_waited_before_the_kill_goes_on_waiting(lived):
    after = lived.lives[1]
    ours, theirs = lived.ours.samples("ALERTS_FOR_STATE"), within(lived.theirs["ALERTS_FOR_STATE"], after)
    waited = {labels: values for labels, values in theirs.items() if ("alertname", "WorksForLong") in labels}
    assert len(waited) == 2
    for labels, values in waited.items():
        mine, other = ours[labels][max(values)], values[max(values)]
        # Prometheus restores after its second evaluation, we at the first; it keeps whole seconds.
        assert other - (after[2] - after[0] + 2) <= mine <= other + 1
        assert mine < after[0], "it does not begin anew"


def test_what_fired_before_the_kill_fires_at_once(lived):
    before, after = lived.lives
    ours = lived.ours.samples("ALERTS")
    [watchdog] = [labels for labels in ours if ("alertname", "Watchdog") in labels]
    assert set(ours[watchdog]) == {*before, *after}


def test_in_the_end_both_have_the_same_alerts(lived):
    theirs, ours = lived.documents[1]
    states = [
        {name: sorted((key(alert["labels"]), alert["state"]) for alert in of[name].get("alerts", ())) for name in theirs}
        for of in (theirs, ours)
    ]
    # Who fires first after the restart may differ by the seconds that restoring takes.
    first, second = ({**each, "WorksForLong": {labels for labels, _ in each["WorksForLong"]}} for each in states)
    assert first == second
    assert len(first["WorksForLong"]) == 2
