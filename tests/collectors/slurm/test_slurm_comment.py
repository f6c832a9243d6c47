"""A job's energy in its AdminComment."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.frame.errors import BadPayload, NotSupported, Unreachable
from collectors.slurm.comment import Comment, JobEnergy, line, merged, write
from collectors.slurm.history import History
from tests.collectors.slurm.conftest import CLUSTER, NOW, job
from wattstat.jobs import RunKey

ENERGY = JobEnergy(joules=44.424e6, error_joules=180_000, gpu_joules=35.532e6)
LINE = "wattstat=1;kwh=12.34;err=0.05;gpu_kwh=9.87"
ENDED = job(states="COMPLETED", ended=NOW - 10)


def run():
    [found] = History().merge([ENDED], CLUSTER, NOW)
    return found


class Database:
    """sacct and sacctmgr of one job."""

    def __init__(self, comment="", *, forgets=False, shown=None):
        self.comment, self.forgets, self.shown, self.writes = comment, forgets, shown, []

    async def run(self, program, *arguments):
        if program == "sacct":
            return self.comment + "\n" if self.shown is None else self.shown
        assert program == "sacctmgr"
        self.writes.append(arguments)
        if not self.forgets:
            self.comment = arguments[-1].removeprefix("AdminComment=")
        return " Modified jobs...\n"


def jobstats(data):
    """What jobstats writes, and how it reads it back."""
    return "JS1:" + base64.b64encode(gzip.compress(json.dumps(data).encode())).decode()


def read_by_jobstats(comment):
    return json.loads(gzip.decompress(base64.b64decode(comment[4:])))


def test_the_line_is_short_and_in_kwh():
    assert line(ENERGY) == LINE
    assert line(JobEnergy(joules=3.6, error_joules=0, gpu_joules=-1)) == "wattstat=1;kwh=0.000001;err=0;gpu_kwh=0"


def test_a_job_without_comment_gets_the_line_alone():
    assert merged("", LINE) == LINE


def test_the_line_stands_once_however_often_it_is_written():
    newer = LINE.replace("12.34", "99")
    for before in ("", "what an admin wrote", jobstats({"nodes": {}})):
        once = merged(before, LINE)
        assert merged(once, LINE) == once
        assert merged(once, newer) == once.replace(LINE, newer)
        assert once.count("wattstat=") == 1


@given(st.dictionaries(st.text(max_size=9), st.integers(), max_size=6))
def test_jobstats_still_reads_its_own(data):
    comment = merged(jobstats(data), LINE)
    assert comment.endswith(f";{LINE}")
    assert read_by_jobstats(comment) == data


@given(st.text(alphabet=st.characters(blacklist_categories=["Cs"]), max_size=80))
def test_what_others_wrote_stays(before):
    assert merged(before, LINE).startswith(before if before.strip() else "")
    assert LINE in merged(before, LINE)


async def test_without_being_told_to_nothing_is_written():
    database = Database("an admin's words")
    assert await write(database, run(), ENERGY) == Comment(
        job_id="7", before="an admin's words", after=f"an admin's words;{LINE}", is_written=False
    )
    assert database.writes == []


async def test_a_comment_is_written_once_and_read_back():
    database = Database()
    assert (await write(database, run(), ENERGY, dry=False)).is_written
    assert database.comment == LINE
    assert not (await write(database, run(), ENERGY, dry=False)).is_written
    assert database.writes == [("--immediate", "update", "job", "where", "jobid=7", "set", f"AdminComment={LINE}")]


@pytest.mark.parametrize(("job_id", "address"), [("1200_7", "1200_7"), ("40+1", "7"), ("7", "7")])
async def test_a_job_is_addressed_as_the_database_knows_it(job_id, address):
    told = replace(run(), key=RunKey("slurm", job_id))
    assert (await write(Database(), told, ENERGY)).job_id == address


async def test_a_write_that_did_not_arrive_is_told_and_not_repeated():
    database = Database(forgets=True)
    with pytest.raises(BadPayload, match="sacctmgr was content"):
        await write(database, run(), ENERGY, dry=False)
    assert len(database.writes) == 1


@pytest.mark.parametrize("shown", ["", "one\ntwo\n"])
async def test_a_job_that_the_database_does_not_have_once_is_left_alone(shown):
    database = Database(shown=shown)
    with pytest.raises(NotSupported, match="expected one"):
        await write(database, run(), ENERGY, dry=False)
    assert database.writes == []


async def test_a_comment_without_room_is_left_alone():
    with pytest.raises(NotSupported, match="no room"):
        await write(Database("x" * 32_768), run(), ENERGY, dry=False)


async def test_a_job_that_runs_has_no_final_energy():
    with pytest.raises(ValueError, match="has not ended"):
        await write(Database(), replace(run(), ended=None), ENERGY)


async def test_without_slurmdbd_it_says_so():
    class NoDatabase:
        async def run(self, program, *arguments):
            raise Unreachable(f"{program}: Slurm accounting storage is disabled")

    with pytest.raises(NotSupported, match="without slurmdbd"):
        await write(NoDatabase(), run(), ENERGY)
