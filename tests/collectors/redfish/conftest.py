from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from collectors.redfish import RedfishSource, sources
from tests.support.certificates import Authority
from tests.support.redfish_replay import PASSWORD, USER, Replay, completed, recorded, serving
from tests.support.samples import samples
from wattstat.config import Config
from wattstat.inventory import Inventory


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def certificate(authority: Authority) -> Path:
    return authority.server("bmc", days=90)


@dataclass(kw_only=True)
class Bench:
    """Starts services and the sources that read them; takes all down at the end of the test."""

    stack: AsyncExitStack
    authority: Authority
    certificate: Path
    directory: Path

    async def serve(self, documents: dict[str, Any], *, certificate: Path | None = None, **settings: Any) -> Replay:
        replay = Replay(documents=documents, **settings)
        return await self.stack.enter_async_context(serving(replay, certificate or self.certificate))

    def source(
        self, replay: Replay, *, node: str = "node1", tls: dict[str, Any] | None = None, **settings: Any
    ) -> RedfishSource:
        made = sources(self.config(**settings), self.inventory(replay.url, node, tls))[0]
        self.stack.push_async_callback(made.close)
        return made

    def config(self, *, password: str = PASSWORD, **settings: Any) -> Config:
        password_file = self.directory / "password"
        password_file.write_text(password, encoding="utf-8")
        return Config.model_validate(
            {
                "credentials": {"bmc": {"username": USER, "password_file": password_file}},
                "collectors": {"redfish": {"timeout_seconds": 5, **settings}},
            }
        )

    def inventory(self, url: str, node: str, tls: dict[str, Any] | None = None) -> Inventory:
        checked = {"ca_file": self.authority.ca_file} if tls is None else tls
        rack = {"name": "r1"}
        return Inventory.model_validate(
            {"racks": [rack], "nodes": [{"name": node, "rack": "r1", "bmc": {"url": url, "tls": checked}}]}
        )


@pytest.fixture
async def bench(authority: Authority, certificate: Path, tmp_path: Path) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        yield Bench(stack=stack, authority=authority, certificate=certificate, directory=tmp_path)


@pytest.fixture
def record() -> Callable[[str], dict[str, Any]]:
    """The documents of a recorded set, completed where it is made of fragments."""

    def read(name: str) -> dict[str, Any]:
        return completed(recorded(samples("redfish-samples", name)))

    return read
