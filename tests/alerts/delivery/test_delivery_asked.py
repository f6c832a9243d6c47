"""What is asked of an Alertmanager for pages: they wait a moment at most, and say how old what they show is."""

import asyncio
import time
from collections.abc import Callable
from zoneinfo import ZoneInfo

import pytest

from alerts.delivery.apprise_sender import NotSent
from alerts.delivery.asked import Asked
from alerts.delivery.delivery import Delivery
from wattstat.api.alerts import AlertsRefused
from wattstat.config.alerts import Alerts


class Server:
    """Answers, refuses or hangs."""

    def __init__(self) -> None:
        self.now, self.asked, self.answers = 1000.0, 0, asyncio.Event()
        self.answers.set()
        self.refuses = False

    async def ask(self) -> int:
        self.asked += 1
        await self.answers.wait()
        if self.refuses:
            raise NotSent("it is away")
        return self.asked


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr("alerts.delivery.asked.WAIT_SECONDS", 0.05)
    return Server()


@pytest.fixture
def asked(server):
    return Asked(server.ask, lambda: server.now, kept_seconds=2)


async def later(asked: Asked[int], hope: Callable[[int | None], bool]) -> int | None:
    """What it answers as soon as it answers as hoped."""
    async with asyncio.timeout(10):
        while not hope(answer := await asked.newest()):
            await asyncio.sleep(0.01)
    return answer


async def test_an_answer_is_shared_and_asked_for_again_when_it_is_old(server, asked):
    assert await asyncio.gather(*(asked.newest() for _ in range(5))) == [1] * 5
    assert await asked.newest() == 1
    server.now += 2
    assert await asked.newest() == 2


async def test_of_who_hangs_the_last_answer_is_given_with_its_age(server, asked):
    await asked.newest()
    server.answers.clear()
    server.now += 60
    began = time.monotonic()
    assert await asked.newest() == 1
    assert time.monotonic() - began < 5
    assert (asked.problem.startswith("it has not answered for"), asked.answered_at) == (True, 1000.0)
    server.answers.set()
    assert await later(asked, lambda answer: answer == 2) == 2
    assert (asked.problem, asked.answered_at) == ("", 1060.0)


async def test_who_hung_the_last_time_is_waited_for_no_more(server, asked, monkeypatch):
    server.answers.clear()
    await asked.newest()
    monkeypatch.setattr("alerts.delivery.asked.WAIT_SECONDS", 0.0)
    assert await asyncio.wait_for(asked.newest(), 5) is None
    assert server.asked == 1
    await asked.close()


async def test_why_it_refused_is_said_until_it_answers(server, asked):
    server.refuses = True
    assert await asked.newest() is None
    assert asked.problem == "it is away"
    server.refuses = False
    server.now += 2
    await later(asked, lambda answer: answer is not None)
    assert asked.problem == ""


async def test_after_a_change_it_is_asked_anew_at_once(server, asked):
    await asked.newest()
    asked.forget()
    assert await asked.newest() == 2


async def test_where_an_alertmanager_hangs_the_rest_is_told_and_silences_are_said_to_be_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr("alerts.delivery.asked.WAIT_SECONDS", 0.05)

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until whoever asks gives up
        writer.close()

    listening = await asyncio.start_server(take, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    settings = Alerts.model_validate({"alertmanagers": [{"url": url, "timeout_seconds": 60}]})
    delivery = Delivery(settings, credentials={}, path=tmp_path / "a.sqlite", clock=time.time, zone=ZoneInfo("UTC"))
    async with listening, asyncio.timeout(20):
        assert await delivery.quieted({"f": {"alertname": "A"}}) == {}
        with pytest.raises(AlertsRefused, match="it does not answer: it has not answered for"):
            await delivery.silences()
        assert "it does not answer" in delivery.status().silences_problem
        await delivery.close()
        await asyncio.gather(*(poster.client.close() for poster in delivery._posters))
