"""Findings about a run's efficiency: when they come, what they say, and that their numbers are the run's own."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.reports.efficiency import MIN_SECONDS, findings
from tests.support.energy_reports import GPU, JOB

GIB = 2**30
# A GPU that works well: nothing to say about it.
WELL = replace(
    GPU,
    seconds=15_000.0,
    idle_ratio=0.02,
    sm_active_ratio=0.8,
    busy_ratio=0.97,
    average_watts=600.0,
    limit_watts=700.0,
    capped_ratio=0.05,
    memory_peak_bytes=60.0 * GIB,
    memory_total_bytes=80.0 * GIB,
    idle_joules=18_000.0,
)
IDLE = replace(
    WELL, idle_ratio=1.0, sm_active_ratio=0.0, busy_ratio=0.0, average_watts=72.0, idle_joules=1.08e6, capped_ratio=0.0
)


def gpus(count=8, **changes):
    return [replace(WELL, node=f"gpu{1 + index // 8:02}", index=index % 8, **changes) for index in range(count)]


def with_some(changed, count=8, **changes):
    return [replace(each, **changes) if at in changed else each for at, each in enumerate(gpus(count))]


def kinds(held):
    return [(each.kind, each.severity) for each in findings(JOB, held)]


CASES = {
    "a job that works well": (gpus(), []),
    "nothing known of any GPU": ([], []),
    "two idle of eight": (with_some({3, 5}, idle_ratio=1.0, sm_active_ratio=0.0), [("idle_gpus", "warning")]),
    "all idle": (gpus(idle_ratio=0.99, sm_active_ratio=0.0, average_watts=70.0), [("idle_gpus", "warning")]),
    "idle for a third of the time": (gpus(idle_ratio=0.33), [("idle_gpus", "info")]),
    "idle for half of the time": (gpus(idle_ratio=0.5, sm_active_ratio=0.45), [("idle_gpus", "warning")]),
    "idle for a tenth": (gpus(idle_ratio=0.1), []),
    "activity at the limit": (gpus(sm_active_ratio=0.5), []),
    "low activity": (gpus(sm_active_ratio=0.4), [("low_activity", "info")]),
    "very low activity": (gpus(sm_active_ratio=0.1), [("low_activity", "warning")]),
    "low by the coarse measure alone": (gpus(sm_active_ratio=None, busy_ratio=0.3), [("low_activity", "info")]),
    "a busy GPU where the fine measure is absent": (gpus(sm_active_ratio=None, busy_ratio=0.9), []),
    "far under the cap": (gpus(average_watts=210.0, capped_ratio=0.0), [("far_under_cap", "info")]),
    "low on average, but often at the cap": (gpus(average_watts=340.0, capped_ratio=0.15), []),
    "far under the cap, as far as one can see": (gpus(average_watts=210.0, capped_ratio=None), []),
    "often at the board's own limit": (gpus(average_watts=680.0, capped_ratio=0.6), [("at_cap", "info")]),
    "held down by a lowered limit": (gpus(average_watts=490.0, limit_watts=500.0, capped_ratio=0.6), [("at_cap", "warning")]),
    "one GPU that draws much less": (with_some({6}, average_watts=400.0), [("straggler", "warning")]),
    "one GPU that is much less active": (with_some({6}, sm_active_ratio=0.55), [("straggler", "warning")]),
    "half of the GPUs with another role": (with_some({0, 1, 2, 3}, average_watts=420.0), []),
    "too few siblings to compare": (with_some({0}, 3, average_watts=400.0), []),
    "a whole node that does less": (with_some(range(8), 40, average_watts=430.0), [("straggler", "warning")]),
    "nearly full memory": (with_some({2}, memory_peak_bytes=79.0 * GIB), [("memory", "info")]),
    "little memory": (gpus(memory_peak_bytes=9.0 * GIB), [("memory", "info")]),
    "a held part with little memory": (gpus(memory_peak_bytes=2.0 * GIB, memory_total_bytes=20.0 * GIB, fraction=0.25), []),
    "power of a part": (gpus(average_watts=90.0, capped_ratio=0.0, fraction=1 / 7), []),
    "held for too short a time": (gpus(seconds=MIN_SECONDS - 1, idle_ratio=1.0), []),
    "a board that tells nothing": (
        gpus(idle_ratio=None, sm_active_ratio=None, busy_ratio=None, average_watts=None, limit_watts=None, capped_ratio=None,
             memory_peak_bytes=None, memory_total_bytes=None),
        [],
    ),
    "one of eight that tells": (
        [*gpus(7, sm_active_ratio=None, busy_ratio=None), replace(WELL, sm_active_ratio=0.01)],
        [],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("held", "expected"), CASES.values(), ids=CASES.keys())
def test_findings_come_when_the_numbers_prove_them(held, expected):
    assert kinds(held) == expected


@pytest.mark.parametrize(
    ("held", "words"),
    [
        (
            [*gpus(6), replace(IDLE, index=6), replace(IDLE, index=7)],
            ("2 of 8 GPUs did nothing", "gpu01/6, gpu01/7", "4 h 10 min each", "0.60 kWh (0.18 €)"),
        ),
        ([IDLE], ("The GPU did nothing for at least 90 % of the time: gpu01/3",)),
        (gpus(idle_ratio=0.33), ("The GPUs stood idle for 33 % of the time", "11 h 00 min of 1 d 9 h of GPU time")),
        (gpus(sm_active_ratio=0.36, idle_ratio=0.2), ("While the GPUs worked, 45 % of the multiprocessors",)),
        (gpus(average_watts=210.0, capped_ratio=0.0), ("210 W on average, 30 % of the power limit of 700 W",)),
        (
            gpus(average_watts=490.0, limit_watts=500.0, capped_ratio=0.64),
            ("64 % of the time: 490 W on average under a limit of 500 W, where the board's default is 700 W",),
        ),
        (with_some({6}, average_watts=400.0), ("GPU gpu01/6 did less than its siblings: 400 W", "median of all 8 is 600 W")),
        (with_some(range(8), 40, average_watts=430.0), ("Node gpu01 did less", "all 5 is 600 W")),
        (gpus(memory_peak_bytes=9.0 * GIB), ("9.0 of 80.0 GiB (11 %)",)),
    ],
)
def test_sentences_hold_the_numbers(held, words):
    text = " ".join(each.text for each in findings(JOB, held) if each.kind != "low_activity" or len(words) == 1)

    assert [word for word in words if word not in text] == []


def test_waste_is_told_in_money_where_a_price_is_known():
    wasted = with_some({3}, idle_ratio=1.0, idle_joules=3.6e6)

    assert "1.00 kWh (0.30 €) went into it" in findings(JOB, wasted)[0].text
    assert "1.00 kWh went into it" in findings(replace(JOB, cost=None, priced_ratio=0.0), wasted)[0].text


def test_a_run_that_lasted_minutes_has_no_findings():
    short = replace(JOB, end=JOB.start + 120)

    assert findings(short, gpus(idle_ratio=1.0)) == ()


def test_warnings_come_first():
    held = with_some({3}, idle_ratio=1.0, idle_joules=5e5)

    assert [each.severity for each in findings(JOB, [replace(each, memory_peak_bytes=1.0) for each in held])] == [
        "warning",
        "info",
    ]


figures = st.one_of(st.none(), st.floats(), st.floats(0, 1), st.sampled_from([0.0, 1.0, 700.0]))
RANDOM_GPU = st.builds(
    replace,
    st.just(WELL),
    index=st.integers(0, 7),
    node=st.sampled_from(["gpu01", "gpu02", "gpu03", "gpu04"]),
    model=st.sampled_from(["NVIDIA H100 80GB HBM3", "", "NVIDIA L4"]),
    fraction=st.sampled_from([1.0, 0.5, 1 / 7]),
    energy_joules=st.floats(0, 1e9),
    idle_joules=st.floats(0, 1e9) | st.just(float("nan")),
    seconds=st.floats(0, 1e7) | st.just(float("inf")),
    average_watts=figures,
    limit_watts=figures,
    sm_active_ratio=figures,
    busy_ratio=figures,
    idle_ratio=figures,
    capped_ratio=figures,
    memory_peak_bytes=figures,
    memory_total_bytes=figures,
)


@given(st.lists(RANDOM_GPU, max_size=12), st.sampled_from([JOB.end, None, JOB.start - 5]))
def test_whatever_comes_nothing_fails_and_evidence_is_the_runs_own(held, end):
    found = findings(replace(JOB, end=end), held)

    for each in found:
        assert each.text.endswith((".", "?"))
        assert "nan" not in each.text
        assert all(value == value for value in each.evidence.values())  # noqa: PLR0124 - not a number is not itself
        if each.wasted_joules is not None:
            assert 0 <= each.wasted_joules <= sum(gpu.idle_joules for gpu in held if gpu.idle_joules >= 0) * (1 + 1e-9)
            assert each.wasted_joules == each.evidence["idle_joules"]
        if each.kind == "straggler":
            assert each.evidence["siblings"] <= len(held)
            assert any(str(each.evidence["name"]).startswith(gpu.node) for gpu in held)
        if each.kind in {"at_cap", "far_under_cap"}:
            told = [gpu.average_watts for gpu in held if gpu.average_watts is not None and gpu.average_watts >= 0]
            assert min(told) * (1 - 1e-9) <= each.evidence["average_watts"] <= max(told) * (1 + 1e-9)
