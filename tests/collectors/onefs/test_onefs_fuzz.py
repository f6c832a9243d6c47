"""A cluster that answers anything at all: collections end with samples or with an error that says so, and logins are few."""

import asyncio
import json
import math
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.frame.errors import CollectError, Unreachable
from collectors.frame.source import Tier
from collectors.frame.web import Answer
from collectors.onefs.session import LOGIN, Session
from collectors.onefs.source import OneFsSource
from wattstat.config import Credentials
from wattstat.inventory import Storage

TIERS = ("fast", "medium", "slow", "rare")
CLUSTER = Storage.model_validate({"name": "c", "kind": "powerscale", "url": "https://c"})
STATUSES = st.sampled_from((200, 200, 200, 200, 201, 204, 302, 400, 401, 401, 403, 404, 409, 500, 503))
GOOD = json.dumps(
    {
        "stats": [
            {"devid": 0, "key": "ifs.bytes.total", "value": 10},
            {"devid": 5, "key": "node.health", "value": 0},
            {"devid": 0, "key": "cluster.protostats.nfs.total", "value": "[{'op_rate': 1, 'time_avg': 5}]"},
        ],
        "keys": [{"key": "ifs.bytes.total"}, {"key": "node.health"}],
        "nodes": [{"id": 5, "lnn": 1, "drives": [{"ui_state": "HEALTHY"}], "sensors": []}],
        "errors": [{"lnn": 2, "message": "away"}],
        "devices": [{"devid": 5, "lnn": 1, "is_up": True}],
        "eventgroups": [{"severity": "critical"}],
        "quotas": [{"type": "directory", "path": "/ifs", "usage": {"logical": 5}}],
        "storagepools": [{"name": "p", "usage": {"total_bytes": "9"}}],
        "protocol": [{"protocol": "nfs3", "class": "read", "operation_rate": 2, "time_avg": 9}],
        "summary": {"count": 3, "size": "4"},
        "timeout_inactive": 900,
    }
).encode()
BODIES = st.one_of(
    st.just(GOOD),
    st.integers(0, len(GOOD)).map(lambda end: GOOD[:end]),
    st.sampled_from(
        (b"", b"null", b"[]", b"<html></html>", b"\xff\xfe", b'{"resume": "again", "keys": [], "quotas": []}', b"NaN")
    ),
    st.binary(max_size=30),
)


@dataclass(kw_only=True)
class Anything:
    """In place of the web: what is drawn is what it answers."""

    draw: Any
    url: str = "https://c"
    asked: list[str] = field(default_factory=list)

    async def ask(self, method: str, path: str, **more: Any) -> Answer:
        self.asked.append(f"{method} {path}" + (f" {more['params']}" if more.get("params") else ""))
        if self.draw(st.integers(0, 19)) == 0:
            raise Unreachable("gone")
        cookies = self.draw(st.sampled_from(({"isisessid": "a", "isicsrf": "b"}, {"isisessid": "a"}, {"isisessid": "a"}, {})))
        return Answer(
            url=path,
            status=self.draw(STATUSES),
            headers={"Content-Type": "application/json"},
            cookies=cookies,
            body=self.draw(BODIES),
        )

    async def close(self) -> None:
        """Nothing to close."""


@pytest.fixture(scope="module")
def credentials(tmp_path_factory) -> Credentials:
    path = tmp_path_factory.mktemp("secrets") / "password"
    path.write_text("x", encoding="utf-8")
    return Credentials(username="u", password_file=path)


@given(data=st.data(), tiers=st.lists(st.sampled_from(TIERS), min_size=1, max_size=6))
def test_a_collection_ends_with_samples_or_with_an_error_that_says_so(credentials, data, tiers):
    web = Anything(draw=data.draw)
    source = OneFsSource(
        cluster=CLUSTER,
        session=Session(web=web, credentials=credentials, monotonic=lambda: 0.0),
        tiers=tuple(Tier(name, 30, 30) for name in TIERS),
    )

    async def collections() -> list[str]:
        failures = []
        for tier in tiers:
            web.asked.append(f"begin {tier}")
            try:
                collected = await source.collect(tier)
            except CollectError as error:
                failures.append(str(error))
                continue
            series = [(sample.metric.name, sample.labels) for sample in collected.samples]
            assert len(series) == len(set(series))
            assert all(math.isfinite(sample.value) for sample in collected.samples)
            assert all(isinstance(error, CollectError) and str(error) for error in collected.errors.values())
        await source.close()
        return failures

    assert all(asyncio.run(collections()))
    login = f"POST {LOGIN}"
    assert all(each.startswith(("begin", "GET /platform/", login, f"DELETE {LOGIN}")) for each in web.asked)
    # Nobody logs in twice without asking for something in between, nor thrice for one document.
    assert (login, login) not in zip(web.asked, web.asked[1:], strict=False)
    asked = [each for each in web.asked if each != login]
    assert not any(
        first == second == third and first.startswith("GET")
        for first, second, third in zip(asked, asked[1:], asked[2:], strict=False)
    )
