"""Every expression of the dashboard, on the embedded store and on a real Prometheus, which must agree."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fixture_budgets import budget_samples
from fixture_datapath import datapath_inventory
from fixture_datapath import samples as datapath_samples
from fixture_hall import FakeLive, job_samples

from dashboard import queries
from tests.promql.real_prometheus import Prometheus, started
from wattstat.catalogue import ALL
from wattstat.store.embedded import EmbeddedStore

END = 1_790_000_000
EVERY = 15
SCRAPES = 40

EXPRESSIONS = {
    "site power": queries.site_power(15),
    "mean site power": queries.site_power(60),
    "meters": queries.site_power_meters(60),
    "site GPUs": queries.site_gpu_power(60),
    "energy": queries.site_energy(420),
    "node power": queries.node_power("gpu-03", 15),
    "node GPUs": queries.node_gpu_power_sum("gpu-03", 60),
    "cap": queries.node_power_cap("gpu-03"),
    "no cap": queries.node_power_cap("gpu-01"),
    "GPU power": queries.gpu_power("gpu-03", 60),
    "GPU temperature": queries.gpu_temperature("gpu-03", 60),
    "GPU utilization": queries.gpu_utilization("gpu-03", 15),
    "job power": queries.job_power("slurm", "4201", 60),
    "power of several": queries.gpus_power(("gpu-03", "gpu-04"), 60),
    "SM activity": queries.gpus_sm_active(("gpu-03",), 15),
    "tensor": queries.gpus_tensor_active(("gpu-03", "gpu-04"), 60),
    "utilization of several": queries.gpus_utilization(("gpu-03", "gpu-04"), 60),
    "limits": queries.gpus_limit(("gpu-03", "gpu-04")),
    "throttled": queries.gpus_throttled(("gpu-03", "gpu-04"), 60),
    "no XIDs": queries.gpus_xids(("gpu-09",), 60),
    "lost": queries.gpus_lost(("gpu-01", "gpu-02")),
    "caps": queries.nodes_cap(("gpu-03", "gpu-04")),
    "budget": queries.budget_power("rack", "R01", 60),
    "budget's peak": queries.budget_peak("rack", "R01", 60),
    "budget's worst case": queries.budget_worst("breaker", "R01-A", 15),
    "budget's limit": queries.budget_limit("rack", "R01"),
    "budget's breaker": queries.budget_trip_safe("breaker", "R01-A"),
    "throughput": queries.storage_throughput("scratch", 60),
    "latency": queries.storage_latency("scratch", 15),
    "latency by class": queries.storage_class_latency("scratch", 60),
    "usual latency": queries.storage_usual_latency(420),
    "readers": queries.readers_utilization((), 60),
    "some readers": queries.readers_utilization(("gpu-03", "gpu-04"), 60),
    "growth": queries.storage_growth(420),
    "known capacity": queries.storage_known(3600),
    "cables": queries.fabric_links(("gpu-03", "gpu-04")),
    "cables of a leaf": queries.leaf_links("ib-leaf-1"),
    "cables of ports": queries.port_links(("ib-leaf-1",), ("1/1", "3/2")),
    "adapters": queries.adapters_active(("gpu-02",)),
    "rates": queries.adapters_rate(("gpu-05",)),
    "adapters' errors": queries.adapters_errors(("gpu-04",), 420),
    "flapping adapters": queries.adapters_flapping(420),
    "flaps of adapters": queries.adapters_flaps(("gpu-03",), 420),
    "erring adapters": queries.adapters_symbol_errors(420),
    "ports": queries.ports_up(("ib-leaf-2",)),
    "speeds": queries.ports_speed(("eth-leaf-1",)),
    "light": queries.ports_light(("ib-leaf-2",), ("2/4",)),
    "symbol errors of switches": queries.ports_symbol_errors_of(("ib-leaf-1",), 420),
    "flapping ports": queries.ports_flapping(420),
    "flaps of ports": queries.ports_flaps(("ib-leaf-1",), ("3/2",), 420),
    "erring ports": queries.ports_symbol_errors(420),
    "broken packets": queries.ports_packet_errors(420),
    "symbol error rate": queries.symbol_error_rate(("ib-leaf-1",), ("4/1",), 60),
    "packet error rate": queries.packet_error_rate(("ib-leaf-1",), ("4/1",), 60),
    "bit errors over time": queries.bit_error_ratio(("ib-leaf-1",), ("4/1",), 60),
    "pauses": queries.pauses(420),
    "marks": queries.congestion_marks(420),
    "traffic in": queries.rail_traffic("receive", 420),
    "traffic out": queries.rail_traffic("transmit", 420),
    "capacity of rails": queries.RAIL_CAPACITY,
    "servers with cables": queries.FABRIC_SERVERS,
    "ports up": queries.PORTS_UP,
    "ports in all": queries.PORTS,
    "cables down": queries.ports_down(()),
    "adapters down": queries.adapters_down(()),
    "ports down elsewhere": queries.ports_down(("ib-leaf-1", "eth-leaf-1")),
    "adapters down elsewhere": queries.adapters_down(("ib-leaf-1",)),
    "links": queries.LINKS,
    "links down": queries.LINKS_DOWN,
    "adapters slow": queries.ADAPTERS_SLOW,
    "bit errors": queries.PORTS_BIT_ERRORS,
    **{f"since {kind}": expression for kind, expression in queries.SINCE.items()},
}
# What holds nowhere in the fixture; everything else must bring something.
EMPTY = {
    "flaps of adapters", "flaps of ports", "no cap", "no XIDs", "since remap_failed", "since remap_pending", "since power_off",
    "since switch_fan", "since storage_node", "since storage_slow",
}  # fmt: skip


def scrape(live: FakeLive, at: float) -> list[str]:
    """Samples of the fixture's hall at a moment, plus counters of energy: one server with its own, the others integrated."""
    live.clock = lambda: at
    entries = [entry for entry in live.hall_inventory.nodes if entry.name not in live.unread]
    samples = [*(sample for entry in entries for sample in live.samples(entry)), *job_samples(at), *budget_samples()]
    samples += datapath_samples(at, END, live.hall_inventory)
    lines = [sample.metric.series_prefix(sample.labels) + repr(sample.value) for sample in samples]
    for entry in entries:
        sources = ("counter", "integrated") if entry.name == "gpu-01" else ("integrated",)
        lines += [
            f'wattstat_node_energy_joules_total{{node="{entry.name}",source="{source}"}} {(at - END + 9000) * 5000!r}'
            for source in sources
        ]
    return lines


@pytest.fixture(scope="module")
def scrapes() -> list[tuple[int, list[str]]]:
    live = FakeLive(hall_inventory=datapath_inventory(10))
    return [(at, scrape(live, at)) for at in range(END - EVERY * SCRAPES, END + 1, EVERY)]


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory, scrapes: list[tuple[int, list[str]]]) -> Iterator[Prometheus]:
    text = "\n".join(f"{line} {at}" for at, lines in scrapes for line in lines) + "\n# EOF\n"
    with started(tmp_path_factory.mktemp("prometheus"), text) as server:
        yield server


async def embedded(directory: Path, scrapes: list[tuple[int, list[str]]]) -> EmbeddedStore:
    store = EmbeddedStore(directory / "history.duckdb", clock=lambda: END)
    for at, lines in scrapes:
        await store.ingest("\n".join(lines) + "\n", at * 1000, 0.01)
    return store


@pytest.mark.debian
async def test_both_stores_answer_every_expression_alike(tmp_path, prometheus, scrapes):
    store = await embedded(tmp_path, scrapes)
    start, step = END - 300, 30
    try:
        for name, expression in EXPRESSIONS.items():
            answer = await store.query_range(expression, start, END, step)
            body = prometheus.get("/api/v1/query_range", query=expression, start=str(start), end=str(END), step=str(step))

            assert body["status"] == "success", (name, body)
            ours = {key(series.labels): list(zip(series.times, series.values, strict=True)) for series in answer.series}
            theirs = {
                key(each["metric"]): [(at, float(text)) for at, text in each["values"]] for each in body["data"]["result"]
            }
            assert ours.keys() == theirs.keys(), name
            assert bool(ours) == (name not in EMPTY), name
            for labels, points in theirs.items():
                assert ours[labels] == [(at, pytest.approx(value, rel=1e-9)) for at, value in points], (name, labels)
    finally:
        await store.close()


def key(labels: dict[str, str]) -> str:
    return json.dumps(dict(labels), sort_keys=True)


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_every_metric_of_an_expression_is_in_the_catalogue(name):
    metrics = set(re.findall(r"wattstat_\w+", EXPRESSIONS[name]))

    assert metrics
    assert metrics <= ALL.keys()


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_every_label_of_an_expression_is_one_of_its_metric(name):
    for metric, matchers in re.findall(r"(wattstat_\w+)\{([^}]*)\}", EXPRESSIONS[name]):
        assert {matcher.split("=")[0].rstrip("!") for matcher in matchers.split(",") if "=" in matcher} <= set(
            ALL[metric].labels
        )


def test_a_servers_name_is_no_pattern_and_leaves_no_quotes():
    assert r'node=~"gpu\\.\\(hpc\\)|a\"b|n1"' in queries.gpus_limit(("gpu.(hpc)", 'a"b', "n1"))


def test_a_servers_name_cannot_leave_its_quotes():
    assert r'node="a\"} or vector(1) #"' in queries.node_power('a"} or vector(1) #', 15)


def test_a_budgets_name_cannot_leave_its_quotes():
    assert r'budget="a\"} or vector(1) #"' in queries.budget_limit("rack", 'a"} or vector(1) #')
