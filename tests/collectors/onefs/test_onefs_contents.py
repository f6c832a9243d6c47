"""Pools, quotas, snapshots and events."""

import pytest

from collectors.onefs import contents


def pool(name="a", kind="nodepool", **usage):
    return {"name": name, "type": kind, "usage": {f"{key}_bytes": value for key, value in usage.items()}}


def quota(path="/ifs/a", kind="directory", *, logical=10, physical=15, overhead=False, ready=True, **thresholds):
    return {
        "path": path,
        "type": kind,
        "ready": ready,
        "thresholds": thresholds,
        "thresholds_include_overhead": overhead,
        "usage": {"logical": logical, "physical": physical},
    }


def test_bytes_of_pools_are_read_from_their_text():
    told = contents.pools({"storagepools": [pool(total="1000", used="600", free="400")]})

    assert told == {"a": contents.Pool(size_bytes=1000, used_bytes=600, free_bytes=400)}


def test_what_the_hot_spare_keeps_is_not_free():
    told = contents.pools({"storagepools": [pool(total="1000", usable="950", used="600", avail="350", free="400")]})

    assert told["a"] == contents.Pool(size_bytes=950, used_bytes=600, free_bytes=350)


def test_a_tier_does_not_count_its_pools_once_more():
    told = contents.pools({"storagepools": [pool("fast", "tier", total="1000"), pool("a", total="1000")]})

    assert list(told) == ["a"]


@pytest.mark.parametrize("value", ["", "N/A", None, "-1", [], "1e400", True])
def test_unreadable_bytes_are_absent(value):
    assert contents.pools({"storagepools": [pool(total=value, used=value, free=value)]})["a"] == contents.Pool(
        size_bytes=None, used_bytes=None, free_bytes=None
    )


def test_open_events_are_counted_by_severity_and_none_is_a_count():
    told = contents.events(
        [
            {"severity": "critical", "resolved": False, "ignore": False},
            {"severity": "Critical"},
            {"severity": "warning", "resolved": True},
            {"severity": "warning", "ignore": True},
            {"severity": None},
            "junk",
        ]
    )

    assert told == {"emergency": 0, "critical": 2, "warning": 0, "information": 0, "unknown": 1}


def test_a_quota_counts_as_its_thresholds_count():
    plain, whole = contents.quotas([quota("/ifs/a", hard=100), quota("/ifs/b", overhead=True, hard=100)], 10)

    assert (plain.used_bytes, whole.used_bytes) == (10, 15)


def test_usage_is_read_under_its_newer_names():
    each = quota() | {"usage": {"fslogical": 7, "fsphysical": 9}}

    assert contents.quotas([each], 10)[0].used_bytes == 7


def test_thresholds_that_nobody_set_are_absent():
    assert contents.quotas([quota(hard=100, soft=None, advisory=0)], 10)[0].limits == {"hard": 100}


@pytest.mark.parametrize("kind", ["user", "group", "default-user", "default-group"])
def test_quotas_of_people_are_only_counted(kind):
    each = quota(kind=kind, hard=100)

    assert contents.quotas([each], 10) == []
    assert contents.quota_kinds([each, quota()]) == {kind: 1, "directory": 1}


def test_a_quota_that_is_not_counted_yet_tells_nothing():
    assert contents.quotas([quota(ready=False)], 10) == []


def test_the_fullest_quotas_are_kept():
    many = [quota(f"/ifs/{number}", logical=number, hard=100) for number in range(50)] + [quota("/ifs/free", logical=1000)]

    assert [each.path for each in contents.quotas(many, 3)] == ["/ifs/47", "/ifs/48", "/ifs/49"]


def test_of_two_quotas_of_one_path_the_tighter_one_counts():
    wide, tight = quota(hard=100), quota(hard=20)

    assert [each.limits for each in contents.quotas([wide, tight], 10)] == [{"hard": 20}]
    assert [each.limits for each in contents.quotas([tight, wide], 10)] == [{"hard": 20}]


def test_snapshots_are_told_together():
    assert contents.snapshots({"summary": {"count": 25, "size": 7}}) == contents.Snapshots(count=25, size_bytes=7)
    assert contents.snapshots({"summary": None}) == contents.Snapshots(count=None, size_bytes=None)


def test_a_quota_is_as_full_as_its_tightest_threshold():
    assert contents.quotas([quota(logical=10, hard=100, soft=20)], 1)[0].fullness == 0.5
    assert contents.quotas([quota(logical=10)], 1)[0].fullness == 0


def test_among_equally_full_quotas_the_larger_ones_are_kept():
    several = [quota("/ifs/a", logical=1), quota("/ifs/b", logical=3), quota("/ifs/c", logical=2)]

    assert [each.path for each in contents.quotas(several, 2)] == ["/ifs/b", "/ifs/c"]


def test_of_two_alike_quotas_of_one_path_the_first_counts():
    first, second = quota(logical=10, hard=100), quota(logical=20, hard=200)

    assert contents.quotas([first, second], 1)[0].used_bytes == 10


def test_a_pool_is_named():
    assert contents.pools({"storagepools": [pool(""), {"type": "nodepool"}, 5]}) == {}
