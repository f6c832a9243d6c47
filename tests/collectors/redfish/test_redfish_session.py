"""One session a BMC: reused, replaced once, never in a loop, deleted at the end."""

import asyncio

import pytest

from collectors.frame import AuthFailed, BadPayload, Throttled
from collectors.redfish.session import FIRST_PAUSE_SECONDS, PROVEN_SECONDS
from tests.support.redfish_replay import Fault, error_body


class Clock:
    """Monotonic seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 10_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def service(bench, record):
    return await bench.serve(record("dmtf-public-rackmount1"))


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def source(bench, service, clock):
    made = bench.source(service)
    made._bmc.session.monotonic = clock
    return made


async def test_all_collections_share_one_login(source, service):
    await asyncio.gather(*(source.collect(tier.name) for tier in source.tiers))
    for _ in range(3):
        await source.collect("fast")
    assert service.logins == 1


async def test_the_session_is_deleted_at_the_end(source, service):
    await source.collect("fast")
    assert len(service.sessions) == 1
    await source.close()
    assert service.sessions == {}


async def test_closing_without_ever_having_collected_is_fine(source, service):
    await source.close()
    assert service.logins == 0


async def test_a_forgotten_session_is_replaced_once_and_nothing_is_lost(source, service):
    await source.collect("fast")
    service.forget_sessions()
    assert (await source.collect("fast")).samples
    assert service.logins == 2


async def test_a_service_that_forgets_every_session_is_not_flooded_with_logins(source, service, clock):
    await source.collect("fast")
    service.forget_sessions()
    await source.collect("fast")
    for _ in range(5):
        service.forget_sessions()
        clock.now += 4
        with pytest.raises(AuthFailed, match="forgets sessions"):
            await source.collect("fast")
    assert service.logins == 2


async def test_after_the_pause_it_logs_in_again(source, service, clock):
    await source.collect("fast")
    service.forget_sessions()
    await source.collect("fast")
    service.forget_sessions()
    with pytest.raises(AuthFailed):
        await source.collect("fast")
    clock.now += 2 * FIRST_PAUSE_SECONDS
    assert (await source.collect("fast")).samples
    assert service.logins == 3


async def test_a_session_that_lived_long_may_be_replaced_at_any_time(source, service, clock):
    await source.collect("fast")
    for _ in range(4):
        clock.now += PROVEN_SECONDS
        service.forget_sessions()
        assert (await source.collect("fast")).samples
    assert service.logins == 5


async def test_answers_of_401_for_ever_cost_two_logins(source, service):
    service.faults.append(Fault(path="/redfish/v1/.+", status=401, body=error_body("SYS415", "no")))
    for _ in range(5):
        with pytest.raises((AuthFailed, BadPayload)):
            await source.collect("fast")
    assert service.logins <= 2


async def test_a_wrong_password_is_tried_once_and_not_again_before_the_pause_is_over(bench, service, clock):
    source = bench.source(service, password="wrong")
    source._bmc.session.monotonic = clock
    for _ in range(4):
        with pytest.raises(AuthFailed, match="credentials are refused"):
            await source.collect("fast")
    assert service.logins == 1
    clock.now += 2 * FIRST_PAUSE_SECONDS
    with pytest.raises(AuthFailed):
        await source.collect("fast")
    assert service.logins == 2


async def test_a_full_session_table_asks_for_patience(source, service):
    service.sessions.update({f"token{number}": f"other{number}" for number in range(8)})
    for _ in range(3):
        with pytest.raises(Throttled, match="maximum number of user sessions"):
            await source.collect("fast")
    assert service.logins == 1


async def test_retry_after_is_passed_on_and_kept(source, service, clock):
    body = error_body("RAC0218", "The maximum number of user sessions is reached.")
    refusal = Fault(path="/Sessions$", method="POST", status=503, body=body, headers={"Retry-After": "100"}, times=1)
    service.faults.append(refusal)
    with pytest.raises(Throttled) as caught:
        await source.collect("fast")
    assert caught.value.retry_after_seconds == 100
    clock.now += 99
    with pytest.raises(Throttled):
        await source.collect("fast")
    clock.now += 30
    assert (await source.collect("fast")).samples


async def test_a_cancelled_collection_leaves_no_session_behind(source, service):
    collection = asyncio.ensure_future(source.collect("fast"))
    while service.logins == 0:
        await asyncio.sleep(0)
    collection.cancel()
    await asyncio.gather(collection, return_exceptions=True)
    await source.close()
    assert service.logins == 1
    assert service.sessions == {}


async def test_a_required_change_of_password_becomes_a_finding(bench, record):
    service = await bench.serve(record("dmtf-public-rackmount1"))
    source = bench.source(service)
    await source.collect("fast")
    source._bmc.session.password_change_required = True
    found = {sample.labels: sample.value for sample in (await source.collect("slow")).samples}
    assert found["node1", "default_password"] == 1


async def test_a_service_without_redfish_is_told_apart(bench):
    source = bench.source(await bench.serve({}))
    with pytest.raises(BadPayload, match="is this a Redfish service"):
        await source.collect("fast")


async def test_a_password_is_never_sent_in_the_clear(bench, service):
    service.url = service.url.replace("https", "http")
    source = bench.source(service)
    with pytest.raises(AuthFailed, match="expected an https:// address"):
        await source.collect("fast")
