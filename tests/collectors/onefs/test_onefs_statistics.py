"""What statistics mean: units, protocols, sums over nodes, and the errors of single keys."""

import json

import pytest

from collectors.onefs import classes, keys, statistics

CLUSTER = 0


def row(key, value, *, devid=CLUSTER, error=None, code=None):
    return {"devid": devid, "error": error, "error_code": code, "key": key, "time": 1655808644, "value": value}


def read(*rows, up=None):
    return statistics.parse({"stats": list(rows)}, up)


def failures(*rows):
    return statistics.failures(statistics.rows({"stats": list(rows)}))


def proto(name, *, rate=100.0, micros=800.0, read=1e9, write=2e8):
    return row(
        f"cluster.protostats.{name}.total",
        [{"op_rate": rate, "time_avg": micros, "out_rate": read, "in_rate": write}],
    )


def test_processor_time_in_permil_becomes_a_ratio():
    told = read(row("cluster.cpu.sys.avg", 135), row("cluster.cpu.idle.avg", 1000), row("node.cpu.idle.avg", 750, devid=5))

    assert told.cpu_ratios == {"system": 0.135, "idle": 1.0}
    assert told.nodes[5].cpu_ratio == 0.25


def test_where_the_list_of_keys_says_percent_it_is_percent():
    rows = {"stats": [row("node.disk.busy.avg", 12.5, devid=5), row("node.cpu.idle.avg", 750, devid=5)]}

    told = statistics.parse(rows, None, {"node.disk.busy.avg": "percent", "node.cpu.idle.avg": "permil"}).nodes[5]

    assert (told.disk_busy_ratio, told.cpu_ratio) == (0.125, 0.25)


def test_processor_time_above_a_thousand_is_none():
    told = read(row("cluster.cpu.sys.avg", 1001), row("node.cpu.idle.avg", -1, devid=5))

    assert told.cpu_ratios == {}
    assert told.nodes[5].cpu_ratio is None


def test_used_free_and_reserved_add_up_to_the_size():
    told = read(row("ifs.bytes.total", 1000), row("ifs.bytes.used", 600), row("ifs.bytes.avail", 350))

    assert told.capacity_bytes == {"used": 600, "free": 350, "reserved": 50}
    assert sum(told.capacity_bytes.values()) == told.size_bytes


def test_nothing_is_reserved_where_the_size_is_not_told_or_too_small():
    assert read(row("ifs.bytes.used", 600), row("ifs.bytes.avail", 350)).capacity_bytes == {"used": 600, "free": 350}
    assert read(row("ifs.bytes.total", 10), row("ifs.bytes.used", 9), row("ifs.bytes.avail", 9)).capacity_bytes == {
        "used": 9,
        "free": 9,
    }


def test_latency_in_microseconds_becomes_seconds():
    assert read(proto("nfs", micros=800.0)).protocols["nfs3"].latency_seconds == pytest.approx(0.0008)


def test_out_is_what_clients_read_and_all_protocols_are_added_up():
    told = read(proto("nfs", read=3e9, write=1e9), proto("smb2", read=1e9, write=5e8))

    assert (told.read_bytes, told.write_bytes) == (4e9, 1.5e9)


def test_no_operations_are_told_and_have_no_latency():
    nothing = read(proto("nfs", rate=0.0, micros=0.0)).protocols["nfs3"]

    assert nothing.operations == 0
    assert nothing.latency_seconds is None


def test_rows_by_operation_are_added_up_and_their_times_weighed():
    told = read(
        row(
            "cluster.protostats.nfs.total",
            [{"op_rate": 30, "time_avg": 100, "out_rate": 5}, {"op_rate": 10, "time_avg": 500, "out_rate": 7}],
        )
    ).protocols["nfs3"]

    assert told.operations == 40
    assert told.read_bytes == 12
    assert told.latency_seconds == pytest.approx(200e-6)


@pytest.mark.parametrize("write", [json.dumps, repr], ids=["json", "python"])
@pytest.mark.parametrize("wrap", [lambda each: each, lambda each: [each]], ids=["alone", "in a list"])
def test_a_value_that_is_the_text_of_an_object_is_read(write, wrap):
    text = write({"op_rate": 12.5, "time_avg": 250.0, "in_rate": 1.0, "out_rate": None})

    told = read(row("cluster.protostats.nfs4.total", wrap(text))).protocols["nfs4"]

    assert (told.operations, told.latency_seconds, told.read_bytes) == (12.5, 0.00025, None)


@pytest.mark.parametrize(
    "text", ["", "{", "[[", "__import__('os')", "{'op_rate': 1", "x" * 200_000, "[" * 90_000, "{1: {}}", "{[]: 1}"]
)
def test_other_text_is_no_value(text):
    assert read(row("cluster.protostats.nfs4.total", text)).protocols.get("nfs4", statistics.Protocol()).operations is None


def test_a_protocol_that_could_not_be_read_leaves_no_sum_that_is_too_small():
    told = read(proto("nfs", read=3e9), row("cluster.protostats.smb2.total", None, error="Stat value is stale", code=4))

    assert told.protocols["nfs3"].read_bytes == 3e9
    assert (told.read_bytes, told.write_bytes) == (None, None)


@pytest.mark.parametrize("code", [1, 2, 9])
def test_a_protocol_that_the_cluster_does_not_have_is_no_error_and_spoils_no_sum(code):
    missing = row("cluster.protostats.hdfs.total", None, error="Not configured", code=code)

    assert read(proto("nfs", read=3e9), missing).read_bytes == 3e9
    assert failures(missing) == {}


def test_a_degraded_value_is_told_and_kept():
    degraded = row("cluster.protostats.nfs.total", [{"op_rate": 9, "out_rate": 8, "in_rate": 7}], error="Degraded", code=3)

    assert read(degraded).read_bytes == 8
    assert failures(degraded) == {"cluster.protostats.nfs.total": "the cluster: Degraded (code 3)"}


def test_errors_of_keys_name_the_device_and_the_reason():
    assert failures(
        row("node.health", None, devid=7, error="Timed out", code=6), row("node.health", 0, devid=5), row("ifs.bytes.used", 3)
    ) == {"node.health": "the node with device id 7: Timed out (code 6)"}


def test_an_error_without_code_is_one():
    assert failures(row("ifs.bytes.used", None, error="broken")) == {"ifs.bytes.used": "the cluster: broken (code -1)"}


def test_the_row_of_the_cluster_is_never_a_node():
    told = read(row("node.health", 0, devid=0), row("node.net.ext.bytes.in.rate", 5.0, devid=0))

    assert told.nodes == {}


def test_clients_are_added_up_over_the_nodes_that_are_up():
    rows = [row("node.clientstats.active.nfs", count, devid=device) for device, count in ((5, 2), (6, 3))]

    assert read(*rows, up={5, 6}).clients == {("nfs3", "active"): 5}
    assert read(*rows, up=None).clients == {("nfs3", "active"): 5}


def test_a_sum_that_lacks_a_node_is_not_told():
    rows = [row("node.clientstats.active.nfs", 2, devid=5)]

    assert read(*rows, up={5, 6}).clients == {}
    assert read(*rows, row("node.clientstats.active.nfs", None, devid=6, error="t", code=6), up={5, 6}).clients == {}
    assert read(*rows, up={5}).clients == {("nfs3", "active"): 2}


def test_health_is_the_clusters_own_word():
    assert [read(row("cluster.health", word)).health for word in (0, 1, 2, 3, None, "0")] == [1.0, 0.5, 0.0, None, None, 1.0]


def test_memory_is_a_share_of_what_there_is():
    told = read(
        row("node.memory.used", 100, devid=5), row("node.memory.free", 300, devid=5), row("node.memory.used", 1, devid=6)
    )

    assert told.nodes[5].memory_ratio == 0.25
    assert told.nodes[6].memory_ratio is None


def test_of_several_names_of_one_thing_the_first_that_is_there_is_asked_for():
    assert "cluster.protostats.nfs.total" in keys.wanted(None)
    assert "cluster.protostats.nfs3.total" not in keys.wanted(None)

    known = ["cluster.protostats.nfs3.total", "cluster.protostats.smb1.total", "node.clientstats.connected.cifs", "node.health"]
    assert sorted(keys.wanted(known)) == sorted(known)
    assert "cluster.protostats.nfs3.total" not in keys.wanted([*known, "cluster.protostats.nfs.total"])


def test_one_thing_under_two_names_is_counted_once():
    assert read(proto("nfs", read=3e9), proto("nfs3", read=3e9)).read_bytes == 3e9


def test_all_keys_fit_into_one_address():
    assert len(",".join(keys.wanted(None))) < 4000


def test_classes_of_operations_tell_metadata_from_data():
    told = classes.parse(
        {
            "protocol": [
                {"protocol": "nfs3", "class": "namespace_read", "operation_rate": 10.0, "time_avg": 5000.0},
                {"protocol": "nfs3", "class": "read", "operation_rate": 0.0, "time_avg": 0.0},
                {"protocol": "papi", "class": "read", "operation_rate": 3.0, "time_avg": 1.0},
                {"protocol": "nfs3", "class": "write", "operation_rate": None, "time_avg": 1.0},
            ]
        }
    )

    assert told == {
        ("nfs3", "namespace_read"): classes.Operations(rate=10.0, latency_seconds=0.005),
        ("nfs3", "read"): classes.Operations(rate=0.0, latency_seconds=None),
    }


def test_a_protocol_that_says_nothing_has_no_series():
    assert read(row("cluster.protostats.nfs.total", [])).protocols == {}
    assert read(row("cluster.protostats.nfs.total", [{}])).protocols["nfs3"] == statistics.Protocol()


@pytest.mark.parametrize("broken", [{"devid": None}, {"devid": "x"}, {"key": None}, {"key": ""}])
def test_a_row_without_device_or_key_is_none(broken):
    assert statistics.rows({"stats": [row("node.health", 0, devid=5) | broken]}) == {}


def test_where_nothing_is_reserved_that_is_told():
    told = read(row("ifs.bytes.total", 1000), row("ifs.bytes.used", 600), row("ifs.bytes.avail", 400))

    assert told.capacity_bytes["reserved"] == 0


def test_a_busy_node_has_no_idle_time_and_a_node_without_traffic_none():
    told = read(
        row("node.cpu.idle.avg", 0, devid=5),
        row("node.disk.busy.avg", 1000, devid=5),
        row("node.net.ext.bytes.in.rate", 0.0, devid=5),
        row("node.net.ext.bytes.out.rate", 12.5e9, devid=5),
        row("node.net.ext.errors.in.rate", 0.0, devid=5),
        row("node.net.ext.errors.out.rate", 3.5, devid=5),
        row("node.memory.used", 0, devid=5),
        row("node.memory.free", 0, devid=5),
        row("node.disk.busy.avg", 1001, devid=6),
    )

    assert (told.nodes[5].cpu_ratio, told.nodes[5].disk_busy_ratio, told.nodes[5].memory_ratio) == (1.0, 1.0, None)
    assert told.nodes[5].network_bytes == {"receive": 0.0, "transmit": 12.5e9}
    assert told.nodes[5].network_errors == {"receive": 0.0, "transmit": 3.5}
    assert told.nodes[6].disk_busy_ratio is None


def test_what_goes_into_the_drives_is_written():
    told = read(
        row("cluster.disk.bytes.in.rate", 14950.4),
        row("cluster.disk.bytes.out.rate", 0.0),
        row("cluster.disk.xfers.in.rate", 2.3),
        row("cluster.disk.xfers.out.rate", 0.5),
    )

    assert told.disk_bytes == {"read": 0.0, "write": 14950.4}
    assert told.disk_operations == {"read": 0.5, "write": 2.3}


def test_where_the_first_name_is_not_there_the_second_counts():
    told = read(row("cluster.protostats.nfs.total", None, error="Not present", code=1), proto("nfs3", read=3e9))

    assert told.read_bytes == 3e9


def test_a_class_without_a_time_has_no_latency():
    told = classes.parse({"protocol": [{"protocol": "s3", "class": "read", "operation_rate": 0.5, "time_avg": 0.0}]})

    assert told["s3", "read"] == classes.Operations(rate=0.5, latency_seconds=None)


def test_a_cluster_that_serves_nothing_at_the_moment_says_so():
    told = read(proto("nfs", rate=5.0, micros=0.5, read=0.0, write=0.0))

    assert (told.read_bytes, told.write_bytes) == (0.0, 0.0)
    assert told.protocols["nfs3"].latency_seconds == 0.5e-6


def test_where_no_node_is_up_there_is_no_sum():
    assert read(row("node.clientstats.active.nfs", 2, devid=5), up=set()).clients == {}


def test_of_two_rows_of_a_class_the_first_counts():
    rows = [{"protocol": "s3", "class": "read", "operation_rate": rate, "time_avg": 1.0} for rate in (1.0, 2.0)]

    assert classes.parse({"protocol": rows})["s3", "read"].rate == 1.0
