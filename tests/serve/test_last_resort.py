"""The supervisor's own voice: silent while alerts work, heard when they do not, once an hour, and once when it is over."""

import pytest

from alerts.delivery import alive
from tests.support.receivers import webhook
from wattstat.config.alerts import Alerts
from wattstat.config.settings import Config
from wattstat.serve.last_resort import LastResort, evaluates, last_resort


class Hall:
    """A clock, a file of life, and everything that was cried."""

    def __init__(self, folder):
        self.now = 1_800_000_000.0
        self.path = folder / "alerts.alive"
        self.cries = []
        self.is_taken = True
        self.voice = LastResort(path=self.path, cry=self.cry, clock=lambda: self.now, monotonic=lambda: self.now)

    async def cry(self, subject, body, is_over):
        self.cries.append((subject, body.splitlines()[0]))
        return self.is_taken

    def lives(self, problem=""):
        alive.write(self.path, alive.Alive(at=self.now, problem=problem))

    async def pass_time(self, seconds, *, living=None):
        for _ in range(int(seconds / 10)):
            self.now += 10
            if living is not None:
                self.lives(living)
            await self.voice.look()


@pytest.fixture
def hall(tmp_path):
    return Hall(tmp_path)


async def test_while_alerts_work_it_says_nothing(hall):
    await hall.pass_time(7200, living="")

    assert hall.cries == []


async def test_a_restart_of_four_minutes_wakes_nobody(hall):
    await hall.pass_time(600, living="")
    await hall.pass_time(240)
    await hall.pass_time(600, living="")

    assert hall.cries == []


async def test_a_dead_process_is_told_once_an_hour_and_once_when_it_is_back(hall):
    await hall.pass_time(600, living="")
    await hall.pass_time(2 * 3600)
    await hall.pass_time(60, living="")

    subjects = [subject for subject, _ in hall.cries]
    assert subjects == ["[CRIT] Wattstat's alerts do not work"] * 2 + ["[OVER] Wattstat's alerts work again"]
    assert "has been dead or stuck for" in hall.cries[0][1]


async def test_a_living_process_whose_evaluation_is_stuck_is_told_of(hall):
    await hall.pass_time(600, living="rules have not been evaluated for 200 s")

    assert "rules have not been evaluated for 200 s" in hall.cries[0][1]


async def test_a_process_that_never_came_up_is_told_of(hall):
    await hall.pass_time(600)

    assert "has never run" in hall.cries[0][1]


async def test_a_cry_that_nobody_took_is_repeated_every_minute(hall):
    hall.is_taken = False
    await hall.pass_time(300 + 180)

    assert len(hall.cries) == 3


async def test_a_damaged_file_of_life_is_no_sign_of_life(hall):
    hall.path.write_text("{")
    await hall.pass_time(400)

    assert "cannot be read" in hall.cries[0][1]


async def test_the_cry_reaches_a_real_service_and_says_when_it_does_not(tmp_path, monkeypatch):
    with webhook() as hook:
        monkeypatch.setenv("LAST_RESORT", hook.url)
        config = Config(data_dir=tmp_path, alerts=Alerts.model_validate({"last_resort": {"env": "LAST_RESORT"}}))
        voice = last_resort(config)

        taken = await voice.cry("[CRIT] subject", "body", False)
        hook.status = 500
        refused = await voice.cry("[CRIT] subject", "body", False)

    assert (taken, refused) == (True, False)
    assert hook.got == [
        {"version": "1.0", "title": "[CRIT] subject", "message": "body", "attachments": [], "type": "failure"},
    ]


def test_where_a_prometheus_evaluates_there_is_nothing_to_watch():
    far = Config.model_validate({"store": {"prometheus": {"url": "http://p:9090"}}})

    assert not evaluates(far)
    assert evaluates(Config())
    assert last_resort(far) is None
