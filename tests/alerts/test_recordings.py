"""Sites with other exporters get our names: what DCGM's names are made of comes back, and every name and label is ours."""

import csv
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.programs import required_program
from wattstat import dcgm
from wattstat.catalogue import ALL, gpu
from wattstat.catalogue.metric import Sample
from wattstat.hall import Block, BlockKey, Snapshot
from wattstat.store.embedded import EmbeddedStore

ALERTS = Path(__file__).parents[2] / "alerts"
FILES = sorted((ALERTS / "recording").glob("*.yml"))
IDENTITY = ("gpu-017", "3", "GPU-3")


def rules_of(name):
    (group,) = yaml.safe_load((ALERTS / "recording" / name).read_text())["groups"]
    assert group["name"] == f"wattstat-{Path(name).stem}"
    return group["rules"]


RULES = [rule for path in FILES for rule in rules_of(path.name)]


@pytest.mark.debian
@pytest.mark.parametrize("path", sorted((ALERTS / "recording/tests").glob("*.yml")), ids=lambda path: path.name)
def test_our_alerts_fire_on_what_other_exporters_wrote(path):
    promtool = required_program("promtool", package="prometheus")

    done = subprocess.run([promtool, "test", "rules", path.name], cwd=path.parent, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["record"])
def test_what_is_recorded_is_a_metric_of_ours_with_labels_of_ours(rule):
    metric = ALL[rule["record"]]
    by = re.match(r"(?:max|count) by \(([^)]*)\)", rule["expr"])[1].split(", ")

    assert {*by, *rule.get("labels", {})} <= set(metric.labels)


def test_no_series_is_recorded_twice():
    recorded = [(rule["record"], *sorted(rule.get("labels", {}).items())) for rule in RULES]

    assert len(recorded) == len(set(recorded))


def test_every_field_of_dcgm_that_we_write_is_read_by_both_its_names():
    read = " ".join(rule["expr"] for rule in rules_of("dcgm.yml"))

    assert not [name for row in dcgm.ROWS for name in row.names if not re.search(rf"\b{name}\b", read)]


def test_every_xid_that_an_alert_knows_is_recorded():
    with (ALERTS / "xid.csv").open(encoding="utf-8") as file:
        known = {row["xid"] for row in csv.DictReader(file)}
    recorded = {rule["labels"]["xid"] for rule in rules_of("dcgm.yml") if rule["record"] == gpu.GPU_XID_ERRORS_TOTAL.name}

    # 154 says that the driver's verdict has changed, which has a metric of its own.
    assert recorded == known - {"154"}


def a_gpu():
    """One sample of everything that DCGM has a name for, each with another value."""
    identity = {label: f"some {label}" for label in gpu.GPU_INFO.labels} | dict(
        zip(("node", "gpu", "uuid"), IDENTITY, strict=True)
    )
    samples = [Sample(gpu.GPU_INFO, tuple(identity.values()), 1.0)]
    for number, row in enumerate(dcgm.ROWS, start=1):
        where = {**identity, **row.where}
        unit = 2.0**20 if row.metric.name.endswith("_bytes") else 1.0  # DCGM tells whole MiB
        value = 79.0 if row.metric is gpu.GPU_LAST_XID else number * unit
        labels = tuple(where.get(label, "") for label in row.metric.labels)
        samples.append(Sample(row.metric, labels, value))
    return Snapshot(
        taken_at=0,
        blocks=(Block(key=BlockKey("nvml", "gpu-017", "fast"), samples=tuple(samples), taken_at=0, interval_seconds=10),),
    )


@pytest.mark.parametrize("hostname", ["Hostname", "hostname"])
async def test_what_we_write_under_the_names_of_dcgm_comes_back_as_it_was(hostname, tmp_path):
    snapshot = a_gpu()
    store = EmbeddedStore(tmp_path / "history.duckdb")
    try:
        await store.ingest(dcgm.render(snapshot, hostname).decode(), 1_000_000, 0.1)
        recorded = {}
        for rule in rules_of("dcgm.yml"):
            answer = await store.query(rule["expr"], at=1000)
            for series in answer.series:
                labels = {**series.labels, **rule.get("labels", {})}
                recorded[rule["record"], frozenset(labels.items())] = series.values[-1]
    finally:
        await store.close()

    expected = {}
    for row in dcgm.ROWS:
        if row.metric is gpu.GPU_LAST_XID:
            continue
        (value,) = {found.sample.value for found in snapshot.find(row.metric, **row.where)}
        labels = dict(zip(("node", "gpu", "uuid"), IDENTITY, strict=True)) | dict(row.where)
        expected[row.metric.name, frozenset(labels.items())] = pytest.approx(value)
    assert {key: recorded.get(key) for key in expected} == expected
    xids = {dict(labels)["xid"]: value for (name, labels), value in recorded.items() if name == "wattstat_gpu_xid_errors_total"}
    assert {xid for xid, value in xids.items() if value == 1} == {"79"}
    assert len(xids) > 20
