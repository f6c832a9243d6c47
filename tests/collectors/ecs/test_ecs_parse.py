"""What the cluster's numbers mean: units, ages, and sums that may be made."""

import json
from datetime import datetime, timedelta

import pytest

from collectors.ecs import counted, flux, nodes, traffic, zone
from collectors.ecs.counted import Key, Track
from collectors.ecs.flux import Row
from collectors.ecs.names import Names
from collectors.ecs.namespaces import quota_samples, usage_samples
from collectors.ecs.points import horizon, instances, latest, newest
from tests.support.samples import samples
from wattstat.catalogue import storage as catalogue
from wattstat.inventory.devices import Storage

NOW = 1_785_312_642
NAMES = Names(Storage.model_validate({"name": "objects", "kind": "ecs", "url": "https://objects:4443"}))


def of(told, metric):
    return {sample.labels: sample.value for sample in told if sample.metric is metric}


def recorded(name):
    return json.loads(samples("device-samples", "objectscale-obs-exporter", f"{name}.json").read_text())


def point(value, at=NOW, name="Space"):
    return [{"t": str(at), name: value}]


def test_the_newest_point_counts_wherever_it_stands():
    series = [{"t": "30", "Space": "3"}, {"t": "10", "Space": "1"}, {"t": "20", "Space": "2"}]

    assert newest(series).value == 3
    assert newest([{"t": 9, "Percent": 5.5}]).value == 5.5
    assert newest([]) is None


def test_a_newest_point_without_a_number_is_not_replaced_by_an_older_one():
    assert newest([{"t": "10", "Rate": "1"}, {"t": "20", "Rate": "N/A"}]) is None
    assert latest({"recoveryRateCurrent": point("N/A"), "recoveryRate": point("7")}, "recoveryRate") is None


def test_what_is_old_is_history():
    document = {
        "alertsNumUnackInfo": point("0", NOW),
        "badCurrent": point("10992", NOW - 55 * 86400),
        "hour": point("5", NOW - 3600),
    }

    assert horizon(document) == NOW
    assert latest(document, "bad", NOW) is None
    assert latest(document, "hour", NOW) == 5
    # The times of the examples in Dell's manual lie in 1970: they say nothing.
    assert latest({"x": point("1", 23456789)}, "x", NOW) == 1


def test_times_may_be_milliseconds():
    assert newest(point("1", NOW * 1000)).at == NOW


@pytest.mark.parametrize("value", ["N/A", "", None, "-1", -1, True, [], {}, "NaN", "Infinity", "9" * 40])
def test_what_is_no_number_is_absent(value):
    assert newest(point(value)) is None
    assert not zone.zone_samples("objects", {"numNodes": value, "numDisks": value, "diskSpaceTotalCurrent": point(value)})


def test_lists_are_found_as_clusters_and_as_the_manual_have_them():
    assert instances({"_embedded": {"_instances": [{"id": "1"}]}}) == [{"id": "1"}]
    assert instances({"_embedded": {"instances": [{"id": "1"}, 7]}}) == [{"id": "1"}]
    assert instances({"_embedded": {}}) == instances(None) == instances([]) == []


def test_kinds_of_capacity_add_up_to_the_size_and_the_size_is_none_of_them():
    # On a running 4.3 they add up to the byte.
    told = zone.zone_samples(
        "objects",
        {
            "diskSpaceAllocatedCurrent": point("15634270027200"),
            "diskSpaceFreeCurrent": point("224024905012800"),
            "diskSpaceReservedCurrent": point("26628797226667"),
            "diskSpaceTotalCurrent": point("266287972266667"),
        },
    )
    kinds = of(told, catalogue.STORAGE_CAPACITY_BYTES)

    assert set(kinds) == {("objects", "used"), ("objects", "free"), ("objects", "reserved")}
    assert sum(kinds.values()) == of(told, catalogue.STORAGE_SIZE_BYTES)["objects",] == 266287972266667


def test_gigabytes_are_taken_only_where_the_zone_tells_no_bytes():
    gigabytes = {"totalProvisioned_gb": 100, "totalFree_gb": 60}
    told = zone.zone_samples("objects", {}, gigabytes)

    assert of(told, catalogue.STORAGE_SIZE_BYTES) == {("objects",): 100 * 1024**3}
    assert of(told, catalogue.STORAGE_CAPACITY_BYTES) == {("objects", "free"): 60 * 1024**3, ("objects", "used"): 40 * 1024**3}
    assert of(zone.zone_samples("objects", {"diskSpaceTotalCurrent": point("5")}, gigabytes), catalogue.STORAGE_SIZE_BYTES) == {
        ("objects",): 5
    }
    assert of(zone.zone_samples("objects", {}, {"cluster_capacity": gigabytes}), catalogue.STORAGE_SIZE_BYTES)
    assert not zone.zone_samples("objects", {}, {"totalProvisioned_gb": 1, "totalFree_gb": 2})


def test_drives_by_state_add_up_to_all_and_those_to_replace_are_not_counted_twice():
    entry = {
        "numDisks": "40",
        "numGoodDisks": "38",
        "numBadDisks": "1",
        "numMaintenanceDisks": "0",
        "numReadyToReplaceDisks": "1",
    }

    assert zone.drive_states(entry) == {"healthy": 38, "failed": 1, "maintenance": 0, "other": 1}
    assert zone.drive_states({"numGoodDisks": "3"}) == {"healthy": 3}
    assert zone.drive_states({**entry, "numDisks": "2"}) == {"healthy": 38, "failed": 1, "maintenance": 0}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([("Good", "0"), ("Good", "0")], 1.0),
        ([("Good", None), ("Good", None)], 1.0),
        ([("Good", "0"), ("Good", "1")], 0.5),
        ([("Good", "0"), ("NotAccessible", None)], 0.5),
        ([("Good", "0"), ("Maintenance", "0")], 0.5),
        ([("Bad", "0"), ("NotAccessible", None)], 0.0),
        ([("", "0"), ("Bad", "0")], None),
        ([], None),
    ],
)
def test_a_cluster_is_well_where_all_nodes_and_drives_are(told, expected):
    entries = [
        {"id": str(number), "healthStatus": word, **({} if failed is None else {"numBadDisks": failed})}
        for number, (word, failed) in enumerate(told)
    ]
    assert nodes.health({"_embedded": {"_instances": entries}}) == expected


def test_a_node_whose_health_has_an_unknown_word_has_none():
    document = {"_embedded": {"_instances": [{"displayName": "n1", "healthStatus": "Contemplating"}]}}
    assert not nodes.node_samples(NAMES, document)


def test_processors_at_work_are_all_but_the_idle_share():
    answers = {
        flux.CPU.name: [Row(field="usage_idle", value=70, at=1, host="n1"), Row(field="usage_user", value=20, at=1, host="n1")]
    }
    told = nodes.flux_samples(NAMES, answers, {})

    assert of(told, catalogue.STORAGE_NODE_CPU_RATIO) == {("objects", "n1"): pytest.approx(0.3)}


def test_the_external_network_is_counted_once():
    def rate(interface, value, field="bytes_recv"):
        return Key("net", "n1", field, "", interface), value

    whole = dict([rate("public", 100.0), rate("public.data", 90.0), rate("public.repl", 5.0), rate("private.4", 40.0)])
    parts = dict([rate("public.data", 90.0), rate("public.repl", 5.0), rate("private.4", 40.0)])

    assert nodes.external(whole) == {("n1", "receive"): 100.0}
    assert nodes.external(parts) == {("n1", "receive"): 95.0}
    assert nodes.external(dict([rate("public", 1.0, "drops")])) == {}


def test_a_rate_lies_between_two_points_and_stays_until_the_next():
    def after(known, at, value):
        return counted.advanced(known, "net", [Row(field="bytes_recv", value=value, at=at, host="n1", interface="public")])

    first = after({}, 100.0, 1000.0)
    again = after(first, 100.0, 1000.0)
    second = after(again, 400.0, 4000.0)
    reset = after(second, 700.0, 10.0)
    (key,) = first

    assert first[key] == again[key] == Track(100.0, 1000.0, None)
    assert second[key].per_second == after(second, 400.0, 4000.0)[key].per_second == 10.0
    assert reset[key] == Track(700.0, 10.0, None)
    assert counted.advanced(second, "net", []) == {}


@pytest.mark.samples
def test_recorded_counters_give_rates_with_the_next_reading():
    def later(document):
        """The same cluster five minutes later: every counter grew by three hundred times its row's number."""
        moved = json.loads(json.dumps(document))
        (series,) = moved["Series"]
        place = {name: series["Columns"].index(name) for name in ("_time", "_stop", "_value")}
        for number, row in enumerate(series["Values"]):
            for name in ("_time", "_stop"):
                row[place[name]] = (datetime.fromisoformat(row[place[name]]) + timedelta(seconds=300)).isoformat()
            row[place["_value"]] = str(int(row[place["_value"]]) + 300 * number)
        return moved

    document = recorded("flux_net")
    tracks = counted.advanced({}, "net", flux.rows(document))
    tracks = counted.advanced(tracks, "net", flux.rows(later(document)))
    told = of(nodes.flux_samples(NAMES, {}, tracks), catalogue.STORAGE_NODE_NETWORK_BYTES_PER_SECOND)

    # Rows 1, 5, 9 and 13 are the interface `public` of the two nodes, received and sent.
    assert told == {
        ("objects", "supr01-r01", "receive"): 1.0,
        ("objects", "supr01-r02", "receive"): 5.0,
        ("objects", "supr01-r01", "transmit"): 9.0,
        ("objects", "supr01-r02", "transmit"): 13.0,
    }


def test_a_quantile_lies_within_its_bucket():
    buckets = {0.0: 0.0, 1.0: 10.0, 10.0: 90.0, 100.0: 100.0, float("inf"): 100.0}

    assert counted.quantile(0.05, buckets) == pytest.approx(0.5)
    assert counted.quantile(0.5, buckets) == pytest.approx(1 + 9 * 40 / 80)
    assert counted.quantile(0.99, buckets) == pytest.approx(91.0)
    # What is beyond the last bound took at least that long.
    assert counted.quantile(0.99, {1.0: 1.0, float("inf"): 100.0}) == 1.0
    assert counted.quantile(0.5, {1.0: 0.0, float("inf"): 0.0}) is None
    assert counted.quantile(0.5, {}) is None


@pytest.mark.samples
def test_latency_is_made_of_the_nodes_histograms_where_the_cluster_has_no_series_of_its_own():
    first = counted.advanced({}, flux.NODE_LATENCY.name, flux.rows(recorded("flux_latency")))
    assert len(first) == 30
    assert not traffic.derived_traffic("objects", first, {})

    # A thousand reads of 1 to 4.8 ms on one node and ten of 112 to 537 ms on another.
    grown = [
        Row(
            field=key.field,
            id=key.id,
            host=key.host,
            at=track.at + 300,
            value=track.value + _grown(key.host, key.id, float(key.field)),
        )
        for key, track in first.items()
    ]
    told = traffic.derived_traffic("objects", counted.advanced(first, flux.NODE_LATENCY.name, grown), {})

    assert set(of(told, catalogue.STORAGE_LATENCY_SECONDS)) == {("objects", "object_read")}
    assert 1e-3 < of(told, catalogue.STORAGE_LATENCY_SECONDS)["objects", "object_read"] < 4.82e-3
    assert 1e-3 < of(told, catalogue.STORAGE_LATENCY_P99_SECONDS)["objects", "object_read"] < 5e-3
    # Where the cluster has a series of its own the nodes' is not taken.
    answers = {flux.LATENCY.name: [Row(field="p50", id="ttfb_read", value=7, at=1)]}
    assert not of(
        traffic.derived_traffic("objects", counted.advanced(first, flux.NODE_LATENCY.name, grown), answers),
        catalogue.STORAGE_LATENCY_SECONDS,
    )
    assert of(traffic.flux_traffic("objects", answers), catalogue.STORAGE_LATENCY_SECONDS) == {
        ("objects", "object_read"): 0.007
    }


def _grown(host, kind, bound):
    if kind != "ttfb_read":
        return 0
    return (1000 if host == "supr01-r01" else 10) * (bound >= (4 if host == "supr01-r01" else 500))


def test_old_rows_are_silence_and_nulls_are_no_answer():
    columns = ["_stop", "_time", "_value", "_field", "host"]
    lines = [
        ["2026-07-31T08:38:22.801998531Z", "2026-07-31T08:35:09Z", "5", "fresh", "n1"],
        ["2026-07-31T08:38:22.801998531Z", "2026-07-31T08:20:09Z", "6", "old", "n1"],
        ["2026-07-31T08:38:22.801998531Z", "yesterday", "7", "timeless", "n1"],
        ["2026-07-31T08:38:22.801998531Z", "2026-07-31T08:35:09Z", "N/A", "empty", "n1"],
        ["2026-07-31T08:38:22.801998531Z", "2026-07-31T08:35:09Z", "8"],
    ]
    document = {"Series": [{"Columns": columns, "Values": lines}, {"Datatypes": None, "Columns": None, "Values": None}]}

    assert [(row.field, row.value, row.host) for row in flux.rows(document)] == [("fresh", 5.0, "n1")]
    assert not flux.is_silent(document)
    assert flux.is_silent({"Series": [{"Datatypes": None, "Columns": None, "Values": None}]})
    assert flux.rows(None) == flux.rows({"Series": None}) == []


def test_a_namespace_is_counted_in_kibibytes_and_has_no_quota_below_one():
    info = {"namespace": "ns", "total_size": "9765.625", "total_size_unit": "KB", "total_objects": "3"}
    other = {"namespace": "other", "total_size": "1", "total_size_unit": "furlong"}
    told = usage_samples("objects", [{"namespace_billing_infos": [info, other, {**info, "total_size": "1"}]}])

    assert of(told, catalogue.STORAGE_NAMESPACE_USED_BYTES) == {("objects", "ns"): 10_000_000}
    quotas = {"none": {"blockSize": -1, "notificationSize": 0}, "some": {"namespace_quota_details": {"blockSize": "2"}}}
    assert of(quota_samples("objects", quotas), catalogue.STORAGE_NAMESPACE_QUOTA_BYTES) == {
        ("objects", "some", "hard"): 2 * 1024**3
    }
