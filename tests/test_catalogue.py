"""Every metric follows the conventions, in our eyes and in promtool's."""

import re
import subprocess

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.programs import required_program
from wattstat.catalogue import ALL, GROUPS, Kind, Metric, Sample
from wattstat.exposition import Exposition
from wattstat.hall import Block, BlockKey, Snapshot

# What the last word of a name may be: base units, and the words that say what is counted where there is no unit.
UNITS = {
    "watts",
    "joules",
    "volts",
    "celsius",
    "hertz",
    "bytes",
    "seconds",
    "ratio",
    "rpm",
    "minute",
    "second",
    "amperes",
    "dbm",
}
STATES = {
    "info", "ok", "on", "active", "healthy", "health", "lost", "pending", "failed", "predicted", "open", "success", "mode",
    "safe", "broken", "leader", "emergency", "alarm",
    "up",
}  # fmt: skip
COUNTS = {
    "action", "banks", "events", "faults", "finding", "generation", "multiprocessors", "pages", "processes", "replays",
    "requests", "resets", "rows", "tokens", "xid", "series", "gpus", "jobs", "skipped", "slices", "state", "width", "errors",
    "samples", "writes", "drift", "devices", "fence", "clients", "discards", "drives", "frames", "objects", "packets", "ticks",
    "quotas", "snapshots", "fired", "messages", "score", "silences", "nodes",
}  # fmt: skip

# What belongs to jobs, not to devices, says so in its name.
OF_JOBS = {"job", "inference"}

# A label that is not here is either a slip of the pen or a decision: then add it.
KNOWN_LABELS = """
    account alias architecture availability
    bios_version bmc_firmware bmc_model budget
    category cause check class code collector component compute_instance container
    device dimm direction domain drive driver
    engine
    fan feed firmware
    gpu gpu_instance group guid
    holder
    id
    job_id
    kind
    lane license link_layer location log
    manager message message_id method mig_uuid minor mode model module_id
    name namespace node
    os outcome outlet
    part partition path pci_bus_id pdu phase pid pipe pod policy pool port posted_to priority profile protocol psu python
    qos
    rack rail reason receiver replica replicas resource role rule
    scheduler scope sensor serial service service_tag severity side socket source state storage storage_node switch
    target tier
    user uuid
    vbios version
    way why window
    xid
"""
LABELS = set(KNOWN_LABELS.split())


def exposition(metrics) -> bytes:
    """One sample of each metric."""
    samples = tuple(Sample(metric, tuple(f"{label} 1" for label in metric.labels), 1.0) for metric in metrics)
    block = Block(key=BlockKey("test", "all", ""), samples=samples, taken_at=0, interval_seconds=1)
    return Exposition().render(Snapshot(taken_at=0, blocks=(block,)))


def names(is_wrong) -> list[str]:
    """The metrics that are wrong."""
    return [metric.name for metric in ALL.values() if is_wrong(metric)]


def stem(metric: Metric) -> list[str]:
    """The words of a name between prefix and `_total`."""
    return metric.name.removeprefix("wattstat_").removesuffix("_total").split("_")


def test_names_are_snake_case_under_our_prefix():
    assert names(lambda metric: not re.fullmatch(r"wattstat(_[a-z0-9]+)+", metric.name)) == []


def test_names_end_in_a_base_unit_or_in_what_they_count():
    assert names(lambda metric: stem(metric)[-1] not in UNITS | STATES | COUNTS) == []


def test_total_stands_on_counters_and_nowhere_else():
    assert names(lambda metric: metric.name.endswith("_total") != (metric.kind is Kind.COUNTER)) == []


def test_no_unit_is_a_multiple():
    vendor_units = {"mw", "kw", "kwh", "wh", "mhz", "ghz", "mib", "kib", "gib", "mb", "gb", "ms", "us", "ns", "percent"}

    assert names(lambda metric: vendor_units & set(stem(metric))) == []


def test_help_is_sentences_of_one_line_and_the_source_is_named():
    sentence = re.compile(r"[A-Z0-9][^\n]{0,158}\.")

    assert names(lambda metric: not sentence.fullmatch(metric.help)) == []
    assert names(lambda metric: not metric.source) == []


def test_labels_are_known_and_stand_once():
    assert names(lambda metric: set(metric.labels) - LABELS or len(set(metric.labels)) < len(metric.labels)) == []


def test_a_label_whose_values_are_a_fixed_set_is_explained_in_the_help():
    enumerated = {"kind", "window", "scope", "role", "direction", "domain", "cause", "pipe"}
    # Their sets are the vendor's, or the frame's errors.
    excepted = {"wattstat_gpu_pcie_errors_total", "wattstat_collector_errors_total", "wattstat_gpu_retired_pages"}
    # Budgets are many families of the same labels; the first of them explains.
    of_budgets = {name for name in ALL if name.startswith("wattstat_budget_") and name != "wattstat_budget_limit_watts"}
    excepted |= of_budgets | {"wattstat_power_breach_seconds_total", "wattstat_policy_info"}
    unexplained = names(lambda metric: any(f"{label} is " not in metric.help for label in enumerated & set(metric.labels)))

    assert set(unexplained) <= excepted


def test_no_known_label_is_without_a_metric():
    assert {label for metric in ALL.values() for label in metric.labels} == LABELS


def test_every_metric_of_a_group_is_in_the_catalogue():
    declared = [value for group in GROUPS for value in vars(group).values() if isinstance(value, Metric)]

    assert len(declared) == len(ALL)


def test_no_label_is_one_that_a_scrape_adds():
    assert names(lambda metric: {"job", "instance", "le", "quantile"} & set(metric.labels)) == []


def test_a_device_series_carries_no_job():
    assert not [metric.name for metric in ALL.values() if "job_id" in metric.labels and not OF_JOBS & set(stem(metric))]


def test_prometheus_own_parser_reads_one_sample_of_everything():
    families = {family.name: family for family in text_string_to_metric_families(exposition(ALL.values()).decode())}

    assert len(families) == len(ALL)
    for metric in ALL.values():
        family = families[metric.name.removesuffix("_total") if metric.kind is Kind.COUNTER else metric.name]
        assert family.type == metric.kind
        assert family.documentation == metric.help
        assert family.samples[0].labels == {label: f"{label} 1" for label in metric.labels}


@pytest.mark.debian
def test_promtool_finds_nothing_to_say_about_one_sample_of_everything():
    promtool = required_program("promtool", package="prometheus")
    checked = subprocess.run([promtool, "check", "metrics"], input=exposition(ALL.values()), capture_output=True, check=False)

    # A link's speed is in bits a second everywhere, its traffic in bytes.
    said = [line for line in checked.stderr.decode().splitlines() if '"bytes" instead of "bits"' not in line]

    assert (checked.stdout.decode(), said) == ("", [])


def test_no_word_is_allowed_that_no_metric_ends_in():
    assert {stem(metric)[-1] for metric in ALL.values()} == UNITS | STATES | COUNTS
