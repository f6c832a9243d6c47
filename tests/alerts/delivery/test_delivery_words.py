"""Matchers, time intervals and the words of messages."""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.delivery.board import Known
from alerts.delivery.intervals import read_interval
from alerts.delivery.matchers import Matcher, read_matcher, read_matchers
from alerts.delivery.message import MOST_SHOWN, UNCONFIRMED, Impact, Said, message_of, unconfirmed

UTC = ZoneInfo("UTC")


@pytest.mark.parametrize(
    ("text", "labels", "matches"),
    [
        ('node="gpu-1"', {"node": "gpu-1"}, True),
        ("node=gpu-1", {"node": "gpu-1"}, True),
        (' node = "gpu-1" ', {"node": "gpu-1"}, True),
        ('node!="gpu-1"', {}, True),
        ('node=""', {}, True),
        ('node=~"gpu-.+"', {"node": "gpu-12"}, True),
        ('node=~"gpu"', {"node": "gpu-12"}, False),
        ('node!~"gpu|web"', {"node": "web"}, False),
        ('note="a \\"b\\" \\\\ c"', {"note": 'a "b" \\ c'}, True),
    ],
)
def test_a_matcher_matches_as_alertmanager_s_do(text, labels, matches):
    assert read_matcher(text).matches(labels) is matches


@pytest.mark.parametrize(
    "text", ["node", '="a"', 'no-de="a"', 'node="a', 'node=a"', 'node="a"b"', 'node=~"("', 'node=~"(?!a)"', ""]
)
def test_what_is_no_matcher_is_refused(text):
    with pytest.raises(ValueError, match="expected"):
        read_matcher(text)


@given(st.text(), st.sampled_from(["=", "!="]))
def test_a_matcher_is_read_back_from_its_text(value, op):
    written = Matcher("node", op, value)

    assert read_matchers(f"{{{written},other={written.value!s:.0s}x}}")[0] == written


def moment(text, zone=UTC):
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


NIGHT = {"times": [{"start_time": "22:00", "end_time": "24:00"}, {"start_time": "00:00", "end_time": "06:00"}]}


@pytest.mark.parametrize(
    ("interval", "at", "holds"),
    [
        (NIGHT, "2026-11-23T23:59", True),
        (NIGHT, "2026-11-23T06:00", False),
        (NIGHT, "2026-11-23T05:59", True),
        ({"weekdays": ["monday:friday"]}, "2026-11-22T12:00", False),
        ({"weekdays": ["monday:friday"]}, "2026-11-23T12:00", True),
        ({"weekdays": ["saturday", "sunday"]}, "2026-11-22T12:00", True),
        ({"days_of_month": ["-1"]}, "2026-02-28T12:00", True),
        ({"days_of_month": ["-3:-1"]}, "2026-11-27T12:00", False),
        ({"days_of_month": ["1:5", "31"]}, "2026-12-31T12:00", True),
        ({"days_of_month": ["30:31"]}, "2026-11-30T12:00", True),
        ({"months": ["november:december"], "years": ["2026"]}, "2026-11-30T12:00", True),
        ({"months": [1]}, "2026-11-30T12:00", False),
        ({"years": ["2027:2030"]}, "2026-11-30T12:00", False),
        ({"times": [{"start_time": "08:00", "end_time": "18:00"}], "weekdays": ["monday"]}, "2026-11-24T12:00", False),
        ({"location": "Europe/Berlin", "times": [{"start_time": "08:00", "end_time": "09:00"}]}, "2026-11-23T07:30", True),
        ({"location": "Local", "times": [{"start_time": "08:00", "end_time": "09:00"}]}, "2026-11-23T02:30", True),
        ({}, "2026-11-23T12:00", True),
    ],
)
def test_an_interval_holds_when_all_that_it_says_does(interval, at, holds):
    assert read_interval(interval, ZoneInfo("Asia/Dhaka")).holds(moment(at)) is holds


@pytest.mark.parametrize(
    ("interval", "says"),
    [
        ({"times": [{"start_time": "22:00", "end_time": "06:00"}]}, "over midnight are two"),
        ({"times": [{"start_time": 1320, "end_time": "24:00"}]}, "is no time of day"),
        ({"times": [{"start_time": "22:00"}]}, "expected start_time and end_time"),
        ({"weekdays": ["mon"]}, "a day of the week"),
        ({"weekdays": ["friday:monday"]}, "start is after the end"),
        ({"days_of_month": ["0"]}, "expected days such as"),
        ({"days_of_month": ["40"]}, "expected days such as"),
        ({"months": ["13"]}, "a month"),
        ({"location": "Mars/Olympus"}, "no time zone"),
        ({"hours": []}, "no member of a time interval"),
        ({"times": "22:00"}, "expected a list"),
        ([], "expected a mapping"),
    ],
)
def test_an_interval_that_cannot_be_read_says_why(interval, says):
    with pytest.raises(ValueError, match=says):
        read_interval(interval, UTC)


def said(name="GpuXidFatal", node="gpu-017", *, how="fires", jobs=(), ends_at=None, severity="critical", **labels):
    seen = {label: text for label, text in {"alertname": name, "severity": severity, "node": node, **labels}.items() if text}
    known = Known(
        fingerprint=f"{name}{node}{labels}",
        own_labels={label: text for label, text in seen.items() if label != "rack" or name.startswith("Rack")},
        labels=seen,
        annotations={
            "summary": "A GPU reported a fatal error.",
            "description": f"{node}: XID 79. Drain it first.",
            "runbook_url": f"https://wattstat.example/runbooks/{name}",
            "dashboard_url": f"https://wattstat.example/node/{node}",
        },
        starts_at=moment("2026-11-23T10:00"),
        ends_at=ends_at,
        value=1.0,
        generator_url="",
        first_seen=0.0,
        last_seen=0.0,
    )
    return Said(known=known, how=how, impact=Impact(jobs=jobs, users=tuple(f"user-{job}" for job in jobs)))


def message(*entries, still=0):
    return message_of(entries, still=still, zone=UTC, public_url="https://wattstat.example")


def test_one_alert_says_how_bad_what_where_and_whom_it_hits():
    found = message(said(gpu="3", rack="r12", jobs=("4711", "4712")))

    assert found.subject == "[CRIT] GpuXidFatal gpu-017 (rack r12): GPU 3, 2 jobs"
    assert found.body == (
        "CRITICAL GpuXidFatal node gpu-017 GPU 3\n"
        "A GPU reported a fatal error.\n"
        "gpu-017: XID 79. Drain it first.\n"
        "Firing since 2026-11-23 10:00:00 UTC.\n"
        "Jobs on it: 4711, 4712 (user-4711, user-4712)\n"
        "Runbook: https://wattstat.example/runbooks/GpuXidFatal\n"
        "Look: https://wattstat.example/node/gpu-017\n"
        "\n"
        "All alerts: https://wattstat.example/alerts"
    )


def test_a_subject_is_one_line_whatever_a_device_calls_its_parts():
    found = message(said("PsuFailed", psu="PSU 2\r\nBcc: all@example.org"))

    assert found.subject == "[CRIT] PsuFailed gpu-017: PSU 2 Bcc: all@example.org"


def test_a_device_that_no_label_places_is_named_and_not_the_rack_that_it_stands_in():
    found = message(said("DeviceUnwatched", node="", device="pdu-7", kind="pdu", rack="r12"))

    assert found.subject == "[CRIT] DeviceUnwatched pdu-7 (rack r12)"
    assert "CRITICAL DeviceUnwatched pdu pdu-7" in found.body


@pytest.mark.parametrize(
    ("entries", "subject"),
    [
        ([said(gpu="1"), said(gpu="2")], "[CRIT] GpuXidFatal gpu-017: 2 GPUs"),
        ([said(node="a"), said(node="b")], "[CRIT] GpuXidFatal: 2 nodes: a, b"),
        ([said(node="a", rack="r1"), said(node="b", rack="r1")], "[CRIT] GpuXidFatal (rack r1): 2 nodes: a, b"),
        ([said(), said("FanFailed", severity="warning")], "[CRIT] GpuXidFatal, FanFailed gpu-017"),
        ([said("FanFailed", severity="warning", fan="Fan 3")], "[WARN] FanFailed gpu-017: Fan 3"),
        ([said("RackPowerLost", node="", rack="r1")], "[CRIT] RackPowerLost r1"),
        ([said("BudgetExceeded", node="", budget="site", kind="site")], "[CRIT] BudgetExceeded site"),
        ([said(how="ended", ends_at=moment("2026-11-23T10:05"))], "[OVER] GpuXidFatal gpu-017"),
        ([said(node="a", how="ended", ends_at=moment("2026-11-23T10:05")), said(node="b")], "[CRIT] GpuXidFatal b"),
        ([said(how="came and went", ends_at=moment("2026-11-23T10:05"))], "[CRIT] GpuXidFatal gpu-017"),
    ],
)
def test_the_subject_says_what_counts(entries, subject):
    assert message(*entries).subject == subject


def test_of_thousands_the_worst_stand_in_full_and_all_are_counted():
    mild = [said("FanFailed", f"gpu-{n}", severity="warning") for n in range(5000)]
    found = message(*mild, said(), still=7)

    assert found.body.startswith("CRITICAL GpuXidFatal")
    assert f"… and {5001 - MOST_SHOWN:,} more: {5001 - MOST_SHOWN:,} FanFailed" in found.body
    assert "7 more of this kind still fire as told before." in found.body
    assert len(found.body) < 4000
    assert len(found.subject) < 160


def test_an_end_says_when_and_after_how_long():
    body = message(said(how="ended", ends_at=moment("2026-11-23T12:30"))).body

    assert "Over at 2026-11-23 12:30:00 UTC, after 2 h 30 min." in body
    assert "Drain it first" not in body


def test_since_when_it_holds_and_since_when_it_fires_are_both_said_where_they_differ():
    known = replace(said().known, active_at=moment("2026-11-23T09:58"))

    assert (
        "\nSince 2026-11-23 09:58:00 UTC, firing since 2026-11-23 10:00:00 UTC.\n"
        in message(Said(known=known, how="fires")).body
    )
    at_once = replace(known, active_at=known.starts_at)
    assert "\nFiring since 2026-11-23 10:00:00 UTC.\n" in message(Said(known=at_once, how="fires")).body


def test_what_nobody_can_confirm_is_said_to_be_so_while_it_fires_and_not_when_it_is_over():
    doubt = unconfirmed(moment("2026-11-23T10:20"), UTC)
    known = replace(said().known, annotations={**said().known.annotations, UNCONFIRMED: doubt})

    assert doubt == "Not confirmed since 2026-11-23 10:20:00 UTC: core gives no data."
    assert f"\n{doubt}\n" in message(Said(known=known, how="fires")).body
    over = replace(known, ends_at=moment("2026-11-23T12:30"))
    assert doubt not in message(Said(known=over, how="ended")).body
