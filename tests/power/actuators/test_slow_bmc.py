"""A BMC that takes longer to look through than anybody waits."""

import asyncio
from dataclasses import dataclass, field

import pytest

from power.actuators import redfish
from power.model import ActuatorError
from tests.support.recorded_bmc import RecordedBmc
from tests.support.redfish_replay import completed, recorded
from tests.support.samples import samples

DGX = "nvidia-dgx-h100-hgx"
PATIENCE = 10


@dataclass(kw_only=True)
class Slow(RecordedBmc):
    """Answers as many requests as it is told to."""

    let: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    async def send(self, *request, **more):
        async with asyncio.timeout(60):
            await self.let.acquire()
        return await super().send(*request, **more)

    async def answer(self, requests):
        """Let so many through, and wait until they have been answered."""
        before = self.gets
        for _ in range(requests):
            self.let.release()
        async with asyncio.timeout(60):
            while self.gets < before + requests:
                await asyncio.sleep(0)


@pytest.fixture
def documents():
    return completed(recorded(samples("redfish-samples", DGX)))


@pytest.fixture
def slow(documents):
    return Slow(documents=documents)


async def test_the_search_goes_on_when_who_asked_gives_up(slow, documents):
    quick = RecordedBmc(documents=documents)
    expected = [await way.read() for way in redfish.actuators("n1", quick)]
    ways = redfish.actuators("n1", slow)
    impatient = asyncio.ensure_future(ways[2].read())
    await slow.answer(PATIENCE)
    impatient.cancel()
    await asyncio.wait([impatient])

    for _ in range(quick.gets - PATIENCE):
        slow.let.release()
    async with asyncio.timeout(60):
        found = [await way.read() for way in ways]

    assert quick.gets > 3 * PATIENCE
    assert found == expected
    assert slow.gets == quick.gets, "nothing was asked for twice"


async def test_a_search_that_failed_is_begun_again(slow):
    way = redfish.actuators("n1", slow)[2]
    slow.gone = True
    reading = asyncio.ensure_future(way.read())
    slow.let.release()
    with pytest.raises(ActuatorError):
        await reading
    slow.gone = False
    for _ in range(1000):
        slow.let.release()

    assert await way.read()


async def test_who_waits_for_a_bmc_that_is_left_is_told(slow):
    way = redfish.actuators("n1", slow)[2]
    reading = asyncio.ensure_future(way.read())
    await slow.answer(PATIENCE)

    await way.close()

    with pytest.raises(ActuatorError, match="nobody asks"):
        await reading
