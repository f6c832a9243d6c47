"""Parsing is total: drop any member, replace any value, and there is no exception and no sample from a sentinel."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.nvml import fast, gpm, identity, medium, samples, slow
from collectors.nvml.binding import ALL_LINKS
from collectors.nvml.counters import Kept
from collectors.nvml.numbers import celsius, percent, signed, whole

SENTINELS = (
    0xFFFFFFFF,
    0xFFFFFFFFFFFFFFFF,
    -1,
    9223372036854775794,
    9223372036854775792,
    2147483632,
    2147483634,
    None,
    "N/A",
    "",
    b"\xff",
    [],
    {},
    (),
    (1, 2, 3, 4, 5),
    math.nan,
    math.inf,
    True,
)
ODD = st.sampled_from(SENTINELS)

FIELDS = dict.fromkeys(fast.FIELDS, (3, 1000000)) | {(82, 0): (1, 70)}
FAST = {
    "fields": FIELDS,
    "gpm": gpm.Window(number=1, seconds=1.0, values=dict.fromkeys(gpm.METRICS, 50.0)),
    "utilization": (90, 40),
    "memory": (80 << 30, 1 << 29, 60 << 30),
    "temperature": 60,
    "margin": 27,
    "clocks": {"graphics": 1980, "sm": 1980, "memory": 2619, "video": 1545},
    "performance_state": 0,
    "reasons": 4,
}
SLOW = {
    "fields": dict.fromkeys(slow.FIELDS, (3, 2)),
    "by_link": {(number, link): (3, 1) for number in slow.NVLINK_ERRORS_BY_LINK for link in range(18)},
    "links": [1] * 18,
    "ecc": {(kind, place): 1 for kind in slow.ECC_KINDS for place in slow.ECC_LOCATIONS},
    "ecc_volatile": {"corrected": 2, "uncorrected": 0},
    "ecc_aggregate": {"corrected": 2, "uncorrected": 0},
    "remapped": (1, 2, 0, 0),
    "banks": dict.fromkeys(slow.BANKS, 3),
    "pcie_generation": {"current": 5, "max": 5},
    "pcie_width": {"current": 16, "max": 16},
    "fabric": {"state": 3, "status": 0, "mask": 0x1AA, "summary": 1},
    "thresholds": {"shutdown": 95, "slowdown": 89, "memory_max": 95, "gpu_max": 87},
    "persistence_mode": 1,
    "mig_mode": 0,
    "fans": [40, 41],
}
MEDIUM = {
    "processes": [(41, 5 << 30), (42, 1 << 30)],
    "utilization": {41: 70},
    "engines": dict.fromkeys(medium.ENGINES, 1),
    "mig": [
        {
            "instance": 1,
            "compute_instance": 0,
            "uuid": "MIG-1",
            "name": "",
            "memory": (20 << 30, 1),
            "attributes": {"sm_count": 32, "gpu_slices": 2, "compute_slices": 2, "memory_mib": 20096},
            "processes": 1,
            "gpm": gpm.Window(number=1, seconds=1.0, values={gpm.SM: 30.0}),
        }
    ],
}
IDENTITY = {
    "index": 0,
    "uuid": "GPU-1",
    "name": "NVIDIA H100 80GB HBM3",
    "serial": "1",
    "bus_id": "00000000:18:00.0",
    "minor": 0,
    "module_id": 1,
    "architecture": 9,
    "vbios": "96",
    "driver": "570",
    "limit_range_mw": [200_000, 700_000],
    "limit_default_mw": 700_000,
    "clocks_max_mhz": {"sm": 1980},
}
WHO = identity.parse(IDENTITY)
TIERS = {"fast": (FAST, fast.parse), "medium": (MEDIUM, medium.parse), "slow": (SLOW, slow.parse)}


def paths(value, here=()):
    """Every place in a document."""
    if here:
        yield here
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    for key, member in members:
        yield from paths(member, (*here, key))


def changed(value, path, change):
    """A copy with the member at `path` replaced, or dropped where `change` is DROP."""
    if not path:
        return change
    key, *rest = path
    if isinstance(value, dict):
        if not rest and change is DROP:
            return {name: member for name, member in value.items() if name != key}
        return {name: changed(member, rest, change) if name == key else member for name, member in value.items()}
    members = list(value)
    if not rest and change is DROP:
        del members[key]
    else:
        members[key] = changed(members[key], rest, change)
    return type(value)(members)


DROP = object()


def readings(tier, document):
    parsed = TIERS[tier][1](WHO, document)
    if tier == "fast":
        return samples.fast("n1", parsed, Kept(index=0))
    return getattr(samples, tier)("n1", parsed)


@pytest.mark.parametrize("tier", TIERS)
def test_a_whole_document_gives_samples_of_every_part(tier):
    assert len(readings(tier, TIERS[tier][0])) >= 15


@pytest.mark.parametrize("tier", TIERS)
@given(data=st.data())
def test_a_missing_or_odd_member_never_raises_and_never_becomes_a_sample(tier, data):
    document = TIERS[tier][0]
    path = data.draw(st.sampled_from(sorted(paths(document), key=repr)))
    change = data.draw(st.one_of(st.just(DROP), ODD))
    for sample in readings(tier, changed(document, path, change)):
        assert math.isfinite(sample.value)
        assert not any(sample.value in (odd, odd and odd / 1000 if isinstance(odd, int) else odd) for odd in SENTINELS[:7])
        assert sample.value >= 0


@given(data=st.data())
def test_an_identity_of_anything_is_an_identity(data):
    path = data.draw(st.sampled_from(sorted(paths(IDENTITY), key=repr)))
    found = identity.parse(changed(IDENTITY, path, data.draw(st.one_of(st.just(DROP), ODD))))
    assert all(value > 0 for value in found.limits.values())


@given(st.one_of(ODD, st.integers(), st.floats()))
def test_numbers_are_what_they_claim_to_be_or_nothing(value):
    assert whole(value) is None or (whole(value) == value and value >= 0)
    assert percent(value) is None or 0 <= percent(value) <= 1
    assert celsius(value) is None or -50 <= celsius(value) <= 200
    assert signed(value) is None or abs(signed(value)) <= 1_000_000


@pytest.mark.parametrize("sentinel", SENTINELS[:7])
def test_no_sentinel_is_a_count(sentinel):
    assert whole(sentinel) is None


def test_a_pcie_counter_of_32_bits_is_not_shown_because_it_wraps_unseen():
    narrow = {(197, 0): (1, 5), (198, 0): (1, 6)}
    assert fast.parse(WHO, {"fields": narrow}).pcie_bytes == {}
    wide = {(197, 0): (3, 5), (198, 0): (3, 6)}
    assert fast.parse(WHO, {"fields": wide}).pcie_bytes == {"tx": 5, "rx": 6}


def test_margin_falls_back_to_the_slowdown_threshold():
    assert fast.parse(WHO, {"temperature": 60, "slowdown": 89}).margin_celsius == 29
    assert fast.parse(WHO, {"temperature": 60, "margin": -2}).margin_celsius == -2
    assert fast.parse(WHO, {"slowdown": 89}).margin_celsius is None


@pytest.mark.parametrize(
    ("architecture", "model", "window"),
    [
        (9, "NVIDIA H100 80GB HBM3", "1s"),
        (8, "NVIDIA L4", "1s"),
        (7, "NVIDIA A40", "1s"),
        (7, "NVIDIA A100-SXM4-80GB", "instant"),
        (5, "Tesla V100", "instant"),
        (None, "", "instant"),
    ],
)
def test_what_the_old_power_call_means_depends_on_the_chip(architecture, model, window):
    assert identity.power_usage_window(architecture, model) == window


def test_links_that_do_not_answer_leave_no_sum_that_would_fall():
    document = {"links": [1, 0, None], "by_link": {(161, 0): (3, 5), (161, 1): (3, 6)}}
    reading = slow.parse(WHO, document)
    assert reading.nvlink_errors == {}
    assert reading.nvlinks_active == 1


def test_nvlink_traffic_asks_for_the_sum_over_links():
    assert all(scope == ALL_LINKS for _, scope in fast.NVLINK_KIB)


def test_a_process_in_two_instances_is_one_process():
    reading = medium.parse(WHO, {"processes": [(7, 3), (7, 4), (8, None)]})
    assert [(process.pid, process.memory_bytes) for process in reading.processes] == [(7, 7), (8, None)]
