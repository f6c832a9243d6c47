from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from collectors.onefs import OneFsSource, sources
from simulator.certificates import Authority, Issued
from simulator.faults import Faults
from simulator.onefs import OneFsServer
from simulator.plant.model import Plant
from tests.support import plants
from wattstat.catalogue.metric import Samples
from wattstat.config import Config
from wattstat.inventory import Inventory

USER, PASSWORD = "wattstat", "only reads"


@pytest.fixture(scope="session")
def issued(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Issued]:
    authority = Authority(tmp_path_factory.mktemp("certificates"))
    return authority.ca_file, authority.issue("scratch", "127.0.0.1", days=30)


@dataclass(kw_only=True)
class Clock:
    """Seconds that pass when the test says so."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass(kw_only=True)
class Bench:
    """A simulated cluster called scratch and the sources that read it; all is taken down at the end of the test."""

    stack: AsyncExitStack
    ca_file: Path
    certificate: Issued
    directory: Path
    plant: Plant
    faults: Faults = field(default_factory=Faults)
    clock: Clock = field(default_factory=Clock)

    async def serve(self, **settings: Any) -> OneFsServer:
        server = OneFsServer(self.plant, "scratch", self.faults, (USER, PASSWORD), port=0, clock=self.clock, **settings)
        await server.start(self.certificate)
        self.stack.push_async_callback(server.stop)
        return server

    def source(self, server: OneFsServer, *, password: str = PASSWORD, **storage: Any) -> OneFsSource:
        made = sources(self.config(password), self.inventory(server.url, **storage))[0]
        assert isinstance(made, OneFsSource)
        made.session.monotonic = self.clock
        self.stack.push_async_callback(made.close)
        return made

    def config(self, password: str = PASSWORD) -> Config:
        password_file = self.directory / "password"
        password_file.write_text(password, encoding="utf-8")
        return Config.model_validate(
            {
                "credentials": {"storage": {"username": USER, "password_file": password_file}},
                "collectors": {"storage": {"timeout_seconds": 5}},
            }
        )

    def inventory(self, url: str, **storage: Any) -> Inventory:
        cluster = {
            "name": "scratch",
            "kind": "powerscale",
            "model": "F600",
            "url": url,
            "tls": {"ca_file": self.ca_file},
            "design_read_bytes_per_second": 40e9,
            "design_write_bytes_per_second": 8e9,
            "nodes": [{"name": f"scratch-{number}", "rack": "r1"} for number in range(1, 5)],
            **storage,
        }
        return Inventory.model_validate({"racks": [{"name": "r1"}], "storage": [cluster]})

    def fault(self, kind: str) -> None:
        self.faults.add("scratch", kind, {}, now=0.0)

    def mend(self) -> None:
        for each in self.faults:
            self.faults.remove(each.id)


@pytest.fixture
async def bench(issued: tuple[Path, Issued], tmp_path: Path) -> AsyncIterator[Bench]:
    ca_file, certificate = issued
    async with AsyncExitStack() as stack:
        yield Bench(stack=stack, ca_file=ca_file, certificate=certificate, directory=tmp_path, plant=plants.plant())


@pytest.fixture
def values() -> Callable[..., dict[tuple[str, ...], float]]:
    """The values of a family by their labels."""

    def of(found: Samples, metric: Any) -> dict[tuple[str, ...], float]:
        return {sample.labels: sample.value for sample in found if sample.metric is metric}

    return of
