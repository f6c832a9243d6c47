"""Requests that change something go out once, in the same session, and every answer comes back as it is."""

import asyncio

import pytest

from collectors.frame import AuthFailed, Unreachable
from collectors.redfish import sessions
from collectors.redfish.session import Answer
from tests.support.redfish_replay import Fault, error_body

PATH = "/redfish/v1/Chassis/1U/EnvironmentMetrics"


class Counted(Fault):
    """Counts what matches, and changes nothing."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.seen = []

    def matches(self, request):
        if request.method == self.method and request.path == self.path:
            self.seen.append(dict(request.headers))
        return super().matches(request)


@pytest.fixture
async def service(bench, record):
    return await bench.serve(record("dmtf-public-rackmount1"))


@pytest.fixture
def session(bench, service):
    return sessions([bench.source(service)])["node1"]


async def test_an_answer_comes_with_status_headers_and_body(session, service):
    answer = await session.send("GET", PATH)
    assert (answer.status, answer.body["PowerLimitWatts"]["SetPoint"]) == (200, 500)
    assert answer.headers["content-type"].startswith("application/json")
    assert service.logins == 1


async def test_a_refusal_is_an_answer(session, service):
    service.faults.append(Fault(path=PATH, method="PATCH", status=400, body=error_body("SYS409", "no")))
    answer = await session.send("PATCH", PATH, {"PowerLimitWatts": {"SetPoint": 1}})
    assert answer.status == 400
    assert answer.body["error"]["@Message.ExtendedInfo"][0]["MessageId"].endswith("SYS409")


async def test_what_is_no_json_is_an_answer_without_body(session, service):
    service.faults.append(Fault(path=PATH, method="PATCH", status=403, body=b"<html>403 - Forbidden</html>"))
    answer = await session.send("PATCH", PATH, {})
    assert (answer.status, answer.body) == (403, {})


async def test_headers_are_sent(session, service):
    patches = Counted(path=PATH, method="PATCH", body=b"{}")
    service.faults.append(patches)
    await session.send("PATCH", PATH, {"a": 1}, headers={"If-Match": '"12"'})
    assert patches.seen[0]["If-Match"] == '"12"'
    assert patches.seen[0]["X-Auth-Token"] in service.sessions


async def test_a_forgotten_session_is_opened_again_and_the_request_sent(session, service):
    await session.send("GET", PATH)
    service.forget_sessions()
    patches = Counted(path=PATH, method="PATCH", body=b"{}", times=0)
    service.faults.append(patches)
    assert (await session.send("PATCH", PATH, {"a": 1})).status == 200
    assert (len(patches.seen), service.logins) == (2, 2)


async def test_a_service_that_lets_nobody_in_is_not_flooded(session, service):
    service.faults.append(Fault(path=PATH, method="PATCH", status=401, body=error_body("SYS415", "no")))
    for _ in range(4):
        with pytest.raises(AuthFailed):
            await session.send("PATCH", PATH, {})
    assert service.logins == 2


async def test_a_write_without_an_answer_is_not_sent_again(session, service):
    session.timeout_seconds = 0.2
    hanging = Counted(path=PATH, method="PATCH", hang=True)
    service.faults.append(hanging)
    with pytest.raises(Unreachable):
        await session.send("PATCH", PATH, {})
    assert len(hanging.seen) == 1


async def test_a_caller_who_gives_up_frees_the_way(session, service):
    service.faults.append(Fault(path=PATH, method="PATCH", hang=True))
    for _ in range(session.requests + 1):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await session.send("PATCH", PATH, {})
    assert (await session.send("GET", PATH)).status == 200


async def test_a_session_that_was_closed_is_not_opened_again(session, service):
    await session.send("GET", PATH)
    await session.close()
    with pytest.raises(Unreachable, match="closed"):
        await session.send("GET", PATH)
    assert (service.logins, service.sessions) == (1, {})


async def test_who_waits_for_an_answer_when_the_session_is_closed_is_told_so(session, service):
    await session.send("GET", PATH)
    waiting = [asyncio.ensure_future(session.send("GET", PATH)) for _ in range(8)]
    await asyncio.sleep(0)
    await session.close()
    told = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(each) for each in told} <= {Unreachable, Answer}
    assert Unreachable in {type(each) for each in told}
