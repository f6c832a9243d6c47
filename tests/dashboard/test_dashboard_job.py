"""The page of one run: its head, its energy, its GPUs, its history and what happened."""

import dataclasses
import re
from datetime import UTC

import pytest
from fixture_hall import NOW, FakeLive, FakeStore
from fixture_ledger import FakeReports, detail, row

from dashboard import runhistory
from dashboard.components import jobevents, jobhead, jobhistory, jobtables
from dashboard.components.charts import Chart
from dashboard.components.jobhead import Seen
from dashboard.pages import job
from dashboard.services import Services
from dashboard.timerange import Span
from wattstat.api.energy import JobFinding
from wattstat.store.protocol import Series

SEEN = Seen(now=NOW, zone=UTC, search="?from=now-1h&to=now&refresh=5s")
WIDE = next(detail(row(number, NOW), NOW) for number in range(21, 200) if row(number, NOW).gpus == 64)
SMALL = next(detail(row(number, NOW), NOW) for number in range(21, 200) if row(number, NOW).gpus == 4)
CHART = Chart(span=Span(start=NOW - 3600, end=NOW, step=60), now=NOW)


def series(values, **labels) -> Series:
    return Series(labels=labels, times=[CHART.span.start + 60 * i for i in range(len(values))], values=values)


def uuid_of(rank: int) -> str:
    return SMALL.gpus[rank].uuid


def changed(job_row, **values):
    return dataclasses.replace(SMALL, job=dataclasses.replace(job_row, **values))


def test_the_parts_of_the_bar_add_up_to_the_run():
    widths = [float(width) for width in re.findall(r"--f:([\d.]+)", jobhead.split(SMALL, SEEN)[0])]

    assert len(widths) == 4
    assert sum(widths) == pytest.approx(1, abs=1e-3)


def test_methods_are_said_in_words_with_how_far_the_run_is_settled():
    said = jobhead.how(changed(SMALL.job, methods=("counter", "split"), estimated_joules=3.6e6), SEEN)

    assert "hardware counters and shares of GPUs that several jobs held" in said
    assert "1.00\u202fkWh of it are estimated" in said
    assert "settled to its end" in said


def test_a_run_that_is_not_settled_to_its_end_says_until_when():
    assert "Settled until" in jobhead.how(changed(SMALL.job, settled_until=SMALL.job.end - 60), SEEN)


def test_energy_of_a_part_of_a_run_is_a_lower_bound_and_says_what_is_missing():
    short = dataclasses.replace(SMALL, gpus=tuple(dataclasses.replace(each, seconds=60.0) for each in SMALL.gpus))

    assert ">≥<" in jobhead.figures(short, SEEN)[0]
    assert "are not in the books" in jobhead.how(short, SEEN)
    assert ">≥<" not in jobhead.figures(SMALL, SEEN)[0]


def test_a_run_without_postings_says_so():
    empty = changed(SMALL.job, energy=dataclasses.replace(SMALL.job.energy, gpu=0, cpu=0, rest=0, allocated_idle=0))

    assert "No energy is posted" in jobhead.split(empty, SEEN)[0]


def test_the_shared_link_has_absolute_times():
    seen = dataclasses.replace(SEEN, span=(1_790_000_000.0, 1_790_003_600.0))

    assert f'data-copy="/job/{SMALL.job.job_id}?instance=0&amp;from=1790000000000&amp;to=1790003600000"' in "".join(
        jobhead.head(SMALL.job, seen)
    )


def test_a_finding_stands_with_the_numbers_that_prove_it():
    found = JobFinding(
        kind="idle_gpus", severity="warning", text="Two GPUs <idle>.", wasted_joules=7.2e6,
        evidence={"idle_ratio": 0.97, "node": "n1", "average_watts": 71.0, "held_seconds": 7200.0, "gpus": 2.0},
    )  # fmt: skip

    written = jobhead.findings(dataclasses.replace(SMALL, findings=(found,)))

    for proof in ("Two GPUs &lt;idle&gt;.", "idle <strong>97\u202f%", "<strong>n1", "<strong>71\u202fW", "<strong>2\u202fh",
                  "gpus <strong>2<", "wasted <strong>2.00\u202fkWh"):  # fmt: skip
        assert proof in written


def test_no_findings_of_a_minute_are_no_praise():
    short = dataclasses.replace(SMALL, findings=(), gpus=tuple(dataclasses.replace(each, seconds=60.0) for each in SMALL.gpus))

    assert "Too early to say" in jobhead.findings(short)
    assert "No GPU of this run was read" in jobhead.findings(dataclasses.replace(SMALL, findings=(), gpus=()))


def test_a_gpu_that_the_ledger_found_out_of_step_is_marked_in_its_row():
    found = JobFinding(kind="straggler", severity="warning", text="GPU gpu-03/2 did less.", evidence={"name": "gpu-03/2"})

    rows = jobtables.gpus(dataclasses.replace(SMALL, findings=(found,)), "").split("<tr")

    assert ["out of step" in row for row in rows[-4:]] == [False, False, True, False]
    assert "out of step" not in jobtables.gpus(dataclasses.replace(SMALL, findings=()), "")


def test_before_and_after_its_run_a_gpu_is_somebody_elses():
    (own,) = jobhistory.within([series([1.0, 2.0, 3.0]), series([9.0])], CHART.span.start + 60, CHART.span.start + 60)

    assert own.values == [2.0]


def test_a_gpu_leads_to_its_server_with_nothing_but_the_viewers_choices():
    assert 'href="/node/gpu-03?from=now-1h&amp;to=now&amp;refresh=5s"' in jobtables.gpus(SMALL, SEEN.search)


def test_a_row_of_the_heat_map_is_a_rank_and_what_was_not_measured_is_empty():
    known = series([0.5, 0.75], uuid=uuid_of(2))
    stranger = series([0.1, 0.1], uuid="GPU-of-another-job")

    ranked = jobhistory.ranked([stranger, known], SMALL.gpus)
    trace = jobhistory.heat_map(ranked, SMALL.gpus, CHART, unit="%")["data"][0]

    assert trace["y"] == [f"gpu-03 · {rank}" for rank in range(4)]
    assert trace["z"][2][:3] == [0.5, 0.75, None]
    assert set(trace["z"][0]) == {None}


def test_hundreds_of_ranks_stay_within_what_a_browser_draws():
    long = dataclasses.replace(CHART, span=Span(start=NOW - 30 * 86_400, end=NOW, step=3600))

    coarse = long.with_points(jobhistory.MOST_CELLS // 512)

    assert 512 * (coarse.span.end - coarse.span.start) / coarse.span.step <= jobhistory.MOST_CELLS
    assert jobhistory.height(512) < 1000


def test_the_sum_holds_only_moments_at_which_every_gpu_answered():
    summed = jobhistory.total([series([100.0, 100.0, 100.0]), series([50.0, 50.0])], [1.0, 0.5])

    assert summed.values == [125.0, 125.0]


def test_power_before_core_told_it_is_that_of_the_gpus():
    first, then = series([1.0, 1.0, 1.0]), Series(labels={}, times=[CHART.span.start + 120], values=[9.0])

    assert jobhistory.continued(first, then).values == [1.0, 1.0, 9.0]


async def test_an_ended_run_is_shown_over_its_own_time_and_a_chosen_one_leads():
    services = Services(FakeStore(), FakeLive(), lambda: NOW, FakeReports())

    own = await runhistory.chart_of(services, SMALL.job, "?refresh=5s")
    chosen = await runhistory.chart_of(services, SMALL.job, "?from=now-15m&to=now")

    assert own.span.start <= SMALL.job.start <= SMALL.job.end <= own.span.end
    assert own.span.end - own.span.start < 1.1 * (SMALL.job.end - SMALL.job.start) + 600
    assert not own.is_live
    assert (chosen.span.end - chosen.span.start, chosen.is_live) == (900, True)


def test_changes_of_a_limit_at_one_moment_are_one_line():
    limits = [series([700.0, 700.0, 560.0], uuid=uuid_of(rank)) for rank in range(3)]

    (event,) = jobevents.events(jobevents.History(span=CHART.span, limits=limits), SMALL.gpus)

    assert event.what == "Power limit of each GPU from 700\u202fW to 560\u202fW"
    assert event.where == ("gpu-03 · GPU 0", "gpu-03 · GPU 1", "gpu-03 · GPU 2")
    assert event.start == CHART.span.start + 120


def test_what_held_gpus_down_is_one_line_a_reason_with_its_share_of_the_time():
    throttled = [
        series([0.5] * 30, uuid=uuid_of(0), reason="sw_power_cap"),
        series([1.0] * 6, uuid=uuid_of(1), reason="hw_thermal"),
    ]
    cap, heat = sorted(
        jobevents.events(jobevents.History(span=CHART.span, throttled=throttled), SMALL.gpus), key=lambda event: event.level
    )

    assert (cap.what, heat.what) == ("Held down by power cap", "Held down by heat (hardware)")
    assert cap.share == pytest.approx(30 * 0.5 * 60 / (4 * 3600))


def test_an_xid_of_another_jobs_gpu_is_not_ours():
    xids = [series([1.0, 1.0], uuid=uuid_of(1), xid="79"), series([1.0], uuid="GPU-of-another-job", xid="94")]

    (event,) = jobevents.events(jobevents.History(span=CHART.span, xids=xids), SMALL.gpus)

    assert event.what == "XID 79, fallen off the bus"
    assert event.level.name == "CRITICAL"


def test_a_cap_lasts_as_long_as_its_points_do():
    caps = [Series(labels={"node": "gpu-03"}, times=[0.0, 60.0, 120.0, 600.0], values=[5000.0] * 4)]

    found = jobevents.events(jobevents.History(span=CHART.span, caps=caps), SMALL.gpus)

    assert [(event.start, event.end) for event in found] == [(0.0, 120.0), (600.0, 600.0)]


def test_nothing_happened_is_said():
    assert "nothing held the GPUs down" in jobevents.listed([], NOW, UTC)


def test_requests_and_tokens_stand_with_their_joules():
    served = next(detail(row(number, NOW), NOW) for number in (3,))
    written = str(job.bodies(served, SEEN)["job-more"])

    assert "llama-70b" in written
    assert "12,400" in written
    assert "J per 1,000 tokens" in written


def test_other_runs_of_the_job_lead_to_their_own_page():
    written = jobtables.other_runs(SMALL.other_runs, SEEN)

    assert f'href="/job/{SMALL.job.job_id}?refresh=5s&amp;instance=1"' in written
