"""Joules per request and per token, from a real store and from the books."""

import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.reports import inference as subject
from energy.reports.inference import InferenceReports, Work, inference, rows, shared
from wattstat.api.energy import JobDetail, JobRow, Parts
from wattstat.store.embedded import EmbeddedStore
from wattstat.store.protocol import QueryError

T0 = 1_700_000_000
HOUR = 3600


def run(**changes) -> JobRow:
    """A run of an hour and 1 MJ."""
    plain = dict.fromkeys(JobRow.__dataclass_fields__)
    known = {
        "scheduler": "slurm", "job_id": "17", "instance": "0", "start": T0, "end": T0 + HOUR, "settled_until": T0 + HOUR,
        "energy_joules": 1e6, "energy": Parts(gpu=1e6), "nodes": (), "methods": (),
    }  # fmt: skip
    return JobRow(**{**plain, **known, **changes})


@pytest.fixture
async def store(tmp_path):
    opened = EmbeddedStore(tmp_path / "history.duckdb", clock=lambda: T0 + HOUR)
    yield opened
    await opened.close()


async def fill(store, lines, *, begin=600, end=HOUR, every=60, job="17"):
    """Scrapes between two moments; `lines` gives name, labels and value for the seconds since T0."""
    for second in range(begin, end + 1, every):
        text = "".join(
            f'{name}{{scheduler="slurm",job_id="{job}",{labels}}} {value}\n' for name, labels, value in lines(second)
        )
        await store.ingest(text, (T0 + second) * 1000, 0.01)


def chat(second, *, since=300):
    """A service that answers 2 requests and 1,000 tokens a second, since a moment before the first scrape."""
    served = second - since
    yield "wattstat_inference_requests_total", 'service="chat",model="llama"', 2 * served
    yield "wattstat_inference_tokens_total", 'service="chat",model="llama",kind="prompt"', 900 * served
    yield "wattstat_inference_tokens_total", 'service="chat",model="llama",kind="generated"', 100 * served


async def test_a_runs_joules_are_over_all_that_its_service_has_counted(store):
    await fill(store, chat)
    (row,) = await inference(store, run())

    assert (row.model, row.requests, row.tokens, row.energy_joules) == ("llama", 6600, 3_300_000, 1e6)
    assert row.joules_per_request == pytest.approx(1e6 / 6600)
    assert row.joules_per_1000_tokens == pytest.approx(1e6 / 3300)
    assert row.live_joules_per_request is None


async def test_a_service_that_was_restarted_has_counted_twice(store):
    await fill(store, chat, begin=300, end=1800)
    await fill(store, lambda second: chat(second, since=1850), begin=1860)
    (row,) = await inference(store, run())

    assert row.tokens == pytest.approx(1_500_000 + 1_750_000, rel=0.02)


async def test_another_jobs_service_is_not_counted(store):
    await fill(store, chat, job="18")

    assert await inference(store, run()) == ()


async def test_a_run_whose_energy_is_not_settled_has_no_answer(store):
    await fill(store, chat)

    assert await inference(store, run(settled_until=None, end=None)) == ()
    assert await inference(store, run(settled_until=T0)) == ()


async def test_a_run_that_is_alive_has_the_last_quarter_of_an_hour_too(store):
    def lines(second):
        yield from chat(second)
        yield "wattstat_job_energy_joules_total", 'part="gpu"', 500 * second
        yield "wattstat_job_energy_joules_total", 'part="rest"', 200 * second

    await fill(store, lines)
    (row,) = await inference(store, run(end=None))

    assert row.joules_per_1000_tokens == pytest.approx(1e6 / 3300)
    assert row.live_joules_per_1000_tokens == pytest.approx(700, rel=0.01)
    assert row.live_joules_per_request == pytest.approx(350, rel=0.01)


async def test_quotes_in_a_jobs_name_break_no_query(store):
    assert await inference(store, run(job_id='a"b\\c')) == ()


def test_models_of_one_service_share_by_tokens():
    found = rows(Work(requests={"a": 10, "b": 10}, tokens={"a": 3000, "b": 1000}), 1000.0)

    assert [(each.model, each.energy_joules) for each in found] == [("a", 750), ("b", 250)]
    assert [each.joules_per_1000_tokens for each in found] == [250, 250]
    assert [each.joules_per_request for each in found] == [75, 25]


def test_where_a_model_counts_no_tokens_requests_share():
    found = {each.model: each for each in rows(Work(requests={"bert": 30, "llama": 10}, tokens={"llama": 500}), 1000.0)}

    assert (found["bert"].energy_joules, found["llama"].energy_joules) == (750, 250)
    assert found["bert"].tokens is None
    assert found["bert"].joules_per_1000_tokens is None


def test_a_model_that_nobody_asked_does_not_change_how_others_share():
    found = shared({"bert": 0, "llama": 10}, {"llama": 500}, 1000.0)

    assert found == {"bert": 0, "llama": 1000}


def test_a_service_that_nobody_asked_has_joules_and_no_price():
    (row,) = rows(Work(requests={"llama": 0}, tokens={"llama": 0}), 1000.0)

    assert (row.energy_joules, row.joules_per_request, row.joules_per_1000_tokens) == (1000, None, None)


COUNTS = st.dictionaries(st.sampled_from("abcd"), st.floats(0, 1e12), max_size=4)


@given(COUNTS, COUNTS, st.floats(0, 1e15))
def test_no_joule_is_lost_between_models(requests, tokens, joules):
    shares = shared(requests, tokens, joules)

    assert all(share >= 0 for share in shares.values())
    assert math.isclose(sum(shares.values()), joules if requests or tokens else 0, rel_tol=1e-9, abs_tol=1e-9)


class Reports:
    def __init__(self, detail):
        self.detail = detail

    def job(self, job_id, instance=None, scheduler=""):
        return self.detail


DETAIL = JobDetail(job=run(), gpus=(), hours=(), findings=())


async def test_a_jobs_page_has_what_it_served(store):
    await fill(store, chat)
    reports = InferenceReports(reports=Reports(DETAIL), store=store, loop=asyncio.get_running_loop())
    found = await asyncio.to_thread(reports.job, "17")

    assert [row.model for row in found.inference] == ["llama"]


async def test_a_history_that_does_not_answer_costs_only_that(monkeypatch):
    class Silent:
        async def query(self, expression, at=None):
            raise QueryError("down", kind="unavailable")

    class Slow:
        async def query(self, expression, at=None):
            await asyncio.Event().wait()

    monkeypatch.setattr(subject, "PATIENCE_SECONDS", 0.05)
    for store in (Silent(), Slow()):
        reports = InferenceReports(reports=Reports(DETAIL), store=store, loop=asyncio.get_running_loop())
        assert await asyncio.to_thread(reports.job, "17") == DETAIL


async def test_a_job_that_is_not_there_is_none():
    reports = InferenceReports(reports=Reports(None), store=None, loop=asyncio.get_running_loop())

    assert reports.job("17") is None
