"""AdminComments are written when a job is over and settled: once, and never for what is still to come."""

from dataclasses import replace

from collectors.frame.errors import Unreachable
from tests.support.energy_reports import JOB, NOW, BooksInMemory
from wattstat.jobs import Observed, Run, RunKey
from wattstat.serve.comments import Comments

ENDED = Run(key=RunKey("slurm", "1234", "0"), started=JOB.start, ended=JOB.end)


class Database:
    """sacct and sacctmgr of one job."""

    def __init__(self, *, is_down=False):
        self.comment, self.is_down, self.asked = "", is_down, 0

    async def run(self, program, *arguments):
        self.asked += 1
        if self.is_down:
            raise Unreachable("slurmdbd does not answer")
        if program == "sacctmgr":
            self.comment = arguments[-1].removeprefix("AdminComment=")
            return ""
        return self.comment + "\n"


def comments(database, row=JOB, *, now=NOW, run=ENDED):
    made = Comments(commands={"slurm": database}, reports=BooksInMemory([row]), clock=lambda: now)
    made.observe(Observed(scheduler="slurm", taken_at=now, runs=(run,)))
    return made


async def test_a_settled_job_gets_its_energy_once():
    database = Database()
    made = comments(database)
    await made.write_settled()
    assert database.comment == "wattstat=1;kwh=25;err=0.025;gpu_kwh=17.5"

    asked = database.asked
    made.observe(Observed(scheduler="slurm", taken_at=NOW, runs=(ENDED,)))
    await made.write_settled()
    assert database.asked == asked


async def test_a_job_that_is_not_settled_waits_until_it_is():
    database = Database()
    made = comments(database, replace(JOB, settled_until=JOB.end - 1))
    await made.write_settled()
    assert database.asked == 0

    made.reports = BooksInMemory([JOB])
    await made.write_settled()
    assert "kwh=25" in database.comment


async def test_a_running_job_and_another_cluster_are_left_alone():
    database = Database()
    made = comments(database, run=replace(ENDED, ended=None))
    made.observe(Observed(scheduler="slurm:other", taken_at=NOW, runs=(ENDED,)))
    await made.write_settled()
    assert database.asked == 0


async def test_a_database_that_does_not_answer_is_not_asked_again_for_the_same_job():
    database = Database(is_down=True)
    made = comments(database)
    await made.write_settled()
    await made.write_settled()
    assert database.asked == 1


async def test_a_job_that_is_never_settled_is_given_up_after_a_day():
    database = Database()
    made = comments(database, replace(JOB, settled_until=None), now=JOB.end + 86_401)
    await made.write_settled()
    made.reports = BooksInMemory([JOB])
    await made.write_settled()
    assert database.asked == 0
