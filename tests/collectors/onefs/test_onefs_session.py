"""The session with a cluster: opened when needed, renewed before it ends, opened anew exactly once when it is forgotten."""

import asyncio

import pytest

from collectors.frame.errors import AuthFailed, BadPayload, Unreachable
from collectors.onefs.session import LOGIN, Forbidden
from simulator.onefs import documents

CONFIG = "/platform/3/cluster/config"


async def test_one_login_serves_all_tiers_and_is_given_back_at_the_end(bench):
    server = await bench.serve()
    source = bench.source(server)

    for tier in source.tiers:
        await source.collect(tier.name)
    assert (server.sessions.logins, len(server.sessions)) == (1, 1)

    await source.close()
    assert len(server.sessions) == 0
    assert server.requests[-1] == f"DELETE {LOGIN}"


async def test_a_forgotten_session_is_opened_anew_once(bench):
    server = await bench.serve()
    source = bench.source(server)
    await source.collect("fast")

    server.sessions.end_all()
    collected = await source.collect("medium")

    assert collected.samples
    assert not collected.errors
    assert server.sessions.logins == 2


async def test_a_session_that_is_forgotten_in_the_middle_of_a_tier_costs_nothing(bench, monkeypatch):
    server = await bench.serve()
    source = bench.source(server)
    ask = source.session.web.ask
    forgotten = []

    async def asked(method, path, **more):
        if path.endswith("/status") and not forgotten:
            forgotten.append(path)
            server.sessions.end_all()
        return await ask(method, path, **more)

    monkeypatch.setattr(source.session.web, "ask", asked)
    collected = await source.collect("medium")

    assert forgotten
    assert not collected.errors
    assert server.sessions.logins == 2


async def test_tiers_that_begin_together_share_one_login_and_one_renewal(bench):
    server = await bench.serve()
    source = bench.source(server)
    tiers = [tier.name for tier in source.tiers]

    await asyncio.gather(*map(source.collect, tiers))
    assert server.sessions.logins == 1

    server.sessions.end_all()
    await asyncio.gather(*map(source.collect, tiers))
    assert server.sessions.logins == 2
    assert len(server.sessions) == 1


async def test_a_cluster_that_refuses_every_session_is_asked_twice_and_no_more(bench):
    server = await bench.serve()
    source = bench.source(server)
    server.sessions.idle_seconds = -1.0  # every cookie is refused the moment it is shown

    with pytest.raises(AuthFailed):
        await source.session.get(CONFIG)

    assert server.sessions.logins == 2
    assert [each for each in server.requests if CONFIG in each] == [f"GET {CONFIG}"] * 2


async def test_a_refused_password_is_tried_once_and_says_what_to_check(bench):
    server = await bench.serve()
    source = bench.source(server, password="wrong")

    with pytest.raises(AuthFailed, match="ISI_PRIV_LOGIN_PAPI"):
        await source.collect("fast")

    assert list(server.requests) == [f"POST {LOGIN}"]


async def test_a_session_that_is_about_to_fall_idle_is_given_back_and_renewed_without_a_refusal(bench):
    server = await bench.serve()
    source = bench.source(server)
    await source.session.get(CONFIG)

    bench.clock.now += server.sessions.idle_seconds - 10
    await source.session.get(CONFIG)

    assert server.sessions.logins == 2
    assert len(server.sessions) == 1
    assert list(server.requests)[2:] == [f"DELETE {LOGIN}", f"POST {LOGIN}", f"GET {CONFIG}"]


async def test_a_session_in_use_is_renewed_before_its_absolute_end(bench):
    server = await bench.serve()
    source = bench.source(server)
    for _ in range(30):  # every ten minutes for five hours
        await source.session.get(CONFIG)
        bench.clock.now += 600.0

    assert server.sessions.logins == 2
    assert len(server.sessions) == 1


async def test_a_session_that_is_in_use_is_kept(bench):
    server = await bench.serve()
    source = bench.source(server)
    for _ in range(5):
        await source.session.get(CONFIG)
        bench.clock.now += 300.0

    assert server.sessions.logins == 1


async def test_requests_without_the_token_or_from_elsewhere_are_refused_by_the_simulated_cluster(bench):
    server = await bench.serve()
    source = bench.source(server)
    await source.session.get(CONFIG)
    held = dict(source.session._held.headers)

    async def status(headers):
        return (await source.session.web.ask("GET", CONFIG, headers=headers)).status

    assert await status(held) == 200
    assert await status({name: value for name, value in held.items() if name != "X-CSRF-Token"}) == 401
    assert await status({**held, "Referer": "https://elsewhere"}) == 401
    assert await status({}) == 401


async def test_a_list_is_read_page_by_page_and_its_token_stands_alone(bench):
    server = await bench.serve(most_per_page=5)
    source = bench.source(server)

    found = await source.session.pages("/platform/1/statistics/keys", "keys", {"queryable": "true", "limit": "7"})

    assert len({each["key"] for each in found}) == len(found) > 20
    asked = [each for each in server.requests if "statistics/keys" in each]
    assert len(asked) == -(-len(found) // 5)
    assert all("resume=" in each and "&" not in each for each in asked[1:])


async def test_pages_without_an_end_are_an_error(bench, monkeypatch):
    server = await bench.serve()
    source = bench.source(server)

    async def same(path, params=None):
        return {"keys": [{}], "resume": "again"}

    monkeypatch.setattr(source.session, "get", same)
    with pytest.raises(BadPayload, match="without an end"):
        await source.session.pages("/platform/1/statistics/keys", "keys")


async def test_a_list_that_is_none_is_an_error(bench):
    server = await bench.serve()
    with pytest.raises(BadPayload, match="no list called 'events'"):
        await bench.source(server).session.pages(CONFIG, "events")


async def test_a_missing_privilege_is_named_and_costs_only_what_it_covers(bench, monkeypatch):
    server = await bench.serve()
    source = bench.source(server)
    ask = source.session.web.ask

    async def refused(method, path, **more):
        answer = await ask(method, path, **more)
        return type(answer)(**{**vars(answer), "status": 403}) if "storagepool" in path else answer

    monkeypatch.setattr(source.session.web, "ask", refused)
    collected = await source.collect("slow")

    assert isinstance(collected.errors["pools"], Forbidden)
    assert "add ISI_PRIV_SMARTPOOLS (read)" in str(collected.errors["pools"])
    assert collected.samples


async def test_a_tier_of_which_nothing_may_be_read_does_not_fail_the_cluster(bench, monkeypatch):
    server = await bench.serve()
    source = bench.source(server)
    ask = source.session.web.ask

    async def refused(method, path, **more):
        answer = await ask(method, path, **more)
        return type(answer)(**{**vars(answer), "status": 403}) if "cluster/nodes" in path else answer

    monkeypatch.setattr(source.session.web, "ask", refused)
    collected = await source.collect("medium")

    assert set(collected.errors) == {"state", "status", "sensors"}
    assert not collected.samples
    assert (await source.collect("fast")).samples


@pytest.mark.parametrize("tier", ["fast", "medium", "slow", "rare"])
async def test_a_cluster_that_is_gone_is_asked_one_thing(bench, tier):
    server = await bench.serve()
    source = bench.source(server)
    await source.collect("fast")
    before = len(server.requests)

    bench.fault("storage_gone")
    with pytest.raises(Unreachable):
        await source.collect(tier)

    # The client tries a connection that was kept open once more by a new one.
    assert len(set(list(server.requests)[before:])) == 1


async def test_closing_a_cluster_that_is_gone_is_no_error(bench):
    server = await bench.serve()
    source = bench.source(server)
    await source.collect("fast")

    bench.fault("storage_gone")
    await source.close()

    assert source.session._held is None


async def test_an_unauthorized_cluster_recovers_with_the_next_collection(bench):
    server = await bench.serve()
    source = bench.source(server)
    await source.collect("fast")

    bench.fault("storage_unauthorized")
    with pytest.raises(AuthFailed):
        await source.collect("fast")
    bench.mend()

    assert (await source.collect("fast")).samples


async def test_cut_json_fails_as_such(bench):
    server = await bench.serve()
    source = bench.source(server)
    await source.collect("fast")

    bench.fault("storage_broken_json")
    with pytest.raises(BadPayload, match="no JSON"):
        await source.collect("fast")


async def test_secrets_stand_in_no_error(bench):
    server = await bench.serve()
    source = bench.source(server, password="secret-word")

    with pytest.raises(AuthFailed) as caught:
        await source.collect("fast")

    assert "secret-word" not in str(caught.value)


def test_device_ids_of_the_simulated_cluster_are_not_its_node_numbers(bench):
    devices = documents.config(bench.plant.cluster("scratch"))["devices"]

    assert all(each["devid"] != each["lnn"] for each in devices)
