"""Finished runs under the power limit that they had."""

from __future__ import annotations

from dataclasses import replace

import pytest

from energy.database import open_reports
from energy.reports.capped_runs import CappedRun
from tests.energy.books.entries import HOUR, T0, batch, posting, run_of, use
from wattstat.jobs import State


@pytest.fixture
def reports(config, books):
    opened = open_reports(config)
    yield opened
    opened.close()


def ended(job_id: str, **others):
    return run_of(job_id, start=T0, end=T0 + 600, name="train", **others)


def test_runs_that_ended_well_on_whole_gpus_of_one_limit_tell_what_their_work_took(books, reports):
    plain, lowered, failed, mixed, shared, silent, nameless = runs = (
        ended("1"),
        ended("2"),
        ended("3", state=State.FAILED),
        ended("4"),
        ended("5"),
        ended("6"),
        replace(ended("7"), name=""),
    )
    uses = [
        use(plain, gpu=0),
        use(plain, gpu=1, joules=700.0),
        use(lowered, gpu=0, limit_watts=500.0),
        use(failed),
        use(mixed, gpu=0),
        use(mixed, gpu=1, limit_watts=500.0),
        use(shared, fraction=0.5, instance="mig:1:0"),
        use(silent, gpu=0),
        use(silent, gpu=1, limit_watts=None),
        use(nameless),
    ]
    lines = [posting(run, T0, 2000.0) for run in runs]
    books.commit([batch(None, T0 + HOUR, *lines, uses=uses)], list(runs))
    assert sorted(reports.capped_runs(T0)) == [
        CappedRun("ada/train/2", "NVIDIA H100", 500.0, 600.0, 600.0),
        CappedRun("ada/train/2", "NVIDIA H100", 700.0, 1300.0, 600.0),
    ]
    assert reports.capped_runs(T0 + 1) == []
