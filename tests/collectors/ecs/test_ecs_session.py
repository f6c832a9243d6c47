"""One token a cluster: never leaked, renewed once, and what the user may not read is told apart from a failed login."""

import asyncio

import pytest

from collectors import ecs
from collectors.ecs.session import Ask, Refused
from collectors.ecs.source import ZONE
from collectors.frame.errors import AuthFailed, BadPayload, Misconfigured, Unreachable
from simulator.ecs.tokens import ABSOLUTE_SECONDS, MOST
from wattstat.catalogue import storage as catalogue
from wattstat.config import Config
from wattstat.inventory import Inventory


async def test_the_token_is_returned_at_the_end(bench):
    source = bench.source()
    for tier in source.tiers:
        await source.collect(tier.name)
    assert len(bench.server.tokens) == 1
    await source.close()

    assert (len(bench.server.tokens), bench.server.tokens.logins) == (0, 1)
    assert bench.server.requests[-1] == "GET /logout"


async def test_nothing_is_asked_of_a_cluster_that_was_never_read(bench):
    await bench.source().close()

    assert list(bench.server.requests) == []


async def test_an_expired_token_is_renewed_once_and_the_collection_goes_on(bench, source):
    await source.collect("slow")
    bench.server.tokens.end_all()
    collected = await source.collect("slow")

    assert not collected.errors
    assert (bench.server.tokens.logins, len(bench.server.tokens)) == (2, 1)


async def test_a_token_that_grew_old_is_renewed(bench, source):
    now = 0.0
    bench.server.tokens._clock = lambda: now
    await source.collect("medium")
    now = ABSOLUTE_SECONDS + 1
    await source.collect("medium")

    assert (bench.server.tokens.logins, len(bench.server.tokens)) == (2, 1)


async def test_questions_at_the_same_time_share_a_login(bench, source):
    answers = await asyncio.gather(*(source.session.ask(ZONE) for _ in range(8)))
    bench.server.tokens.end_all()
    answers += await asyncio.gather(*(source.session.ask(ZONE) for _ in range(8)))

    assert all(answer["name"] == "objects" for answer in answers)
    assert (bench.server.tokens.logins, len(bench.server.tokens)) == (2, 1)


async def test_many_expiries_leak_no_token(bench, source):
    for _ in range(MOST + 20):
        await source.session.ask(ZONE)
        # The cluster forgets that this token is good and still holds it against the user.
        bench.server.tokens._given = {f"old {token}": times for token, times in bench.server.tokens._given.items()}
        held = len(bench.server.tokens)
        bench.server.tokens._given = {}
        assert held == 1
    await source.session.ask(ZONE)
    await source.close()

    assert len(bench.server.tokens) == 0


async def test_a_token_that_is_refused_from_the_first_is_given_back_and_not_asked_for_again_at_once(bench, source, monkeypatch):
    monkeypatch.setattr(bench.server.tokens, "use", lambda _: False)
    with pytest.raises(AuthFailed, match="check the credentials"):
        await source.collect("slow")

    assert len(bench.asked("/login")) <= 4  # one for each question that was under way, none twice
    assert bench.asked("/logout")


async def test_a_refused_user_is_told_and_leaves_nothing_behind(bench):
    source = bench.source(password="wrong")
    with pytest.raises(AuthFailed, match="user or password is refused"):
        await source.collect("fast")
    await source.close()

    assert list(bench.server.requests) == ["GET /login"]


async def test_a_collection_that_is_cancelled_leaves_no_token_behind(bench, source, until):
    collecting = asyncio.ensure_future(source.collect("slow"))
    await until(lambda: source.session._login is not None)
    collecting.cancel()
    await asyncio.gather(collecting, return_exceptions=True)
    await source.close()

    assert bench.server.tokens.logins == 1
    assert len(bench.server.tokens) == 0


async def test_the_token_is_returned_also_after_failures(bench):
    source = bench.source()
    await source.collect("slow")
    bench.faults.add("objects", "storage_broken_json", {}, bench.plant.now)
    with pytest.raises(BadPayload):
        await source.collect("slow")
    await source.close()

    assert len(bench.server.tokens) == 0


async def test_closing_does_not_wait_for_a_cluster_that_is_gone(bench):
    source = bench.source()
    await source.collect("slow")
    bench.faults.add("objects", "storage_gone", {}, bench.plant.now)
    with pytest.raises(Unreachable):
        await source.collect("slow")
    await source.close()


async def test_a_missing_right_is_a_resource_error_that_names_it_and_is_not_asked_for_again(bench):
    now = 0.0
    source = bench.source(monotonic=lambda: now)
    bench.server.forbidden = ("/flux", "/object/namespaces")
    try:
        first = await source.collect("medium")
        asked = len(bench.asked("/flux"))
        second = await source.collect("medium")
        assert len(bench.asked("/flux")) == asked == 6
        now = 1000.0
        await source.collect("medium")
        assert len(bench.asked("/flux")) == 12
    finally:
        await source.close()

    assert set(first.errors) == set(second.errors) >= {"flux/cpu", "flux/net"}
    assert all(isinstance(error, Refused) for error in second.errors.values())
    assert "Insufficient permissions" in str(second.errors["flux/cpu"])
    assert "System Monitor (SYSTEM_MONITOR)" in str(second.errors["flux/cpu"])
    assert any(sample.metric is catalogue.STORAGE_NODE_HEALTH for sample in second.samples)


@pytest.mark.parametrize(
    ("forbidden", "resource"), [("/object/namespaces", "namespaces"), ("/object/namespaces/namespace", "quota")]
)
async def test_namespaces_that_may_not_be_read_are_asked_for_once_and_stay_told(bench, source, forbidden, resource):
    bench.server.forbidden = (forbidden,)
    first = await source.collect("quota")
    asked = len(bench.asked(forbidden))
    second = await source.collect("quota")

    assert isinstance(first.errors[resource], Refused)
    assert isinstance(second.errors[resource], Refused)
    assert asked == len(bench.asked(forbidden)) == 1
    assert any(sample.metric is catalogue.STORAGE_INFO for sample in second.samples)


async def test_a_namespace_that_went_meanwhile_costs_the_others_nothing(bench, source, monkeypatch):
    monkeypatch.setattr("simulator.ecs.documents.quota", lambda _, name: None if name == "archive" else {"blockSize": 5})
    collected = await source.collect("quota")
    told = {sample.labels[1] for sample in collected.samples if sample.metric is catalogue.STORAGE_NAMESPACE_QUOTA_BYTES}

    assert not collected.errors
    assert told == {"checkpoints", "datasets"}


async def test_another_error_500_is_not_taken_for_a_missing_right(source):
    with pytest.raises(BadPayload, match="operation 'mean' is not allowed"):
        await source.session.ask(
            Ask("/flux/api/external/v2/query", "POST", body={"query": 'from(bucket: "monitoring_op") |> mean()'})
        )


@pytest.mark.parametrize(
    ("storage", "told"),
    [
        ({"credentials": "nobody"}, "no credentials named 'nobody'"),
        ({"url": "http://objects:4443"}, "a password is never sent in the clear"),
        ({"tls": {"fingerprint": "ab" * 32, "ca_file": "/none.pem"}}, None),
        ({"tls": {"ca_file": "/none.pem"}}, "tls"),
    ],
)
async def test_a_cluster_that_cannot_be_asked_fails_with_the_reason(storage, told, tmp_path):
    (tmp_path / "password").write_text("x")
    config = Config.model_validate({"credentials": {"storage": {"username": "u", "password_file": str(tmp_path / "password")}}})
    entry = {"name": "objects", "kind": "ecs", "url": "https://objects:4443", **storage}
    (source,) = ecs.sources(config, Inventory.model_validate({"storage": [entry]}))
    if told is None:
        assert isinstance(source, ecs.EcsSource)
    else:
        with pytest.raises(Misconfigured, match=told):
            await source.collect("fast")
    await source.close()


def test_other_kinds_of_storage_are_left_to_others():
    storage = [{"name": "scratch", "kind": "powerscale", "url": "https://scratch:8080"}]
    assert ecs.sources(Config(), Inventory.model_validate({"storage": storage})) == []
