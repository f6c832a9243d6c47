"""Ends of runs that slurmctld has forgotten."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.frame.errors import Unreachable
from collectors.slurm.accounting import Accounting, ends
from collectors.slurm.history import History
from collectors.slurm.reading import Answer
from tests.collectors.slurm.conftest import CLUSTER, NOW, Asked, by_id, job
from tests.collectors.slurm.documents import NODES, jobs
from wattstat.jobs import State

START = int(NOW) - 100


def run(number=7):
    [found] = History().merge([job(number)], CLUSTER, NOW)
    return found


class Sacct:
    """sacct with given lines, or a complaint."""

    def __init__(self, shown="", complaint=""):
        self.shown, self.complaint, self.asked = shown, complaint, []

    async def run(self, program, *arguments):
        assert program == "sacct"
        self.asked.append(arguments)
        if self.complaint:
            raise Unreachable(f"sacct: {self.complaint}")
        return self.shown


@pytest.mark.parametrize(
    ("state", "code", "expected"),
    [
        ("COMPLETED", "0:0", (State.COMPLETED, 0)),
        ("FAILED", "3:0", (State.FAILED, 3)),
        ("CANCELLED by 1000", "0:15", (State.CANCELLED, 143)),
        ("NODE_FAIL", "0:0", (State.NODE_FAIL, 0)),
        ("OUT_OF_MEMORY", "0:125", (State.OUT_OF_MEMORY, 253)),
        ("SOMETHING_NEW", "", (State.GONE, None)),
        ("REQUEUED", "0:0", (State.REQUEUED, 0)),
    ],
)
def test_a_line_tells_when_and_how_a_run_ended(state, code, expected):
    [ended] = ends(f"7|{START}|{START + 60}|{state}|{code}\n", [run()])
    assert ((ended.state, ended.exit_code), ended.ended, ended.gpus) == (expected, START + 60, 2)


@pytest.mark.parametrize(
    "line",
    [
        "", "7", f"7|{START}|Unknown|RUNNING|0:0", f"8|{START}|{START + 60}|COMPLETED|0:0", "7|None|None|CANCELLED|0:0",
        f"7|{START + 50}|{START + 60}|FAILED|0:0", f"7|{START}|{START + 60}|SUSPENDED|0:0",
    ],
)  # fmt: skip
def test_what_runs_still_or_is_another_run_is_not_taken_for_it(line):
    assert ends(line, [run()]) == ()


def test_of_a_requeued_job_each_run_finds_its_own_line():
    second = replace(run(), key=run().key._replace(instance="1"), started=NOW - 20)
    shown = f"7|{START}|{START + 60}|REQUEUED|0:0\n7|{START + 80}|{START + 90}|COMPLETED|0:0\n"
    assert [(each.key.instance, each.ended) for each in ends(shown, [run(), second])] == [("0", START + 60), ("1", START + 90)]


@given(st.text(alphabet="0123456789|:\n A", max_size=80))
def test_no_output_raises(shown):
    assert all(each.ended >= each.started for each in ends(shown, [run()]))


async def test_without_a_database_sacct_is_asked_once():
    sacct = Sacct(complaint="Slurm accounting storage is disabled")
    accounting = Accounting(runner=sacct)
    assert await accounting.ends([run()]) == ()
    assert await accounting.ends([run()]) == ()
    assert len(sacct.asked) == 1


class Empty:
    """A Slurm that has forgotten everything."""

    way = "nothing"

    async def jobs(self):
        return Answer(form="json", body=jobs())

    async def nodes(self):
        return Answer(form="json", body=NODES)


async def test_a_run_from_before_an_outage_ends_as_the_database_has_it():
    sacct = Sacct(f"7|{START}|{START + 60}|COMPLETED|0:0\n")
    asked = Asked(Empty(), clock=lambda: NOW + 900, accounting=Accounting(runner=sacct))
    asked.source.remember([run(), replace(run(), key=run().key._replace(scheduler="pbs"))])
    runs = await asked.runs()
    assert [(each.key.job_id, each.state, each.ended) for each in runs.values()] == [("7", State.COMPLETED, START + 60)]
    assert by_id(asked.told[-1].runs) == runs
    await asked.runs()
    assert len(sacct.asked) == 1
    assert "--jobs=7" in sacct.asked[0]


async def test_a_database_that_does_not_answer_is_told_and_the_run_has_ended_unseen():
    asked = Asked(Empty(), clock=lambda: NOW + 900, accounting=Accounting(runner=Sacct(complaint="connection refused")))
    asked.source.remember([run()])
    collected = await asked.source.collect("jobs")
    assert set(collected.errors) == {"accounting"}
    assert asked.told[-1].runs == ()


async def test_runs_from_before_a_restart_are_known_as_soon_as_the_books_are_open():
    sacct = Sacct(f"7|{START}|{START + 60}|COMPLETED|0:0\n")
    asked = Asked(Empty(), clock=lambda: NOW + 900, accounting=Accounting(runner=sacct))
    books = [None, [run()]]
    asked.source.known = lambda: books.pop(0)
    assert await asked.runs() == {}
    assert [each.ended for each in (await asked.runs()).values()] == [START + 60]
    assert books == []
